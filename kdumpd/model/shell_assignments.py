# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration files that are shell scripts: what they give to variables, where that is plain."""

import re
from collections.abc import Iterator, Mapping

ASSIGNMENT = rb"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)"
# A shell word: quoted, escaped and bare pieces, up to the first blank outside of quotes.
WORD = rb"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^'\"\\ \t;])*"
PIECE = rb"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)|([^'\"\\]+)"
# In double quotes a backslash is kept before any other character (POSIX, 2.2.3).
SPECIAL = rb"\\([$`\"\\])|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)|[$`]"
LONGEST = 1 << 16  # bytes: a variable that holds itself twice grows fast
BEGIN, END = {b"if", b"for", b"while", b"until", b"case"}, {b"fi", b"done", b"esac"}


def assignments(
    script: bytes, known: Mapping[bytes, bytes | None] | None = None
) -> dict[bytes, bytes | None]:
    """Return the last value of each variable that a script assigns, after those `known` before it.

    None stands for a value that only a shell could tell: of a command, or under a condition.
    """
    values = dict(known or {})
    depth = 0
    for line in _lines(script):
        words = line.split(None, 1)
        first = words[0].rstrip(b";") if words else b""
        depth = max(0, depth + (first in BEGIN) - (first in END))
        match = re.match(ASSIGNMENT, line)
        if match is None:
            continue
        name, rest = match.groups()
        values[name] = None if depth else _value(rest, values)
    return values


def parse_assignment(script: bytes, name: bytes) -> bytes:
    """Return the last plain value that a script gives the variable, empty where there is none."""
    return assignments(script).get(name) or b""


def odd_line(script: bytes) -> bytes | None:
    """Return the first line that does more than assign a plain value, None where there is none.

    What a shell makes of such a script cannot be told without one; a carriage return at the end of
    a line becomes a part of the value.
    """
    for line in _lines(script.replace(b"\r", b"\x01")):
        match = re.match(ASSIGNMENT, line)
        word = re.match(WORD, match[2]) if match else None
        rest = match[2][word.end() :] if match and word else line
        if rest.strip() and not rest.lstrip(b" \t").startswith(b"#"):
            return line
        if match and (_value(match[2], {}) is None or b"\x01" in match[2]):
            return line
    return None


def _lines(script: bytes) -> Iterator[bytes]:
    for line in script.replace(b"\\\n", b"").split(b"\n"):
        text = line.strip()
        if text and not text.startswith(b"#"):
            yield text


def _value(rest: bytes, values: Mapping[bytes, bytes | None]) -> bytes | None:
    word = re.match(WORD, rest)
    if word is None or rest[word.end() : word.end() + 1] not in {b"", b" ", b"\t", b";"}:
        return None
    value = b""
    for literal, quoted, escaped, bare in re.findall(PIECE, word[0]):
        filled = _filled(quoted or bare, values)
        if filled is None or len(value) > LONGEST:
            return None
        value += literal + escaped + filled
    return value


def _filled(text: bytes, values: Mapping[bytes, bytes | None]) -> bytes | None:
    """Return the text with its variables replaced, None where only a shell could do that."""
    filled, position = b"", 0
    for match in re.finditer(SPECIAL, text):
        escaped, braced, plain = match.groups()
        name = braced or plain
        value = escaped or (values.get(name, b"") if name else None)
        if value is None or len(filled) > LONGEST:
            return None
        filled += text[position : match.start()] + value
        position = match.end()
    return filled + text[position:]
