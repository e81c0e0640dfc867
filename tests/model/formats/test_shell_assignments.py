# SPDX-License-Identifier: GPL-2.0-or-later
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.kdump_settings import MAX_VALUE_BYTES, assignments, odd_line

PLAIN = [
    "A=5",
    "A='two words' # a comment",
    'A="two words"; B=6',
    'A="say \\"yes\\"" B=6',
    r'A="\a\$B\\"',
    "A=a\\ b",
    "A=1\nA=$A$A\nA=${A}3",
    'A="$NOT_SET quiet"',
    'A=x\nA="$A crashkernel=384M-:128M"',
    "export A=5",
    "A=one\\\ntwo",
    "# A=6",
    "A=it'self alone'",
    "A=''",
]


@pytest.mark.parametrize("script", PLAIN)
def test_a_shell_says_the_same(script: str) -> None:
    told = subprocess.run(  # noqa: S603  # the scripts are in this file
        ["/bin/sh", "-c", f'{script}\nprintf %s "$A"'], capture_output=True, check=True
    )
    assert (assignments(script.encode()).get(b"A") or b"") == told.stdout


@pytest.mark.parametrize(
    "script",
    [
        "A=$(cat /etc/hostname)",
        "A=`hostname`",
        "if true; then\n A=5\nfi",
        "case x in\n x) B=1 ;;\n *)\n A=5\nesac",
        "A='no end",
        'A="no end',
        "B=$(hostname)\nA=$B",
        "A=${B:-5}",
    ],
)
def test_only_a_shell_could_tell(script: str) -> None:
    assert assignments(script.encode())[b"A"] is None


def test_after_a_condition_all_is_plain_again() -> None:
    assert assignments(b"if true; then\n A=5\nfi\nA=6")[b"A"] == b"6"


def test_what_was_known_before() -> None:
    assert assignments(b'A="$A b"', {b"A": b"a"}) == {b"A": b"a b"}


def test_a_value_that_doubles_is_given_up() -> None:
    values = assignments(b"A=xx\n" + b"A=$A$A\n" * 1000)
    assert len(values[b"A"] or b"") <= 4 * MAX_VALUE_BYTES


@given(script=st.binary())
def test_any_script(script: bytes) -> None:
    assignments(script)
    assignments(b"A=" + script + b"\nB=$A")


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"# a comment\n\nUSE_KDUMP=1\n",
        b"export A='b c' # why\n",
        b'A="b \\" c"\nB=$A/x\n',
        b"A=b\\\nc\n",
    ],
)
def test_plain_settings(script: bytes) -> None:
    assert odd_line(script) is None


@pytest.mark.parametrize(
    "script",
    [
        b"if true; then\nA=1\nfi\n",
        b"A=1; A=0\n",
        b"true; A=1\n",
        b". /etc/default/more\n",
        b"A=$(b)\n",
        b"A=${B:-c}\n",
        b'A="b\n',
        b"A=1\r\n",
        b"readonly A=1\n",
        b"unset A\n",
        b": ${A:=1}\n",
        b"exit 0\n",
        b"A=1 command\n",
    ],
)
def test_what_only_a_shell_can_tell(script: bytes) -> None:
    assert odd_line(script) is not None
