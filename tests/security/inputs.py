# SPDX-License-Identifier: GPL-2.0-or-later
"""Good inputs: what the parsers are given broken copies of."""

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kdumpd.model.captures.capture import Capture, Layout
from kdumpd.model.captures.core import CoreFacts, Format, Inspected, to_answer
from kdumpd.model.codec import to_record
from kdumpd.model.vocabulary import CaptureState, CrashClass
from kdumpd.model.vocabulary import Crash as Died
from tests.security.mutator import Parts
from tests.support import cores
from tests.support.printk import BYTE_ORDERS, records, ring

SAMPLES = Path(__file__).parents[1] / "samples"
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


def samples(pattern: str, most: int = 4096) -> tuple[Parts, ...]:
    return tuple((path.read_bytes()[-most:],) for path in sorted(SAMPLES.rglob(pattern)))


def answer_values(answer: bytes) -> Parts:
    content = json.loads(answer)
    return (*values_of(content, SAID[:3]), *values_of(content["facts"], SAID_FACTS))


def values_of(content: Mapping[str, object], names: Sequence[str]) -> Parts:
    return tuple(json.dumps(content[name]).encode("ascii") for name in names)


RECORD = tuple(to_record(CAPTURE))
SAID = ("log", "log_problem", "log_source", "facts")
SAID_FACTS = tuple(json.loads(to_answer(ANSWERS[0]))["facts"])


README = b"""\
Kernel crashdump
----------------

Crash time     : 2026-11-23 01:13 (+0100)
Kernel version : 6.4.0-150600.23.17-default
Host           : crashed
Dump level     : 31
Dump format    : compressed
vmcore status: saved successfully
"""
PLAIN_LOG = OTHER_LOG.replace(b"\n", b"\n ")
PLAIN_REPORT = b"ProblemType: KernelCrash\nVmCoreDmesg:\n " + PLAIN_LOG + b"\n"
PLACEHOLDER = b"If you see this,\nthe crash dump is\n likely incomplete\n"
RETENTION = b"""\
#!/bin/sh
# clean all crash reports which are older than a week.
[ -d /var/crash ] || exit 0
find /var/crash/. ! -name . -prune -type f \\( \\( -size 0 -a ! -name \\*.lock \\) -o -mtime +7 \\)
find /var/crash/. ! -name . -prune -type d -regextype posix-extended -mtime +7
find /var/crash -type d -mtime +7 -exec rm -Rf '{}' \\;
"""
TMPFILES = b"""\
# what systemd ships
d /var/lib/systemd/pstore 0755 root root 14d
D! /var/crash 0755 root root aAbBcCmM:1w2d~ -
x /var/crash/keep
e /srv/crash - - - 1d12h30min5s -
"""
DEFAULTS = b"""\
# kdump-tools configuration
USE_KDUMP=1
export KDUMP_COREDIR="/srv/crash" # where
KDUMP_NUM_DUMPS=5
KDUMP_KEEP_OLD_DUMPS=-2
"""


def printk_inputs() -> Iterator[Parts]:
    """Yield the kernel log of each kind of machine, of new kernels and of old ones."""
    lines = [(number * 1_000_000, b"line %d\nof two" % number) for number in range(6)]
    for name, byte_order in BYTE_ORDERS.items():
        for log in (ring(lines, byte_order), records(lines, byte_order, size=256)):
            said = {"OSRELEASE": "6.1.0", **log.values}
            note = "".join(f"{key}={value}\n" for key, value in said.items())
            pieces = [
                piece
                for address, content in log.memory.contents.items()
                for piece in (address.to_bytes(8, "big"), content)
            ]
            yield name.encode("ascii"), note.encode("ascii"), *pieces


def apport_report() -> bytes:
    """Return a report as apport writes it: the header of a gzip stream, and the stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    blocks = (
        b"\x1f\x8b\x08\x08\0\0\0\0\x02\xffVmCoreDmesg\0",
        packer.compress(LOG) + packer.flush(),
        struct.pack("<LL", zlib.crc32(LOG), len(LOG)),
    )
    lines = b"".join(b" " + b64encode(block) + b"\n" for block in blocks)
    return b"ProblemType: KernelCrash\nArchitecture: amd64\nVmCoreDmesg: base64\n" + lines
