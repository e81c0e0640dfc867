# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real kernel reserves for a crashkernel= parameter: booted once, and kept as a table.

`python -m tests.vm.reservations` boots every line of COMMAND_LINES that the table does not have,
two at a time (six seconds for each), and writes the table anew. Delete the table to boot all.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.image_cache import Cache, default_cache
from tests.vm.guest import Scenario, run_guest
from tests.vm.image import GuestImage, build_image

TABLE = Path(__file__).parent.parent / "samples/crashkernel-on-linux-6.1.tsv"
ABOVE = 1 << 32  # where "high" begins on x86-64
AT_ONCE = 2
OURS = re.compile(r"crashkernel(?!=)|Memory value expected")
SHOW = """
cat /sys/kernel/kexec_crash_size > /host/guest/crash-size
cat /proc/iomem > /host/guest/iomem
dmesg > /host/guest/dmesg
sync
reboot -f
"""
HEADER = (
    "# What Linux 6.1 reserved in a guest: MiB of the guest, what stood on the command line, bytes"
    " in kexec_crash_size, areas below 4G, areas above (first-last), bytes of System RAM in"
    " /proc/iomem, and the kernel's own words (separated by ' | ').\n"
    "# Made by `python -m tests.vm.reservations`; do not edit.\n"
)
UBUNTU_GUIDE = "384M-2G:64M,2G-:128M"
UBUNTU = "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M"
DEBIAN_12 = "384M-:128M"
DEBIAN_13 = "512M-:192M"
KDUMP_UTILS = "2G-64G:256M,64G-:512M"
KDUMP_UTILS_ARM = "2G-4G:256M,4G-64G:320M,64G-:576M"

