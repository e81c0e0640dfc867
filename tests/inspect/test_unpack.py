# SPDX-License-Identifier: GPL-2.0-or-later
import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.inspect.unpack import MAX_STDERR_BYTES, opened_spool, reassemble, unwrap
from kdumpd.model.captures.core import CoreFacts, Format
from kdumpd.observe.cores.core import read_core
from tests.support.cores import (
    END,
    Crash,
    assembled,
    elf,
    elf_records,
    flat,
    flattened,
    flattened_elf,
    kdump,
    kdump_records,
    record,
    split,
)
from tests.support.namespace import MOUNTS_AS_ROOT, needs_root
from tests.support.wrappers import IN_PYTHON, WRAPPERS

Writer = Callable[[Crash], bytes]

FORMATS: dict[str, Writer] = {
    "flattened": flattened,
    "flattened-big-endian": lambda crash: flattened(replace(crash, machine="s390x"), order=">"),
    "flattened-elf": flattened_elf,
    "kdump": kdump,
    "elf": elf,
}
CUTS = 16
wrappers = pytest.mark.parametrize("wrapper", WRAPPERS)
formats = pytest.mark.parametrize("writer", FORMATS.values(), ids=FORMATS)


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    fd = os.memfd_create("core")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def unwrapped(content: bytes, wrapper: str) -> CoreFacts:
    with opened(content) as fd, opened_spool() as spool:
        assert read_core(fd).wrapper in (wrapper, "")
        return unwrap(fd, wrapper, spool)


def read(content: bytes) -> CoreFacts:
    with opened(content) as fd:
        return read_core(fd)


@wrappers
@formats
def test_a_whole_core(wrapper: str, writer: Writer) -> None:
    core = writer(Crash())
    assert unwrapped(WRAPPERS[wrapper](core), wrapper) == replace(read(core), wrapper=wrapper)


@wrappers
def test_the_daemon_reads_nothing_of_it(wrapper: str) -> None:
    facts = read(WRAPPERS[wrapper](flattened(Crash())))
    problem = f"is compressed by {wrapper} and not read through yet"
    assert facts == CoreFacts(wrapper=wrapper, wrapped=True, problem=problem)


@pytest.mark.parametrize("wrapper", IN_PYTHON)
@formats
def test_cut_almost_anywhere(wrapper: str, writer: Writer) -> None:
    content = WRAPPERS[wrapper](writer(Crash()))
    for size in {len(content) - 1, len(content) - 4, *range(6, len(content), 23)}:
        facts = unwrapped(content[:size], wrapper)
        assert not facts.complete, f"complete although cut at {size} of {len(content)}"
        assert facts.problem


