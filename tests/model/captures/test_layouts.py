# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.model.captures.capture import Layout
from kdumpd.model.captures.layouts import (
    TOP_DIRECTORY_PREFIXES,
    Members,
    recognise,
    recognise_at_the_top,
)

DUMP, LOG, COPY = b"dump.202611230113", b"dmesg.202611230113", b"vmcore.202611230113"
GROWING, GROWING_COPY = b"dump-incomplete", b"vmcore-incomplete"
WORDS, GROWING_WORDS = b"vmcore-dmesg.txt", b"vmcore-dmesg-incomplete.txt"
STATUS, OWN_WORDS = b"vmcore-creation.status", b"kexec-dmesg.log"
README = b"README.txt"
EFI = (b"dmesg-efi-179539641401001", b"dmesg-efi-179539641402001")
REPORT = b"linux-image-6.8.0-31-generic-202611230113.crash"


def kdump_tools(*cores: bytes, dmesg: bytes | None = None) -> Members:
    return Members(layout=Layout.KDUMP_TOOLS, cores=cores, dmesg=dmesg)


def kdump_utils(
    *cores: bytes, dmesg: bytes | None = None, parts: tuple[bytes, ...] = (), is_test: bool = False
) -> Members:
    return Members(
        layout=Layout.KDUMP_UTILS, cores=cores, dmesg=dmesg, parts=parts, is_test=is_test
    )


def suse(*cores: bytes, dmesg: bytes | None = None, notes: tuple[bytes, ...] = ()) -> Members:
    return Members(layout=Layout.SUSE, cores=cores, dmesg=dmesg, notes=notes)


def pstore(dmesg: bytes, member: bytes = b"") -> Members:
    return Members(layout=Layout.PSTORE, dmesg=dmesg, member=member)


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
        ([WORDS, b"vmcore", OWN_WORDS, b"opalcore"], kdump_utils(b"vmcore", dmesg=WORDS)),
        ([WORDS, b"vmcore.flat"], kdump_utils(b"vmcore.flat", dmesg=WORDS)),
        (
            [WORDS, b"vmcore.10", b"vmcore.2", b"vmcore.1"],
            kdump_utils(dmesg=WORDS, parts=(b"vmcore.1", b"vmcore.2", b"vmcore.10")),
        ),
        (
            [b"vmcore", b"vmcore.1", b"vmcore.2"],  # put together by --reassemble
            kdump_utils(b"vmcore", parts=(b"vmcore.1", b"vmcore.2")),
        ),
        ([STATUS, b"vmcore"], kdump_utils(b"vmcore", is_test=True)),
        # While SUSE's kdump writes, and when it is done.
        ([README, b"dmesg"], suse(dmesg=b"dmesg", notes=(README,))),
        ([README, b"dmesg", b"vmcore"], suse(b"vmcore", dmesg=b"dmesg", notes=(README,))),
        ([README, b"vmcore"], suse(b"vmcore", notes=(README,))),
        (
            [README, b"dmesg.txt", b"vmcore", b".notified", b"makedumpfile-R.pl", b"rearrange.sh"],
            suse(b"vmcore", dmesg=b"dmesg.txt", notes=(README,)),
        ),
        ([b"dmesg", b"vmcore"], suse(b"vmcore", dmesg=b"dmesg")),
        # SteamOS.
        (
            [b"dmesg.txt", b"vmcore.compressed"],
            Members(layout=Layout.STEAMOS, cores=(b"vmcore.compressed",), dmesg=b"dmesg.txt"),
        ),
        # The archive of systemd-pstore, whole and not.
        ([*EFI, b"dmesg.txt"], pstore(b"dmesg.txt")),
        ([b"dmesg-efi_pstore-179539641401001", b"dmesg.txt"], pstore(b"dmesg.txt")),
        ([b"dmesg.txt"], pstore(b"dmesg.txt")),
        ([*EFI], pstore(EFI[0])),
        ([b"dmesg-erst-7000000000000000001"], pstore(b"dmesg-erst-7000000000000000001")),
        # Of none.
        ([], None),
        ([b"kdump_lock", b"kexec_cmd"], None),
        ([STATUS, b"opalcore", b".notified"], None),
        ([README], None),
        ([b"dmesg"], None),
        ([b"vmcore.0", b"vmcore.01", b"vmcore1", b"vmcore.1x", b"vmcore.flat.1"], None),
        ([b"dmesg-efi-", b"dmesg-efi-17953964140100.enc.z", b"dmesg-ramoops-0"], None),
        ([b"_usr_bin_x.1000.crash"], None),
        ([b"linux-image-6.1.0-56-amd64-202611230113.crash"], None),
        ([b"vmcore.log", b"dump", b"dmesg-", b"dmesg", b"README"], None),
        ([b"dump.2026112301", b"dump.2026112301130", b"dmesg.x", b"vmcore."], None),
        ([b"Xdump.202611230113", b"dump.202611230113X", b"dump.202611230113\n"], None),
        ([b"vmcore\n", b"\nvmcore", b"VMCORE", b"vmcore-incomplete "], None),
        (["dump.٢٠٢٦١١٢٣٠١١٣".encode()], None),  # digits, but no ASCII
    ],
)
def test_recognise(names: list[bytes], members: Members | None) -> None:
    found = () if members is None else (members,)
    assert recognise(names) == found
    assert recognise(list(reversed(names))) == found


