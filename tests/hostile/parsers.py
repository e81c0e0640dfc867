# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parser of what strangers or a broken machine may have written, with good inputs for it.

Each is given bytes, and checks of the value that comes out what its users rely on: that it can be
kept, shown to everyone, and holds nothing of the machine's memory.
"""

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from kdumpd.config import ConfigError, Settings, apply, parse_assignments
from kdumpd.model.capture import Capture, CaptureState, CoreFacts, Format, Layout
from kdumpd.model.crash import Crash as Died
from kdumpd.model.crash import parse_kernel_log
from kdumpd.model.crash_class import CrashClass
from kdumpd.model.crashkernel import crashkernel_parameter, requested_size
from kdumpd.model.inspection import Inspected, InspectionError, parse_inspected, to_answer
from kdumpd.model.layout import recognise
from kdumpd.model.record import RecordError, from_record, to_record
from kdumpd.model.vmcoreinfo import VmcoreinfoError, parse_vmcoreinfo
from kdumpd.observe.core import read_core
from kdumpd.observe.flattened import Record, find_pages, parse_tail
from kdumpd.observe.mounts import parse_mount_points
from tests import cores
from tests.hostile.mutator import Parts
from tests.hostile.secrecy import is_telling

SAMPLES = Path(__file__).parents[1] / "samples"
LONGEST_REASON = 200
TRIPLE = struct.Struct(">qqq")
PAGES = (cores.ZERO_PAGE, b"x" * cores.BLOCK)
CRASH = cores.Crash(pages=PAGES)

LOG = b"""\
[   12.345678] crasher: loading out-of-tree module taints kernel.
[   13.000001] BUG: kernel NULL pointer dereference, address: 0000000000000010
[   13.000002] #PF: supervisor write access in kernel mode
[   13.000003] Oops: 0002 [#1] PREEMPT SMP NOPTI
[   13.000004] CPU: 0 PID: 107 Comm: busybox Kdump: loaded Tainted: G           O  6.1.0-56-amd64 #1
[   13.000005] RIP: 0010:crash_now+0x17/0x30 [crasher]
[   13.000006] Code: 1f 44 00 00 <c7> 04 25 10 00 00 00
[   13.000007] RSP: 0018:ffffb1d2401a7e50 EFLAGS: 00010246
[   13.000008] RAX: 0000000000000000 RBX: ffff9d2f4123a000 RCX: 0000000000000000
[   13.000009] Call Trace:
[   13.000010]  <TASK>
[   13.000011]  ? write_crash+0x2a/0x60 [crasher]
[   13.000012]  proc_reg_write+0x54/0xa0
[   13.000013]  vfs_write+0xd8/0x3e0
[   13.000014]  do_syscall_64+0x5b/0xc0
[   13.000015]  entry_SYSCALL_64_after_hwframe+0x64/0xce
[   13.000016]  </TASK>
[   13.000017] Modules linked in: crasher(O) virtio_net ext4
[   13.000018] ---[ end trace 0000000000000000 ]---
[   13.000019] Kernel panic - not syncing: Fatal exception
"""
OTHER_LOG = b"""\
[   99.000000] sysrq: Trigger a crash
[   99.000001] Kernel panic - not syncing: sysrq triggered crash
[   99.000002] CPU: 1 PID: 1 Comm: init Kdump: loaded Not tainted 6.1.0-56-amd64 #1
[   99.000003] Call Trace:
[   99.000004]  panic+0x118/0x2ed
[   99.000005]  sysrq_handle_crash+0x16/0x20
[   99.000006]  __handle_sysrq.cold+0xa6/0x1a0
"""
ERROR_LOG = b"""\
<0>[  7.1] mce: [Hardware Error]: CPU 2: Machine Check Exception: 5 Bank 4: b200000000070f0f
<0>[  7.2] mce: [Hardware Error]: TSC 1a2b3c4d5e6f ADDR fef1ce40 MISC d012000100000000
[  7.3][    T1] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:77]
[  7.4][    T1] Kernel panic - not syncing: Fatal machine check: Attempted to kill init!
"""

MOUNTS = b"""\
29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 29 0:5 / /var/crash/a\\040b\\012c rw - tmpfs tmpfs rw
"""
CONFIGURATION = b"""\
# kdumpd
[Manager]
CrashDirectories=/var/crash '/srv/my crash'
CrashDirectories=
SettleSec=2min
SettleSec=0.5s
"""

FACTS = CoreFacts(
    format=Format.KDUMP_COMPRESSED,
    compression="zlib",
    complete=True,
    crashed_at=datetime(2026, 11, 23, tzinfo=UTC),
    host="crashed.example",
    kernel_release="6.1.0-56-amd64",
    architecture="x86_64",
    build_id="eb4fbcd037e7253717950bf2b93bd5566f47c56f",
    identity=CRASH.vmcoreinfo,
)
DIED = Died(
    class_=CrashClass.SYSRQ,
    reason="sysrq triggered crash",
    function="sysrq_handle_crash",
    command="busybox",
    pid=107,
    armed=True,
    signature="0123456789abcdef",
)
CAPTURE = Capture(
    id="0123456789abcdef",
    directory=b"/var/crash/\xff",
    core_file=b"/var/crash/\xff/vmcore",
    dmesg_file=b"",
    layout=Layout.KDUMP_UTILS,
    format=Format.FLATTENED,
    compression="",
    size=1 << 40,
    state=CaptureState.INCOMPLETE,
    trusted=True,
    problem="has no end record",
    crashed_at=FACTS.crashed_at,
    found_at=datetime(2026, 11, 24, tzinfo=UTC),
    host="crashed.example",
    kernel_release="6.1.0-56-amd64",
    architecture="x86_64",
    build_id="",
    world_readable=False,
    crash=DIED,
)

ANSWERS = (
    Inspected(facts=FACTS, log=LOG, log_problem="", log_source="drgn"),
    Inspected(facts=CoreFacts(problem="is cut"), log=b"\xff", log_problem=""),
    Inspected(facts=None, log=None, log_problem="holds no log"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """A parser: what gives it bytes, the errors that it declares, and inputs that it takes."""

    name: str
    read: Callable[..., None]
    errors: tuple[type[Exception], ...]
    seeds: tuple[Parts, ...]


def _core(content: bytes) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        facts = read_core(fd)
    finally:
        os.close(fd)
    _check_kept(facts)
    _check_shown(facts)
    assert facts.complete is not bool(facts.problem)


def _vmcoreinfo(note: bytes) -> None:
    info = parse_vmcoreinfo(note)
    assert info.kernel_release
    for text in (info.kernel_release, info.build_id):
        assert text.isascii()
        assert text.isprintable()
    assert info.crashed_at is None or info.crashed_at.tzinfo is UTC


def _kernel_log(log: bytes) -> None:
    crash = parse_kernel_log(log)
    _check_kept(crash)
    _check_shown(crash)
    assert len(crash.reason) <= LONGEST_REASON
    assert len(crash.signature) in {0, 16}
    for text in (crash.reason, crash.function, crash.module, crash.command, crash.tainted):
        assert not is_telling(text)


def _pages(records: bytes, at: bytes) -> None:
    whole = records[: len(records) // TRIPLE.size * TRIPLE.size]
    found = find_pages([Record(*one) for one in TRIPLE.iter_unpack(whole)], _number(at))
    assert found is None or isinstance(found, int)


def _tail(tail: bytes, pages_at: bytes) -> None:
    assert parse_tail(tail, _number(pages_at)) in {True, False}


def _mount_points(table: bytes) -> None:
    assert all(isinstance(point, bytes) for point in parse_mount_points(table))


def _configuration(text: bytes) -> None:
    for line in parse_assignments(text.decode("utf-8", "replace"), "file"):
        try:
            settings = apply(Settings(), line)
        except ConfigError:
            continue
        assert settings.settle_seconds > 0
        assert all(folder.startswith(b"/") for folder in settings.folders)
        assert all(b".." not in folder.split(b"/") for folder in settings.folders)


def _crashkernel(cmdline: bytes) -> None:
    parameter = crashkernel_parameter(cmdline)
    assert parameter.isascii()
    size = requested_size(parameter)
    assert size is None or size >= 0


def _record(*values: bytes) -> None:
    try:
        record = json.loads(_joined(RECORD, values))
    except (ValueError, RecursionError):  # it is the ledger that reads JSON
        return
    capture = from_record(Capture, record)
    assert from_record(Capture, json.loads(json.dumps(to_record(capture)))) == capture


def _inspected(answer: bytes) -> None:
    inspected = parse_inspected(answer)
    assert parse_inspected(to_answer(inspected)) == inspected
    if inspected.facts is not None:
        _check_kept(inspected.facts)
        _check_shown(inspected.facts)


def _inspected_values(*values: bytes) -> None:
    facts = _joined(SAID_FACTS, values[3:])
    _inspected(_joined(SAID, [*values[:3], facts]))


def _layout(names: bytes) -> None:
    recognise(names.split(b"/"))


def _joined(names: Sequence[str], values: Sequence[bytes]) -> bytes:
    """Return a JSON object of these names and values, whatever the values are."""
    pairs = zip(names, values, strict=True)
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in pairs) + b"}"


def _values(content: Mapping[str, object], names: Sequence[str]) -> Parts:
    return tuple(json.dumps(content[name]).encode("ascii") for name in names)


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


def _samples(pattern: str, most: int = 4096) -> tuple[Parts, ...]:
    return tuple((path.read_bytes()[-most:],) for path in sorted(SAMPLES.glob(pattern)))


def _answer_values(answer: bytes) -> Parts:
    content = json.loads(answer)
    return (*_values(content, SAID[:3]), *_values(content["facts"], SAID_FACTS))


RECORD = tuple(to_record(CAPTURE))
SAID = ("log", "log_problem", "log_source", "facts")
SAID_FACTS = tuple(json.loads(to_answer(ANSWERS[0]))["facts"])

CORES: dict[str, tuple[Parts, ...]] = {
    "flattened": (
        (cores.flattened(CRASH),),
        (cores.flattened(CRASH, compressed=False, buffer=4096),),
        (cores.flattened(CRASH, order=">"),),
        (cores.flattened_elf(CRASH),),
        (cores.flattened_elf(CRASH, order=">"),),
    ),
    "kdump": tuple(
        (cores.kdump(CRASH, order=order, wide=wide),) for order in "<>" for wide in (True, False)
    ),
    "elf": tuple(
        (cores.elf(CRASH, order=order, wide=wide),) for order in "<>" for wide in (True, False)
    ),
}

ALL = (
    *(
        Parser(name=f"core-{name}", read=_core, errors=(), seeds=seeds)
        for name, seeds in CORES.items()
    ),
    Parser(
        name="vmcoreinfo",
        read=_vmcoreinfo,
        errors=(VmcoreinfoError,),
        seeds=((CRASH.vmcoreinfo,), (cores.Crash(crash_time=None).vmcoreinfo,)),
    ),
    Parser(
        name="kernel-log",
        read=_kernel_log,
        errors=(),
        seeds=((LOG,), (OTHER_LOG,), (ERROR_LOG,), *_samples("logs/*.txt")),
    ),
    Parser(
        name="flattened-pages",
        read=_pages,
        errors=(),
        seeds=(
            (
                b"".join(
                    TRIPLE.pack(0, offset, len(data))
                    for offset, data in cores.kdump_records(CRASH, buffer=8192)
                ),
                cores.Kdump(CRASH).descriptors_at.to_bytes(8, "big"),
            ),
        ),
    ),
    Parser(
        name="flattened-tail",
        read=_tail,
        errors=(),
        seeds=((cores.flattened(CRASH)[-9000:], cores.Kdump(CRASH).pages_at.to_bytes(8, "big")),),
    ),
    Parser(
        name="mounts",
        read=_mount_points,
        errors=(),
        seeds=((MOUNTS,),),
    ),
    Parser(
        name="configuration",
        read=_configuration,
        errors=(),
        seeds=(
            (CONFIGURATION,),
            (b"SettleSec=1\n[Other]\nKey=value\n[Manager]\nSettleSec=30 s",),
        ),
    ),
    Parser(
        name="crashkernel",
        read=_crashkernel,
        errors=(),
        seeds=(
            (b"BOOT_IMAGE=/vmlinuz ro quiet crashkernel=0x10000000@16M crashkernel=256M,high\n",),
            (b"crashkernel=1G-4G:192M,4G-:256M crashkernel=72M,low crashkernel=1E,cma\n",),
        ),
    ),
    Parser(
        name="record",
        read=_record,
        errors=(RecordError,),
        seeds=(_values(to_record(CAPTURE), RECORD),),
    ),
    Parser(
        name="inspected",
        read=_inspected,
        errors=(InspectionError,),
        seeds=tuple((to_answer(one),) for one in ANSWERS),
    ),
    Parser(
        name="inspected-values",
        read=_inspected_values,
        errors=(InspectionError,),
        seeds=tuple(_answer_values(to_answer(one)) for one in ANSWERS[:2]),
    ),
    Parser(
        name="layout",
        read=_layout,
        errors=(),
        seeds=(
            (b"dmesg.202611230113/dump.202611230113.gz/dump-incomplete",),
            (b"vmcore/vmcore-dmesg.txt/kexec-dmesg.log/vmcore.1/vmcore.2/README.txt",),
        ),
    ),
)
PARSERS = {parser.name: parser for parser in ALL}
