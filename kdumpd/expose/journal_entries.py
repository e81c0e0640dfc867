# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as journal entries: the MESSAGE_ID, the sentence and the fields of each kind."""

from collections.abc import Callable, Mapping
from datetime import UTC
from types import MappingProxyType
from typing import NamedTuple

from kdumpd.model.events import Event, EventKind
from kdumpd.model.readiness.report import READINESS_SENTENCES
from kdumpd.model.text import human_size, shown, time_from_microseconds
from kdumpd.model.vocabulary import CaptureState, CrashClass, CrashTestVerdict, Readiness

EMERGENCY, CRITICAL, WARNING, NOTICE, INFO = 0, 2, 4, 5, 6  # syslog(3)

CANCEL_COMMAND = "kdumpdctl test --cancel"

# systemd/kdumpd.catalog says what to do about each.
MESSAGE_IDS = {
    EventKind.CAPTURE_COMPLETE: "6bc3f018b40343559c7bccda6fc737c6",
    EventKind.CAPTURE_INCOMPLETE: "a6a8bcf7df1243a49434241c1eae3353",
    EventKind.CAPTURE_UNTRUSTED: "ef7e508863b94064b0b9c25659675777",
    EventKind.CAPTURE_GONE: "350cce47a8c34764a4b50ff56b153b7c",
    EventKind.CAPTURE_EXPOSED: "27657cf9d2e64ff0b27064bc5599a086",
    EventKind.BOOT_VALIDATED: "ad07e7dfd75f4edb97b23ba382e0cb93",
    EventKind.READINESS_CHANGED: "457eb317286b4b9ab294bbf437c045a5",
    EventKind.TEST_REFUSED: "bce549f0f5e144ada27322c28fa6d0e6",
    EventKind.TEST_ANNOUNCED: "a0fe4f83ee4b405cb49d3d2b01c5bff2",
    EventKind.TEST_CANCELLED: "b244d2e168a943648955a4727d8b3ecd",
    EventKind.TEST_TRIGGERED: "5b67e0036af740daa7783ae19e1ee978",
    EventKind.TEST_VERDICT: "5c42605ff8c8437790ccc95628413a57",
    EventKind.CRASH_NOT_CAPTURED: "758248443a6a4ddda226d68d270a2e83",
    EventKind.BOOT_UNCLEAN: "c44088c9053f44b9bb36341c4ab30ab1",
    EventKind.CRASH_LOOP: "b56d99c540544498bb18309af2f0d553",
}

# The facts of an event that are fields of their own; the others only stand in the sentence.
JOURNAL_FIELDS = {
    "capture": "KDUMPD_CAPTURE",
    "core": "KDUMPD_CORE",
    "directory": "KDUMPD_DIRECTORY",
    "state": "KDUMPD_STATE",
    "class": "KDUMPD_CLASS",
    "reason": "KDUMPD_REASON",
    "signature": "KDUMPD_SIGNATURE",
    "kernel": "KDUMPD_KERNEL",
    "crashed_at": "KDUMPD_CRASHED_AT",
    "readiness": "KDUMPD_READINESS",
    "findings": "KDUMPD_FINDINGS",
    "crashkernel": "KDUMPD_CRASHKERNEL",
    "expected": "KDUMPD_EXPECTED",
    "reserved": "KDUMPD_RESERVED",
    "loaded": "KDUMPD_LOADED",
    "uid": "KDUMPD_UID",
    "verdict": "KDUMPD_VERDICT",
    "test": "KDUMPD_TEST",
    "objections": "KDUMPD_OBJECTIONS",
    "boot": "KDUMPD_BOOT",
}


class JournalEntry(NamedTuple):
    """One journal entry: a sentence for people, fields for programs; bytes need not be UTF-8."""

    message: str
    message_id: str
    fields: Mapping[str, bytes]


def entry_of(event: Event) -> JournalEntry:
    """Return the journal entry that tells of an event."""
    sentence, priority = EVENT_SENTENCES[event.kind](event.facts)
    fields = {
        JOURNAL_FIELDS[name]: _as_field(name, text).encode("utf-8", "surrogateescape")
        for name, text in event.facts.items()
        if name in JOURNAL_FIELDS
    }
    fields["KDUMPD_EVENT"] = event.id.encode("ascii")
    fields["PRIORITY"] = str(priority).encode("ascii")
    return JournalEntry(
        message=sentence,
        message_id=MESSAGE_IDS[event.kind],
        fields=MappingProxyType(fields),
    )


