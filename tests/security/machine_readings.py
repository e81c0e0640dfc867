# SPDX-License-Identifier: GPL-2.0-or-later
"""Give bytes to a parser of the machine's own files, and have the rules judge what comes out."""

import os
from collections.abc import Iterable
from dataclasses import replace

from kdumpd.model.boots.journal import BootEntries, Moment, parse_boot
from kdumpd.model.captures.core import MAX_DUMP_LEVEL
from kdumpd.model.captures.layouts import parse_record_time
from kdumpd.model.crashkernel.expect import expect
from kdumpd.model.crashkernel.parse import (
    U64_MASK,
    crashkernel_parameter,
    memparse,
    misspellings,
    short_size,
    superseded,
    unread_rest,
)
from kdumpd.model.formats.boot_loader import (
    chosen_by_pattern,
    chosen_entry,
    chosen_name,
    entry_by_name,
    is_grub_script,
    parse_boot_entry,
    parse_grub_menu,
    parse_grubenv,
    parse_zipl,
)
from kdumpd.model.formats.boot_messages import parse_complaint, parse_reservation_log
from kdumpd.model.formats.kdump_settings import (
    DumpSettings,
    assignments,
    parse_kdump_conf,
    parse_kdump_tools,
    parse_suse,
)
from kdumpd.model.formats.kernel import (
    parse_kernel_image,
    parse_os_release,
    plain_release,
    release_in,
    release_key,
    way_to_reserve,
)
from kdumpd.model.formats.memory import (
    best_ram,
    memory_use,
    parse_cma_ranges,
    parse_iomem,
    parse_meminfo,
    steady,
)
from kdumpd.model.formats.mounts import find_mount, mount_unit, parse_fstab, parse_mountinfo
from kdumpd.model.readiness.facts import (
    BootFile,
    BootLog,
    DumpDirectory,
    LogSource,
    MachineFacts,
    NextBootFacts,
)
from kdumpd.model.readiness.rules.panic_policy import keyboard_functions
from kdumpd.model.readiness.verdict import verdict_of
from kdumpd.model.text import printable
from kdumpd.observe.readiness.boot_messages import parse_record
from tests.support.looks import START
from tests.support.machine_facts import HEALTHY

RAM = 2 << 30
LONGEST_VALUE = 1 << 19  # of a variable, from a script of LARGEST bytes (mutator)
ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64")


def judge(machine: MachineFacts) -> None:
    """Have every rule judge it; what is said can be shown to anybody."""
    verdict = verdict_of(machine, START)
    for one in verdict.checks:
        _is_shown(one.message, one.remedy)
    _is_shown(*(clause.text for clause in verdict.reservation.reading))


def read_command_line(cmdline: bytes) -> None:
    parameter = crashkernel_parameter(cmdline)
    for architecture in ARCHITECTURES:
        for release in ("", "5.10.0", "6.1.0"):
            found = expect(cmdline, RAM, architecture, release)
            _is_shown(found.explanation, *(clause.text for clause in found.reading))
            assert min(found.main, found.low, found.cma) >= 0
            assert (found.main == 0) == bool(found.problem)
    for words in (*misspellings(cmdline), *superseded(cmdline)):
        assert words in cmdline
    _is_shown(unread_rest(cmdline))
    kernel = replace(HEALTHY.kernel, crashkernel=parameter)
    judge(
        replace(HEALTHY, kernel=kernel, reservation=replace(HEALTHY.reservation, cmdline=cmdline))
    )


def read_number(text: bytes) -> None:
    value, rest = memparse(text)
    assert 0 <= value <= U64_MASK
    assert text.endswith(rest)
    _is_shown(short_size(value))


def read_boot_log(log: bytes) -> None:
    lines = log.decode("utf-8", "backslashreplace").split("\n")
    found = parse_reservation_log(lines)
    assert all(area.size > 0 for area in found.areas)
    for line in lines:
        complaint = parse_complaint(line)
        if complaint:
            _is_shown(complaint.words, complaint.explanation)
    log_ = BootLog(source=LogSource.KMSG, log=found)
    ram = best_ram(None, found.system_ram, None, None)
    reservation = replace(HEALTHY.reservation, log=log_, ram=ram, regions=None)
    judge(replace(HEALTHY, reservation=reservation))
    kernel = replace(HEALTHY.kernel, reserved=0, crash_loaded=False)
    judge(replace(HEALTHY, kernel=kernel, reservation=reservation))


def read_records(records: bytes) -> None:
    texts = [text for record in records.split(b"\n") if (text := parse_record(record)) is not None]
    parse_reservation_log(texts)


def read_iomem(content: bytes) -> None:
    found = parse_iomem(content)
    if found is None:
        return
    assert found.system_ram is None or found.system_ram > 0 or found.crash is not None
    ram = best_ram(found.system_ram, None, None, None)
    judge(
        replace(
            HEALTHY,
            reservation=replace(HEALTHY.reservation, regions=found.crash, ram=ram, log=None),
        )
    )


def read_cma_ranges(content: bytes) -> None:
    regions = parse_cma_ranges(content)
    if regions is not None:
        assert all(region.size > 0 for region in regions)
        cma = sum(region.size for region in regions)
        judge(replace(HEALTHY, reservation=replace(HEALTHY.reservation, cma=cma)))