def test_the_crash_kernels_log_alone() -> None:
    """It is not the log of the kernel that died, but it tells why nothing was saved of that."""
    (members,) = recognise([OWN_WORDS, b"opalcore"])
    assert members.layout is Layout.KDUMP_UTILS
    assert (members.cores, members.dmesg) == ((), None)
    assert members.names == (OWN_WORDS,)
    assert "'kexec-dmesg.log'" in members.problem


@pytest.mark.parametrize(
    ("directory", "is_test"),
    [
        (b"kdump-test-1795396414-123456789", True),
        (b"127.0.0.1-2026-11-23-01:13:34", False),
        (b"kdump-test-", False),
        (b"my-kdump-test-1-1", False),
    ],
)
def test_a_directory_of_a_test(directory: bytes, *, is_test: bool) -> None:
    (members,) = recognise([b"vmcore"], directory)
    assert members.is_test is is_test


def test_what_kdumpst_saved() -> None:
    """The cores of two crashes lie in one directory: they are two captures."""
    other = b"vmcore.202611230245"
    found = recognise([COPY, other], b"crash")
    assert [(one.layout, one.cores, one.member) for one in found] == [
        (Layout.STEAMOS, (COPY,), COPY),
        (Layout.STEAMOS, (other,), other),
    ]
    assert recognise([COPY, other]) == found
    assert recognise_at_the_top([COPY, other], b"crash") == found


def test_a_copy_alone() -> None:
    assert recognise([COPY], b"202611230113") == (kdump_tools(COPY),)


def test_the_log_that_two_writers_name_alike() -> None:
    (one,) = recognise([b"dmesg.txt"], b"202611230113")
    (other,) = recognise([b"dmesg.txt"], b"001")
    assert (one.layout, other.layout) == (Layout.STEAMOS, Layout.PSTORE)


def test_at_the_top() -> None:
    names = [
        REPORT,
        b"linux-image-6.8.0-31-generic-202611240113.0.crash",
        b"dmesg-ramoops-0",
        b"vmcore",
        *(b"vmcore.log", b"kexec_cmd", b"kdump_lock", b"_usr_bin_x.1000.crash"),
        *(b"linux-image-6.8.0-31-generic.0.crash", b"linux-image-x-202611230113.upload"),
        *(b"vmcore.202611230113", b"dmesg.202611230113", b"dmesg.txt", b"README.txt"),
        *(b"dmesg-efi-179539641401001", b"dmesg-erst-7000000000000000001", b"vmcore\n"),
    ]
    found = recognise_at_the_top(names, b"crash.d")
    assert {one.member: one.layout for one in found} == {
        REPORT: Layout.APPORT,
        b"linux-image-6.8.0-31-generic-202611240113.0.crash": Layout.APPORT,
        b"dmesg-ramoops-0": Layout.PSTORE,
        b"vmcore": Layout.UBUNTU,
    }
    assert all(one.member.startswith(TOP_DIRECTORY_PREFIXES) for one in found)


@pytest.mark.parametrize("suffix", [b".gz", b".bz2", b".xz", b".lz4"])
def test_compressed_once_more(suffix: bytes) -> None:
    assert recognise([LOG, DUMP + suffix]) == (kdump_tools(DUMP + suffix, dmesg=LOG),)
    assert recognise([LOG, GROWING + suffix]) == (kdump_tools(GROWING + suffix, dmesg=LOG),)
    assert recognise([DUMP + suffix + suffix]) == ()


NAMES = st.binary(max_size=20) | st.sampled_from(
    [
        *(DUMP, LOG, COPY, GROWING, GROWING_COPY, WORDS, GROWING_WORDS, b"vmcore", README, *EFI),
        *(b"dmesg", b"dmesg.txt", b"vmcore.1", b"vmcore.2", b"vmcore.compressed", STATUS, REPORT),
        *(OWN_WORDS, b"vmcore.flat", b"vmcore.202611230114", b"dmesg-ramoops-0"),
    ]
)


@given(names=st.sets(NAMES), directory=st.binary(max_size=12) | st.just(b"crash"))
@settings(deadline=None)
def test_any_names(names: set[bytes], directory: bytes) -> None:
    for found in (recognise(names, directory), recognise_at_the_top(names, directory)):
        assert len({one.member for one in found}) == len(found)
        for members in found:
            assert members.names
            assert names >= set(members.names)
            assert len(set(members.cores)) == len(members.cores)
            assert not {LOG, WORDS, GROWING_WORDS, OWN_WORDS, README} & set(members.cores)
            assert members.dmesg != OWN_WORDS
