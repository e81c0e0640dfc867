# SPDX-License-Identifier: GPL-2.0-or-later
"""What all programs have in common: the command line, and what a child of theirs gets."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

EXIT_FAILURE = 1
EXIT_USAGE, EXIT_IO, EXIT_CONFIG = 64, 74, 78  # sysexits.h
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4  # include/uapi/linux/prctl.h
JSON_MODES = ("pretty", "short", "off")
# HOME is set so that nobody looks it up in the user database.
CHILD_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
}
# The package's own directory goes to the end of sys.path, so that it hides no other module.
ISOLATED_MAIN = """\
import sys
sys.path.append(sys.argv.pop(1))
from {} import main
sys.exit(main())
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors cannot be taken for an answer about readiness."""

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # typing.override: 3.12
        """Print the message and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Let the parser take --json, which alone is --json=pretty."""
    parser.add_argument(
        "--json",
        nargs="?",
        choices=JSON_MODES,
        const="pretty",
        default="off",
        metavar="MODE",
        help="print JSON: pretty (the default if MODE is omitted), short, or off",
    )


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Let the parser take --root and --config."""
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=existing_directory,
        default=Path("/"),
        help="use the system below DIR, such as a mounted image, instead of this one",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=_file,
        help="read only this file instead of /etc/kdumpd/kdumpd.conf and its drop-ins",
    )


def add_bus_option(parser: argparse.ArgumentParser) -> None:
    """Let the parser of a service take --bus."""
    parser.add_argument(
        "--bus",
        metavar="BUS",
        default="system",
        help="the message bus to serve on: system (the default), session, or an address",
    )


def isolated(module: str) -> tuple[str, ...]:
    """Return the command that runs a program of ours as a child of this one.

    It is isolated from the working directory, the user's directory and every PYTHON… variable.
    """
    directory = Path(__file__).parents[1]
    return sys.executable, "-I", "-B", "-c", ISOLATED_MAIN.format(module), str(directory)


def keep_to_oneself() -> None:
    """Let no program that is started from now on have this process's capabilities, if not root's.

    Call it before there are threads: capabilities(7), each has its own. What a service manager
    gives in the ambient set stays permitted and effective here, and ends at execve(2).
    """
    import ctypes  # noqa: PLC0415  # takes a millisecond, and most programs have no capability

    ctypes.CDLL(None).prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def discard_stdout() -> None:
    """Give what Python would still flush, to a stdout that cannot be written, somewhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def existing_directory(text: str) -> Path:
    """Return the path of a directory that is there, as the type of an argument."""
    if not text or not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is not a directory")
    return Path(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"'{text}' is not a file")
    return Path(text)
