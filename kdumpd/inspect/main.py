# SPDX-License-Identifier: GPL-2.0-or-later
"""The command kdumpd-inspect: `kdumpd-inspect < CORE`."""

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace

from kdumpd import __version__
from kdumpd.arguments import EXIT_FAILURE, discard_stdout
from kdumpd.inspect.kernel_log import KernelLog, has_drgn, read_log
from kdumpd.inspect.sandbox import Share, confine, forbid_processes
from kdumpd.inspect.unpack import DECOMPRESSOR_PROGRAMS, MAX_SPOOL_BYTES, opened_spool, unwrap
from kdumpd.model.captures.core import (
    ADDRESS_SPACE_BYTES,
    CPU_SECONDS,
    MAX_ANSWER_BYTES,
    CoreFacts,
    Format,
    Inspected,
    to_answer,
)
from kdumpd.observe.cores.core import read_core

CORE_FD = 0  # the descriptor: standard input
EPILOG = """\
Without --log, one JSON object is printed: what the core proves about itself ("facts"), the kernel
log ("log", "log_source") or why there is none ("log_problem"). The exit status is 0 when there is
an answer, also about a core that is broken, and 1 when there is none.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the core on standard input, print the answer, and return the exit status."""
    options = arguments_parser().parse_args(arguments)
    if not stat.S_ISREG(os.fstat(CORE_FD).st_mode):
        return _fail("the core must be a file, not a pipe or a terminal: kdumpd-inspect < CORE")
    confine(
        Share(
            cpu_seconds=options.cpu_seconds,
            address_space=options.address_space,
            file_size=MAX_SPOOL_BYTES,
        )
    )
    try:
        inspected = inspect_core(CORE_FD)
    except MemoryError:
        return _fail("the core needs more memory to be read than is given to it")
    if not options.log:
        return _print(_answer(inspected))
    if inspected.log is None:
        return _fail(f"no kernel log: the core {inspected.log_problem}")
    return _print(inspected.log)


def inspect_core(fd: int) -> Inspected:
    """Return all that a core says; this process may start no other afterwards."""
    facts = read_core(fd)
    if not facts.wrapped:
        _forbid_processes()
        return _inspected(facts, _log(fd, facts))
    with opened_spool() as spool:
        if facts.wrapper not in DECOMPRESSOR_PROGRAMS:
            _forbid_processes()
        facts = unwrap(fd, facts.wrapper, spool)
        _forbid_processes()
        if not spool.complete:
            problem = f"is too large to be kept unpacked for its log ({spool.size} bytes)"
            return _inspected(facts, KernelLog(problem=problem))
        # What was flattened is reassembled in the spool.
        inside = facts.format and Format.KDUMP_COMPRESSED
        return _inspected(facts, _log(spool.fd, replace(facts, format=inside)))


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of kdumpd-inspect's command line."""
    parser = argparse.ArgumentParser(
        prog="kdumpd-inspect",
        usage="%(prog)s [OPTION]... < CORE",
        description="Read one kernel core through, confined, and say what it holds.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kdumpd-inspect {__version__}")
    parser.add_argument("--log", action="store_true", help="print only the kernel log")
    parser.add_argument(
        "--cpu-seconds",
        type=int,
        default=CPU_SECONDS,
        metavar="N",
        help="at most (default: %(default)s)",
    )
    parser.add_argument(
        "--address-space",
        type=int,
        default=ADDRESS_SPACE_BYTES,
        metavar="BYTES",
        help="at most (default: 1 GiB)",
    )
    return parser


def _forbid_processes() -> None:
    if has_drgn():  # else makedumpfile is needed, in the end
        forbid_processes()


def _log(fd: int, facts: CoreFacts) -> KernelLog:
    if facts.format is Format.UNKNOWN:
        return KernelLog(problem=facts.problem)
    return read_log(fd, facts.format)


def _inspected(facts: CoreFacts, log: KernelLog) -> Inspected:
    return Inspected(facts=facts, log=log.content, log_problem=log.problem, log_source=log.source)


def _answer(inspected: Inspected) -> bytes:
    """Return the answer, with the end of the log that it has room for: six bytes can be one."""
    answer = to_answer(inspected)
    while len(answer) > MAX_ANSWER_BYTES and inspected.log:
        inspected = replace(inspected, log=inspected.log[len(inspected.log) // 2 :])
        answer = to_answer(inspected)
    return answer


def _print(content: bytes) -> int:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        discard_stdout()
        return _fail(f"cannot print: {error.strerror}")
    return 0


def _fail(words: str) -> int:
    sys.stderr.write(f"kdumpd-inspect: {words}\n")
    return EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
