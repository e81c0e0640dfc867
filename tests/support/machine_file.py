# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine's files as one text that people read and compare; tests/samples/README.md says how.

`python -m tests.support.machine_file unpack FILE DIR` makes a directory of a machine, for
`kdumpd --check --root DIR`; `python -m tests.support.machine_file pack DIR FILE` makes the text
of a directory.

Only of the standard library: it also runs in the machine whose files are taken.
"""

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

MOMENT = 1_760_000_000  # when all was changed that has no other time; seconds since 1970
MODES: Mapping[str, int] = MappingProxyType({"file": 0o644, "directory": 0o755})
KINDS = ("directory", "file", "link")  # in the order in which they are made
HEADER = re.compile(r"(file|directory|link)((?: (?:mode|time|size)=[0-9]+)*) /(.+)")
ARROW = " -> "  # between a link and its target
COMMAND = "$ "
PIECES = re.compile(rb"[^\n]*\n|[^\n]+")
OF_A_ROW = 32  # bytes in hexadecimal
OF_A_READ = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A path below the machine's root, or a command and what it said."""

    kind: str  # file, directory, link or command
    path: str  # without the leading slash; of a command, its words
    mode: int | None = None  # None for the one in MODES
    mtime: int = MOMENT
    size: int = 0  # bytes, all zeros, of a file whose content is not kept
    content: bytes = b""
    target: str = ""  # of a link


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of a machine."""

    about: str  # lines for people; the first says what the machine is
    entries: tuple[Entry, ...]

    @property
    def story(self) -> str:
        """Return in one line what the machine is."""
        return self.about.partition("\n")[0]

    @property
    def commands(self) -> tuple[Entry, ...]:
        """Return the commands, and what they said."""
        return tuple(entry for entry in self.entries if entry.kind == "command")


def read_machine(path: Path) -> Machine:
    """Read the text of a machine; ValueError if it is none."""
    return parse_machine(path.read_bytes())


def parse_machine(text: bytes) -> Machine:
    """Return what the text of a machine says; ValueError for one that is none."""
    about: list[str] = []
    blocks: list[tuple[str, list[bytes]]] = []
    for line in text.decode().removesuffix("\n").split("\n"):
        if line[:1] in {"|", ">", ":"} and blocks:
            blocks[-1][1].append(_piece(line))
        elif line.startswith("#") and not blocks:
            about.append(line[1:].removeprefix(" "))
        else:
            blocks.append((line, []))
    entries = tuple(_parse_entry(header, b"".join(pieces)) for header, pieces in blocks)
    return Machine("\n".join(about), entries)


def format_machine(machine: Machine) -> bytes:
    """Return the text; ValueError for a path that has no place in one."""
    lines = [f"# {line}".rstrip() for line in machine.about.split("\n")]
    for entry in machine.entries:
        header = _header(entry)
        if _parse_entry(header, entry.content) != entry:
            raise ValueError(f"not to be written: {header!r}")
        lines += [header, *_lines(entry.content)]
    return "".join(f"{line}\n" for line in lines).encode()


def unpack(machine: Machine, root: Path) -> None:
    """Make the directory `root`, which must be new or empty, of the machine's files.

    Links are as they were: an absolute one, as Debian's /var/lib/kdump/vmlinuz, leads out of `root`
    to whoever follows it without minding. Everything belongs to who calls this.
    """
    root.mkdir(parents=True, exist_ok=True)
    known = {entry.path: entry for entry in machine.entries if entry.kind != "command"}
    for name in list(known):
        for parent in _parents(name):
            known.setdefault(parent, Entry(kind="directory", path=parent))
    # Links come last: so no file is made through one.
    entries = sorted(known.values(), key=lambda entry: (KINDS.index(entry.kind), entry.path))
    for entry in entries:
        _make(entry, root / entry.path)
    # From the leaves up: what is made in a directory changes its time.
    for entry in reversed(entries):
        path = root / entry.path
        if entry.kind != "link":
            path.chmod(MODES[entry.kind] if entry.mode is None else entry.mode)
        os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def pack(root: Path) -> Iterator[Entry]:
    """Yield the files, directories and links below `root` in order; ValueError for others."""
    for path in sorted(root.rglob("*"), key=str):
        about = path.lstat()
        kind = kind_of(about.st_mode)
        if kind is None:
            raise ValueError(f"neither file nor directory nor link: {path}")
        zeros = kind == "file" and about.st_size > 0 and _is_zeros(path)
        yield Entry(
            kind=kind,
            path=str(path.relative_to(root)),
            mode=shown_mode(kind, about.st_mode),
            mtime=int(about.st_mtime),
            size=about.st_size if zeros else 0,
            content=path.read_bytes() if kind == "file" and not zeros else b"",
            target=str(path.readlink()) if kind == "link" else "",
        )


def kind_of(mode: int) -> str | None:
    """Return what `st_mode` says that something is; None for what has no place in a text."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode))


