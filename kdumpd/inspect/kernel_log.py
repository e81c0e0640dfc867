# SPDX-License-Identifier: GPL-2.0-or-later
"""Get the kernel log out of the memory in a core, with drgn or makedumpfile."""

import logging
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from kdumpd.inspect.unpack import opened_spool, opened_words, reassemble, with_last_words
from kdumpd.model.captures.core import Format, VmcoreinfoError, parse_vmcoreinfo
from kdumpd.model.crashlog.lines import MAX_LOG_BYTES
from kdumpd.model.crashlog.printk import (
    MAX_RING_SIZE_BITS,
    ByteOrder,
    PrintkError,
    Ring,
    StructLayout,
    Values,
    parse_records,
    parse_ring,
    records_log,
    ring_log,
)
from kdumpd.observe.cores.core import read_inside, read_vmcoreinfo
from kdumpd.observe.cores.source import CoreError, FileSource

if TYPE_CHECKING:
    import drgn

LOG_INDEX_BYTES = 4  # log_first_idx, log_next_idx and log_buf_len are 32 bits wide


class CrashMemory(Protocol):
    """The memory of the machine that died."""

    @property
    def byte_order(self) -> ByteOrder:
        """How it writes numbers."""

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes from a virtual address; or UnreadableMemoryError."""


def read_kernel_log(memory: CrashMemory, values: Values) -> bytes:
    """Return the end of the log, as VMCOREINFO says where it is.

    PrintkError when it is no log, UnreadableMemoryError when the core does not hold it.
    """
    if "SYMBOL(prb)" in values:
        return _read_ring_log(memory, values)
    if "SYMBOL(log_first_idx)" in values:
        return _read_records_log(memory, values)
    raise PrintkError("is of a kernel that does not say where its log lies")


def _read_ring_log(memory: CrashMemory, values: Values) -> bytes:
    layout = StructLayout(values)
    address = _read_long(memory, layout.symbol("prb"))
    content = memory.read(address, layout.size("printk_ringbuffer"))
    ring = parse_ring(content, memory.byte_order, values)
    return ring_log(
        ring,
        _read_entries(memory, ring, ring.descriptors_at, layout.size("prb_desc")),
        _read_entries(memory, ring, ring.infos_at, layout.size("printk_info")),
        memory.read(ring.text_at, ring.text_size),
        MAX_LOG_BYTES,
    )


def _read_records_log(memory: CrashMemory, values: Values) -> bytes:
    layout, byte_order = StructLayout(values), memory.byte_order
    first, beyond, size = (
        byte_order.number(memory.read(layout.symbol(name), LOG_INDEX_BYTES), 0, LOG_INDEX_BYTES)
        for name in ("log_first_idx", "log_next_idx", "log_buf_len")
    )
    if size > 1 << MAX_RING_SIZE_BITS:
        raise PrintkError(f"claims a kernel log of {size} bytes")
    content = memory.read(_read_long(memory, layout.symbol("log_buf")), size)
    return records_log(parse_records(content, first, beyond, byte_order, values), MAX_LOG_BYTES)


def _read_long(memory: CrashMemory, address: int) -> int:
    return memory.byte_order.long(memory.read(address, memory.byte_order.word), 0)


def _read_entries(memory: CrashMemory, ring: Ring, address: int, size: int) -> bytes:
    return b"".join(memory.read(address + at * size, count * size) for at, count in ring.spans)


class UnreadableMemoryError(Exception):
    """The core's memory cannot be read; the text is the end of a sentence about the core."""


class UnopenableCoreError(UnreadableMemoryError):
    """A tool does not take this core as it is."""


