# SPDX-License-Identifier: GPL-2.0-or-later
"""What is mounted where: /proc/PID/mountinfo (proc(5)), fstab(5), and units of systemd."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

OCTAL_ESCAPE_PATTERN = rb"\\([0-7]{3})"
DEVICE_FIELD, MOUNT_POINT_FIELD, MOUNT_OPTIONS_FIELD, FIRST_OPTIONAL_FIELD = (
    2,
    4,
    5,
    6,
)  # the fields' places in a line of mountinfo
NOAUTO_OPTION, AUTOMOUNT_OPTION = "noauto", "x-systemd.automount"
READ_ONLY_OPTION = "ro"
USER_ID_OPTION = b"user_id="  # who mounted it (Documentation/filesystems/fuse.rst)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of mountinfo."""

    point: bytes
    device: bytes = field(default=b"", compare=False)  # its numbers, as major:minor
    type: str = ""
    source: bytes = b""
    read_only: bool = False


class FstabEntry(NamedTuple):
    """One line of fstab."""

    source: bytes
    point: bytes
    options: tuple[str, ...] = ()

    @property
    def at_boot(self) -> bool:
        """Whether a boot mounts it, or the first access does."""
        return NOAUTO_OPTION not in self.options or AUTOMOUNT_OPTION in self.options


def parse_mountinfo(table: bytes, *, of_machine: bool = False) -> Iterator[Mount]:
    """Yield each mount, in the order in which they lie over another.

    Only the table of the machine's first process tells of a mount that is read-only on a file
    system that is not: a service's sandbox sees most of the machine so.
    """
    for line in table.split(b"\n"):  # a carriage return is not escaped, and is no end of a line
        fields = line.split(b" ")
        if len(fields) <= MOUNT_OPTIONS_FIELD:
            continue
        behind = (
            fields[fields.index(b"-", FIRST_OPTIONAL_FIELD) + 1 :]
            if b"-" in fields[FIRST_OPTIONAL_FIELD:]
            else []
        )
        kind, source, options = (*behind, b"", b"", b"")[:3]
        yield Mount(
            point=_unescaped(fields[MOUNT_POINT_FIELD]),
            device=fields[DEVICE_FIELD],
            type=kind.decode("ascii", "backslashreplace"),
            source=_unescaped(source),
            read_only=READ_ONLY_OPTION in _options(options)
            or (of_machine and READ_ONLY_OPTION in _options(fields[MOUNT_OPTIONS_FIELD])),
        )


def parse_mount_points(table: bytes) -> Iterator[bytes]:
    """Yield where each mount is, of a table of which nothing else is wanted: each look reads it."""
    for line in table.split(b"\n"):
        fields = line.split(b" ", MOUNT_OPTIONS_FIELD)
        if len(fields) > MOUNT_OPTIONS_FIELD:
            yield _unescaped(fields[MOUNT_POINT_FIELD])


def parse_user_mount_points(table: bytes) -> Iterator[bytes]:
    """Yield where users other than root have mounted something: by FUSE alone, which says whose.

    fusermount(1) lets a user mount on what is his, also in a crash directory.
    """
    for line in table.split(b"\n"):
        mount, dash, behind = line.partition(b" - fuse")
        fields = mount.split(b" ", MOUNT_OPTIONS_FIELD)
        options = behind.rpartition(b" ")[2].split(b",")
        users = [one for one in options if one.startswith(USER_ID_OPTION)]
        if (
            dash
            and len(fields) > MOUNT_OPTIONS_FIELD
            and users
            and users != [USER_ID_OPTION + b"0"]
        ):
            yield _unescaped(fields[MOUNT_POINT_FIELD])


def parse_fstab(table: bytes) -> Iterator[FstabEntry]:
    """Yield each file system that has a mount point."""
    for line in table.split(b"\n"):
        source, point, *more = (*line.split(), b"", b"")
        if point.startswith(b"/") and not source.startswith(b"#"):
            yield FstabEntry(
                source=_unescaped(source).replace(b'"', b""),
                point=clean_path(_unescaped(point)),
                options=_options(more[1] if len(more) > 1 else b""),
            )


def find_mount(mounts: Iterable[Mount], path: bytes) -> Mount | None:
    """Return what a path lies on: the longest mount point, of several there the last."""
    found = None
    for mount in mounts:
        if is_inside(path, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def is_inside(path: bytes, directory: bytes) -> bool:
    """Return whether the path is the directory, or something in it."""
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def clean_path(path: bytes) -> bytes:
    """Return an absolute path without needless slashes and dots; .. stays as it is."""
    return b"/" + b"/".join(part for part in path.split(b"/") if part not in {b"", b"."})


def mount_unit(point: bytes) -> str:
    """Return the name of the unit that mounts there, as systemd-escape(1) --path writes it."""
    parts = clean_path(point)[1:]
    if not parts:
        return "-.mount"
    name = "".join(
        "-"
        if byte == ord("/")
        else chr(byte)
        if _stays(byte) and not (byte == ord(".") and at == 0)
        else f"\\x{byte:02x}"
        for at, byte in enumerate(parts)
    )
    return f"{name}.mount"


def _stays(byte: int) -> bool:
    return chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in ":_.")


def _options(text: bytes) -> tuple[str, ...]:
    return tuple(text.decode("ascii", "backslashreplace").split(","))


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return re.sub(OCTAL_ESCAPE_PATTERN, lambda match: bytes([int(match[1], 8) & 0xFF]), text)