def public_message(event: Event) -> str:
    """Return what everybody may read of a capture: no path, and nothing in the kernel's words."""
    facts = {name: text for name, text in event.facts.items() if name != "reason"}
    match facts["state"]:
        case CaptureState.COMPLETE:
            what = f"a complete dump of {_size(facts)} was saved"
        case CaptureState.DMESG_ONLY:
            what = "only the kernel log was saved"
        case CaptureState.GONE:
            what = "its capture is gone"
        case _:
            what = "no complete dump was saved"
    return f"{_crash(facts)}: {what}"


def _as_field(name: str, text: str) -> str:
    # As _BOOT_ID has it, and journalctl -b takes it.
    return text.replace("-", "") if name == "boot" else text


def _complete(facts: Mapping[str, str]) -> tuple[str, int]:
    return (
        f"{_crash(facts)}: a complete dump of {_size(facts)} is in {_name(facts['core'])}",
        CRITICAL,
    )


def _incomplete(facts: Mapping[str, str]) -> tuple[str, int]:
    match facts["state"]:
        case CaptureState.DMESG_ONLY:
            what = f"only the kernel log was saved, in {_name(facts['directory'])}"
        case CaptureState.UNREADABLE:
            place = facts.get("core") or facts["directory"]
            what = f"the dump {_name(place)} cannot be checked: it {facts.get('problem', '')}"
        case _ if "core" not in facts:
            what = f"the capture in {_name(facts['directory'])} {facts.get('problem', 'is empty')}"
        case _:
            what = f"the dump {_name(facts['core'])} is incomplete: it {facts.get('problem', '')}"
    return f"{_crash(facts)}: {what}", CRITICAL


def _untrusted(facts: Mapping[str, str]) -> tuple[str, int]:
    place, why = _name(facts["directory"]), facts.get("problem", "its contents were not read")
    what = f"{place} may hold a capture, but users other than root could have put it there"
    if "uids" not in facts:  # an event that an older kdumpd recorded
        return f"{what}: {why}", WARNING
    if "mixed" in facts:
        others = f", and {facts['more']} more like this" if "more" in facts else ""
        return (
            f"{place} belongs to uid {facts['uid']} and contains files of root{others}: this may be"
            " a real dump, but that user can replace it, so kdumpd does not read it"
        ), WARNING
    uids = facts["uids"].split()
    whose = f"uid{'s' if len(uids) > 1 else ''} {', '.join(uids)}"
    whose += f" and {facts['other_uids']} others" if "other_uids" in facts else ""
    more = f" (and {facts['more']} more of {whose})" if "more" in facts else ""
    again = time_from_microseconds(int(facts["again_at"]))
    until = f"{again.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{what}{more}: {why}. kdumpd reports more of {whose} only after {until}", WARNING


def _gone(facts: Mapping[str, str]) -> tuple[str, int]:
    return f"{_crash(facts)}: its capture is gone from {_name(facts['directory'])}", NOTICE


def _exposed(facts: Mapping[str, str]) -> tuple[str, int]:
    what = "a kernel's memory" if facts["exposed"] == facts.get("core") else "a kernel's log"
    return f"All users can read {_name(facts['exposed'])}, which holds {what}", WARNING


def _changed(facts: Mapping[str, str]) -> tuple[str, int]:
    sentence, priority = _readiness(facts)
    return f"Readiness changed from {facts['before']} to {facts['readiness']}. {sentence}", priority


def _readiness(facts: Mapping[str, str]) -> tuple[str, int]:
    readiness = Readiness(facts["readiness"])
    because = f" Cause: {facts['because']}." if "because" in facts else ""
    # An event that an older kdumpd recorded has no sentence.
    sentence = facts.get("sentence", READINESS_SENTENCES[readiness])
    return sentence + because, INFO if readiness is Readiness.READY else WARNING


def _test_refused(facts: Mapping[str, str]) -> tuple[str, int]:
    return f"The {_user(facts)} was refused a crash test: {facts['because']}", WARNING


def _test_announced(facts: Mapping[str, str]) -> tuple[str, int]:
    # What is an emergency, journald writes to the terminals of all who are logged in
    # (journald.conf(5): ForwardToWall=yes, MaxLevelWall=emerg), and to the disk at once.
    machine, seconds = facts.get("host", "this machine"), facts["seconds"]
    for_whom = f"for the {_user(facts)}{_overridden(facts)}"
    if "rehearsal" in facts:
        what = (
            f"This is a rehearsal of a crash test of {machine}, {for_whom}: in {seconds} s the"
            " kernel only prints its SysRq help, and does not crash"
        )
    else:
        what = (
            f"The kernel of {machine} will be crashed on purpose in {seconds} s, as a test"
            f" {for_whom}"
        )
    return f"{what}. To stop it: {CANCEL_COMMAND}", EMERGENCY


