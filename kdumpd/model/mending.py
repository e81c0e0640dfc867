# SPDX-License-Identifier: GPL-2.0-or-later
"""What to do where a file does not tell a fact, by what is wrong with it."""

import re

# As kdumpd.observe.files puts it: the file in quotes, then what is wrong.
TELLS = r"'(?P<path>[^']+)' (?P<what>.*)"
FORBIDDEN = r": (?:Permission denied|Operation not permitted)"
OF_KERNEL = r"/(?:proc|sys)/"
# What the errors of read(2) are about where they are not about rights.
BROKEN = "see whether its disk answers: journalctl -k -p err"
AS_ROOT = "run kdumpd as root; by hand: sudo kdumpd --check"


def to_mend(problem: str) -> str:
    """Return what makes the fact known, where `problem` names the file and what is wrong."""
    if re.search(FORBIDDEN, problem):
        return AS_ROOT
    told = re.match(TELLS, problem)
    if told is None:
        return "journalctl -u kdumpd tells more"
    mend = _of_kernel if re.search(OF_KERNEL, told["path"]) else _of_disk
    return mend(told["path"], told["what"])


def _of_disk(path: str, what: str) -> str:
    if what.startswith("does not say how much room"):
        return f"see whether its file system is mounted and answers: df '{path}'"
    if what.startswith("cannot be"):
        return BROKEN
    if what.startswith(("is no regular file", "is no file")):
        return f"see what is in the file's place, and put a file there: ls -l '{path}'"
    return f"mend '{path}', or reinstall the package that it belongs to"


def _of_kernel(path: str, what: str) -> str:
    if what.startswith("does not exist"):
        return "see whether /proc and /sys are mounted: findmnt /proc /sys"
    if what.startswith("cannot be read"):
        return f"see what the kernel says to it: cat '{path}'"
    return (
        f"report it as a bug of kdumpd or of this kernel, with what it holds: head -c 200 '{path}'"
    )
