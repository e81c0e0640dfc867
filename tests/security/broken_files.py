# SPDX-License-Identifier: GPL-2.0-or-later
"""A healthy machine of which one file, or all of them, are of no use."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.support.process import BOUND

# What has looked at a tree prints the names in it that it opened, or tried to.
LOOK = """
import asyncio, json, os, sys
from pathlib import Path
from kdumpd.config import Configuration, Settings
from kdumpd.observe.files import Files
from kdumpd.oneshot import look_once
root, names, events = sys.argv[1], set(), {"open", "os.scandir", "os.listdir"}
def heed(event, arguments):
    if event in events and isinstance(arguments[0], (str, bytes, os.PathLike)):
        names.add(os.fsdecode(arguments[0]))
sys.addaudithook(heed)
asyncio.run(look_once(Files(Path(root)), Configuration(Settings(), ())))
print(json.dumps(sorted(os.path.relpath(n, root) for n in names if n.startswith(root + "/"))))
"""
OUTSIDE = "outside"

Damage = Callable[[Path], object]


def _random(path: Path) -> None:
    path.write_bytes(Random(path.name).randbytes(1 << 20))  # noqa: S311 - no secret


def _link_out(path: Path) -> None:
    """Lead out of the root, which is a directory beside it."""
    path.symlink_to("../" * 40 + str(next(iter(_outside(path))))[1:])


def _outside(path: Path) -> Iterator[Path]:
    return (found for one in path.parents if (found := one / OUTSIDE).exists())


def _unreadable(path: Path) -> None:
    path.write_bytes(b"1\n")
    path.chmod(0)


FAULTS: Mapping[str, Damage] = {
    "empty": lambda path: path.write_bytes(b""),
    "zero": lambda path: path.write_bytes(b"\0"),
    "random": _random,
    "digits": lambda path: path.write_bytes(b"1" * (10 << 20)),
    "words": lambda path: path.write_bytes(b"no such, {here\n'or \"there = }\n$(x) `y` ${\n"),
    "directory": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "dangling": lambda path: path.symlink_to("nothing is here"),
    "loop": lambda path: path.symlink_to(path.name),
    "link-out": _link_out,
    "passwords": lambda path: path.symlink_to("/etc/shadow"),
    "unreadable": _unreadable,
    "missing": lambda _: None,
}
# Ways in which a name leads nowhere, below this root.
GONE = {"missing", "dangling", "link-out", "passwords"}


def names_looked_at(root: Path) -> list[str]:
    """Return which names in a tree a look opens, or would if they were there; no directories."""
    done = subprocess.run(  # noqa: S603 -- ours
        [*BOUND, sys.executable, "-c", LOOK, str(root)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return [name for name in json.loads(done.stdout) if not (root / name).is_dir()]


@contextmanager
def broken(root: Path, names: Collection[str], damage: Damage) -> Iterator[None]:
    """Have these files broken while the context lasts; times are as they were.

    Of a directory and a file in it, the file.
    """
    names = [name for name in names if not any(one.startswith(f"{name}/") for one in names)]
    kept = root.parent / "kept"
    kept.mkdir()
    made: list[Path] = []
    for number, name in enumerate(names):
        path = root / name
        made += _directories_for(path)
        was = path.stat() if path.exists() else None
        if os.path.lexists(path):
            path.rename(kept / str(number))
        damage(path)
        if was and path.is_file() and not path.is_symlink():
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    try:
        yield
    finally:
        for number, name in enumerate(names):
            _remove(root / name)
            if os.path.lexists(kept / str(number)):
                (kept / str(number)).rename(root / name)
        for directory in reversed(made):
            directory.rmdir()
        kept.rmdir()


def _directories_for(path: Path) -> list[Path]:
    """Make the directories above it, and return them, the uppermost first."""
    missing = [directory for directory in path.parents if not directory.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    """Print what a look at a tree opens."""
    print("\n".join(names_looked_at(Path(sys.argv[1]))))  # noqa: T201


if __name__ == "__main__":
    main()
