# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left of a log when everybody may see it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.crashlog.lines import parse_lines
from kdumpd.model.crashlog.scrub import plain_sentence, scrubbed

# The two ways in which text of the kernel is shown to everyone: a line of its log, a sentence.
WAYS = (scrubbed, plain_sentence)
LOGS = sorted((Path(__file__).parents[2] / "samples/logs").rglob("*.txt"))
FUNCTION = re.compile(r"[A-Za-z_.$][\w.$]*\+0x[0-9a-f]+/0x[0-9a-f]+")
LONG = re.compile(r"[0-9A-Fa-f]{12,}")
WORD = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*[0-9])[0-9A-Fa-f]{8,}(?![0-9A-Za-z])")
MARKED = re.compile(r"(?<!exitcode=)0[xX][0-9a-fA-F]{5,}")
# A register of x86, arm, powerpc, s390 or riscv with a value of more than a selector's four digits.
REGISTER = re.compile(
    r"\b(?:R[A-D]X|R[SD]I|R\d\d|CR[234]|[sp][pc]|x\d\d?|GPR\d\d|NIP|ra|gp) ?: *[0-9a-f]{5,}"
)
CODE = re.compile(r"(?:[0-9a-f]{2} ){6}")


ESCAPE = re.compile(r"\\x[0-9a-f]{2}")


Way = Callable[[bytes], str]


