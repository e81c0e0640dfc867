# SPDX-License-Identifier: GPL-2.0-or-later
"""Give a parser bytes, and check of what comes out of it what its users rely on.

That it can be kept, shown to everyone, and holds nothing of the machine's memory.
"""

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC

from kdumpd.config import ConfigError, Settings, apply, parse_assignments
from kdumpd.inspect.kernel_log import read_kernel_log
from kdumpd.inspect.unpack import Spool, unwrap
from kdumpd.model.captures.capture import Capture
from kdumpd.model.captures.core import (
    CoreFacts,
    Format,
    Part,
    joined,
    parse_inspected,
    parse_vmcoreinfo,
    to_answer,
)
from kdumpd.model.captures.layouts import parse_readme, recognise, recognise_at_the_top, with_readme
from kdumpd.model.codec import from_record, to_record
from kdumpd.model.crashkernel.expect import expect
from kdumpd.model.crashkernel.parse import crashkernel_parameter
from kdumpd.model.crashlog.crash import parse_kernel_log
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES
from kdumpd.model.formats.kdump_settings import parse_assignment
from kdumpd.model.formats.mounts import parse_mount_points, parse_user_mount_points
from kdumpd.model.vocabulary import Crash as Died
from kdumpd.observe.captures.capture import is_kernel_crash, parse_report
from kdumpd.observe.captures.retention import parse_ages, parse_apport_job, parse_number
from kdumpd.observe.cores.core import parse_magic, read_core
from kdumpd.observe.cores.flattened import FlattenedRecord, find_pages, parse_tail
from tests.security.address_leaks import is_telling
from tests.security.inputs import RECORD, SAID, SAID_FACTS, TRIPLE
from tests.support.printk import AMD64, BYTE_ORDERS, Segments

LONGEST_REASON = 200
MOST_SPOOLED = 1 << 20


def read_small_core(content: bytes) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        facts = read_core(fd)
    finally:
        os.close(fd)
    _check_kept(replace(facts, part=None))
    if facts.part is not None:
        assert joined([(b"vmcore", facts)]).part is None
    _check_shown(facts)
    assert facts.complete is not bool(facts.problem)


def read_vmcoreinfo(note: bytes) -> None:
    info = parse_vmcoreinfo(note)
    assert info.kernel_release
    for text in (info.kernel_release, info.build_id):
        assert text.isascii()
        assert text.isprintable()
    assert info.crashed_at is None or info.crashed_at.tzinfo is UTC


def read_kernel_log_text(log: bytes) -> None:
    crash = parse_kernel_log(log)
    _check_kept(crash)
    _check_shown(crash)
    assert len(crash.reason) <= LONGEST_REASON
    assert len(crash.signature) in {0, 16}
    # The command is not among them: whoever started it chose its name.
    for text in (crash.reason, crash.function, crash.module, crash.tainted):
        assert not is_telling(text), text


