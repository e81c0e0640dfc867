# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parser of what strangers or a broken machine may have written, with good inputs for it."""

import struct

from kdumpd.inspect.kernel_log import UnreadableMemoryError
from kdumpd.model.captures.core import InspectionError, VmcoreinfoError, to_answer
from kdumpd.model.codec import RecordError, to_record
from kdumpd.model.crashlog.printk import PrintkError
from kdumpd.observe.captures.capture import ReportError
from tests.security import readings
from tests.security.inputs import (
    ANSWERS,
    CAPTURE,
    CONFIGURATION,
    CRASH,
    DEFAULTS,
    ERROR_LOG,
    LOG,
    MOUNTS,
    OTHER_LOG,
    PLACEHOLDER,
    README,
    RECORD,
    RETENTION,
    TMPFILES,
    TRIPLE,
    answer_values,
    apport_report,
    printk_inputs,
    samples,
    values_of,
)
from tests.security.machine_parsers import MACHINE
from tests.security.mutator import Parts
from tests.security.parser import Parser
from tests.support import cores
from tests.support.wrappers import IN_PYTHON, WRAPPERS

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
        Parser(name=f"core-{name}", read=readings.read_small_core, errors=(), seeds=seeds)
        for name, seeds in CORES.items()
    ),
    Parser(
        name="vmcoreinfo",
        read=readings.read_vmcoreinfo,
        errors=(VmcoreinfoError,),
        seeds=((CRASH.vmcoreinfo,), (cores.Crash(crash_time=None).vmcoreinfo,)),
    ),
    Parser(
        name="kernel-log",
        read=readings.read_kernel_log_text,
        errors=(),
        seeds=((LOG,), (OTHER_LOG,), (ERROR_LOG,), *samples("logs/**/*.txt")),
    ),
    Parser(
        name="flattened-pages",
        read=readings.read_pages,
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
        read=readings.read_tail,
        errors=(),
        seeds=((cores.flattened(CRASH)[-9000:], cores.Kdump(CRASH).pages_at.to_bytes(8, "big")),),
    ),
    Parser(
        name="mounts",
        read=readings.read_mount_points,
        errors=(),
        seeds=((MOUNTS,),),
    ),
    Parser(
        name="configuration",
        read=readings.read_configuration,
        errors=(),
        seeds=(
            (CONFIGURATION,),
            (b"SettleSec=1\n[Other]\nKey=value\n[Manager]\nSettleSec=30 s",),
        ),
    ),
    Parser(
        name="crashkernel",
        read=readings.read_crashkernel,
        errors=(),
        seeds=(
            (b"BOOT_IMAGE=/vmlinuz ro quiet crashkernel=0x10000000@16M crashkernel=256M,high\n",),
            (b"crashkernel=1G-4G:192M,4G-:256M crashkernel=72M,low crashkernel=1E,cma\n",),
        ),
    ),
    Parser(
        name="record",
        read=readings.read_record,
        errors=(RecordError,),
        seeds=(values_of(to_record(CAPTURE), RECORD),),
    ),
    Parser(
        name="inspected",
        read=readings.read_inspected,
        errors=(InspectionError,),
        seeds=tuple((to_answer(one),) for one in ANSWERS),
    ),
    Parser(
        name="inspected-values",
        read=readings.read_inspected_values,
        errors=(InspectionError,),
        seeds=tuple(answer_values(to_answer(one)) for one in ANSWERS[:2]),
    ),
    Parser(
        name="layout",
        read=readings.read_layout,
        errors=(),
        seeds=(
            (b"202611230113", b"dmesg.202611230113/dump.202611230113.gz/dump-incomplete"),
            (b"2026-11-23-01:13", b"vmcore/dmesg.txt/README.txt/vmcore.1/vmcore.2"),
            (b"127.0.0.1", b"vmcore-dmesg.txt/kexec-dmesg.log/vmcore.flat/opalcore"),
            (b"pstore", b"dmesg-efi-165467561001001/dmesg-erst-6543210987654321001/dmesg.txt"),
            (b"", b"linux-image-6.8.0-31-generic-202611230113.crash/vmcore/vmcore.log"),
        ),
    ),
    Parser(
        name="wrapped",
        read=readings.read_wrapped,
        errors=(),
        seeds=tuple(
            (WRAPPERS[name](core),)
            for name in IN_PYTHON
            for core in (cores.flattened(CRASH), cores.elf(CRASH))
        ),
    ),
    Parser(
        name="printk",
        read=readings.read_printk,
        errors=(PrintkError, UnreadableMemoryError, VmcoreinfoError),
        seeds=tuple(printk_inputs()),
    ),
    Parser(
        name="suse-readme", read=readings.read_readme, errors=(), seeds=((README,), (PLACEHOLDER,))
    ),
    Parser(
        name="apport-report",
        read=readings.read_report,
        errors=(ReportError,),
        seeds=(
            (apport_report(),),
            (
                b"ProblemType: KernelCrash\nVmCoreDmesg:\n "
                + OTHER_LOG.replace(b"\n", b"\n ")
                + b"\n",
            ),
        ),
    ),
    Parser(
        name="retention",
        read=readings.read_retention,
        errors=(),
        seeds=((RETENTION, TMPFILES, DEFAULTS),),
    ),
    Parser(
        name="split",
        read=readings.read_split,
        errors=(),
        seeds=(
            tuple(struct.pack(">QQQ", start, start + 8, 24) for start in (0, 8, 16)),
            tuple(struct.pack(">QQQ", start, start + 12, 24) for start in (12, 0, 6)),
        ),
    ),
)
PARSERS = {parser.name: parser for parser in (*ALL, *MACHINE)}
