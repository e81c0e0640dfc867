# SPDX-License-Identifier: GPL-2.0-or-later
import gzip
import lzma
import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.observe.cores.core import read_core
from kdumpd.observe.cores.flattened import MAX_RECORDS
from tests.support.cores import (
    BLOCK,
    END,
    NOTES_AT,
    ZERO_PAGE,
    Crash,
    Kdump,
    assembled,
    elf,
    elf_records,
    flat,
    flattened,
    flattened_elf,
    kdump,
    kdump_records,
    page,
    record,
)

Writer = Callable[[Crash], bytes]


def with_flag(flag: int) -> Writer:
    """Return a writer of kdump-compressed cores whose header names this compression."""
    return lambda crash: kdump(crash, compressed=False, status=flag)


# What the same crash looks like in each format. ELF cores do not say the host.
FORMATS: dict[str, tuple[Writer, Format, str, str]] = {
    "flattened": (flattened, Format.FLATTENED, "zlib", "x86_64"),
    "flattened-raw": (lambda c: flattened(c, compressed=False), Format.FLATTENED, "", "x86_64"),
    "flattened-big-endian": (lambda c: flattened(c, order=">"), Format.FLATTENED, "zlib", "s390x"),
    "flattened-elf": (flattened_elf, Format.FLATTENED, "", "x86_64"),
    "kdump": (kdump, Format.KDUMP_COMPRESSED, "zlib", "x86_64"),
    "kdump-raw": (lambda c: kdump(c, compressed=False), Format.KDUMP_COMPRESSED, "", "x86_64"),
    "kdump-big-endian": (lambda c: kdump(c, order=">"), Format.KDUMP_COMPRESSED, "zlib", "s390x"),
    # No makedumpfile here writes these: the bytes of the header are those of diskdump_mod.h 1.7.2.
    "kdump-lzo": (with_flag(0x2), Format.KDUMP_COMPRESSED, "lzo", "x86_64"),
    "kdump-snappy": (with_flag(0x4), Format.KDUMP_COMPRESSED, "snappy", "x86_64"),
    "kdump-zstd": (with_flag(0x20), Format.KDUMP_COMPRESSED, "zstd", "x86_64"),
    "elf": (elf, Format.ELF, "", "x86_64"),
    "elf-32": (lambda c: elf(c, wide=False), Format.ELF, "", "i686"),
    "elf-big-endian": (lambda c: elf(c, order=">"), Format.ELF, "", "s390x"),
    "elf-ppc64le": (elf, Format.ELF, "", "ppc64le"),
}
OF_ELF = {name for name in FORMATS if "elf" in name}
SMALL = (ZERO_PAGE, page(1))
CUT_EVERYWHERE = ("flattened", "flattened-elf", "kdump", "kdump-snappy", "kdump-zstd", "elf")
MOST_MEMORY = 64 << 20  # bytes; what a reader of a few headers may need at its worst


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def facts_of(content: bytes) -> CoreFacts:
    with opened(content) as fd:
        return read_core(fd)


def complete_when_cut(content: bytes, down_to: int = 0, step: int = 1) -> list[int]:
    """Return each shorter length at which the core passes as complete."""
    complete = []
    with opened(content) as fd:
        for size in range(len(content) - 1, down_to - 1, -step):
            os.ftruncate(fd, size)
            facts = read_core(fd)
            assert facts.complete or facts.problem
            if facts.complete:
                complete.append(size)
    return complete


def written(name: str, crash: Crash | None = None) -> bytes:
    writer, _, _, machine = FORMATS[name]
    return writer(replace(crash or Crash(pages=SMALL), machine=machine))


@pytest.mark.parametrize("name", FORMATS)
def test_complete(name: str) -> None:
    crash = Crash(release="6.12.94+deb13-amd64", build_id="ab" * 20, crash_time=1000000000)
    facts = facts_of(written(name, crash))
    _, format_, compression, architecture = FORMATS[name]
    assert facts.complete
    assert facts.problem == ""
    assert facts.format is format_
    assert facts.compression == compression
    assert facts.kernel_release == "6.12.94+deb13-amd64"
    assert facts.build_id == "ab" * 20
    assert facts.crashed_at == crash.crashed_at
    assert facts.host == ("" if name in OF_ELF else "crashed.example")
    assert facts.architecture == architecture
    assert facts.identity


