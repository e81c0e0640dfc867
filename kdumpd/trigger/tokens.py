# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens: who has heard the objections may ask for the crash, once, and not much later."""

import secrets
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kdumpd.dbus.connection import Connection
from kdumpd.dbus.messages import (
    BUSY_ERROR,
    MESSAGE_BUS,
    NOT_AUTHORIZED_ERROR,
    ROOT_UID,
    BusError,
    CallError,
    CallOptions,
)

TOKEN_LIFETIME_S = 120.0
MAX_TOKENS_OF_USER = 4
MAX_TOKENS_OF_OTHERS = 32  # of all users but root, who has his own four
MAX_SPENT_TOKENS = 64  # that are remembered, to say what became of them

Clock = Callable[[], float]  # seconds, which never step back


class TokenError(Exception):
    """The token is good for nothing; the text is a sentence that says why."""


class CrowdedError(Exception):
    """There are too many tokens; the text is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, and whom it was given to."""

    text: str
    sender: str
    uid: int
    expires: float


class Tokens:
    """The tokens that are out: one for each connection, the newest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, Token] = {}  # by sender
        # Text, sender, why.
        self._spent: deque[tuple[str, str, str]] = deque(maxlen=MAX_SPENT_TOKENS)

    def issue(self, sender: str, uid: int) -> Token:
        """Return a new token in place of the sender's older one; CrowdedError where there is none.

        A user's tokens leave room for those of others.
        """
        self.expire()
        others = [one for one in self._held.values() if one.sender != sender]
        if sum(one.uid == uid for one in others) >= MAX_TOKENS_OF_USER:
            raise CrowdedError(
                f"You hold {MAX_TOKENS_OF_USER} tokens by other connections. Use one of them, or"
                " wait until they expire."
            )
        if uid != ROOT_UID and sum(one.uid != ROOT_UID for one in others) >= MAX_TOKENS_OF_OTHERS:
            raise CrowdedError("Too many others hold a token. Try again in two minutes.")
        self._spend(sender, "A newer Prepare of yours has replaced this token. Use the newest.")
        token = Token(
            text=secrets.token_hex(16),
            sender=sender,
            uid=uid,
            expires=self._clock() + TOKEN_LIFETIME_S,
        )
        self._held[sender] = token
        return token

    def redeem(self, sender: str, text: str) -> Token:
        """Return the sender's token, which is good for nothing more; TokenError if it is not his.

        What another presents is left to whom it was given to.
        """
        self.expire()
        token = self._held.get(sender)
        if token is None or not _equal(token.text, text):
            raise TokenError(self._explanation(sender, text))
        self._spend(
            sender, "This token was used already. Each is good for one call: Prepare again."
        )
        return token

    def expire(self) -> None:
        """Drop the tokens that are too old."""
        now = self._clock()
        for token in [one for one in self._held.values() if one.expires <= now]:
            self._spend(
                token.sender, "This token has expired. Each is good for two minutes: Prepare again."
            )

    def forget(self, sender: str) -> None:
        """Drop what a connection held that is gone."""
        self._held.pop(sender, None)

    def take_back(self, sender: str, why: str) -> None:
        """Spend what a connection holds; the sentence is what it hears when it presents that."""
        self._spend(sender, why)

    @property
    def held(self) -> tuple[Token, ...]:
        """The tokens that are good."""
        return tuple(self._held.values())

    def _spend(self, sender: str, why: str) -> None:
        token = self._held.pop(sender, None)
        if token is not None:
            self._spent.append((token.text, sender, why))

    def _explanation(self, sender: str, text: str) -> str:
        """Return why a text is no token of the sender's."""
        for spent, holder, why in self._spent:
            if holder == sender and _equal(spent, text):
                return why
        held = [one.text for one in self._held.values() if one.sender != sender]
        spent_by_others = [spent for spent, holder, _ in self._spent if holder != sender]
        if any(_equal(one, text) for one in (*held, *spent_by_others)):
            return "This token was given to another connection. Prepare by the one that triggers."
        return "This is no token. Prepare gives one; it is gone when kdumpd-trigger was restarted."


def _equal(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


PEER_CALL_OPTIONS = CallOptions(seconds=5.0)


class Peers:
    """The connections on the bus."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def uid(self, name: str) -> int:
        """Return whose connection it is; CallError where that cannot be told."""
        try:
            (uid,) = await self._connection.call(
                MESSAGE_BUS, "GetConnectionUnixUser", "s", [name], PEER_CALL_OPTIONS
            )
        except (BusError, CallError) as error:
            sentence = "The bus does not say who you are: you may have left it."
            raise CallError(NOT_AUTHORIZED_ERROR, sentence) from error
        return int(uid)

    async def is_there(self, name: str) -> bool:
        """Return whether the connection is still on the bus; in doubt it is not."""
        try:
            (there,) = await self._connection.call(
                MESSAGE_BUS, "NameHasOwner", "s", [name], PEER_CALL_OPTIONS
            )
        except (BusError, CallError):
            return False
        return there is True


class Admission:
    """Gives out tokens and takes them, and knows whose test is prepared."""

    def __init__(self, tokens: Tokens, peers: Peers) -> None:
        self._tokens = tokens
        self._peers = peers
        self._admitted: list[Token] = []

    async def issue(self, sender: str, uid: int) -> Token:
        """Return a new token for a connection of the user; CallError where he gets none."""
        try:
            return self._tokens.issue(sender, uid)
        except CrowdedError:
            await self.drop()
        try:
            return self._tokens.issue(sender, uid)
        except CrowdedError as error:
            raise CallError(BUSY_ERROR, str(error)) from error

    def admit(self, sender: str, text: str) -> Token:
        """Return the sender's token, spent now; TokenError if it is not his. To be released."""
        token = self._tokens.redeem(sender, text)
        self._admitted.append(token)
        return token

    def admits(self, token: Token) -> bool:
        """Return whether the test was not called off since the token was taken."""
        return token in self._admitted

    def release(self, token: Token) -> None:
        """Take note that the token's test has begun, or will not."""
        if token in self._admitted:
            self._admitted.remove(token)

    def uids(self) -> frozenset[int]:
        """Return whose tests are prepared."""
        self._tokens.expire()
        return frozenset(one.uid for one in (*self._tokens.held, *self._admitted))

    def call_off(self, uids: Collection[int], why: str) -> None:
        """Take back what these users have prepared; the sentence says why."""
        self._admitted = [one for one in self._admitted if one.uid not in uids]
        for token in self._tokens.held:
            if token.uid in uids:
                self._tokens.take_back(token.sender, why)

    async def drop(self) -> None:
        """Drop the tokens that are too old, and those of whoever has left the bus."""
        self._tokens.expire()
        for token in self._tokens.held:
            if not await self._peers.is_there(token.sender):
                self._tokens.forget(token.sender)
