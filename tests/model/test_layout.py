# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.capture import Layout
from kdumpd.model.layout import Members, recognise

DUMP, LOG, COPY = b"dump.202611230113", b"dmesg.202611230113", b"vmcore.202611230113"
GROWING, GROWING_COPY = b"dump-incomplete", b"vmcore-incomplete"
WORDS, GROWING_WORDS = b"vmcore-dmesg.txt", b"vmcore-dmesg-incomplete.txt"


def kdump_tools(*cores: bytes, dmesg: bytes | None = None) -> Members:
    return Members(layout=Layout.KDUMP_TOOLS, cores=cores, dmesg=dmesg)


def kdump_utils(*cores: bytes, dmesg: bytes | None = None) -> Members:
    return Members(layout=Layout.KDUMP_UTILS, cores=cores, dmesg=dmesg)


@pytest.mark.parametrize(
    ("names", "members"),
    [
        # While kdump-tools write, and when they are done.
        ([LOG], kdump_tools(dmesg=LOG)),
        ([LOG, GROWING], kdump_tools(GROWING, dmesg=LOG)),
        ([LOG, DUMP], kdump_tools(DUMP, dmesg=LOG)),
        ([DUMP], kdump_tools(DUMP)),
        ([GROWING], kdump_tools(GROWING)),
        ([LOG, DUMP, b"kdump_lock", b"kexec_cmd"], kdump_tools(DUMP, dmesg=LOG)),
        # makedumpfile failed, and cp takes all.
        ([LOG, GROWING, GROWING_COPY], kdump_tools(GROWING, GROWING_COPY, dmesg=LOG)),
        ([LOG, GROWING, COPY], kdump_tools(COPY, GROWING, dmesg=LOG)),
        ([LOG, COPY], kdump_tools(COPY, dmesg=LOG)),
        ([LOG, GROWING_COPY], kdump_tools(GROWING_COPY, dmesg=LOG)),
        ([COPY, DUMP], kdump_tools(DUMP, COPY)),
        # Two crashes in one minute and the next.
        (
            [LOG, DUMP, b"dump.202611230114", b"dmesg.202611230114"],
            kdump_tools(DUMP, b"dump.202611230114", dmesg=b"dmesg.202611230114"),
        ),
        # While kdump-utils write, and when they are done.
        ([GROWING_WORDS], kdump_utils(dmesg=GROWING_WORDS)),
        ([WORDS], kdump_utils(dmesg=WORDS)),
        ([WORDS, b"kexec-dmesg.log"], kdump_utils(dmesg=WORDS)),
        ([WORDS, GROWING_COPY], kdump_utils(GROWING_COPY, dmesg=WORDS)),
        ([WORDS, b"vmcore"], kdump_utils(b"vmcore", dmesg=WORDS)),
        ([WORDS, GROWING_WORDS, b"vmcore"], kdump_utils(b"vmcore", dmesg=WORDS)),
        ([b"vmcore"], kdump_utils(b"vmcore")),
        ([GROWING_COPY], kdump_utils(GROWING_COPY)),
        ([GROWING_COPY, b"vmcore"], kdump_utils(b"vmcore", GROWING_COPY)),
        # Of neither.
        ([], None),
        ([b"kdump_lock", b"kexec_cmd"], None),
        ([b"kexec-dmesg.log"], None),
        ([b"_usr_bin_x.1000.crash"], None),
        ([b"linux-image-6.1.0-56-amd64-202611230113.crash"], None),
        ([b"vmcore.log", b"vmcore.1", b"dump", b"dmesg", b"README.txt"], None),
        ([b"dump.2026112301", b"dump.2026112301130", b"dmesg.x", b"vmcore."], None),
        ([b"Xdump.202611230113", b"dump.202611230113X", b"dump.202611230113\n"], None),
        ([b"vmcore\n", b"\nvmcore", b"VMCORE", b"vmcore-incomplete "], None),
        (["dump.٢٠٢٦١١٢٣٠١١٣".encode()], None),  # digits, but no ASCII
    ],
)
def test_recognise(names: list[bytes], members: Members | None) -> None:
    assert recognise(names) == members
    assert recognise(list(reversed(names))) == members


@pytest.mark.parametrize("suffix", [b".gz", b".bz2", b".xz", b".lz4"])
def test_compressed_once_more(suffix: bytes) -> None:
    assert recognise([LOG, DUMP + suffix]) == kdump_tools(DUMP + suffix, dmesg=LOG)
    assert recognise([LOG, GROWING + suffix]) == kdump_tools(GROWING + suffix, dmesg=LOG)
    assert recognise([DUMP + suffix + suffix]) is None


NAMES = st.binary(max_size=20) | st.sampled_from(
    [DUMP, LOG, COPY, GROWING, GROWING_COPY, WORDS, GROWING_WORDS, b"vmcore"]
)


@given(names=st.sets(NAMES))
@settings(deadline=None)
def test_any_names(names: set[bytes]) -> None:
    members = recognise(names)
    if members is not None:
        assert members.cores or members.dmesg
        assert names >= {*members.cores, *([members.dmesg] if members.dmesg else [])}
        assert len(set(members.cores)) == len(members.cores)
        assert not {LOG, WORDS, GROWING_WORDS} & set(members.cores)
