# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian as somebody has it who begins: git, make, and nothing that kdumpd needs.

`python -m tests.container.fresh_debian bookworm|trixie COMMAND...` runs a command in a clone of
this tree there, of which nothing is kept. The Debian itself is cached by what it was made of. Needs
root, and a network for what the command installs.
"""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.debian_packages import run
from tests.support.image_cache import default_cache, settle
from tests.support.process import BOUND, program

TREE = Path(__file__).parents[2]
PACKAGES = ("ca-certificates", "git", "make")
# What this machine needs to reach package servers, where it has it.
OF_THE_NETWORK = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
# Processes, mounts and System V's objects are its own; they are gone with the first process.
START = """
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
root=$2/root
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for file in $3; do
    touch "$root$file"
    mount --bind "$file" "$root$file"
done
git clone --quiet "$4" "$root/root/kdumpd"
shift 4
exec chroot "$root" env --chdir=/root/kdumpd "$@"
"""


def build_fresh_root(cache: Path, suite: str) -> Path:
    """Return the directory of a Debian from `cache`, where it is made first (20 s) if need be."""
    recipe = (suite, PACKAGES)
    directory = cache / f"fresh-{suite}-{sha256(repr(recipe).encode()).hexdigest()[:16]}"
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix="building-") as work:
            root = Path(work) / "root"
            included = f"--include={','.join(PACKAGES)}"
            run("mmdebstrap", "--variant=minbase", "--quiet", included, suite, str(root))
            settle(root, directory)
    return directory


def run_there(root: Path, work: Path, command: list[str]) -> int:
    """Run a command in a clone of this tree on that Debian, and return its exit status."""
    for name in ("upper", "work", "root"):
        (work / name).mkdir(mode=0o755)
    files = " ".join(file for file in OF_THE_NETWORK if Path(file).exists())
    kept = {name: value for name, value in os.environ.items() if name in {"CI", "TERM"}}
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"} | kept
    alone = ("--mount", "--pid", "--ipc", "--fork", "--kill-child", "--propagation", "private")
    return subprocess.run(  # noqa: S603 - what the caller names
        [
            *(*BOUND, program("unshare", "util-linux"), *alone, "--"),
            *("sh", "-e", "-c", START, "sh", str(root), str(work), files, str(TREE), *command),
        ],
        stdin=subprocess.DEVNULL,
        env=environment,
        check=False,
    ).returncode


if __name__ == "__main__":
    chosen, *words = sys.argv[1:]
    with TemporaryDirectory(prefix="fresh-debian-") as directory:
        sys.exit(run_there(build_fresh_root(default_cache(), chosen), Path(directory), words))