def _test_cancelled(facts: Mapping[str, str]) -> tuple[str, int]:
    what = "rehearsal of a crash test" if "rehearsal" in facts else "crash test"
    where = f" of {facts['host']}" if "host" in facts else ""
    # To the terminals again, which were told that the crash comes.
    over = f"The {what}{where}, for the {_user(facts)}, is over without a crash"
    return f"{over}: {facts['because']}", EMERGENCY


def _user(facts: Mapping[str, str]) -> str:
    if "user" in facts:
        return f"user {facts['user']} (uid {facts['uid']})"
    return f"user with uid {facts['uid']}"


def _overridden(facts: Mapping[str, str]) -> str:
    return f", overriding: {facts['overridden']}" if "overridden" in facts else ""


def _test_triggered(facts: Mapping[str, str]) -> tuple[str, int]:
    who = f"the {_user(facts)}" if "uid" in facts else "somebody"
    # journald writes to the disk at once what is critical (journald.conf(5), SyncIntervalSec=).
    how = "now on purpose, as a test"
    return f"The kernel is crashed {how}, for {who}{_overridden(facts)}", CRITICAL


def _test_verdict(facts: Mapping[str, str]) -> tuple[str, int]:
    kernel = f" on kernel {facts['kernel']}" if "kernel" in facts else ""
    if facts["verdict"] == CrashTestVerdict.PASSED:
        how_long = f" in {facts['seconds']} s" if "seconds" in facts else ""
        return (
            f"The crash test{kernel} has passed: a dump of {_size(facts)} was saved{how_long}",
            NOTICE,
        )
    return (
        f"The crash test{kernel} has failed: {facts.get('because', 'the cause is unknown')}",
        WARNING,
    )


def _not_captured(facts: Mapping[str, str]) -> tuple[str, int]:
    return f"{_crash(facts)}, and no dump was saved. {facts['because']}", CRITICAL


def _unclean(facts: Mapping[str, str]) -> tuple[str, int]:
    return facts["because"], WARNING


def _loop(facts: Mapping[str, str]) -> tuple[str, int]:
    how_often = f"{facts['crashes']} times within {facts['minutes']} minutes"
    return f"The kernel has crashed {how_often}: it may be in a crash loop", CRITICAL


def _crash(facts: Mapping[str, str]) -> str:
    kernel = f"Kernel {facts['kernel']}" if "kernel" in facts else "A kernel"
    how = "crashed" if facts.get("class") != CrashClass.SYSRQ else "was crashed on purpose"
    if "crashed_at" in facts:
        at = time_from_microseconds(int(facts["crashed_at"]))
        how += f" at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{kernel} {how}{_cause(facts)}"


def _cause(facts: Mapping[str, str]) -> str:
    class_ = facts.get("class", CrashClass.UNKNOWN)
    what = facts.get("reason", "") if class_ == CrashClass.UNKNOWN else class_
    if not what:
        return ""
    place = f" in {facts['function']}" if "function" in facts else ""
    again = f", number {facts['occurrence']} of this kind" if "occurrence" in facts else ""
    return f" ({what}{place}{again})"


def _size(facts: Mapping[str, str]) -> str:
    return human_size(int(facts["size"]))


def _name(path: str) -> str:
    return shown(path.encode("utf-8", "surrogateescape"))


EVENT_SENTENCES: Mapping[EventKind, Callable[[Mapping[str, str]], tuple[str, int]]] = {
    EventKind.CAPTURE_COMPLETE: _complete,
    EventKind.CAPTURE_INCOMPLETE: _incomplete,
    EventKind.CAPTURE_UNTRUSTED: _untrusted,
    EventKind.CAPTURE_GONE: _gone,
    EventKind.CAPTURE_EXPOSED: _exposed,
    EventKind.BOOT_VALIDATED: _readiness,
    EventKind.READINESS_CHANGED: _changed,
    EventKind.TEST_REFUSED: _test_refused,
    EventKind.TEST_ANNOUNCED: _test_announced,
    EventKind.TEST_CANCELLED: _test_cancelled,
    EventKind.TEST_TRIGGERED: _test_triggered,
    EventKind.TEST_VERDICT: _test_verdict,
    EventKind.CRASH_NOT_CAPTURED: _not_captured,
    EventKind.BOOT_UNCLEAN: _unclean,
    EventKind.CRASH_LOOP: _loop,
}
