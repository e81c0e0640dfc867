# SPDX-License-Identifier: GPL-2.0-or-later
"""Where there is no drgn, makedumpfile reads the log, or says why it does not."""

import os
import resource
import subprocess
from collections.abc import Iterator

import pytest

from kdumpd.inspect.kernel_log import UnreadableMemoryError, read_makedumpfile_log
from kdumpd.model.crashlog.scrub import plain_sentence
from tests.support.cores import Crash, elf, kdump
from tests.support.process import program


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    """Take back what reading limits in its own process, which here goes on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("core", [kdump(Crash()), elf(Crash())], ids=["kdump", "elf"])
def test_what_it_says_of_a_core_without_a_log_is_told(core: bytes) -> None:
    fd = os.memfd_create("core")
    try:
        os.write(fd, core)
        argv = [program("makedumpfile", "makedumpfile"), "-f", "--dump-dmesg"]
        argv += [f"/proc/self/fd/{fd}", "/dev/null"]
        done = subprocess.run(argv, pass_fds=[fd], capture_output=True, check=False)  # noqa: S603
        last = plain_sentence(done.stderr.strip().rpartition(b"\n")[2])
        assert last
        with pytest.raises(UnreadableMemoryError) as error:
            read_makedumpfile_log(fd)
    finally:
        os.close(fd)
    assert str(error.value) == f"has no kernel log that makedumpfile can read: {last}"
