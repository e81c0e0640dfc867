# SPDX-License-Identifier: GPL-2.0-or-later
"""Would the next panic leave a vmcore?

The kernel answers half of this in sysfs (a crash kernel is loaded, its memory is reserved);
the other half is ours to judge. Every rule is one small function from facts to a finding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, auto

from kdumpd.model.crashkernel import requested_size
from kdumpd.model.text import shown

MIB = 1 << 20


class Severity(StrEnum):
    """How much a finding matters to the next capture."""

    INFO = auto()
    WARNING = auto()
    FATAL = auto()


class Readiness(StrEnum):
    """The one-word answer shown on D-Bus, in the journal and by the command line."""

    READY = auto()
    DEGRADED = auto()
    NOT_READY = "not-ready"
    UNSUPPORTED = auto()


SENTENCES = {
    Readiness.READY: "The next kernel panic would leave a dump.",
    Readiness.DEGRADED: "The next kernel panic may leave a dump, but something stands in the way.",
    Readiness.NOT_READY: "The next kernel panic would leave no usable dump.",
    Readiness.UNSUPPORTED: "No kernel here can capture its own crash.",
}


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
    problems: tuple[str, ...] = ()  # files that could not be read or understood


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """What a look at one crash folder says about the next capture."""

    path: bytes
    present: bool
    problem: str = ""
    optional: bool = False  # whether the next capture needs none there


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """All that readiness is judged from."""

    kernel: KernelFacts
    folders: tuple[FolderFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason why the machine is not simply ready, and what to do about it."""

    code: str
    severity: Severity
    message: str
    remedy: str


Rule = Callable[[MachineFacts], Iterable[Finding]]


def kexec_unsupported(machine: MachineFacts) -> Iterable[Finding]:
    """Report a kernel that was built without kexec or crash dumps."""
    if machine.kernel.present and not machine.kernel.supported:
        yield Finding(
            code="kexec-unsupported",
            severity=Severity.FATAL,
            message="the running kernel has no kexec crash support",
            remedy="boot a kernel built with CONFIG_KEXEC and CONFIG_CRASH_DUMP",
        )


def kernel_absent(machine: MachineFacts) -> Iterable[Finding]:
    """Report that there is no kernel to judge, as below a mounted image."""
    if not machine.kernel.present:
        yield Finding(
            code="kernel-absent",
            severity=Severity.FATAL,
            message="; ".join(machine.kernel.problems),
            remedy="nothing, if only captures are of interest there",
        )


def kernel_unreadable(machine: MachineFacts) -> Iterable[Finding]:
    """Report each of the kernel's own files that says nothing we understand."""
    kernel = machine.kernel
    problems = list(kernel.problems) if kernel.present else []
    if kernel.supported and not problems and None in {kernel.crash_loaded, kernel.reserved}:
        problems.append("the kernel tells only half of kexec_crash_loaded and kexec_crash_size")
    for problem in problems:
        yield Finding(
            code="kernel-unreadable",
            severity=Severity.FATAL,
            message=problem,
            remedy="make the file readable to kdumpd; until then readiness is not known",
        )


def reservation_missing(machine: MachineFacts) -> Iterable[Finding]:
    """Report that no memory is set aside, whatever was asked for."""
    kernel = machine.kernel
    if not kernel.supported or kernel.reserved != 0:
        return
    asked = f"crashkernel={kernel.crashkernel} came to nothing"
    yield Finding(
        code="reservation-missing",
        severity=Severity.FATAL,
        message="no memory is reserved for the crash kernel: "
        + (asked if kernel.crashkernel else "no crashkernel= on the kernel's command line"),
        remedy="set crashkernel=512M on the kernel's command line in the boot loader, and reboot",
    )


def reservation_short(machine: MachineFacts) -> Iterable[Finding]:
    """Report that the kernel reserved less than it was asked for."""
    kernel = machine.kernel
    requested = requested_size(kernel.crashkernel)
    if requested is None or kernel.reserved is None or not 0 < kernel.reserved < requested:
        return
    yield Finding(
        code="reservation-short",
        severity=Severity.WARNING,
        message=f"{kernel.reserved // MIB} MiB of the {requested // MIB} MiB requested by"
        f" crashkernel={kernel.crashkernel} are reserved",
        remedy="look for 'crashkernel' in the kernel log: journalctl -k -g crashkernel",
    )


def crash_kernel_unloaded(machine: MachineFacts) -> Iterable[Finding]:
    """Report that a panic would reboot, or hang, without a capture."""
    if machine.kernel.supported and machine.kernel.crash_loaded is False:
        yield Finding(
            code="crash-kernel-unloaded",
            severity=Severity.FATAL,
            message="no crash kernel is loaded",
            remedy="kdump-config load (Debian, Ubuntu) or kdumpctl start (Fedora, RHEL, SUSE)",
        )


def crash_folder_missing(machine: MachineFacts) -> Iterable[Finding]:
    """Report a crash folder that does not exist: some tools make it, others fail."""
    for folder in machine.folders:
        if not (folder.present or folder.problem or folder.optional):
            name = shown(folder.path)
            yield Finding(
                code="crash-folder-missing",
                severity=Severity.WARNING,
                message=f"the crash folder '{name}' does not exist",
                remedy=f"mkdir -m 0700 '{name}', or mount what belongs there",
            )


def crash_folder_unreadable(machine: MachineFacts) -> Iterable[Finding]:
    """Report a crash folder whose captures could not be seen."""
    for folder in machine.folders:
        if folder.problem:
            yield Finding(
                code="crash-folder-unreadable",
                severity=Severity.WARNING,
                message=folder.problem,
                remedy="run kdumpd with the right to read it, or name other folders by"
                " CrashDirectories= in kdumpd.conf",
            )


RULES: tuple[Rule, ...] = (
    kernel_absent,
    kexec_unsupported,
    kernel_unreadable,
    reservation_missing,
    reservation_short,
    crash_kernel_unloaded,
    crash_folder_missing,
    crash_folder_unreadable,
)


def find(machine: MachineFacts, rules: tuple[Rule, ...] = RULES) -> tuple[Finding, ...]:
    """Return every finding, in the order of the rules."""
    return tuple(finding for rule in rules for finding in rule(machine))


def judge(machine: MachineFacts, findings: tuple[Finding, ...]) -> Readiness:
    """Fold the facts and their findings into one word."""
    if not machine.kernel.supported:
        return Readiness.UNSUPPORTED
    severities = {finding.severity for finding in findings}
    if Severity.FATAL in severities:
        return Readiness.NOT_READY
    return Readiness.DEGRADED if Severity.WARNING in severities else Readiness.READY