def without_functions(line: str) -> str:
    return FUNCTION.sub("", line)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_no_address_is_left_of_a_real_log(path: Path, way: Way) -> None:
    lines = parse_lines(path.read_bytes())
    assert lines
    for line in lines:
        left = without_functions(way(line.text))
        for pattern in (LONG, WORD, MARKED, REGISTER, CODE):
            assert not pattern.search(left), left


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_functions_and_words_stay(path: Path) -> None:
    for line in parse_lines(path.read_bytes()):
        text, left = line.text.decode("ascii", "replace"), scrubbed(line.text)
        if not text.startswith(("Code:", "Krnl Code:", "Instruction dump:")):
            assert FUNCTION.findall(left) == FUNCTION.findall(text)
    whole = path.read_bytes()
    for sign in (b"Kernel panic - not syncing: ", b"Call Trace:", b"Hardware name: "):
        assert (sign.decode() in "\n".join(scrubbed(one.text) for one in parse_lines(whole))) == (
            any(sign in one.text for one in parse_lines(whole))
        )


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"RIP: 0010:panic+0x11a/0x330", "RIP: 0010:panic+0x11a/0x330"),
        (b"RAX: ffffffffc0493000 RBX: 0000000000000000", "RAX: * RBX: *"),
        (b"Code: 08 89 e8 5b <48> 3d", "Code: (left out)"),
        (b"[<ffffffff810e1234>] do_exit+0x1/0x2", "[<*>] do_exit+0x1/0x2"),
        (b"pc : [<c0008a1c>]    lr : [<c0123456>]", "pc : [<*>]    lr : [<*>]"),
        (b"Oops: 0002 [#1] PREEMPT SMP", "Oops: 0002 [#1] PREEMPT SMP"),
        (b"error_code(0x0002) - not-present page", "error_code(0x0002) - not-present page"),
        (b"exitcode=0x00007f00", "exitcode=0x00007f00"),
        (b"exitcode=0x0000000b", "exitcode=0x0000000b"),
        (b"caddr=0xffff8880 offset", "caddr=* offset"),
        (b"Memory: 0000000000400000-0000000000bc1000", "Memory: *-*"),
        (b">ffff888012345600: fa fb fb fb fb fb fb fb", ">*: (left out)"),
        (b"CPU: 3 PID: 12345 Comm: java", "CPU: 3 PID: 12345 Comm: java"),
        (b"pci 0000:00:1f.2: [8086:2922]", "pci 0000:00:1f.2: [8086:2922]"),
        (b"f0f1f2f3f4f5f6f7_suffix", "*_suffix"),
        (b"at FFFF_8880_1234_5678 and c012_3456", "at * and *"),
        (b"at 0xffff_8880_1234_5678", "at *"),
        (b"ff ff 88 80 12 34 56 78", "(left out)"),
        (b"ff_ff_88_80_12_34_56_78", "(left out)"),
        (b"dead_beef in 2026_11_23", "dead_beef in 2026_11_23"),
        (b"0000_face_handler_0123", "0000_face_handler_0123"),
        ("caf\u00e9".encode(), "caf\\xc3\\xa9"),
    ],
)
def test_examples(line: bytes, left: str) -> None:
    assert scrubbed(line) == left


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("line", "secrets"),
    [
        (b"RAX: ffffffffc0493000 RBX: 0000000000000000", "ffffffffc0493000 0000000000000000"),
        (b"Code: 08 89 e8 5b <48> 3d", "08 89 5b 48 3d"),
        (b" Krnl Code: 0000000000105a3e: a7f40001 brc 15", "105a3e a7f40001 brc"),
        (b"Instruction dump: 60000000 7c0802a6", "60000000 7c0802a6"),
        (b"[<ffffffff810e1234>] do_exit+0x1/0x2", "ffffffff810e1234"),
        (b"pc : [<c0008a1c>]    lr : [<c0123456>]", "c0008a1c c0123456"),
        (b"caddr=0xffff8880 offset", "ffff8880"),
        (b"Memory: 0000000000400000-0000000000bc1000", "400000 bc1000"),
        (b">ffff888012345600: fa fb fb fb fb fb fb fb", "ffff888012345600 fa fb"),
        (b"f0f1f2f3f4f5f6f7_suffix", "f0f1f2f3f4f5f6f7"),
        (b"slab_c01f3218_x", "c01f3218"),
        (b"fault at ffff888012345678", "ffff888012345678"),
        (b"fault at 0xFFFF888012345678 and c01f3218", "FFFF888012345678 c01f3218"),
        (b"error in deadbeefcafe0123x", "deadbeefcafe0123"),
        (b"caf\xe9c01f3218", "c01f3218"),
        (b"tab\tc01f3218\x7f", "c01f3218"),
        (b"func+0xffffffff81000000/0x1", "ffff 81000000"),
        (b"exitcode=0xffff8880", "ffff 8880"),
        (b"memory: dead beef face f00d", "dead beef face f00d"),
    ],
)
def test_an_address_and_code_are_hidden_either_way(line: bytes, secrets: str, way: Way) -> None:
    left = way(line)
    for secret in secrets.split():
        assert secret not in left


ADDRESSES = st.one_of(
    st.integers(0xFFFF_8000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF),
    st.integers(0xC000_0000, 0xFFFF_FFFF),
)
FORMATS = ("{:x}", "{:#x}", "{:016x}", "{:X}", "<{:x}>", "[<{:016x}>]", "0x{:016x}", "({:x})")


@given(
    st.binary(max_size=30).map(lambda text: text.replace(b"+", b"")),
    ADDRESSES,
    st.sampled_from(FORMATS),
    st.sampled_from(" \t:=,;/-_~^'\""),
    st.binary(max_size=30),
    st.sampled_from(WAYS),
)
def test_an_address_is_hidden_wherever_it_stands(  # noqa: PLR0913, PLR0917  # a row, as it is drawn
    before: bytes, address: int, form: str, border: str, after: bytes, way: Way
) -> None:
    written = form.format(address)
    line = before + border.encode() + written.encode() + border.encode() + after
    left = way(line).lower()
    assert f"{address:x}" not in left


@given(st.binary(), st.sampled_from(WAYS))
def test_any_line_is_printable_and_has_no_long_number(line: bytes, way: Way) -> None:
    left = way(line)
    assert left.isprintable()
    assert left.isascii()
    assert not LONG.search(ESCAPE.sub(" ", left))
