# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from kdumpd.model.crashlog.lines import LogLine
from kdumpd.model.crashlog.trace import Frame, own_frames, parse_trace, plain_name


def trace(*texts: str) -> list[Frame]:
    lines = [LogLine(text.encode()) for text in texts]
    return list(parse_trace(lines, 0, len(lines)))


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("RIP: 0010:func+0x5/0x20 [mod]", "mod"),
        ("RIP: 0010:func.cold+0x5/0x20", ""),
        ("RIP: 0010:[<ffffffffa01ea054>]  [<ffffffffa01ea054>] func+0x5/0x20 [mod]", "mod"),
        ("RIP: e030:func+0x5/0x20", ""),
        ("IP: [<ffffffffa01ea054>] func+0x5/0x20", ""),
        ("IP: func+0x5/0x20 [mod]", "mod"),
        ("EIP: func+0x5/0x20", ""),
        ("EIP is at func+0x5/0x20", ""),
        ("pc : func+0x5/0x20 [mod]", "mod"),
        ("pc : func+0x5/0x20 [mod aa23f7a1231c229de205662d5a9e0d4c580f19a1]", "mod"),
        ("PC is at func+0x5/0x20", ""),
        ("epc : func+0x5/0x20", ""),
        ("NIP [c008000003d40124] func+0x5/0x20 [mod]", "mod"),
        ("Krnl PSW : 0704d00180000000 000003ff809e59e4 (func+0x5/0x20 [mod])", "mod"),
    ],
)
def test_what_was_executed(text: str, module: str) -> None:
    assert trace(text) == [Frame(b"func", module.encode())]


@pytest.mark.parametrize(
    "text",
    [
        "RIP: 0033:func+0x5/0x20",
        "RIP: 0010:0x0",
        "RIP: 0033:0x47b7a0",
        "pc : [<bf0013a4>]    lr : [<c059ccc8>]    psr: 600f0013",
        "NIP:  c008000003d40124 LR: c008000003d40118 CTR: c0000000000b1b00",
        "lr : func+0x5/0x20",
        "Workqueue: events func [mod]",
    ],
)
def test_what_was_not(text: str) -> None:
    assert trace(text) == []


@pytest.mark.parametrize(
    "text",
    [
        " func+0x1/0x2",
        " func.isra.0+0x1/0x2 (P)",
        "  [<ffffffff8e24a8b5>] func+0x1/0x2",
        "  <NMI>  [<ffffffff8e24a8b5>] func+0x1/0x2",
        " [<000003ff809e59e4>] func+0x1/0x2",
        "([<000003ff809e5580>] func+0x1/0x2)",
        "[c00000000fdc3930] [c008000003d40118] func+0x1/0x2 (unreliable)",
        " func from caller+0x1/0x2",
        "[<bf0013a4>] (func) from [<c059ccc8>] (caller+0x24/0x54)",
    ],
)
def test_frame(text: str) -> None:
    assert trace("Call Trace:", text) == [Frame(b"func")]


@pytest.mark.parametrize(
    "text",
    [" ? func+0x1/0x2", "  [<ffffffff8e24a8b5>] ? func+0x1/0x2", " 0xffffffffc0441000", " func"],
)
def test_what_only_lies_on_the_stack(text: str) -> None:
    assert trace("Call Trace:", text) == []


def test_the_first_trace_that_is_the_crashs_own() -> None:
    dying = ["Call Trace:", " dump_stack+0x1/0x2", " panic+0x1/0x2", "---[ end trace 0 ]---"]
    assert [f.function for f in trace(*dying, "Call Trace:", " func+0x1/0x2", " </TASK>", "x")] == [
        b"dump_stack",
        b"panic",
        b"func",
    ]
    one = ["Call Trace:", " func+0x1/0x2", " </TASK>"]
    assert trace(*one, "Call Trace:", " other+0x1/0x2") == [Frame(b"func")]


def test_own_frames() -> None:
    frames = [Frame(name) for name in (b"dump_stack_lvl", b"panic", b"func", b"do_syscall_64")]
    assert own_frames(frames) == [Frame(b"func")]
    assert own_frames(frames[:2]) == []
    assert own_frames(frames[3:]) == frames[3:]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (b"func", b"func"),
        (b"func.cold", b"func"),
        (b"func.constprop.0", b"func"),
        (b"func.isra.0.part.1", b"func"),
        (b"func.llvm.1234567890123456789", b"func"),
        (b"bpf_prog_6deef7357e7b4530_ingress", b"bpf_prog_ingress"),
        (b"a" * 300, b""),
        (b"x" * 300, b"x" * 64),
        (b"f_00xdeadbeefx", b"f_00_deadbeefx"),
    ],
)
def test_plain_name(symbol: bytes, name: bytes) -> None:
    assert plain_name(symbol) == name
