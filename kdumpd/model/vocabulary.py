# SPDX-License-Identifier: GPL-2.0-or-later
"""The words in which the state is told: on D-Bus, in the journal and by the command line.

They stand apart so that whoever only reads them needs nothing else of the model.
"""

from enum import StrEnum, auto


class Readiness(StrEnum):
    """The one-word answer shown on D-Bus, in the journal and by the command line."""

    READY = auto()
    DEGRADED = auto()
    NOT_READY = "not-ready"
    UNSUPPORTED = auto()


class Mechanism(StrEnum):
    """What would capture the next panic."""

    KDUMP = auto()
    FADUMP = auto()
    NONE = auto()


class CaptureState(StrEnum):
    """How much of the crash was saved."""

    COMPLETE = auto()
    INCOMPLETE = auto()
    DMESG_ONLY = "dmesg-only"
    UNREADABLE = auto()
    GONE = auto()


class BootEnd(StrEnum):
    """How a boot ended, in a word."""

    CLEAN = auto()  # in order
    CRASH_CAPTURED = "crash-captured"
    CRASH_INCOMPLETE = "crash-incomplete"  # something was saved, and no complete core
    CRASH_NOT_CAPTURED = "crash-not-captured"
    TEST_CAPTURED = "test-captured"
    TEST_NOT_CAPTURED = "test-not-captured"
    UNCLEAN = auto()  # power loss, reset or hang; or a crash that left no trace
    UNKNOWN = auto()


class Proof(StrEnum):
    """What a test has proven."""

    NONE = auto()  # there was no test
    PENDING = auto()  # the kernel was, or is about to be, crashed
    PASSED = auto()  # it left a complete capture
    FAILED = auto()
