# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a dump would be written, how much room is there, and how much it may need."""

from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.dump_estimate import MemoryUse
from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.formats.mounts import FstabEntry, Mount
from kdumpd.model.readiness.finding import Fact


class Unlocking(StrEnum):
    """What unlocks an encrypted disk."""

    NEEDLESS = auto()  # it is not encrypted, as far as is known
    PASSPHRASE = auto()
    OWN_KEY = auto()  # a file, a TPM
    HANDED_KEY = auto()  # the running kernel gives it to the capture kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpFolder:
    """A folder of this machine that a dump would be written to."""

    path: bytes
    present: Fact[bool] = None  # None: nothing has this name; False: what has it is no folder
    mount: Mount | None = None  # what it lies on
    mounted_at_boot: Fact[bool] = None  # whether a boot mounts that
    unlocking: Unlocking = Unlocking.NEEDLESS
    not_mounted: FstabEntry | None = None  # what fstab would mount here, or above, and is not
    free: Fact[int] = None  # bytes that root may use
    free_files: Fact[int] = None  # files that can still be made; None where there is no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFacts:
    """Where a dump would be written, how much room is there, and how much it may need."""

    settings: Fact[DumpSettings] = None
    folders: tuple[DumpFolder, ...] = ()  # of the settings, where they are on this machine
    unmounted: tuple[bytes, ...] = ()  # devices of the settings that are mounted nowhere
    mounts: Fact[int] = None  # how many file systems are mounted
    memory: Fact[MemoryUse] = None
    problem: str = ""  # why nothing of it could be read