class CoreMemory:
    """What a core holds of it."""

    def __init__(self, program: "drgn.Program", byte_order: ByteOrder) -> None:
        self.byte_order = byte_order
        self._program = program

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes from a virtual address; or UnreadableMemoryError."""
        try:
            content: bytes = self._program.read(address, size)
        except Exception as error:  # libkdumpfile's own have no other class
            raise UnreadableMemoryError("does not hold the memory of its kernel log") from error
        return content


def has_drgn() -> bool:
    """Return whether drgn is installed: without it, all but the log can be read."""
    return find_spec("drgn") is not None


def open_memory(fd: int) -> CoreMemory:
    """Return the memory that a core holds; UnopenableCoreError when drgn cannot open it.

    ImportError where drgn cannot be loaded.
    """
    import drgn  # noqa: PLC0415 - it need not be installed

    logging.getLogger("drgn").setLevel(logging.ERROR)  # that a flattened core is slow is no news
    program = drgn.Program()
    try:
        _set_core(program, fd)
    except Exception as error:  # libkdumpfile's own have no other class
        raise UnopenableCoreError("cannot be opened by drgn") from error
    flags = program.platform.flags if program.platform else drgn.PlatformFlags(0)
    return CoreMemory(
        program,
        ByteOrder(
            order="little" if flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN else "big",
            word=8 if flags & drgn.PlatformFlags.IS_64_BIT else 4,
        ),
    )


def _set_core(program: "drgn.Program", fd: int) -> None:
    own = os.dup(fd)
    try:
        program.set_core_dump(own)  # which closes it with the program, or at once when it fails
    except TypeError:  # drgn 0.0.22, Debian 12's, takes no descriptors
        os.close(own)
        program.set_core_dump(f"/proc/self/fd/{fd}")


MAKEDUMPFILE_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
MAX_MAKEDUMPFILE_BYTES = 64 << 20  # the file lies in memory
MAKEDUMPFILE_TIMEOUT_S = 120  # 10 ms are usual


def read_makedumpfile_log(fd: int) -> bytes:
    """Return the end of the kernel log of a core that is not flattened.

    UnopenableCoreError when another process may not open it, UnreadableMemoryError when there is no
    makedumpfile or it finds none (1.7.2).
    """
    program = shutil.which("makedumpfile", path=MAKEDUMPFILE_PATH)
    if program is None:
        raise UnreadableMemoryError("cannot be searched for its log: install python3-drgn")
    _check_it_can_be_opened(fd)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_MAKEDUMPFILE_BYTES, hard))
    log = os.memfd_create("log")
    try:
        # It writes only to a file with a name (-f: even to one that exists), and talks on stdout.
        command = [program, "-f", "--dump-dmesg", "/proc/self/fd/0", f"/proc/self/fd/{log}"]
        with opened_words() as words:
            done = subprocess.run(  # noqa: S603 - a fixed program, and no shell reads it
                command,
                stdin=fd,
                stdout=subprocess.DEVNULL,
                stderr=words,
                pass_fds=[log],
                timeout=MAKEDUMPFILE_TIMEOUT_S,
                check=False,
            )
            problem = with_last_words("has no kernel log that makedumpfile can read", words)
        size = os.fstat(log).st_size
        content = os.pread(log, MAX_LOG_BYTES, max(0, size - MAX_LOG_BYTES))
    except subprocess.TimeoutExpired as error:
        raise UnreadableMemoryError("keeps makedumpfile busy for too long") from error
    finally:
        os.close(log)
    if done.returncode != 0 or not content:
        raise UnreadableMemoryError(problem)
    return content


def _check_it_can_be_opened(fd: int) -> None:
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise UnopenableCoreError("cannot be opened by makedumpfile") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """The log and who read it, or why there is none: the end of a sentence about the core."""

    content: bytes | None = None
    source: str = ""
    problem: str = ""


def read_log(fd: int, format_: Format) -> KernelLog:
    """Return the kernel log of an open core, which is not wrapped."""
    try:
        try:
            return _read_as_it_is(fd, format_)
        except UnopenableCoreError as error:
            # A copy is reassembled, and ours: nobody forbids to open it by its name in /proc.
            if format_ is not Format.FLATTENED and not isinstance(error.__cause__, PermissionError):
                raise
            return _read_spooled(fd, format_)
    except (CoreError, PrintkError, UnreadableMemoryError) as error:
        return KernelLog(problem=str(error))
    except VmcoreinfoError:
        return KernelLog(problem="has no VMCOREINFO, which says where the kernel log is")


def _read_as_it_is(fd: int, format_: Format) -> KernelLog:
    """Return the log; UnopenableCoreError when the tool does not take the core in this form."""
    if has_drgn():
        values = _read_values(fd, format_)
        try:
            return KernelLog(content=read_kernel_log(open_memory(fd), values), source="drgn")
        except ImportError as error:
            raise UnreadableMemoryError("cannot be searched: drgn cannot be loaded") from error
    if format_ is Format.FLATTENED:
        raise UnopenableCoreError("is flattened, which makedumpfile refuses")
    return KernelLog(content=read_makedumpfile_log(fd), source="makedumpfile")


def _read_spooled(fd: int, format_: Format) -> KernelLog:
    """Return the log out of a copy, reassembled."""
    with opened_spool() as spool:
        reassemble(fd, format_, spool)
        if not spool.complete:
            raise UnreadableMemoryError(
                "is too large to be copied for its log: install a newer python3-drgn"
            )
        # Whatever it is now, it is not flattened.
        return _read_as_it_is(spool.fd, Format.KDUMP_COMPRESSED)


def _read_values(fd: int, format_: Format) -> Values:
    inside, _ = read_inside(FileSource(fd), format_)
    return parse_vmcoreinfo(read_vmcoreinfo(inside)).values
