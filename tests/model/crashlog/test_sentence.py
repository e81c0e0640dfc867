# SPDX-License-Identifier: GPL-2.0-or-later
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.crashlog.scrub import plain_sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"Fatal exception", "Fatal exception"),
        (b"Attempted to kill init! exitcode=0x0000000b", "Attempted to kill init! exitcode=0xb"),
        (b"corrupted in: func+0x10/0x20", "corrupted in: func"),
        (b"corrupted in: data.19+0x0/0xffffffffffffefe0", "corrupted in: data.19"),
        (b"Code: 08 89 e8 5b <48> 3d", "Code: (left out)"),
        (b"exitcode=0x00000000 caf\xe9c01f3218", r"exitcode=0x0 caf\xe9*"),
        (b"fault at ffff888012345678", "fault at *"),
        (b"fault at 0xFFFF888012345678 and c01f3218", "fault at * and *"),
        (b"error 0x14 in deadbeefcafe0123x", "error * in *x"),
        (b"code 00x12", "code *"),
        (b"stuck for 26s! CPU#0", "stuck for 26s! CPU#0"),
        (b"a \t b\x1b[2J", r"a \x09 b\x1b[2J"),
        (b"x" * 500, "x" * 200),
        (b"", ""),
    ],
)
def test_sentence(text: bytes, sentence: str) -> None:
    assert plain_sentence(text) == sentence


@given(words=st.lists(st.sampled_from([b"0x", b"0X", b"x", b"0", b"f" * 8, b"+", b"/", b"\\"])))
@settings(deadline=None)
def test_no_address_comes_through(words: list[bytes]) -> None:
    sentence = plain_sentence(b"".join(words))
    assert not re.search(r"(?i)0x[0-9a-f]|[0-9a-f]{12}", sentence)
