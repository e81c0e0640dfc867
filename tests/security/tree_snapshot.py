# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tree of files is, so that it can be said whether anybody changed it."""

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

MOST_HASHED = 4 << 20  # bytes of a file; larger ones are sparse, and known by size and times


def snapshot(root: Path, without: Collection[Path] = ()) -> Mapping[bytes, tuple[object, ...]]:
    """Return for each path in the tree what stat and the contents say; the last access is left out.

    What is below a path in `without` is not looked at.
    """
    left_out = {os.fsencode(path) for path in without}
    found: dict[bytes, tuple[object, ...]] = {}
    for directory, directories, files in os.walk(os.fsencode(root)):
        directories[:] = [name for name in directories if directory + b"/" + name not in left_out]
        for name in (b".", *directories, *files):
            path = directory + b"/" + name
            if path not in left_out:
                found[path] = _described(path)
    return found


def _described(path: bytes) -> tuple[object, ...]:
    status = os.lstat(path)
    content: object = None
    if stat.S_ISLNK(status.st_mode):
        content = Path(os.fsdecode(path)).readlink()
    elif stat.S_ISREG(status.st_mode) and status.st_size <= MOST_HASHED:
        with Path(os.fsdecode(path)).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        *(status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_nlink),
        *(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_rdev),
        content,
    )
