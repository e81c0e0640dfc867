# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture tools' configuration files: shell assignments, kdump.conf, and their dump target.

Debian and Ubuntu: kdump-config and kdump-tools.conf of kdump-tools 1.8.1. Fedora and RHEL:
kdump.conf(5) of kdump-utils. SUSE: kdump(5).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.captures.core import MAX_DUMP_LEVEL
from kdumpd.model.formats.mounts import clean_path
from kdumpd.model.text import MIB

ASSIGNMENT_LINE = rb"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)"
# A shell word: quoted, escaped and bare pieces, up to the first blank outside of quotes.
SHELL_WORD_PATTERN = rb"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^'\"\\ \t;])*"
SHELL_QUOTE_PATTERN = rb"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)|([^'\"\\]+)"
# In double quotes a backslash is kept before any other character (POSIX, 2.2.3).
DOUBLE_QUOTED_SPECIAL_PATTERN = (
    rb"\\([$`\"\\])|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)|[$`]"
)
MAX_VALUE_BYTES = 1 << 16  # a variable that holds itself twice grows fast
SHELL_BLOCK_BEGINNINGS, SHELL_BLOCK_ENDS = (
    {b"if", b"for", b"while", b"until", b"case"},
    {b"fi", b"done", b"esac"},
)


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
        depth = max(0, depth + (first in SHELL_BLOCK_BEGINNINGS) - (first in SHELL_BLOCK_ENDS))
        match = re.match(ASSIGNMENT_LINE, line)
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
        match = re.match(ASSIGNMENT_LINE, line)
        word = re.match(SHELL_WORD_PATTERN, match[2]) if match else None
        rest = match[2][word.end() :] if match and word else line
        if rest.strip() and not rest.lstrip(b" \t").startswith(b"#"):
            return line
        if match and (_value(match[2], {}) is None or b"\x01" in match[2]):
            return line
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellSettings:
    """What a script that assigns variables says, as far as that can be told without a shell."""

    values: Mapping[bytes, bytes | None]  # as of assignments()
    odd_line: bytes | None  # the first that does more than assign a plain value

    def plain(self, name: bytes) -> bytes:
        """Return the plain value of a variable, empty where there is none."""
        return self.values.get(name) or b""


def parse_shell_settings(script: bytes) -> ShellSettings:
    """Return what a script that assigns variables says."""
    return ShellSettings(values=assignments(script), odd_line=odd_line(script))


def _lines(script: bytes) -> Iterator[bytes]:
    for line in script.replace(b"\\\n", b"").split(b"\n"):
        text = line.strip()
        if text and not text.startswith(b"#"):
            yield text


def _value(rest: bytes, values: Mapping[bytes, bytes | None]) -> bytes | None:
    word = re.match(SHELL_WORD_PATTERN, rest)
    if word is None or rest[word.end() : word.end() + 1] not in {b"", b" ", b"\t", b";"}:
        return None
    value = b""
    for literal, quoted, escaped, bare in re.findall(SHELL_QUOTE_PATTERN, word[0]):
        filled = _filled(quoted or bare, values)
        if filled is None or len(value) > MAX_VALUE_BYTES:
            return None
        value += literal + escaped + filled
    return value


def _filled(text: bytes, values: Mapping[bytes, bytes | None]) -> bytes | None:
    """Return the text with its variables replaced, None where only a shell could do that."""
    filled, position = b"", 0
    for match in re.finditer(DOUBLE_QUOTED_SPECIAL_PATTERN, text):
        escaped, braced, plain = match.groups()
        name = braced or plain
        value = escaped or (values.get(name, b"") if name else None)
        if value is None or len(filled) > MAX_VALUE_BYTES:
            return None
        filled += text[position : match.start()] + value
        position = match.end()
    return filled + text[position:]