def test_a_32_bit_kdump_core() -> None:
    facts = facts_of(kdump(Crash(machine="i686"), wide=False))
    assert facts.complete
    assert (facts.kernel_release, facts.architecture) == ("6.1.0-56-amd64", "i686")
    assert facts.host == "crashed.example"


def test_a_host_without_a_name() -> None:
    assert facts_of(kdump(Crash(host="(none)"))).host == ""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("writer", [kdump, flattened])
def test_which_pages_were_left_out(writer: Callable[..., bytes], order: str) -> None:
    assert facts_of(writer(Crash(), order=order)).dump_level == 31


def test_which_pages_a_32_bit_machine_left_out() -> None:
    assert facts_of(kdump(Crash(machine="i686"), wide=False)).dump_level == 0


@pytest.mark.parametrize("level", [-1, 32, 1 << 30])
def test_no_such_dump_level(level: int) -> None:
    core = bytearray(kdump(Crash()))
    core[BLOCK + 8 : BLOCK + 12] = level.to_bytes(4, "little", signed=True)
    assert facts_of(bytes(core)).dump_level is None


def test_an_elf_core_says_no_dump_level() -> None:
    assert facts_of(elf(Crash())).dump_level is None


def test_an_old_kernel_says_no_time() -> None:
    facts = facts_of(kdump(Crash(crash_time=None)))
    assert facts.complete
    assert facts.crashed_at is None


@pytest.mark.parametrize("name", FORMATS)
def test_identity_is_of_the_crash(name: str) -> None:
    mine = Crash(pages=SMALL)
    another = replace(mine, crash_time=1795396415)
    same = facts_of(written(name, replace(mine, pages=(*SMALL, page(9)))))
    assert facts_of(written(name, mine)).identity == same.identity
    assert facts_of(written(name, another)).identity != same.identity


def test_identity_is_of_the_host() -> None:
    one, other = Crash(host="a"), Crash(host="b")
    assert facts_of(kdump(one)).identity != facts_of(kdump(other)).identity
    assert facts_of(kdump(one)).identity == facts_of(flattened(one)).identity


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CUT_EVERYWHERE)
def test_cut_anywhere(name: str, step: int) -> None:
    assert complete_when_cut(written(name), step=step) == []


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - set(CUT_EVERYWHERE)))
def test_cut_almost_anywhere(name: str) -> None:
    assert complete_when_cut(written(name), step=13) == []


def test_a_32_bit_kdump_core_cut_almost_anywhere() -> None:
    assert complete_when_cut(kdump(Crash(pages=SMALL), wide=False), step=13) == []


@given(
    name=st.sampled_from(sorted(FORMATS)),
    contents=st.lists(st.sampled_from([ZERO_PAGE, page(1), b"\xff" * BLOCK]), min_size=1),
    where=st.floats(min_value=0, max_value=1, exclude_max=True),
)
@settings(deadline=None)
def test_cut_with_any_pages(name: str, contents: list[bytes], where: float) -> None:
    core = written(name, Crash(pages=tuple(contents)))
    assert facts_of(core).complete
    assert not facts_of(core[: int(len(core) * where)]).complete


@given(seed=st.integers(0, 1 << 32), cut=st.integers(1, 3 * BLOCK))
@settings(deadline=None)
def test_cut_with_random_pages(seed: int, cut: int) -> None:
    random = Random(seed)  # noqa: S311  # any bytes will do
    contents = tuple(random.randbytes(BLOCK) for _ in range(3))
    core = flattened(Crash(pages=contents), compressed=False, buffer=BLOCK)
    assert facts_of(core).complete
    assert not facts_of(core[:-cut]).complete


@pytest.mark.parametrize("name", ["flattened-raw", "flattened-elf"])
def test_pages_full_of_ones(name: str) -> None:
    """A flattened core ends with 16 bytes of 0xff; so may a page."""
    core = written(name, Crash(pages=(b"\xff" * BLOCK,) * 2))
    assert facts_of(core).complete
    assert complete_when_cut(core, down_to=core.index(b"\xff" * BLOCK)) == []