@pytest.mark.parametrize("wrapper", sorted(set(WRAPPERS) - set(IN_PYTHON)))
def test_cut_somewhere(wrapper: str) -> None:
    content = WRAPPERS[wrapper](flattened(Crash()))
    for size in (len(content) - 1, *range(8, len(content), len(content) // CUTS)):
        facts = unwrapped(content[:size], wrapper)
        assert not facts.complete, f"complete although cut at {size} of {len(content)}"
        assert facts.problem


@formats
def test_a_whole_stream_around_a_cut_core(writer: Writer) -> None:
    core = writer(Crash())
    for size in {*range(0, len(core), 97), *range(len(core) - 40, len(core))}:
        facts = unwrapped(gzip.compress(core[:size], 1), "gzip")
        assert not facts.complete, f"complete although cut at {size} of {len(core)}"
        assert facts.problem


@wrappers
def test_a_core_cut_by_a_killed_makedumpfile(wrapper: str) -> None:
    core = flattened(Crash())
    facts = unwrapped(WRAPPERS[wrapper](core[: -len(END)]), wrapper)
    assert not facts.complete
    assert "no end record" in facts.problem
    assert facts.kernel_release == Crash().release


@wrappers
def test_streams_one_behind_another(wrapper: str) -> None:
    core, wrap = flattened(Crash()), WRAPPERS[wrapper]
    facts = unwrapped(wrap(core[:5000]) + wrap(core[5000:9000]) + wrap(core[9000:]), wrapper)
    assert facts == replace(read(core), wrapper=wrapper)


@wrappers
def test_what_stands_behind_the_stream(wrapper: str) -> None:
    facts = unwrapped(WRAPPERS[wrapper](flattened(Crash())) + b"no stream at all", wrapper)
    assert not facts.complete


@pytest.mark.parametrize("wrapper", ["gzip", "xz"])
def test_padding_behind_the_stream(wrapper: str) -> None:
    assert unwrapped(WRAPPERS[wrapper](flattened(Crash())) + bytes(512), wrapper).complete


@wrappers
def test_a_changed_bit(wrapper: str) -> None:
    content = bytearray(WRAPPERS[wrapper](flattened(Crash())))
    content[len(content) // 2] ^= 0x10
    assert not unwrapped(bytes(content), wrapper).complete


@wrappers
@pytest.mark.parametrize("inside", [b"", b"secret text", bytes(1 << 20)])
def test_no_core_inside(wrapper: str, inside: bytes) -> None:
    facts = unwrapped(WRAPPERS[wrapper](inside), wrapper)
    assert facts.format is Format.UNKNOWN
    assert facts.problem.startswith("was unpacked, and is ")
    assert "secret" not in facts.problem
    assert not facts.wrapped


def test_compressed_twice() -> None:
    facts = unwrapped(gzip.compress(gzip.compress(flattened(Crash()))), "gzip")
    assert not facts.complete
    assert facts.wrapper == "gzip"


@pytest.mark.parametrize(
    "behind", [b"\0", END, record(0, b"KDUMP   "), END * 2], ids=["zero", "end", "record", "ends"]
)
def test_what_stands_behind_the_end_record(behind: bytes) -> None:
    facts = unwrapped(gzip.compress(flattened(Crash()) + behind), "gzip")
    assert not facts.complete
    assert "end record" in facts.problem


@pytest.mark.parametrize(
    "broken",
    [
        b"\xff" * 8 + (1).to_bytes(8, "big"),
        bytes(16),
        bytes(8) + b"\x7f" + bytes(7),
        bytes(8) + (1 << 26).to_bytes(8, "big"),
    ],
)
def test_a_record_of_no_size(broken: bytes) -> None:
    records = flat(kdump_records(Crash()), end=b"")
    facts = unwrapped(gzip.compress(records + broken + bytes(1 << 20) + END), "gzip")
    assert "no end record" in facts.problem


def test_a_record_far_beyond_everything() -> None:
    far = (1 << 62, b"page")
    facts = unwrapped(gzip.compress(flat([*kdump_records(Crash()), far])), "gzip")
    assert facts.kernel_release == Crash().release


def test_a_core_of_which_only_the_front_is_kept() -> None:
    core = elf(Crash())
    with opened(gzip.compress(core)) as fd, opened_spool(16 << 10) as spool:
        assert unwrap(fd, "gzip", spool) == replace(read(core), wrapper="gzip")
        assert not spool.complete
        assert os.fstat(spool.fd).st_size <= 16 << 10


def test_a_core_that_cannot_be_judged_by_its_front() -> None:
    with opened(gzip.compress(kdump(Crash()))) as fd, opened_spool(8 << 10) as spool:
        facts = unwrap(fd, "gzip", spool)
    assert not facts.complete
    assert "too large to be judged" in facts.problem


@pytest.mark.parametrize("records", [kdump_records(Crash()), elf_records(Crash())])
def test_reassembled_as_makedumpfile_does(records: list[tuple[int, bytes]]) -> None:
    with opened(flat(records)) as fd, opened_spool() as spool:
        reassemble(fd, Format.FLATTENED, spool)
        assert spool.complete
        assert spool.read(0, spool.size) == assembled(records)


def test_a_core_that_is_not_flattened_is_copied() -> None:
    with opened(elf(Crash())) as fd, opened_spool() as spool:
        reassemble(fd, Format.ELF, spool)
        assert spool.read(0, spool.size) == elf(Crash())


@given(st.sampled_from(IN_PYTHON), st.data())
def test_hostile_streams(wrapper: str, data: st.DataObject) -> None:
    content = bytearray(WRAPPERS[wrapper](flattened(Crash(pages=()))))
    for at, new in data.draw(st.lists(st.tuples(st.integers(6, 4000), st.binary(max_size=4)))):
        content[at : at + len(new)] = new
    facts = unwrapped(bytes(content), wrapper)
    assert facts.complete != bool(facts.problem)


@given(st.binary(max_size=200), st.integers(0, 3))
def test_hostile_records(content: bytes, where: int) -> None:
    records = kdump_records(Crash(pages=()))
    hostile = flat(records[:where], end=b"") + content
    stream = zlib.compressobj(1, zlib.DEFLATED, 31)
    facts = unwrapped(stream.compress(hostile) + stream.flush(), "gzip")
    assert facts.complete != bool(facts.problem)


def test_compressed_part_of_a_split_core_is_not_whole() -> None:
    for part in split(Crash(), 18):
        facts = unwrapped(WRAPPERS["gzip"](part), "gzip")
        assert not facts.complete
        assert facts.problem.startswith("is a part of a split core: page frames")
        assert facts.part is None


def said_by(program: str, content: bytes) -> str:
    """Return the last line that a program says of what it is to unpack."""
    argv = [f"/usr/bin/{program}", "-dc"]
    done = subprocess.run(argv, input=content, capture_output=True, check=False)  # noqa: S603
    assert done.returncode != 0
    last = done.stderr.decode().strip().rpartition("\n")[2]
    return " ".join(last.replace("/*stdin*\\", "stdin").split())


@pytest.mark.parametrize("wrapper", ["lz4", "zstd"])
@pytest.mark.parametrize("whole", [False, True], ids=["cut", "followed"])
def test_what_the_program_says_of_a_stream_is_told(wrapper: str, *, whole: bool) -> None:
    content = WRAPPERS[wrapper](flattened(Crash()))
    content = content + b"no stream at all" if whole else content[: len(content) // 2]
    said = said_by(wrapper, content)
    assert said or (wrapper, whole) == ("lz4", True)  # 1.9.4 ends without a word
    problem = f"is cut off or damaged: its {wrapper} stream does not end well"
    assert unwrapped(content, wrapper).problem == (f"{problem}: {said}" if said else problem)


# A program in place of zstd's that prints what could be a core, and says what it is given.
STAND_IN = """
import os, subprocess, sys
from pathlib import Path
from kdumpd.inspect.unpack import opened_spool
from kdumpd.inspect.unpack import unwrap
Path(sys.argv[1]).write_text("#!/bin/sh\\n" + sys.argv[2])
subprocess.run(["mount", "--bind", sys.argv[1], "/usr/bin/zstd"], check=True)
with opened_spool() as spool:
    print(unwrap(os.memfd_create("core"), "zstd", spool).problem)
"""
ON_AND_ON = f"""
number=0
while [ $number -lt {MAX_STDERR_BYTES // 4} ]; do echo go on.. >&2; number=$((number + 1)); done
echo the end >&2
exit 1
"""
ENDS_BADLY = "is cut off or damaged: its zstd stream does not end well"


@needs_root
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", ""),
        ("echo a word; exit 1", ""),
        ("echo first >&2; echo last >&2; echo >&2; exit 1", ": last"),
        ("printf '\\033[2Jread 0xffffffff81000000' >&2; exit 1", r": \x1b[2Jread *"),
        (f"printf '%{1 << 15}s' | tr ' ' z >&2; exit 1", f": {200 * 'z'}"),
        (ON_AND_ON, ": go on.."),
        ("echo killed >&2; kill -9 $$", ": killed"),
    ],
    ids=["silent", "stdout", "lines", "address", "long", "more", "killed"],
)
def test_what_a_program_says_is_bounded_and_made_harmless(
    tmp_path: Path, script: str, said: str
) -> None:
    stand_in = tmp_path / "zstd"
    stand_in.touch(0o755)
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.append({root!r})\n{STAND_IN}"
    done = subprocess.run(  # noqa: S603 - our own program
        [*MOUNTS_AS_ROOT, sys.executable, "-c", code, str(stand_in), script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == f"{ENDS_BADLY}{said}"