DEFAULT_CRASH_DIRECTORY = b"/var/crash"
DEFAULT_DUMP_LEVEL = 31
DEBIAN_MAKEDUMPFILE_ARGUMENTS = b"-F -c -d 31"
FEDORA_CORE_COLLECTOR = b"makedumpfile -l --message-level 7 -d 31"
DEFAULT_SUSE_FREE_MIB = 64  # KDUMP_FREE_DISK_SIZE
FILE_SYSTEM_OPTIONS = {b"ext2", b"ext3", b"ext4", b"xfs", b"btrfs", b"minix", b"virtiofs"}
REMOTE_OPTIONS = {b"nfs", b"ssh", b"net"}
DUMP_LEVEL_PATTERN = rb"(?:^|\s)-[a-zA-Z]{0,8}d\s{0,8}(\d{1,2}(?:,\d{1,2}){0,8})(?=\s|$)"
COMPRESSION_OPTION_PATTERN = rb"(?:^|\s)-[a-zA-Z]{0,8}[clpz]"
URL_PATTERN = rb"([a-z]{2,8})://([^\s]*)"


class Tool(StrEnum):
    """Who writes the dump."""

    KDUMP_TOOLS = "kdump-tools"
    KDUMP_UTILS = "kdump-utils"
    SUSE = "kdump"


class TargetKind(StrEnum):
    """What the tool writes to."""

    DIRECTORY = auto()
    FILE_SYSTEM = auto()  # a device, and a directory on it, wherever it is mounted
    RAW = auto()
    REMOTE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpTarget:
    """One place that a tool writes to."""

    kind: TargetKind
    place: bytes  # the directory, the device, or the other machine
    below: bytes = b""  # the directory on the device


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpSettings:
    """What one tool is told."""

    tool: Tool
    targets: tuple[DumpTarget, ...]
    level: int = DEFAULT_DUMP_LEVEL  # of makedumpfile's -d
    compressed: bool = True
    left_free: int = 0  # bytes; the tool removes a dump that leaves less

    @property
    def makes_directory(self) -> bool:
        """Whether it makes a directory that is missing: kdump-utils' check_save_path_fs refuses."""
        return self.tool is not Tool.KDUMP_UTILS


def parse_kdump_tools(script: bytes) -> DumpSettings:
    """Return what /etc/default/kdump-tools says; no targets where only a shell could tell."""
    return kdump_tools_settings(assignments(script))


def kdump_tools_settings(values: Mapping[bytes, bytes | None]) -> DumpSettings:
    """Return what the variables of /etc/default/kdump-tools say."""
    arguments = values.get(b"MAKEDUMP_ARGS") or DEBIAN_MAKEDUMPFILE_ARGUMENTS
    return DumpSettings(
        tool=Tool.KDUMP_TOOLS,
        targets=tuple(_debian_targets(values)),
        level=parse_level(arguments),
        compressed=_compresses(arguments) or bool(values.get(b"KDUMP_COMPRESSION")),
    )


def parse_kdump_conf(text: bytes) -> DumpSettings:
    """Return what /etc/kdump.conf says; of several targets the last counts."""
    options = kdump_conf_options(text)
    collector = options.get(b"core_collector") or FEDORA_CORE_COLLECTOR
    makedumpfile = b"makedumpfile" in collector
    return DumpSettings(
        tool=Tool.KDUMP_UTILS,
        targets=tuple(_fedora_targets(options)),
        level=parse_level(collector) if makedumpfile else 0,
        compressed=makedumpfile and _compresses(collector),
    )


def kdump_conf_options(text: bytes) -> dict[bytes, bytes]:
    """Return each option of /etc/kdump.conf, in the order in which they were said last.

    As kdump_read_conf of kdump-utils 1.0.60 and those who read what it prints: the shell's `read`
    parts the words at blanks and tabs alone and loses zero bytes, a comment ends the value wherever
    it begins, and one pair of quotes goes after that. Every value is read twice.
    """
    options: dict[bytes, bytes] = {}
    for line in text.replace(b"\0", b"").split(b"\n"):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        option, value = _words(line)
        value, comment, _ = value.partition(b"#")
        if comment:
            value = value.rstrip()
        if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
            value = value[1:-1]
        option, value = _words(option + b" " + value)
        options.pop(option, None)
        options[option] = value
    return options


