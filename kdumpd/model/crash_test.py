# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash test: the objections to it, the intent recorded before the crash, and its outcome."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kdumpd.model.crashkernel.parse import as_written
from kdumpd.model.formats.kdump_settings import DumpSettings
from kdumpd.model.readiness.facts import BootFile, LastTest, MachineFacts
from kdumpd.model.readiness.verdict import Verdict
from kdumpd.model.text import shown
from kdumpd.model.vocabulary import CrashTestVerdict

MAX_KEPT_TESTS = 20  # that are remembered
KERNEL_RUNS_ON = "The kernel did not crash: it runs on."


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashTest:
    """One test of the capture, by kdumpd or by another tool; a text that is not known is empty."""

    id: str
    at: datetime  # when the intent was recorded; of another tool's, when the kernel died
    boot_id: str = ""  # the boot that was to end by it
    uid: int | None = None  # who asked for it
    overridden: str = ""  # the codes of the objections that did not hold him back
    kernel: str = ""  # its basis, as Basis has it
    crashkernel: str = ""
    initrd: str = ""
    target: str = ""
    armed: bool | None = None  # whether a crash kernel was loaded
    verdict: CrashTestVerdict = CrashTestVerdict.PENDING
    reason: str = ""  # why it failed
    seconds: int | None = None  # from the crash to the complete capture
    size: int = 0  # of the capture, in bytes
    capture: str = ""  # its id
    decided_at: datetime | None = None

    @property
    def crashed_nothing(self) -> bool:
        """Whether the kernel was seen to run on: nothing that comes later is of this test."""
        return self.verdict is CrashTestVerdict.FAILED and self.reason == KERNEL_RUNS_ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a proof stands on: it says nothing of another. A text that is not known is empty."""

    kernel: str = ""  # release
    crashkernel: str = ""
    initrd: str = ""  # of the crash kernel: path, size and time
    target: str = ""  # where the dump was to go


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Who is about to crash the kernel, by which id, and in spite of which objections."""

    id: str
    uid: int
    overridden: Sequence[str]
    at: datetime
    user: str = ""  # the name of who asks, where it is known
    host: str = ""  # the machine's name
    rehearsal: bool = False  # whether the kernel is only asked for its help


def intended(intent: Intent, verdict: Verdict | None) -> CrashTest:
    """Return the test that is about to be made on the machine as it was last judged."""
    basis = Basis() if verdict is None else _basis(verdict.machine)
    return CrashTest(
        id=intent.id,
        at=intent.at,
        uid=intent.uid,
        overridden=" ".join(intent.overridden),
        boot_id=verdict.kernel.boot_id if verdict else "",
        armed=verdict.reservation.armed if verdict else None,
        kernel=basis.kernel,
        crashkernel=basis.crashkernel,
        initrd=basis.initrd,
        target=basis.target,
    )


def staleness(test: CrashTest, machine: MachineFacts) -> str:
    """Return in a sentence what has changed that the test says nothing about; empty for nothing."""
    now = _basis(machine)
    if test.verdict not in {CrashTestVerdict.PASSED, CrashTestVerdict.FAILED}:
        return ""
    if _differs(test.kernel, now.kernel):
        return f"The kernel is now {now.kernel}; the test was on {test.kernel}."
    if _differs(test.crashkernel, now.crashkernel):
        then = as_written(test.crashkernel)
        return f"The command line now has {as_written(now.crashkernel)}; the test was with {then}."
    if _differs(test.initrd, now.initrd) or _is_newer(machine, test):
        return "The capture initrd was rebuilt after the test."
    if _differs(test.target, now.target):
        return "Dumps now go to another place than in the test."
    return ""


def last_test(tests: Iterable[CrashTest], machine: MachineFacts) -> LastTest | None:
    """Return what the newest of the tests, which come newest first, says of the machine now.

    A test of another set-up says nothing, nor does one that is pending or crashed nothing.
    """
    decided = (
        one
        for one in tests
        if one.verdict is not CrashTestVerdict.PENDING and not one.crashed_nothing
    )
    test = next(decided, None)
    if test is None or staleness(test, machine):
        return None
    return LastTest(
        at=test.at,
        passed=test.verdict is CrashTestVerdict.PASSED,
        reason=test.reason,
        of_capture=bool(test.capture),
    )


def _differs(then: str, now: str) -> bool:
    return bool(then and now) and then != now


def _is_newer(machine: MachineFacts, test: CrashTest) -> bool:
    """Return whether the initrd was made after a test that did not say which one it had."""
    initrd = machine.crash_kernel.initrd
    if test.initrd or not isinstance(initrd, BootFile):
        return False
    return initrd.modified > test.at.timestamp()


def _basis(machine: MachineFacts) -> Basis:
    """Return what a test of this machine proves something about."""
    initrd, settings = machine.crash_kernel.initrd, machine.storage.settings
    targets = settings.targets if isinstance(settings, DumpSettings) else ()
    return Basis(
        kernel=machine.kernel.release,
        crashkernel=machine.kernel.crashkernel,
        initrd=_stamp(initrd) if isinstance(initrd, BootFile) else "",
        target="; ".join(f"{one.kind} {one.place!r} {one.below!r}" for one in targets),
    )


def _stamp(file: BootFile) -> str:
    return "" if file.size is None else f"{file.path} {file.size} {file.modified}"


MAX_UNKNOWN_CODES_TOLD, MAX_CODE_CHARACTERS = 5, 40  # of what a caller made up
# Those that are fatal whenever they are there: nobody can override them.
FATAL_OBJECTION_CODES = (
    "kdumpd-absent",
    "container",
    "live-system",
    "crash-kernel-running",
    "unsupported",
    "crash-kernel-unloaded",
    "would-hang",
)
OVERRIDABLE_OBJECTION_CODES = (
    "not-ready",
    "not-judged-anew",
    "too-little-space",
    "capture-being-written",
    "test-recently",
    "boot-loop",
    "machine-unread",
    "just-booted",
    "busy",
    "pressure",
    "dirty-pages",
    "md-rebuilding",
    "btrfs-busy",
    "zfs-degraded",
    "packages-changing",
    "others-logged-in",
    "inhibited",
)
OBJECTION_CODES = (*FATAL_OBJECTION_CODES, *OVERRIDABLE_OBJECTION_CODES)


def unheard_of(codes: Iterable[str]) -> str:
    """Return in a sentence which of these codes there is not; empty where all are known."""
    unknown = [code for code in codes if code not in OBJECTION_CODES]
    if not unknown:
        return ""
    words = ", ".join(f"'{_word(code)}'" for code in unknown[:MAX_UNKNOWN_CODES_TOLD])
    known = ", ".join(OVERRIDABLE_OBJECTION_CODES)
    return f"There is no code {words}. You can override: {known}."


def _word(code: str) -> str:
    return shown(code.encode("utf-8", "surrogateescape"))[:MAX_CODE_CHARACTERS]
