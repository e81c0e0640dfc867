# SPDX-License-Identifier: GPL-2.0-or-later
"""Where in the kernel a crash was: its functions, without addresses and offsets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdumpd.model.crashlog.headlines import OFFSET, SYMBOL
from kdumpd.model.crashlog.lines import Line
from kdumpd.model.log.machinery import is_dying, is_entry, is_waiting

MOST_LINES = 1000  # of one trace, with the registers and modules between
MOST_FRAMES = 64
LONGEST_NAME = 64  # characters; KSYM_NAME_LEN is 512, for Rust

NAMED = rb"(" + SYMBOL + rb")" + OFFSET + rb"(?: \[([\w-]{1,64})[^\]]{0,64}\])?"
ADDRESS = rb"\[<?[0-9a-f]{8,16}>?\] {0,2}"
# x86 "RIP: 0010:func+0x1/0x2 [module]" (with addresses before 4.10; e030 under Xen; 10: of machine
# checks), arm64 "pc : ", arm "PC is at ", riscv "epc : ", ppc64 "NIP [c00…] ", s390 "Krnl PSW : "
PROGRAM_COUNTER = (
    rb"(?:mce: \[Hardware Error\]: )?"
    rb"(?:RIP: (?:0010|e030):|RIP (?:!INEXACT! )?10:<[0-9a-f]{1,16}> \{|E?IP: (?:0060:)?|EIP is at "
    rb"|pc : |PC is at |epc : |NIP |Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \()"
    rb"(?:" + ADDRESS + rb"){0,2}" + NAMED
)
# x86 and arm64: function, module, flags; with an address in [<>] before 4.10; ppc64 with two and
# perhaps (unreliable); a question mark is before what only lies on the stack.
FRAME = (
    rb" {0,8}(?:<\w{1,8}> {1,4})?\(?(?:"
    + ADDRESS
    + rb"){0,2}\(?(\? )?"
    + NAMED
    + rb"[\w() ]{0,32}$"
)
# arm: "func from caller+0x1/0x2" since 5.18, "[<c00…>] (func) from [<c00…>] (caller+…)" before
ARM_FRAME = (
    rb" {0,8}(?:" + ADDRESS + rb")?\(?(" + SYMBOL + rb")(?:" + OFFSET + rb")?\)? from "
    rb"(?:" + ADDRESS + rb")?\(?" + NAMED
)
BEGIN = rb"Call [Tt]race:"
END = (
    rb" {0,4}</(?:TASK|IRQ|NMI)>|---\[ end |Kernel panic - |Allocated by task|Freed by task"
    rb"|Last Breaking-Event-Address"
)
# What a compiler adds to a name when it moves or copies code; BPF's tags are hashes of programs.
ADDED = rb"\.(?:cold|constprop|isra|part|llvm|lto_priv|\d).*$"
BPF_TAG = rb"[0-9a-fA-F]{12,}_?"
HEXADECIMAL = rb"0[xX]"


@dataclass(frozen=True, slots=True)
class Frame:
    """One function of a trace."""

    function: bytes
    module: bytes = b""


def parse_trace(lines: Sequence[Line], start: int, stop: int) -> Sequence[Frame]:
    """Return the first trace after a line, innermost function first; empty where there is none.

    It begins with the instruction that was executed, where the log says it.
    """
    frames: list[Frame] = []
    begun = False  # a Call Trace:, which riscv leaves out after its registers
    for line in lines[start : min(stop, start + MOST_LINES)]:
        if re.match(BEGIN, line.text) or re.match(END, line.text):
            if begun and any(not is_dying(frame.function) for frame in frames):
                break
            begun = re.match(BEGIN, line.text) is not None
            continue
        frame = _program_counter(line) or (_frame(line) if begun or frames else None)
        if frame and frame not in frames[-1:]:  # the counter's own comes twice, a recursion's often
            frames.append(frame)
            if len(frames) == MOST_FRAMES:
                break
    return frames


def program_counter(lines: Sequence[Line], start: int, stop: int) -> int:
    """Return the first line after a line that says what was executed, the same line for none."""
    indices = range(start, min(stop, start + MOST_LINES))
    return next((index for index in indices if _program_counter(lines[index])), start)


def own_frames(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames without the kernel's dying and the ways into it."""
    own = [frame for frame in frames if not is_dying(frame.function)]
    return [frame for frame in own if not is_entry(frame.function)] or own


def blocked_frames(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames of a task that waits, from the one that had it wait."""
    index = next((i for i, frame in enumerate(frames) if not is_waiting(frame.function)), 0)
    return frames[index:]


def plain_name(symbol: bytes) -> bytes:
    """Return a function's or module's name as it is written in the source, as far as one can tell.

    Nothing in it looks like an address.
    """
    plain = re.sub(BPF_TAG, b"", re.sub(ADDED, b"", symbol))
    return re.sub(HEXADECIMAL, b"0_", plain)[:LONGEST_NAME]


def _program_counter(line: Line) -> Frame | None:
    match = re.match(PROGRAM_COUNTER, line.text)
    return Frame(plain_name(match[1]), plain_name(match[2] or b"")) if match else None


def _frame(line: Line) -> Frame | None:
    match = re.match(FRAME, line.text)
    if match is not None:
        return None if match[1] else Frame(plain_name(match[2]), plain_name(match[3] or b""))
    match = re.match(ARM_FRAME, line.text)
    return Frame(plain_name(match[1])) if match else None
