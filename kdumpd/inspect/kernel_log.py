# SPDX-License-Identifier: GPL-2.0-or-later
"""Get a core's kernel log by the best means that this machine has."""

from dataclasses import dataclass

from kdumpd.inspect import makedumpfile
from kdumpd.inspect.kernel_log_rest import read_kernel_log
from kdumpd.inspect.memory import (
    UnopenableCoreError,
    UnreadableMemoryError,
    has_drgn,
    open_memory,
)
from kdumpd.inspect.spool import opened_spool
from kdumpd.inspect.unpack import reassemble
from kdumpd.model.captures.core import Format, VmcoreinfoError, parse_vmcoreinfo
from kdumpd.model.crashlog.printk import PrintkError, Values
from kdumpd.observe.cores.core import read_inside, read_vmcoreinfo
from kdumpd.observe.cores.source import CoreError, FileSource


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
    return KernelLog(content=makedumpfile.read_log(fd), source="makedumpfile")


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