def test_pages_that_hold_a_flattened_core() -> None:
    """The page cache of a machine that copied one; its end record is not ours."""
    inside = (record(0, b"header") + record(4096, b"page") + END).ljust(BLOCK, b"\0")
    core = flattened(Crash(pages=(inside, page(1))), compressed=False)
    assert facts_of(core).complete
    assert complete_when_cut(core, down_to=core.index(inside)) == []


@pytest.mark.parametrize("last_in_its_record", [True, False])
def test_pages_that_look_like_records(*, last_in_its_record: bool) -> None:
    """Records in a page that lead to the next real one must not be taken for real ones."""
    forged = record(0, b"KDUMP   ".ljust(240, b"!")) * (BLOCK // 256)
    contents = (page(0), forged) if last_in_its_record else (forged, page(2))
    crash = Crash(pages=contents)
    for core in (
        flattened(crash, compressed=False, buffer=2 * BLOCK),
        flattened_elf(crash, buffer=BLOCK),
    ):
        facts = facts_of(core)
        assert facts.complete
        assert facts.kernel_release == crash.release


def test_a_forged_record_of_the_notes() -> None:
    """Whatever memory held, it does not decide what a core says of itself."""
    crash = Crash()
    notes = replace(crash, release="forged").notes("<")
    forged = record(NOTES_AT, notes.ljust(BLOCK - 16, b"\0"))
    contents = flat(kdump_records(replace(crash, pages=(page(0), forged)), compressed=False))
    facts = facts_of(contents)
    assert facts.complete
    assert facts.kernel_release == crash.release


def test_a_tail_of_tiny_records() -> None:
    """Pages may be full of what looks like records; that must not take memory by the square."""
    tiny = (record(BLOCK, b"x") * (BLOCK // 17 + 1))[:BLOCK]
    core = flattened(Crash(pages=(page(0), *(tiny,) * 60)), compressed=False)
    assert facts_of(core).complete
    assert peak_memory(core) < MOST_MEMORY


@pytest.mark.parametrize("name", ["flattened-raw", "flattened-elf"])
def test_a_flattened_core_of_very_many_records(name: str) -> None:
    """Of 16 bytes each, where makedumpfile writes 64 KiB: more than are looked at one by one."""
    crash = Crash(pages=(page(0),) * (MAX_RECORDS // 256 + 1))
    records = elf_records(crash) if name in OF_ELF else kdump_records(crash, compressed=False)
    short = [piece for one in records for piece in pieces(*one)]
    assert len(short) > MAX_RECORDS
    core = flat(short)
    facts = facts_of(core)
    assert facts.complete
    assert facts.kernel_release == crash.release
    for cut in (1, 16, 33):
        assert not facts_of(core[:-cut]).complete


def test_a_flattened_core_of_very_many_bitmaps() -> None:
    """Of 4 TiB of memory: the pages begin behind all that is walked at first."""
    crash = Crash()
    header, notes, sub_header, bitmap, *others = kdump_records(crash)
    core = flat([header, notes, sub_header, *[(bitmap[0], b"\xff")] * MAX_RECORDS, bitmap, *others])
    assert facts_of(core).complete
    for cut in (1, 16, 33):
        assert not facts_of(core[:-cut]).complete


def pieces(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield records of pages in pieces, others whole."""
    size = 16 if len(data) > BLOCK else BLOCK
    for start in range(0, len(data), size):
        yield offset + start, data[start : start + size]


def test_a_core_of_more_than_one_buffer() -> None:
    contents = tuple(os.urandom(BLOCK) for _ in range(200))
    core = flattened(Crash(pages=contents))
    assert facts_of(core).complete
    last = kdump_records(Crash(pages=contents))[-1][1]
    for cut in (1, 15, 16, 17, 16 + len(last), 16 + len(last) + 16, len(core) // 2):
        assert not facts_of(core[:-cut]).complete


def test_no_end_record() -> None:
    facts = facts_of(flattened(Crash())[: -len(END)])
    assert not facts.complete
    assert "cut off" in facts.problem
    assert facts.kernel_release == Crash().release


def test_not_even_a_record() -> None:
    assert not facts_of(flat([])).complete
    assert not facts_of(flat([(0, b"KDUMP   ")])).complete


@pytest.mark.parametrize("order", "<>")
def test_kdump_marked_incomplete(order: str) -> None:
    core = kdump(Crash(), order=order, status=0x8)
    facts = facts_of(core)
    assert not facts.complete
    assert "incomplete" in facts.problem
    assert facts.kernel_release == Crash().release
    marked = Kdump(Crash(), order=order, status=0x8)
    assert not facts_of(flat(marked.records(BLOCK))).complete


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_elf_marked_incomplete(order: str, *, wide: bool) -> None:
    core = elf(Crash(), order=order, wide=wide, flags=1)
    facts = facts_of(core)
    assert not facts.complete
    assert "incomplete" in facts.problem
    assert facts.kernel_release == Crash().release
    records = elf_records(Crash(), order=order, wide=wide, flags=1)
    assert not facts_of(flat(records)).complete


@pytest.mark.parametrize("unwritten", range(len(SMALL)))
def test_kdump_with_an_unwritten_descriptor(unwritten: int) -> None:
    """A writer that was killed sets no flag; what it did not write is a hole of zeros."""
    core = bytearray(kdump(Crash(pages=SMALL)))
    at = Kdump(Crash(pages=SMALL)).descriptors_at + 24 * unwritten
    core[at : at + 24] = bytes(24)
    assert not facts_of(bytes(core)).complete


def test_kdump_of_zero_pages_cut_anywhere() -> None:
    """All pages of zeros share the first one, so that the last descriptor proves nothing."""
    crash = Crash(pages=(page(0), *(ZERO_PAGE,) * 3))
    core = kdump(crash)
    assert facts_of(core).complete
    assert complete_when_cut(core, down_to=Kdump(crash).descriptors_at) == []


def test_kdump_of_nothing_but_zero_pages_cut_anywhere() -> None:
    crash = Crash(pages=(ZERO_PAGE,) * 2)
    core = kdump(crash)
    assert facts_of(core).complete
    assert complete_when_cut(core, down_to=Kdump(crash).descriptors_at) == []


def test_kdump_of_many_zero_pages() -> None:
    """More descriptors than one read takes stand between the last page and the file's end."""
    core = kdump(Crash(pages=(page(0), *(ZERO_PAGE,) * 33_000)))
    assert facts_of(core).complete
    assert not facts_of(core[:-1]).complete


def test_kdump_without_pages() -> None:
    assert not facts_of(kdump(Crash(pages=()))).complete


@pytest.mark.parametrize("name", ["elf", "flattened-elf"])
def test_elf_before_its_program_headers(name: str) -> None:
    """Zeros stand in their place until the pages are written."""
    records = elf_records(Crash(pages=SMALL), buffer=BLOCK)
    unfinished = [*records[:-2], records[-1]]
    core = assembled(unfinished) if name == "elf" else flat(unfinished)
    assert not facts_of(core).complete


def test_what_is_readable_of_a_cut_core_is_said() -> None:
    crash = Crash(pages=SMALL)
    bitmaps_end = Kdump(crash).descriptors_at
    for core in (
        kdump(crash)[:-1],
        kdump(crash)[: bitmaps_end + 1],  # within the descriptors
        kdump(crash)[: bitmaps_end - 1],  # within the bitmaps
        flattened(crash)[:-17],
        flattened_elf(crash)[:-17],
        elf(crash)[:-1],
    ):
        facts = facts_of(core)
        assert not facts.complete
        assert facts.kernel_release == crash.release
        assert facts.crashed_at == crash.crashed_at
        assert facts.identity == facts_of(core).identity != b""


def test_a_core_cut_within_its_notes_says_what_it_is() -> None:
    crash = Crash(pages=SMALL)
    facts = facts_of(kdump(crash)[: NOTES_AT + 8])
    assert facts.format is Format.KDUMP_COMPRESSED
    assert facts.host == crash.host
    assert facts.kernel_release == crash.release
    assert facts.identity == b""


def elf_header(program_headers: int) -> bytes:
    """Return the header of a core (elf(5)) with one program header at this offset."""
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    return ident + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, program_headers, 0, 0, 64, 56, 1, 0, 0, 0
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\0", "is no core: it begins with no known magic number"),
        (bytes(1 << 20), "is no core"),
        (b"[    0.000000] Linux version 6.1.0\n", "is no core"),
        (gzip.compress(flattened(Crash())), "is compressed by gzip and not read through yet"),
        (lzma.compress(flattened(Crash())), "xz"),
        (b"makedumpfile\0\0\0\0".ljust(BLOCK, b"\0"), "unknown way"),
        (b"KDUMP   ", "ends at 8 bytes"),
        (b"KDUMP   ".ljust(1 << 14, b"\0"), "broken"),
        (b"\x7fELF", "ends at 4 bytes"),
        (elf_header(program_headers=64), "ends at 64 bytes, before 120"),
        (elf_header(program_headers=(1 << 64) - 1), "names a place that no file can have"),
        (elf_header(program_headers=1 << 63), "names a place that no file can have"),
        (b"\x7fELF".ljust(1 << 14, b"\0"), "broken"),
    ],
)
def test_no_core(content: bytes, problem: str) -> None:
    facts = facts_of(content)
    assert not facts.complete
    assert problem in facts.problem
    assert facts.kernel_release == ""
    assert facts.identity == b""


def test_what_a_stranger_wrote_is_not_told() -> None:
    problem = facts_of(b"root:$6$secret:20000\n").problem
    assert problem == facts_of(b"another text").problem


def test_a_program_is_no_core() -> None:
    with open("/proc/self/exe", "rb") as file:  # noqa: PTH123  # the link, not its target
        facts = read_core(file.fileno())
    assert facts.format is Format.ELF
    assert "no core" in facts.problem


def test_vmcoreinfo_of_no_kernel() -> None:
    facts = facts_of(kdump(Crash(release="")))
    assert not facts.complete
    assert "names no kernel" in facts.problem


@pytest.mark.parametrize("digits", ["9" * 18, "9" * 5000])
@pytest.mark.parametrize("writer", [kdump, flattened, elf])
def test_a_crash_time_beyond_all_time(writer: Writer, digits: str) -> None:
    release = f"6.1\nCRASHTIME={digits}\nOFFSET(page.flags)="
    facts = facts_of(writer(Crash(release=release, crash_time=None)))
    assert facts.crashed_at is None


def test_hostile_texts_are_escaped() -> None:
    facts = facts_of(kdump(Crash(host="\x1b[2Jhost", release="6.1\x07", machine="x86\r64")))
    assert facts.host == r"\x1b[2Jhost"
    assert facts.kernel_release == r"6.1\x07"
    assert facts.architecture == r"x86\x0d64"
    # Of a 32-bit kernel there is no other word on its release than that of the header.
    assert facts_of(kdump(Crash(release="6.1\x07"), wide=False)).kernel_release == r"6.1\x07"


def test_a_flattened_elf_core_of_more_records_than_are_kept() -> None:
    """The program headers are written twice: at first as zeros, in the end as they are."""
    core = flattened_elf(Crash(pages=(page(0),) * 200), buffer=BLOCK)
    assert facts_of(core).complete
    cut = facts_of(core[: core.index(page(0)) + 150 * (BLOCK + 16)])
    assert not cut.complete
    assert cut.kernel_release == Crash().release


EXTREMES = [0, 1, 0x7F, 0x80, 0xFF]
HEADERS = 3 * BLOCK


@given(
    name=st.sampled_from(sorted(FORMATS)),
    changes=st.lists(
        st.tuples(
            st.integers(0, HEADERS),
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.builds(
                    lambda byte, count: bytes((byte,)) * count,
                    st.sampled_from(EXTREMES),
                    st.integers(1, 16),
                ),
            ),
        ),
        min_size=1,
        max_size=8,
    ),
)
@settings(deadline=None, max_examples=400)
def test_mutated_headers(name: str, changes: list[tuple[int, bytes]]) -> None:
    core = bytearray(WRITTEN[name])
    for at, content in changes:
        core[at : at + len(content)] = content
    facts = facts_of(bytes(core))
    assert facts.complete == (not facts.problem)


WRITTEN = {name: written(name) for name in FORMATS}


@given(content=st.binary(), magic=st.sampled_from([core[:16] for core in WRITTEN.values()]))
@settings(deadline=None)
def test_garbage_after_a_magic_number(magic: bytes, content: bytes) -> None:
    assert not facts_of(magic + content).complete


def peak_memory(content: bytes) -> int:
    """Return how many bytes reading a core held at once."""
    with opened(content) as fd:
        tracemalloc.start()
        try:
            read_core(fd)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
