# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a machine when its readiness is judged; a reader in observe for each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

from kdumpd.model.formats.boot_messages import ReservationLog
from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.formats.kernel import Distribution
from kdumpd.model.formats.memory import MemoryUse, Ram, Region
from kdumpd.model.formats.mounts import FstabEntry, Mount
from kdumpd.model.readiness.finding import Fact, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFile:
    """A kernel image or an initrd, where the tool looks for it."""

    path: str
    size: int | None  # bytes; None where there is no such file
    release: str = ""  # of the kernel, as the image or its name says; empty where neither does
    memory: int | None = None  # bytes that it takes unpacked, where that is known
    modified: int = 0  # when it was last written, in seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashKernelFacts:
    """The kernel and initrd that are to capture, and the tool that loads them, on disk."""

    problem: str = ""  # why nothing of it could be read
    tool: Fact[str] = None  # the tool's name, empty where none that is known is installed
    off: Fact[str] = None  # the setting by which the tool loads nothing, empty where it loads
    unit: str = ""  # the unit by which the tool loads at boot
    unit_state: Fact[str] = None  # by the links on disk: enabled, disabled or masked
    saving_unit: str = ""  # the unit that saves the dump, in the crash kernel's boot of this disk
    saving_unit_state: Fact[str] = None  # as unit_state
    kernel: Fact[BootFile] = None
    initrd: Fact[BootFile] = None
    cmdline: str = ""  # what the settings give the crash kernel in place of the running one's
    changed: Fact[tuple[str, ...]] = None  # files that the initrd was made from, changed since
    makes_initrd: bool = False  # whether the tool makes a missing initrd before it loads
    reload: str = ""  # the command that makes what is missing or stale, and loads it


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """What a look at one crash directory says about the next capture."""

    path: bytes
    present: bool
    problem: str = ""
    hidden: bool = False  # from the daemon alone
    optional: bool = False  # whether the next capture needs none there
    listable: bool = False  # whether everybody may list it
    owner: int = 0  # the uid that all on its path should belong to
    # directories on its path that others can change: path, uid and mode
    distrusted: tuple[tuple[bytes, int, int], ...] = ()
    # what others have put there: uid, how many directories and how many files
    strangers: tuple[tuple[int, int, int], ...] = ()
    # directories of others that hold files of the owner: path, uid and inode
    mixed: tuple[tuple[bytes, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """What the running kernel says about its crash kernel; sizes in bytes, None where unknown."""

    boot_id: str  # /proc/sys/kernel/random/boot_id
    release: str  # /proc/sys/kernel/osrelease
    supported: bool  # CONFIG_CRASH_DUMP and CONFIG_KEXEC: the sysfs files below exist
    crashkernel: str  # crashkernel= on the command line, as written
    crash_loaded: bool | None  # /sys/kernel/kexec_crash_loaded
    reserved: int | None  # /sys/kernel/kexec_crash_size
    present: bool = True  # whether there is a kernel to ask
    host: str = ""  # /proc/sys/kernel/hostname, empty where it is not told
    problems: tuple[str, ...] = ()  # files that could not be read or understood


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTest:
    """The newest test that crashed the kernel as it is set up now, and what came of it."""

    at: datetime
    passed: bool
    reason: str = ""  # why it failed, as a sentence
    of_capture: bool = False  # whether the reason tells what is wrong with a capture


@dataclass(frozen=True, slots=True, kw_only=True)
class NextBootFacts:
    """What the next boot would be: the boot loader's command line, and the kernels installed."""

    problem: str = ""  # why nothing of it could be read
    source: str = ""  # the boot loader's file that says it
    crashkernel: Fact[str] = None  # crashkernel= in the entry that starts next, empty for none
    template: str = ""  # the file from which the boot loader's file is made anew
    wanted: Fact[str] = None  # crashkernel= in the template
    release: str = ""  # of the kernel that starts next, empty where not known
    initrd: Fact[bool] = None  # whether that kernel has its capture initrd
    makes_initrd: bool = False  # whether the tool makes it at boot
    running_installed: Fact[bool] = None  # whether the running kernel's files are still there


# What each asks for besides itself (Documentation/admin-guide/sysctl/kernel.rst).
SYSCTLS_NEEDED_BY = {
    "hardlockup_panic": ("watchdog", "nmi_watchdog"),
    "softlockup_panic": ("watchdog", "soft_watchdog"),
    "hung_task_panic": ("hung_task_timeout_secs",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Which events make this kernel panic, and what SysRq may do."""

    # By the last part of the sysctl's name; what the kernel does not have is left out.
    events: Mapping[str, Fact[int]] = field(default_factory=dict)
    needs: Mapping[str, Fact[int]] = field(default_factory=dict)
    sysrq: Fact[int] = None  # kernel.sysrq
    timeout: Fact[int] = None  # kernel.panic: seconds until a reboot, 0 never, negative at once
    dmesg_restrict: Fact[int] = None  # kernel.dmesg_restrict: 0 where users may read the kernel log
    problem: str = ""  # why nothing of it could be read

    @property
    def triggers(self) -> Mapping[str, Fact[bool]]:
        """Whether an event panics the machine, by the last part of its sysctl's name.

        One whose watchdog is turned off does not.
        """
        return {name: self._panics(name, value) for name, value in self.events.items()}

    def _panics(self, name: str, value: Fact[int]) -> Fact[bool]:
        asked = [value, *(self.needs.get(one) for one in SYSCTLS_NEEDED_BY.get(name, ()))]
        if 0 in asked:
            return False
        bad = next((one for one in asked if isinstance(one, Unknown)), None)
        return bad or True


class LogSource(StrEnum):
    """Where the log was read; the value is how a person is told."""

    JOURNAL = "the journal"
    KMSG = "/dev/kmsg"
    DMESG = "/var/log/dmesg"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLog:
    """What one source of the kernel log says of the reservation."""

    source: LogSource
    log: ReservationLog


@dataclass(frozen=True, slots=True, kw_only=True)
class FadumpFacts:
    """What the kernel says of fadump (Documentation/arch/powerpc/firmware-assisted-dump.rst)."""

    enabled: bool  # /sys/kernel/fadump/enabled
    registered: bool | None = None  # with the firmware; None where the kernel does not say
    reserved: int | None = None  # bytes; Linux says it since December 2019


MAX_RESERVATIONS = 2  # that are remembered: of this boot, and of the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReservation:
    """What a boot had, by the ledger; sizes in bytes."""

    boot_id: str
    crashkernel: str  # as KernelFacts.crashkernel
    reserved: int
    ram: int | None  # None where it was not known
    armed: bool = False  # whether a capture was ever ready to start in that boot


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFacts:
    """What was reserved for the crash kernel at boot, of how much memory, and what the log says."""

    problem: str = ""  # why nothing of it could be read
    unreadable: tuple[str, ...] = ()  # files that are there, and say nothing we understand
    cmdline: bytes = b""  # /proc/cmdline
    architecture: str = "x86_64"  # as uname -m says it
    distribution: Distribution = Distribution.OTHER
    ram: Ram | None = None
    regions: tuple[Region, ...] | None = None  # "Crash kernel" in /proc/iomem
    cma: int | None = None  # bytes, by /sys/kernel/kexec/crash_cma_ranges
    fadump: FadumpFacts | None = None
    log: BootLog | None = None
    last: LastReservation | None = None  # whoever keeps the ledger puts it here


CHANGING_UNIT_STATES = {"activating", "deactivating", "reloading"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """What the service manager says of the unit that loads the crash kernel.

    The words are systemd's (org.freedesktop.systemd1(5), interfaces Unit and Service); None where
    no service manager was asked.
    """

    problem: str = ""  # why nothing of it could be read
    unit: str = ""  # Id
    load_state: Fact[str] = None  # LoadState: loaded, not-found, masked, bad-setting, error
    active_state: Fact[str] = None  # ActiveState: active, inactive, failed, activating
    result: Fact[str] = None  # Result: success, exit-code, timeout, resources
    unit_file_state: Fact[str] = None  # UnitFileState: enabled, disabled, masked, static
    exec_main_status: Fact[int] = None  # ExecMainStatus: the exit status of the main process
    starting: bool | None = None  # whether the boot is still under way; SystemState

    @property
    def at_work(self) -> bool:
        """Whether the unit loads, unloads or rebuilds just now."""
        return self.active_state in CHANGING_UNIT_STATES


class Unlocking(StrEnum):
    """What unlocks an encrypted disk."""

    NEEDLESS = auto()  # it is not encrypted, as far as is known
    PASSPHRASE = auto()
    OWN_KEY = auto()  # a file, a TPM
    HANDED_KEY = auto()  # the running kernel gives it to the crash kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpDirectory:
    """A directory of this machine that a dump would be written to."""

    path: bytes
    present: Fact[bool] = None  # None: nothing has this name; False: what has it is no directory
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
    directories: tuple[DumpDirectory, ...] = ()  # of the settings, where they are on this machine
    unmounted: tuple[bytes, ...] = ()  # devices of the settings that are mounted nowhere
    mounts: Fact[int] = None  # how many file systems are mounted
    memory: Fact[MemoryUse] = None
    problem: str = ""  # why nothing of it could be read


NO_LOCKDOWN = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """Whether kexec is allowed here at all: container, live system, lockdown, limits."""

    container: str = ""  # which kind; empty for none
    live: str = ""  # the word of the command line that makes this a live system
    capturing: bool = False  # /proc/vmcore: this is the crash kernel itself
    xen_dom0: bool = False
    lockdown: Fact[str] = None  # none, integrity or confidentiality
    secure_boot: Fact[bool] = None
    load_disabled: Fact[bool] = None  # kernel.kexec_load_disabled
    disabled_at_boot: Fact[str] = None  # the file by which the next boot sets it to 1
    loads_left: Fact[int] = None  # kernel.kexec_load_limit_panic; -1 for no limit
    post_notifiers: Fact[bool] = None  # crash_kexec_post_notifiers
    notifiers_wanted: str = ""  # by what the kernel was made to turn them on itself
    problem: str = ""  # why nothing of it could be read

    @property
    def locked(self) -> bool:
        """Whether the kernel is known to be locked down."""
        return isinstance(self.lockdown, str) and self.lockdown != NO_LOCKDOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """All that readiness is judged from."""

    kernel: KernelFacts
    directories: tuple[DirectoryFacts, ...]
    reservation: ReservationFacts = field(default_factory=ReservationFacts)
    crash_kernel: CrashKernelFacts = field(default_factory=CrashKernelFacts)
    next_boot: NextBootFacts = field(default_factory=NextBootFacts)
    storage: StorageFacts = field(default_factory=StorageFacts)
    policy: PolicyFacts = field(default_factory=PolicyFacts)
    system: SystemFacts = field(default_factory=SystemFacts)
    service: ServiceFacts = field(default_factory=ServiceFacts)
    was_armed: bool = False  # earlier in this boot
    last_test: LastTest | None = None  # None also where that was of another set-up
    configuration: tuple[str, ...] = ()  # what is wrong with kdumpd's own, with file and line

    @property
    def armed(self) -> bool | None:
        """Whether something waits for the next panic: a crash kernel, or fadump's firmware."""
        fadump = self.reservation.fadump
        return fadump.registered if fadump and fadump.enabled else self.kernel.crash_loaded

    @property
    def problems(self) -> Iterator[str]:
        """Why whole groups of facts could not be read."""
        groups = (
            self.reservation,
            self.crash_kernel,
            self.next_boot,
            self.storage,
            self.policy,
            self.system,
            self.service,
        )
        return (group.problem for group in groups if group.problem)
