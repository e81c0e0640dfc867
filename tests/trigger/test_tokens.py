# SPDX-License-Identifier: GPL-2.0-or-later
"""A token is good for one call of whom it was given to, and not for long."""

import pytest

from kdumpd.trigger.tokens import (
    MAX_TOKENS_OF_OTHERS,
    MAX_TOKENS_OF_USER,
    TOKEN_LIFETIME_S,
    CrowdedError,
    TokenError,
    Tokens,
)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(clock)


def test_one_use(tokens: Tokens) -> None:
    token = tokens.issue(":1.5", 1000)
    assert [one.sender for one in tokens.held] == [":1.5"]
    assert tokens.redeem(":1.5", token.text) is token
    assert tokens.held == ()
    with pytest.raises(TokenError, match="was used already"):
        tokens.redeem(":1.5", token.text)


def test_two_minutes(tokens: Tokens, clock: Clock) -> None:
    assert TOKEN_LIFETIME_S == 120
    late, punctual = tokens.issue(":1.5", 0), tokens.issue(":1.6", 0)
    clock.now += TOKEN_LIFETIME_S - 0.1
    tokens.redeem(":1.6", punctual.text)
    clock.now += 0.1
    with pytest.raises(TokenError, match="has expired"):
        tokens.redeem(":1.5", late.text)
    with pytest.raises(TokenError, match="has expired"):
        tokens.redeem(":1.5", late.text)
    assert not tokens.held


def test_the_newest_of_a_connection(tokens: Tokens) -> None:
    older, newer = tokens.issue(":1.5", 0), tokens.issue(":1.5", 0)
    with pytest.raises(TokenError, match="A newer Prepare"):
        tokens.redeem(":1.5", older.text)
    assert tokens.redeem(":1.5", newer.text) is newer


def test_what_another_presents_is_left_to_its_owner(tokens: Tokens) -> None:
    token, other = tokens.issue(":1.5", 0), tokens.issue(":1.6", 0)
    for sender in (":1.6", ":1.7"):
        with pytest.raises(TokenError, match="given to another connection"):
            tokens.redeem(sender, token.text)
    assert tokens.redeem(":1.5", token.text) is token
    with pytest.raises(TokenError, match="given to another connection"):
        tokens.redeem(":1.6", token.text)
    assert tokens.redeem(":1.6", other.text) is other


@pytest.mark.parametrize("text", ["", "0" * 32, "ä", "\ud800", "x" * 100_000])
def test_forged(tokens: Tokens, text: str) -> None:
    token = tokens.issue(":1.5", 0)
    with pytest.raises(TokenError, match="is no token"):
        tokens.redeem(":1.5", text)
    assert tokens.redeem(":1.5", token.text) is token


def test_gone_with_the_sender(tokens: Tokens) -> None:
    token = tokens.issue(":1.5", 0)
    tokens.forget(":1.5")
    with pytest.raises(TokenError, match="is no token"):
        tokens.redeem(":1.5", token.text)


def test_no_two_are_alike(tokens: Tokens) -> None:
    texts = {tokens.issue(":1.5", 0).text for _ in range(1000)}
    assert len(texts) == 1000
    assert {len(text) for text in texts} == {32}


def test_a_user_has_few_and_others_get_theirs(tokens: Tokens, clock: Clock) -> None:
    for number in range(MAX_TOKENS_OF_USER):
        tokens.issue(f":1.{number}", 65534)
    with pytest.raises(CrowdedError, match="by other connections"):
        tokens.issue(":1.99", 65534)
    tokens.issue(":1.0", 65534)  # in place of its own
    tokens.issue(":1.50", 1000)
    tokens.issue(":1.51", 0)
    tokens.forget(":1.1")
    tokens.issue(":1.99", 65534)
    clock.now += TOKEN_LIFETIME_S
    tokens.issue(":1.100", 65534)
    assert [one.sender for one in tokens.held] == [":1.100"]


def test_a_crowd_of_users_leaves_room_for_root(tokens: Tokens) -> None:
    for number in range(MAX_TOKENS_OF_OTHERS):
        tokens.issue(f":1.{number}", 2000 + number)
    with pytest.raises(CrowdedError, match="Too many others"):
        tokens.issue(":1.99", 1000)
    for number in range(MAX_TOKENS_OF_USER):
        tokens.issue(f":2.{number}", 0)
    with pytest.raises(CrowdedError, match="by other connections"):
        tokens.issue(":2.99", 0)
    assert len(tokens.held) == MAX_TOKENS_OF_OTHERS + MAX_TOKENS_OF_USER
