# SPDX-License-Identifier: GPL-2.0-or-later
"""One thing said a million times: no parser takes more than a bounded time for it."""

from collections.abc import Iterator
from itertools import islice

import pytest

from tests.security.inputs import ERROR_LOG, LOG, OTHER_LOG, README, RETENTION, TMPFILES
from tests.security.mutation import Outcome, Task, alarmed, try_one
from tests.security.mutator import Parts
from tests.security.parsers import PARSERS

LONG, SHORT = 1 << 20, 1 << 16  # bytes
SHORT_STEP = 9  # one of so many is repeated in a short run

WORDS = (
    *(
        b"a",
        b"9",
        b"0x",
        b" ",
        b"\t",
        b"\n",
        b"\0",
        b"\xff",
        b"[",
        b"(",
        b"_",
        b".",
        b"a.",
        b"a:b ",
    ),
    *(b"[    1.0] ", b"a:b ", b"<0>", b"[T1]", b"+0x1/0x2 ", b"f+0x1/0x2\n", b"? f+0x1/0x2 [m]\n"),
    *(
        b"BUG: ",
        b"BUG: \n",
        b"Oops: 0002 [#1]\n",
        b"Kernel panic - not syncing: ",
        b"Call Trace:\n",
    ),
    *(b"RIP: ", b"RIP: 0010:f+0x1/0x2\n", b"CPU: 0 PID: 1 Comm: x Not tainted 6.1 #1\n", b"Comm: "),
    *(
        b"Tainted: G ",
        b"[Hardware Error]: x\n",
        b"WARNING: CPU: 0 PID: 1 at f+0x1/0x2 ",
        b"pc : f\n",
    ),
    *(b"INFO: task a:1 blocked for more than 1 seconds.\n", b"Panic#1 Part1\n", b"Oops#2 Part3\n"),
    *(
        b"BUG: KASAN: a in f+0x1/0x2\n",
        b"BUG: KCSAN: data-race in a / b\n",
        b"list_del corruption. ",
    ),
    *(
        b"list_del corruption. ",
        b"-type d ",
        b"find /var/crash ",
        b"-mtime +1 ",
        b"1d",
        b"crashkernel=1G,high ",
        b" AAAA\n",
    ),
)


SEEDS: dict[str, tuple[Parts, ...]] = {
    "kernel-log": ((LOG,), (OTHER_LOG,), (ERROR_LOG,)),
    "retention": (
        (RETENTION, TMPFILES, b"KDUMP_NUM_DUMPS=5\n"),
        (b"find /var/crash -type d", TMPFILES, b""),
    ),
    "suse-readme": ((README,),),
    "apport-report": ((b"ProblemType: KernelCrash\nVmCoreDmesg: base64\n AAAA\n",),),
    "crashkernel": ((b"ro crashkernel=256M,high quiet\n",),),
    "vmcoreinfo": ((b"OSRELEASE=6.1.0\nCRASHTIME=1\n",),),
    "configuration": ((b"[Manager]\nCrashDirectories=/var/crash\n",),),
    "mounts": ((b"29 1 254:0 / / rw - ext4 /dev/vda rw\n",),),
}


def inputs(parser: str, size: int) -> Iterator[Parts]:
    """Yield each word repeated: alone, and below and behind the first line of each good piece."""
    for seed in SEEDS[parser]:
        for number, part in enumerate(seed):
            line = part.split(b"\n")[0]
            for head in (b"", line + b"\n", line + b" "):
                for word in WORDS:
                    pieces = list(seed)
                    pieces[number] = head + word * (size // len(word))
                    yield tuple(pieces)


def check(parser: str, size: int, step: int) -> None:
    outcome, task = Outcome(), Task(parser=parser, seed=0, first=0, count=0)
    with alarmed():
        for number, parts in enumerate(islice(inputs(parser, size), None, None, step)):
            try_one(PARSERS[parser], parts, outcome, task, number)
    assert outcome.taken + outcome.refused
    failed = [(one.parts[0][:80], one.words) for one in outcome.failures]
    assert not failed


@pytest.mark.parametrize("parser", SEEDS)
def test_a_little_repetition(parser: str) -> None:
    check(parser, SHORT, SHORT_STEP)


@pytest.mark.long
@pytest.mark.parametrize("parser", SEEDS)
def test_much_repetition(parser: str) -> None:
    check(parser, LONG, 1)