def read_pages(records: bytes, at: bytes) -> None:
    whole = records[: len(records) // TRIPLE.size * TRIPLE.size]
    found = find_pages([FlattenedRecord(*one) for one in TRIPLE.iter_unpack(whole)], _number(at))
    assert found is None or isinstance(found, int)


def read_tail(tail: bytes, pages_at: bytes) -> None:
    assert parse_tail(tail, _number(pages_at)) in {True, False}


def read_mount_points(table: bytes) -> None:
    points = set(parse_mount_points(table))
    assert all(isinstance(point, bytes) for point in points)
    assert points.issuperset(parse_user_mount_points(table))


def read_configuration(text: bytes) -> None:
    for line in parse_assignments(text.decode("utf-8", "replace"), "file"):
        try:
            settings = apply(Settings(), line)
        except ConfigError:
            continue
        assert settings.settle_seconds > 0
        assert all(directory.startswith(b"/") for directory in settings.directories)
        assert all(b".." not in directory.split(b"/") for directory in settings.directories)


def read_crashkernel(cmdline: bytes) -> None:
    parameter = crashkernel_parameter(cmdline)
    assert parameter.isascii()
    expected = expect(cmdline, 1 << 31)
    assert expected.main >= 0
    assert (expected.main == 0) == bool(expected.problem)
    assert all(clause.text.isprintable() for clause in expected.reading)


def read_record(*values: bytes) -> None:
    try:
        record = json.loads(_joined(RECORD, values))
    except (ValueError, RecursionError):  # it is the ledger that reads JSON
        return
    capture = from_record(Capture, record)
    assert from_record(Capture, json.loads(json.dumps(to_record(capture)))) == capture


def read_inspected(answer: bytes) -> None:
    inspected = parse_inspected(answer)
    assert parse_inspected(to_answer(inspected)) == inspected
    if inspected.facts is not None:
        _check_kept(inspected.facts)
        _check_shown(inspected.facts)


def read_inspected_values(*values: bytes) -> None:
    facts = _joined(SAID_FACTS, values[3:])
    read_inspected(_joined(SAID, [*values[:3], facts]))


def read_layout(directory: bytes, names: bytes) -> None:
    for rule in (recognise, recognise_at_the_top):
        for members in rule(names.split(b"/"), directory):
            assert set(members.cores) <= set(names.split(b"/"))


def read_wrapped(content: bytes) -> None:
    head = parse_magic(content[:16])
    if not head.wrapped or head.wrapper in {"lz4", "zstd"}:
        return  # those two are unpacked by programs of their own
    fd, inside = os.memfd_create("core"), os.memfd_create("inside")
    try:
        os.write(fd, content)
        facts = unwrap(fd, head.wrapper, Spool(inside, MOST_SPOOLED))
    finally:
        os.close(fd)
        os.close(inside)
    _check_kept(facts)
    _check_shown(facts)
    assert facts.complete is not bool(facts.problem)


def read_printk(machine: bytes, note: bytes, *pieces: bytes) -> None:
    """Read a log out of memory: `pieces` are addresses and contents in turn."""
    addresses = [_number(piece) for piece in pieces[::2]]
    memory = Segments(
        BYTE_ORDERS.get(machine.decode("latin-1"), AMD64),
        dict(zip(addresses, pieces[1::2], strict=True)),
    )
    log = read_kernel_log(memory, parse_vmcoreinfo(note).values)
    assert len(log) <= MAX_LOG_BYTES
    assert log.isascii()


def read_readme(text: bytes) -> None:
    facts = with_readme(CoreFacts(), parse_readme(text), has_core=True)
    _check_kept(facts)
    _check_shown(facts)


def read_report(report: bytes) -> None:
    is_kernel_crash(report)
    read_kernel_log_text(parse_report(report))


def read_retention(script: bytes, ages: bytes, defaults: bytes) -> None:
    assert all(days >= 0 for days in parse_apport_job(script).values())
    for name in (b"KDUMP_COREDIR", b"KDUMP_NUM_DUMPS", b"KDUMP_KEEP_OLD_DUMPS"):
        parse_number(parse_assignment(defaults, name))
    assert all(age.total_seconds() > 0 for _, age in parse_ages([ages]))


def read_split(*numbers: bytes) -> None:
    """Join parts of a core: three numbers make one, and each is of the same crash."""
    content = b"".join(numbers)
    parts = [
        (
            b"vmcore.%d" % number,
            CoreFacts(
                format=Format.KDUMP_COMPRESSED,
                identity=b"one",
                part=Part(start=start, end=end, frames=frames),
            ),
        )
        for number, (start, end, frames) in enumerate(
            struct.iter_unpack(">QQQ", content[: len(content) // 24 * 24])
        )
    ]
    if parts:
        facts = joined(parts)
        assert facts.complete is not bool(facts.problem)


def _joined(names: Sequence[str], values: Sequence[bytes]) -> bytes:
    """Return a JSON object of these names and values, whatever the values are."""
    pairs = zip(names, values, strict=True)
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in pairs) + b"}"


def _check_kept(value: CoreFacts | Died) -> None:
    kept = json.loads(json.dumps(to_record(value)).encode("ascii"))
    if isinstance(value, CoreFacts):
        assert from_record(CoreFacts, kept) == value
    else:
        assert from_record(Died, kept) == value


def _check_shown(value: CoreFacts | Died) -> None:
    for one in fields(value):
        text = getattr(value, one.name)
        if isinstance(text, str):
            assert text.isascii(), text
            assert text.isprintable(), text


def _number(content: bytes) -> int:
    return int.from_bytes(content[:8], "big")