def shown_mode(kind: str, mode: int) -> int | None:
    """Return what has to be said of `st_mode`; None where it is as in MODES, and of a link."""
    own = stat.S_IMODE(mode)
    return None if own == MODES.get(kind, own) else own


def _is_zeros(path: Path) -> bool:
    with path.open("rb") as file:
        return all(not block.strip(b"\0") for block in iter(lambda: file.read(OF_A_READ), b""))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _make(entry: Entry, path: Path) -> None:
    if entry.kind == "directory":
        path.mkdir()
    elif entry.kind == "link":
        path.symlink_to(entry.target)
    else:
        with path.open("xb") as file:
            file.write(entry.content)
            file.truncate(entry.size or len(entry.content))


def _header(entry: Entry) -> str:
    if entry.kind == "command":
        return f"{COMMAND}{entry.path}"
    mode = "" if entry.mode is None else f" mode={entry.mode:04o}"
    mtime = "" if entry.mtime == MOMENT else f" time={entry.mtime}"
    size = f" size={entry.size}" if entry.size else ""
    target = f"{ARROW}{entry.target}" if entry.kind == "link" else ""
    return f"{entry.kind}{mode}{mtime}{size} /{entry.path}{target}"


def _parse_entry(header: str, content: bytes) -> Entry:
    if header.startswith(COMMAND) and header.isprintable():
        return Entry(kind="command", path=header.removeprefix(COMMAND), content=content)
    parts = HEADER.fullmatch(header)
    if parts is None:
        raise ValueError(f"no such line: {header!r}")
    kind, words, path = parts.groups()
    named = dict(word.split("=") for word in words.split())
    target = ""
    if kind == "link":
        path, _, target = path.partition(ARROW)
    size = int(named.get("size", 0))
    if ((content or size) and kind != "file") or (content and size) or ".." in path.split("/"):
        raise ValueError(f"against itself: {header!r}")
    return Entry(
        kind=kind,
        path=path,
        mode=int(named["mode"], 8) if "mode" in named else None,
        mtime=int(named.get("time", MOMENT)),
        size=size,
        content=content,
        target=target,
    )


def _lines(content: bytes) -> Iterator[str]:
    for piece in PIECES.findall(content):
        text = piece.removesuffix(b"\n").decode(errors="replace")
        if "\N{REPLACEMENT CHARACTER}" not in text and text.replace("\t", " ").isprintable():
            yield ("|" if piece.endswith(b"\n") else ">") + text
        else:
            rows = range(0, len(piece), OF_A_ROW)
            yield from (f":{piece[at : at + OF_A_ROW].hex()}" for at in rows)


def _piece(line: str) -> bytes:
    mark, rest = line[0], line[1:]
    if mark == ":":
        return bytes.fromhex(rest)
    return rest.encode() + (b"\n" if mark == "|" else b"")


def main(arguments: Iterable[str]) -> None:
    """Make a directory of a text, or a text of a directory."""
    verb, source, target = arguments
    if verb == "unpack":
        unpack(read_machine(Path(source)), Path(target))
    elif verb == "pack":
        file = Path(target)
        # What is said of the machine is kept: a directory does not hold it.
        old = read_machine(file) if file.exists() else Machine(f"{file.stem}.", ())
        entries = (*pack(Path(source)), *old.commands)
        file.write_bytes(format_machine(Machine(old.about, entries)))
    else:
        raise SystemExit(f"neither pack nor unpack: {verb}")


if __name__ == "__main__":
    main(sys.argv[1:])
