# SPDX-License-Identifier: GPL-2.0-or-later
"""What the journal's entries of one boot tell of it; none of them is from a program of users."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import NamedTuple

from kdumpd.model.text import USEC_PER_SEC, printable, time_if_any


class Shutdown(StrEnum):
    """What the journal has of the shutdown at the end of a boot."""

    NONE = auto()
    BEGUN = auto()  # systemd or its logind said that the machine shuts down
    DONE = auto()  # journald was told to end, and was not started again


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBoot:
    """One boot that is over."""

    id: str  # as KernelFacts.boot_id
    began: datetime  # by the clock as it was set at the end of the boot
    ended: datetime  # when its last entry was written
    uptime: float  # seconds at its last entry; what the machine slept does not count
    release: str = ""  # of its kernel
    is_crash_kernel: bool = False  # whether it was the kernel that saves the dump of another
    shutdown: Shutdown = Shutdown.NONE
    panic: str = ""  # the kernel's last words, if it is a panic and they came that far


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBoots:
    """The last boots before the one that runs, the newest first, as the journal orders them."""

    boots: tuple[PastBoot, ...] = ()
    began: datetime | None = None  # when the boot that runs began; None where it is not told
    problem: str = ""  # why the journal could not be read


BOOT_ID_PATTERN = r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})"
MAX_MESSAGE_CHARACTERS = 4096  # of a message that are looked at
MAX_PANIC_CHARACTERS = 200  # of the kernel's last words that are kept
MAX_SHUTDOWN_US = 45 * 60 * USEC_PER_SEC  # reboot.target gives up after 30 minutes
# init/version.c, linux_banner
BANNER_LINE = r"Linux version (\S{1,64}) "
# init/main.c; arch/x86/kernel/setup.c says it once more, earlier. The kernel cuts what is long.
COMMAND_LINE_PATTERN = r"(?:Kernel c|C)ommand line: (.*)"
ELFCOREHDR_PATTERN = r"(?:^|\s)elfcorehdr="
# Where the device tree has it (drivers/of/fdt.c, fdt_reserve_elfcorehdr(); arch/arm64/mm/init.c).
ELFCOREHDR_RESERVED_LINE = (
    r"(?:OF: )?(?:fdt: )?Reserving \d{1,12} ?Ki?B of memory at \S{1,20} for elfc"
)
FADUMP_ACTIVE_LINE = r"(?:rtas |opal )?(?:fadump: )?Firmware-assisted dump is active"
PANIC_LINE = r"Kernel panic - not syncing: ?(.*)"  # kernel/panic.c
# mm/mm_init.c, mem_init_print_info(): the command line stands before it (init/main.c), and all
# that is reserved is reserved by then.
MEMORY_AVAILABLE_LINE = r"Memory: [0-9]{1,20}K/[0-9]{1,20}K available"


class Moment(NamedTuple):
    """When an entry was written: microseconds since 1970, and since the boot of its kernel."""

    realtime: int
    monotonic: int


class BootEntries(NamedTuple):
    """The entries of one boot that matter."""

    boot_id: str  # 32 hexadecimal digits
    last: Moment
    opening: Iterable[str] = ()  # what its kernel said first
    closing: Iterable[str] = ()  # what its kernel said last
    started: Moment | None = None  # when journald was started last
    stopped: Moment | None = None  # when journald was told to end last
    shutdown: Moment | None = None  # when systemd or logind last said that the machine shuts down


def parse_boot(entries: BootEntries) -> PastBoot | None:
    """Return the boot, None where its id or its times are none."""
    ended = time_if_any(entries.last.realtime)
    began = time_if_any(entries.last.realtime - entries.last.monotonic)
    match = re.fullmatch(BOOT_ID_PATTERN, entries.boot_id)
    if match is None or ended is None or began is None or entries.last.monotonic < 0:
        return None
    release, is_crash_kernel = parse_opening(entries.opening)
    return PastBoot(
        id="-".join(match.groups()),
        began=began,
        ended=ended,
        uptime=entries.last.monotonic / USEC_PER_SEC,
        release=release,
        is_crash_kernel=is_crash_kernel,
        shutdown=_shutdown(entries),
        panic=parse_closing(entries.closing),
    )


def parse_opening(messages: Iterable[str]) -> tuple[str, bool]:
    """Return the kernel's release, and whether it is one that saves the dump of another."""
    release, is_crash_kernel = "", False
    for message in early_messages(messages):
        line = message[:MAX_MESSAGE_CHARACTERS]
        if not release and (match := re.match(BANNER_LINE, line)):
            release = printable(match[1].encode("utf-8", "surrogateescape"))
        if match := re.match(COMMAND_LINE_PATTERN, line):
            is_crash_kernel = is_crash_kernel or bool(re.search(ELFCOREHDR_PATTERN, match[1]))
        is_crash_kernel = is_crash_kernel or bool(
            re.match(ELFCOREHDR_RESERVED_LINE, line) or re.match(FADUMP_ACTIVE_LINE, line)
        )
    return release, is_crash_kernel


def early_messages(messages: Iterable[str]) -> Iterator[str]:
    """Yield what the kernel says while it sets up its memory, and which one it is."""
    for message in messages:
        yield message
        if re.match(MEMORY_AVAILABLE_LINE, message):
            return


def parse_closing(messages: Iterable[str]) -> str:
    """Return the kernel's last words without "Kernel panic - not syncing: ", empty without."""
    return next(_panics(messages), "")


def _panics(messages: Iterable[str]) -> Iterator[str]:
    for message in messages:
        if match := re.match(PANIC_LINE, message[:MAX_MESSAGE_CHARACTERS]):
            words = printable(match[1].encode("utf-8", "surrogateescape"))[:MAX_PANIC_CHARACTERS]
            yield words.strip() or "Kernel panic"


def _shutdown(entries: BootEntries) -> Shutdown:
    """Return how far a shutdown came: a journald that was started again did not end with it."""
    started = entries.started.monotonic if entries.started else -1
    if entries.stopped is not None and entries.stopped.monotonic > started:
        return Shutdown.DONE
    if entries.shutdown is None or entries.shutdown.monotonic <= started:
        return Shutdown.NONE
    since = entries.last.monotonic - entries.shutdown.monotonic
    return Shutdown.BEGUN if since <= MAX_SHUTDOWN_US else Shutdown.NONE