def parse_suse(script: bytes) -> DumpSettings:
    """Return what /etc/sysconfig/kdump of SUSE's kdump says; KDUMP_TRANSFER hides the targets."""
    own_script = parse_assignment(script, b"KDUMP_TRANSFER")
    places = parse_assignment(script, b"KDUMP_SAVEDIR").split() or [DEFAULT_CRASH_DIRECTORY]
    level = parse_assignment(script, b"KDUMP_DUMPLEVEL")
    kind = parse_assignment(script, b"KDUMP_DUMPFORMAT").lower()
    free = parse_assignment(script, b"KDUMP_FREE_DISK_SIZE")
    return DumpSettings(
        tool=Tool.SUSE,
        targets=() if own_script else tuple(_suse_target(place) for place in places),
        level=min(int(level), MAX_DUMP_LEVEL) if _is_number(level) else DEFAULT_DUMP_LEVEL,
        compressed=kind not in {b"elf", b"raw"},
        left_free=(int(free) if _is_number(free) else DEFAULT_SUSE_FREE_MIB) * MIB,
    )


def parse_level(arguments: bytes) -> int:
    """Return the level of makedumpfile's -d, 0 without; of several the last, which is tried last.

    It goes to the next when the disk is full (makedumpfile(8)).
    """
    found = re.findall(DUMP_LEVEL_PATTERN, arguments)
    return min(int(found[-1].rpartition(b",")[2]), MAX_DUMP_LEVEL) if found else 0


def _compresses(arguments: bytes) -> bool:
    return bool(re.search(COMPRESSION_OPTION_PATTERN, arguments))


def _debian_targets(values: Mapping[bytes, bytes | None]) -> Iterator[DumpTarget]:
    remotes = [values.get(name, b"") for name in (b"FTP", b"SSH", b"NFS")]
    directory = values.get(b"KDUMP_COREDIR", DEFAULT_CRASH_DIRECTORY)
    if any(remotes):
        yield from (DumpTarget(kind=TargetKind.REMOTE, place=one) for one in remotes if one)
    elif None not in remotes and directory is not None:
        yield DumpTarget(
            kind=TargetKind.DIRECTORY, place=clean_path(directory or DEFAULT_CRASH_DIRECTORY)
        )


def _words(line: bytes) -> tuple[bytes, bytes]:
    """Return the first word and the rest, as `read -r` of a shell parts them."""
    first, rest, *_ = (*re.split(rb"[ \t]+", line.strip(b" \t"), maxsplit=1), b"")
    return first, rest


def _fedora_targets(options: dict[bytes, bytes]) -> Iterator[DumpTarget]:
    if b"--mount" in options.get(b"dracut_args", b""):
        return
    path = clean_path(options.get(b"path") or DEFAULT_CRASH_DIRECTORY)
    chosen = [key for key in options if key in FILE_SYSTEM_OPTIONS | REMOTE_OPTIONS | {b"raw"}]
    if not chosen:
        yield DumpTarget(kind=TargetKind.DIRECTORY, place=path)
        return
    place = options[chosen[-1]].replace(b'"', b"")
    if chosen[-1] in FILE_SYSTEM_OPTIONS:
        yield DumpTarget(kind=TargetKind.FILE_SYSTEM, place=place, below=path)
    else:
        yield DumpTarget(
            kind=TargetKind.RAW if chosen[-1] == b"raw" else TargetKind.REMOTE, place=place
        )


def _suse_target(place: bytes) -> DumpTarget:
    url = re.match(URL_PATTERN, place)
    if url is None or url[1] == b"file":
        return DumpTarget(kind=TargetKind.DIRECTORY, place=clean_path(url[2] if url else place))
    # What stands before @ may hold a password.
    return DumpTarget(kind=TargetKind.REMOTE, place=url[2].rpartition(b"@")[2])


def _is_number(text: bytes) -> bool:
    return re.fullmatch(rb"\d{1,9}", text) is not None
