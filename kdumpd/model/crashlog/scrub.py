# SPDX-License-Identifier: GPL-2.0-or-later
"""Take kernel addresses out of text that everybody may read.

Names of functions with their offsets stay: they say where it was in the kernel that everybody can
download, not where that kernel was in memory.
"""

import re
from collections.abc import Callable

from kdumpd.model.text import printable

HIDDEN_NUMBER = "*"
LEFT_OUT_TEXT = "(left out)"
# What a disassembler would be given: x86 and arm64 (arch/x86/kernel/dumpstack.c, show_opcodes;
# arch/arm64/kernel/traps.c, dump_kernel_instr), s390 (arch/s390/kernel/dis.c), powerpc
# (arch/powerpc/kernel/process.c, show_instructions); and memory (KASAN's shadow, hex dumps).
CODE_LINE = r"^(\s*(?:Krnl )?Code|Instruction dump):.*"
CODE_BYTES_PATTERN = (
    r"(?<![0-9A-Za-z_])(?:[<(>]?[0-9A-Fa-f]{2}[>)]?[ ,:_]+){5,}[<(>]?[0-9A-Fa-f]{2}\b"
)
OPCODES_PATTERN = r"(?<![0-9A-Za-z_])(?:[<(]?[0-9A-Fa-f]{4}[>)]?\s+){3,}[<(]?[0-9A-Fa-f]{4}\b"
# After the address of an instruction (s390): the instruction in twelve digits or fewer.
INSTRUCTION_PATTERN = r"(\*: ?)[0-9A-Fa-f]{4,12}\b.*"
NUMBER_PATTERN = (
    # In groups of four digits, as data sheets have them; a word without a digit is a name.
    r"(?<![0-9A-Za-z_])(?:0[xX])?(?=[a-fA-F_]{0,20}[0-9])[0-9a-fA-F]{4}(?:_[0-9a-fA-F]{4}){1,3}"
    r"(?![0-9A-Za-z_])|"
    # In a function, and its length, which may be wrong, even negative: never an address.
    r"(?P<offset>\+0x[0-9a-fA-F]{1,6}/0x[0-9a-fA-F]{1,16}(?![0-9a-fA-F]))"
    # kernel/exit.c: status in the second byte, signal in the first, printed with eight digits.
    r"|\bexitcode=0x0{0,8}(?P<exit>[0-9a-fA-F]{1,4})(?![0-9a-fA-F])"
    r"|(?P<short>(?<![0-9a-fA-FxX])0[xX][0-9a-fA-F]{1,4}(?![0-9a-fA-F]))"
    r"|[0-9a-fA-F]*0[xX][0-9a-fA-F]+"
    # %p and %lx without 0x: also of 32 bits, and glued to other letters when they are longer.
    r"|[0-9a-fA-F]{12,}|(?<![0-9A-Za-z])[0-9a-fA-F]{8,}(?![0-9A-Za-z])"
)
Shorten = Callable[[re.Match[str]], str]  # returns what to show for a number


def scrubbed(text: bytes) -> str:
    """Return the line printable, with an asterisk for every number that may be an address."""
    return without_addresses(text, _in_line)


def without_addresses(text: bytes, shorten: Shorten) -> str:
    """Return the text printable, without code, and each number as `shorten` has it."""
    # Before it is made printable: \xNN would join what follows it to a number of another kind.
    # And once more afterwards, when it has become the beginning of a longer one.
    before = _without_addresses(text.decode("latin-1"), shorten)
    return _without_addresses(printable(before.encode("latin-1")), shorten)


def _without_addresses(text: str, shorten: Shorten) -> str:
    left = re.sub(CODE_LINE, rf"\1: {LEFT_OUT_TEXT}", text)
    left = re.sub(NUMBER_PATTERN, shorten, left)
    left = re.sub(INSTRUCTION_PATTERN, rf"\1{LEFT_OUT_TEXT}", left)
    return re.sub(OPCODES_PATTERN, LEFT_OUT_TEXT, re.sub(CODE_BYTES_PATTERN, LEFT_OUT_TEXT, left))


def _in_line(match: re.Match[str]) -> str:
    return match[0] if match["offset"] or match["exit"] or match["short"] else HIDDEN_NUMBER


MAX_SENTENCE_CHARACTERS = 200


def plain_sentence(text: bytes) -> str:
    """Return the text printable, with every marked number and every long one as an asterisk.

    An exit code of four digits or fewer stays: it is no address.
    """
    shown = " ".join(without_addresses(text, _in_sentence).split())
    return shown[:MAX_SENTENCE_CHARACTERS].rstrip()


def _in_sentence(match: re.Match[str]) -> str:
    if match["exit"]:
        return f"exitcode=0x{match['exit']}"
    return "" if match["offset"] else HIDDEN_NUMBER