# MiB of the guest, and what stands on its command line.
COMMAND_LINES: tuple[tuple[int, str], ...] = (
    (2048, "crashkernel=64M"),
    (2048, "crashkernel=64m"),
    (2048, "crashkernel=65536K"),
    (2048, "crashkernel=-64M"),
    (2048, "crashkernel="),
    (2048, "crashkernel=auto"),
    (2048, "crashkernel=64M@1G"),
    (2048, "crashkernel=64M@4T"),
    (2048, "crashkernel=18446744073709551615"),
    (2048, "crashkernel=1.5G"),
    (2048, "crashkernel=128M crashkernel=garbage"),
    (2048, "crashkernel=4G-:256M"),
    (2048, "crashkernel=1G-4G:192M,2G-8G:128M"),
    (2048, "crashkernel=1G-4G:192M,"),
    (2048, "crashkernel=1G-:3G"),
    (2048, "crashkernel=192M,low"),
    (2048, "crashkernel=192M,HIGH"),
    (2048, 'crashkernel="64M"'),
    (2048, "crashkernel= 64M"),
    (2048, "crash_kernel=64M"),
    *((ram, f"crashkernel={UBUNTU_GUIDE}") for ram in (256, 384, 1024, 1500, 2048, 4096)),
    *((ram, f"crashkernel={UBUNTU}") for ram in (256, 1024, 2048, 3072, 4096, 6144)),
    *((ram, f"crashkernel={DEBIAN_12}") for ram in (256, 384, 512, 2048)),
    *((ram, f"crashkernel={DEBIAN_13}") for ram in (512, 768)),
    *((ram, f"crashkernel={KDUMP_UTILS}") for ram in (1024, 2048, 4096)),
    (4096, f"crashkernel={KDUMP_UTILS_ARM}"),
    # Where it comes to lie.
    (2048, "crashkernel=256M,high"),
    (6144, "crashkernel=256M"),
    (6144, "crashkernel=256M,high"),
    (6144, "crashkernel=256M,high crashkernel=0,low"),
    (6144, "crashkernel=256M,high crashkernel=72M,low"),
    (6144, "crashkernel=72M,low crashkernel=256M,high crashkernel=128M,low"),
    (6144, "crashkernel=256M,high swiotlb=262144"),
    (6144, "crashkernel=3G"),
    (6144, "crashkernel=5G"),
    (6144, "crashkernel=128M,high crashkernel=garbage,low"),
    (1024, "crashkernel=256M@16M nokaslr"),  # else the kernel lies anywhere, perhaps at the place
    (1024, "crashkernel=64M@256M nokaslr"),
    (1024, "crashkernel=64M@0x10000001 nokaslr"),
    (1024, "crashkernel=64M@257M nokaslr"),
    (1024, "crashkernel=64M@"),
    (1024, "crashkernel=64M@256Mxyz nokaslr"),
    (1024, "crashkernel=512M-:64M@256M nokaslr"),
    (1024, "crashkernel=512M-:64M@"),
    (1024, "crashkernel=512M-:64M,2G-:128M@256M nokaslr"),
    # Several kinds, and their order.
    (1024, "crashkernel=64M,high crashkernel=96M"),
    (1024, "crashkernel=96M crashkernel=64M,high"),
    (1024, "crashkernel=64M,high crashkernel=garbage"),
    (1024, "crashkernel=64M,high crashkernel=0"),
    (1024, "crashkernel=64M,high crashkernel=4G-:128M"),
    (1024, "crashkernel=64M,high crashkernel=96M,high"),
    (1024, "crashkernel=96M crashkernel=64M crashkernel=32M"),
    (1024, "crashkernel=64M crashkernel=32M,low"),
    (1024, "crashkernel=512M-:64M,high"),
    (1024, "crashkernel=64M@256M,high"),
    (1024, "crashkernel=64M crashkernel=128M,cma"),
    (1024, "crashkernel=128M,cma crashkernel=64M"),
    (1024, "crashkernel=128M,cma"),
    # Numbers.
    (1024, "crashkernel=0"),
    (1024, "crashkernel=0x4000000"),
    (1024, "crashkernel=0X40m"),
    (1024, "crashkernel=0100M"),
    (1024, "crashkernel=080M"),
    (1024, "crashkernel=0x"),
    (1024, "crashkernel=70000001"),
    (1024, "crashkernel=1"),
    (1024, "crashkernel=M"),
    (1024, "crashkernel=64MB"),
    (1024, "crashkernel=64KM"),
    (1024, "crashkernel=+64M"),
    (1024, "crashkernel=18446744073776660480"),  # 64M more than fits into 64 bits
    (1024, "crashkernel=17592186044480M"),
    (1024, "crashkernel=16E"),
    (1024, "crashkernel=1G"),
    (1024, "crashkernel=1000M"),
    (1024, "crashkernel=2G"),
    (512, "crashkernel=400M"),
    # Ranges.
    (2048, "crashkernel=2G-4G:192M"),
    (2048, "crashkernel=1G-2G:192M"),
    (2048, "crashkernel=0-:128M"),
    (2048, "crashkernel=-2G:64M,2G-:128M"),
    (2048, "crashkernel=1G:128M"),
    (2048, "crashkernel=1G-4G:"),
    (2048, "crashkernel=1G-4G"),
    (2048, "crashkernel=4G-1G:128M,1G-:64M"),
    (2048, "crashkernel=1G-4G:64M,garbage"),
    (2048, "crashkernel=4G-8G:64M,garbage"),
    (2048, "crashkernel=1G-4G:64Mgarbage"),
    (2048, "crashkernel=4G-8G:64M;1G-:128M"),
    (2048, "crashkernel=1G-4G:0,2G-:128M"),
    (2048, "crashkernel=1G-1G:64M"),
    (2048, "crashkernel=-:64M"),
    (2048, "crashkernel=4G-8G:1T,1G-:128M"),
    (1500, "crashkernel=1500M-:64M"),
    (1500, "crashkernel=1536M-:64M"),
    (1500, "crashkernel=1537M-:64M"),
    (1500, "crashkernel=1G-1536M:64M,1G-:96M"),
    # What surrounds it.
    (1024, "rd.crashkernel=64M"),
    (1024, '"crashkernel=64M"'),
    (1024, "crashkernel=crashkernel=64M"),
    (1024, "quiet -- crashkernel=64M"),
    (1024, "crashkernel=64M\tquiet"),
    (1024, "crashkernel=64M crashkernel"),
    (1024, "Crashkernel=64M"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """One line of the table: what a guest of `guest_ram` MiB reserved."""

    guest_ram: int
    cmdline: str
    crash_size: int  # bytes
    below: tuple[tuple[int, int], ...]  # first and last byte
    above: tuple[tuple[int, int], ...]
    system_ram: int  # bytes
    words: tuple[str, ...]


async def boot(image: GuestImage, guest_ram: int, cmdline: str) -> Reserved:
    """Return what the guest's kernel made of the command line."""
    with TemporaryDirectory() as name:
        scenario = Scenario(armed=False, panic=SHOW, reservation="", cmdline=cmdline, ram=guest_ram)
        await run_guest(image, scenario, Path(name))
        guest = Path(name, "guest")
        areas = list(_areas((guest / "iomem").read_text(), "Crash kernel"))
        ram = _areas((guest / "iomem").read_text(), "System RAM")
        return Reserved(
            guest_ram=guest_ram,
            cmdline=cmdline,
            crash_size=int((guest / "crash-size").read_text()),
            below=tuple(area for area in areas if area[0] < ABOVE),
            above=tuple(area for area in areas if area[0] >= ABOVE),
            system_ram=sum(last - first + 1 for first, last in ram),
            words=tuple(_words((guest / "dmesg").read_text())),
        )


def read_table(path: Path = TABLE) -> list[Reserved]:
    """Return the lines of the table."""
    return [
        _from_fields(line.split("\t"))
        for line in path.read_text().splitlines()
        if not line.startswith("#")
    ]


def _from_fields(fields: list[str]) -> Reserved:
    guest_ram, cmdline, crash_size, below, above, system_ram, words = fields
    return Reserved(
        guest_ram=int(guest_ram),
        cmdline=cmdline.encode().decode("unicode_escape"),
        crash_size=int(crash_size),
        below=_parse_areas(below),
        above=_parse_areas(above),
        system_ram=int(system_ram),
        words=tuple(filter(None, words.split(" | "))),
    )


def _to_fields(row: Reserved) -> str:
    fields = (
        str(row.guest_ram),
        row.cmdline.encode("unicode_escape").decode(),
        str(row.crash_size),
        _show_areas(row.below),
        _show_areas(row.above),
        str(row.system_ram),
        " | ".join(row.words),
    )
    return "\t".join(fields)


def _show_areas(areas: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{first:#x}-{last:#x}" for first, last in areas)


def _parse_areas(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (area.split("-") for area in text.split())
    return tuple((int(first, 16), int(last, 16)) for first, last in pairs)


def _areas(iomem: str, name: str) -> Iterable[tuple[int, int]]:
    for first, last in re.findall(rf"^ *([0-9a-f]+)-([0-9a-f]+) : {name}$", iomem, re.MULTILINE):
        yield int(first, 16), int(last, 16)


def _words(dmesg: str) -> Iterable[str]:
    """Yield what is said of the reservation; the command line itself is echoed three times."""
    for line in dmesg.splitlines():
        words = re.sub(r"^\[ *[0-9.]+\] ", "", line).strip()
        if OURS.search(words) and "command line" not in words:
            yield words


async def boot_all(image: GuestImage, wanted: Iterable[tuple[int, str]]) -> list[Reserved]:
    """Return a line for each that is wanted, in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(guest_ram: int, cmdline: str) -> Reserved:
        async with gate:
            row = await boot(image, guest_ram, cmdline)
            print(_to_fields(row), flush=True)  # noqa: T201 - it takes minutes; somebody waits
            return row

    return await asyncio.gather(*(one(*each) for each in wanted))


async def _boot_all(wanted: Iterable[tuple[int, str]]) -> list[Reserved]:
    return await boot_all(await build_image(Cache(default_cache())), wanted)


def main() -> None:
    rows = {(row.guest_ram, row.cmdline): row for row in read_table()} if TABLE.exists() else {}
    missing = [wanted for wanted in COMMAND_LINES if wanted not in rows]
    for row in asyncio.run(_boot_all(missing)):
        rows[row.guest_ram, row.cmdline] = row
    TABLE.write_text(HEADER + "".join(f"{_to_fields(rows[each])}\n" for each in COMMAND_LINES))


if __name__ == "__main__":
    main()
