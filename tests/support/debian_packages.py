# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages that are fetched and unpacked, and the programs that do so; nothing is installed.

The maintainer scripts of a kernel would write to the developer's /boot.
"""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.image_cache import NotMadeError

TOOLS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cp": "coreutils",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "ldd": "libc-bin",
    "make": "make",
    "makedumpfile": "makedumpfile",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
}
# A newer version that is installed would be chosen before what can be fetched.
NOTHING_INSTALLED = ("-o", "Dir::State::status=/dev/null")
METAPACKAGES = ("linux-headers-amd64", "linux-image-amd64")  # they only name today's kernel


class ImageError(NotMadeError):
    """The guest cannot be built here; the message says what is missing."""


def tool(name: str) -> Path:
    """Return the path of a program, or say which Debian package has it."""
    found = shutil.which(name)
    if found is None:
        raise ImageError(f"'{name}' is not installed: apt-get install {TOOLS[name]}")
    return Path(found)


def run(
    program: str, *args: str, cwd: Path | None = None, stdin: str = "", **environment: str
) -> str:
    """Return what a program said; ImageError with its complaint where it failed."""
    argv = [str(tool(program)), *args]
    env = os.environ | {"LC_ALL": "C"} | environment
    done = subprocess.run(  # noqa: S603 - every command is one of TOOLS, and no shell reads it
        argv, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        hint = " (are the lists old? apt-get update)" if program == "apt-get" else ""
        raise ImageError(f"{' '.join(argv)} failed{hint}:\n{done.stderr}")
    return done.stdout


def choose_packages(
    *wanted: str, named: tuple[str, ...], **environment: str
) -> list[tuple[str, str]]:
    """Return name and file (thus version) of what `wanted` brings, where `named` begins the name.

    apt answers for a machine with nothing installed and nothing fetched: the same on all.
    """
    with TemporaryDirectory() as archives:
        text = run(
            *("apt-get", "install", "-qq", "--print-uris", "--no-install-recommends"),
            # What lies in the archives is not printed.
            *(*NOTHING_INSTALLED, "-o", f"Dir::Cache::archives={archives}", *wanted),
            cwd=None,  # named, or mypy believes that `environment` may hold them
            stdin="",
            **environment,
        )
    files = (line.split()[1] for line in text.splitlines() if line.startswith("'"))
    packages = sorted((file.partition("_")[0], file) for file in files)
    return [p for p in packages if p[0].startswith(named) and p[0] not in METAPACKAGES]


def unpack(packages: list[tuple[str, str]], work: Path) -> Path:
    """Fetch packages into `work` and return the directory there with what all of them hold."""
    names = [name for name, _ in packages]
    run(
        *("apt-get", "-q", "download", *NOTHING_INSTALLED),
        # Else apt as root warns that its user _apt cannot write into our directory.
        *("-o", "APT::Sandbox::User=root", *names),
        cwd=work,
    )
    for package in work.glob("*.deb"):
        run("dpkg-deb", "-x", str(package), "unpacked", cwd=work)
    return work / "unpacked"


def find(directory: Path, pattern: str) -> Path:
    """Return the file of that name somewhere below `directory`."""
    found = next(directory.rglob(pattern), None)
    if found is None:
        raise ImageError(f"the packages have no '{pattern}'")
    return found