def read_grub(config: bytes, block: bytes) -> None:
    text = os.fsdecode(config)
    menu, environment = parse_grub_menu(text), parse_grubenv(os.fsdecode(block))
    is_grub_script(text)
    name = chosen_name(menu, environment)
    entry = chosen_entry(menu, environment)
    if entry is not None:
        _judge_next(entry.options, entry.release)
    entry_by_name([entry] if entry else [], name)


def read_entries(entry: bytes, other: bytes, pattern: bytes) -> None:
    variables = {"kernelopts": "root=/dev/vda $kernelopts"}
    entries = [
        parse_boot_entry(name, os.fsdecode(text), variables)
        for name, text in (("one", entry), (os.fsdecode(pattern[:99]), other))
    ]
    chosen = chosen_by_pattern(entries, os.fsdecode(pattern))
    assert chosen is not None
    _judge_next(chosen.options, chosen.release)


def read_zipl(text: bytes) -> None:
    entry = parse_zipl(os.fsdecode(text))
    if entry is not None:
        _judge_next(entry.options, entry.release)


def read_mounts(table: bytes, fstab: bytes, path: bytes) -> None:
    mounts = tuple(parse_mountinfo(table))
    for entry in parse_fstab(fstab):
        assert entry.at_boot in {True, False}
    mount = find_mount(mounts, path)
    if mount is not None:
        assert mount_unit(mount.point).isascii()
    for at_boot in (True, False, None):
        directory = DumpDirectory(path=path, present=True, mount=mount, mounted_at_boot=at_boot)
        judge(replace(HEALTHY, storage=replace(HEALTHY.storage, directories=(directory,))))


def read_meminfo(content: bytes) -> None:
    memory = memory_use(parse_meminfo(content))
    if memory is None:
        return
    for level in range(MAX_DUMP_LEVEL + 1):
        assert memory.estimate(level, compressed=True) <= memory.estimate(level, compressed=False)
        assert memory.least(level) >= 0
        assert steady(memory.dumped(level)) <= memory.dumped(level)
    judge(replace(HEALTHY, storage=replace(HEALTHY.storage, memory=memory)))


def read_kdump_tools(script: bytes) -> None:
    _judge_settings(parse_kdump_tools(script))


def read_kdump_conf(text: bytes) -> None:
    _judge_settings(parse_kdump_conf(text))


def read_suse(script: bytes) -> None:
    _judge_settings(parse_suse(script))


def read_assignments(script: bytes) -> None:
    for value in assignments(script).values():
        assert value is None or len(value) <= LONGEST_VALUE


def read_image(head: bytes, name: bytes) -> None:
    image = parse_kernel_image(head)
    assert image.memory is None or image.memory > 0
    release = plain_release(printable(image.release)) or release_in(printable(name))
    release_key(release)
    file = BootFile(path="/boot/vmlinuz", size=len(head), release=release, memory=image.memory)
    judge(replace(HEALTHY, crash_kernel=replace(HEALTHY.crash_kernel, kernel=file)))


def read_os_release(content: bytes) -> None:
    _is_shown(way_to_reserve(parse_os_release(content), "256M"))


def read_sysrq(value: bytes) -> None:
    number = int.from_bytes(value[:9], "big", signed=True)
    _is_shown(*keyboard_functions(number))
    judge(replace(HEALTHY, policy=replace(HEALTHY.policy, sysrq=number, timeout=number)))


def _judge_next(options: str | None, release: str) -> None:
    said = None if options is None else crashkernel_parameter(os.fsencode(options))
    assert release.isascii()
    facts = NextBootFacts(
        source="/boot/grub/grub.cfg",
        crashkernel=said,
        release=release,
        initrd=False,
    )
    judge(replace(HEALTHY, next_boot=facts))


def _judge_settings(settings: DumpSettings) -> None:
    assert 0 <= settings.level <= MAX_DUMP_LEVEL
    directories = tuple(
        DumpDirectory(path=target.place, present=None, free=1 << 20) for target in settings.targets
    )
    storage = replace(
        HEALTHY.storage,
        settings=settings,
        directories=directories,
        unmounted=tuple(target.place for target in settings.targets),
    )
    judge(replace(HEALTHY, storage=storage))


def _is_shown(*texts: str) -> None:
    _all_printable(texts)


def _all_printable(texts: Iterable[str]) -> None:
    for text in texts:
        assert text.isprintable(), text


def read_boot(opening: bytes, closing: bytes, times: bytes) -> None:
    """Take lines for what a kernel said first and last, and numbers for when its boot ended."""
    numbers = [int.from_bytes(times[at : at + 8], "big", signed=True) for at in (0, 8, 16, 24)]
    boot = parse_boot(
        BootEntries(
            boot_id="0f8e1a3c5b7d4e2f9a6cd4b8f0e2c1a5",
            last=Moment(numbers[0], numbers[1]),
            opening=opening.decode("utf-8", "surrogateescape").split("\n"),
            closing=closing.decode("utf-8", "surrogateescape").split("\n"),
            shutdown=Moment(numbers[0], numbers[2]),
            stopped=Moment(numbers[0], numbers[3]),
        )
    )
    if boot is not None:
        _is_shown(boot.release, boot.panic)
        assert boot.began <= boot.ended


def read_archive_name(name: bytes) -> None:
    """Take bytes for the name of a directory of systemd-pstore's archive."""
    parse_record_time(b"/var/lib/systemd/pstore/" + name)
