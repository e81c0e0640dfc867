# SPDX-License-Identifier: GPL-2.0-or-later
"""Read whether a disk must be unlocked before it is mounted, and by what."""

import os

from kdumpd.model.readiness.facts import Unlocking
from kdumpd.observe.files import Files

BLOCKS = "sys/class/block"
LUKS = ("CRYPT-LUKS", "CRYPT-BITLK", "CRYPT-TCRYPT", "CRYPT-PLAIN")  # dm/uuid by libcryptsetup
MOST_DEVICES = 64  # below one file system: logical volumes, RAID and its disks
CRYPTTAB = "etc/crypttab"
ASKS = {"", "none", "-"}
# Options of crypttab(5) of systemd and of Debian that unlock without anybody typing.
BY_ITSELF = ("tpm2-device=", "tpm2", "keyscript=")
# Keys that the running kernel hands to the capture kernel (admin-guide/kdump/kdump.rst).
HANDED_KEYS = "sys/kernel/config/crash_dm_crypt_keys"
NO_KEYS = {"count", "restore", "reuse"}


def read_unlocking(files: Files, source: bytes) -> Unlocking:
    """Return what unlocks the device of a mount before anything on it can be read."""
    names = [_dm_name(files, device) for device in _below(files, source)]
    encrypted = [name for name in names if name]
    if not encrypted:
        return Unlocking.NEEDLESS
    if set(files.readable_names(HANDED_KEYS)) - NO_KEYS:
        return Unlocking.HANDED_KEY
    keyed = _unlocked_by_itself(files)
    return Unlocking.OWN_KEY if keyed.issuperset(encrypted) else Unlocking.PASSPHRASE


def _below(files: Files, source: bytes) -> list[str]:
    """Return the names of the device and of all that it is made of."""
    found: list[str] = []
    ahead = [files.resolve(os.fsdecode(source)).name] if source.startswith(b"/dev/") else []
    while ahead and len(found) < MOST_DEVICES:
        device = ahead.pop()
        if device in found or "/" in device:
            continue
        found.append(device)
        ahead += files.readable_names(f"{BLOCKS}/{device}/slaves")
    return found


def _dm_name(files: Files, device: str) -> str:
    """Return the name of an encrypted device, empty for any other."""
    uuid = files.text(f"{BLOCKS}/{device}/dm/uuid")
    if not isinstance(uuid, str) or not uuid.startswith(LUKS):
        return ""
    name = files.text(f"{BLOCKS}/{device}/dm/name")
    return name if isinstance(name, str) and name else device


def _unlocked_by_itself(files: Files) -> set[str]:
    lines = files.lines(CRYPTTAB)
    found = set()
    for line in lines if isinstance(lines, tuple) else ():
        fields = [*line.split(), "", "", "", ""]
        name, key, options = fields[0], fields[2], fields[3].split(",")
        if key not in ASKS or any(one.startswith(BY_ITSELF) for one in options):
            found.add(name)
    return found
