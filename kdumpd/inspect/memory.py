# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of the machine that died, by virtual addresses, with drgn where it is installed."""

import logging
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kdumpd.model.crashlog.printk import Machine

if TYPE_CHECKING:
    import drgn


class UnreadableMemoryError(Exception):
    """The core's memory cannot be read; the text is the end of a sentence about the core."""


class UnopenableCoreError(UnreadableMemoryError):
    """A tool does not take this core as it is."""


class CoreMemory:
    """What a core holds of it."""

    def __init__(self, program: "drgn.Program", machine: Machine) -> None:
        self.machine = machine
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
        Machine(
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
