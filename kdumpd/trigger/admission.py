# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has prepared a test: by a token, or by one that he has used and is asked for the right to."""

from collections.abc import Collection

from kdumpd.dbus.messages import CallError
from kdumpd.expose.turns import BUSY
from kdumpd.trigger.peers import Peers
from kdumpd.trigger.tokens import CrowdedError, Token, Tokens


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
            raise CallError(BUSY, str(error)) from error

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
