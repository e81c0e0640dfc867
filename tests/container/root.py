# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian for containers: systemd as the first process, journald, both buses, polkit, kdump-tools.

It is cached by what it was made of; its packages are of the day on which it was made, and all that
kdumpd depends on is among them, so that installing kdumpd fetches nothing. Needs root.
`python -m tests.container.root bookworm|trixie` makes it and says where it is.
"""

import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.debian_packages import run
from tests.support.image_cache import default_cache, settle

BOOKWORM, TRIXIE = "bookworm", "trixie"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-broker", "polkitd", "udev", "procps"),
    *("python3", "python3-dbus-fast", "python3-pyinotify", "python3-systemd"),
    *("kdump-tools", "makedumpfile", "python3-drgn"),
    *("autopkgtest", "dpkg-dev"),
)
MORE = {BOOKWORM: (), TRIXIE: ("python3-pyasyncore",)}
# Nobody logs in, and nothing is fetched at some time of the day.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service", "e2scrub_all.timer"),
    *("systemd-logind.service",),
)


def build_root(cache: Path, suite: str = BOOKWORM) -> Path:
    """Return the directory of a Debian from `cache`, where it is made first (90 s) if need be."""
    recipe = (suite, PACKAGES, MORE[suite], MASKED)
    directory = cache / f"container-{suite}-{sha256(repr(recipe).encode()).hexdigest()[:16]}"
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix="building-") as work:
            root = Path(work) / "root"
            _install(root, suite)
            settle(root, directory)
    return directory


def _install(root: Path, suite: str) -> None:
    run(
        *("mmdebstrap", "--variant=minbase", "--quiet"),
        *(f"--include={','.join(PACKAGES + MORE[suite])}", suite, str(root)),
    )
    (root / "etc/hostname").write_text("debian\n")  # mmdebstrap takes this machine's
    for name in MASKED:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or [BOOKWORM]:
        sys.stdout.write(f"{build_root(default_cache(), chosen)}\n")
