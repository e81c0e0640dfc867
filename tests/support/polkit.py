# SPDX-License-Identifier: GPL-2.0-or-later
"""A real polkitd on a bus of our own, with our actions and a rule, in a mount namespace."""

import asyncio
import os
import pwd
import re
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.support.bus_policy import Policy
from tests.support.busctl import Busctl
from tests.support.message_bus import Broker, Bus, private_bus
from tests.support.namespace import MOUNTS_AS_ROOT, ROOT, can_mount
from tests.support.process import BOUND, ServiceError, end, program

NAME = "org.freedesktop.PolicyKit1"
USERS = Path("/etc/passwd")
ACTIONS = Path(__file__).parents[2] / "dbus/org.kdumpd1.policy"
BUS_POLICY = Path(__file__).parents[2] / "dbus/org.kdumpd1.conf"

PERMITTED = "games"  # a user of Debian's base-passwd, to whom the rule gives every right
NOBODY = "nobody"
# For polkit this is user kdumpd, and kdumpd-trigger, whom most machines lack. The bus wants a user
# that it knows: bin.
KDUMPD = 2
OUR_USERS = ("kdumpd", "kdumpd-trigger")
RULE = f"""
polkit.addRule(function(action, subject) {{
    if (action.id.indexOf("org.kdumpd1.") == 0 && subject.user == "{PERMITTED}")
        return polkit.Result.YES;
}});
"""

# What packages install in /usr/share/dbus-1/system.d.
POLKIT_RULES = f"""
<policy user="polkitd"><allow own="{NAME}"/></policy>
<policy user="root"><allow own="{NAME}"/></policy>
<policy context="default"><allow send_destination="{NAME}"/></policy>"""

# polkitd looks for actions and rules at fixed paths.
SETUP = """
set -e
mount --bind "$1" /usr/share/polkit-1/actions
mount --bind "$2" /etc/polkit-1/rules.d
mount --bind "$3" /etc/passwd
shift 3
exec "$@"
"""

# polkitd becomes the user polkitd, which a user namespace of one user does not have.
needs_polkit = pytest.mark.skipif(
    not (ROOT and can_mount()), reason="polkitd changes its user and its files: needs root"
)


class Polkit:
    """A polkitd that can be absent, there, hung and gone."""

    def __init__(self, directory: Path, bus: Bus) -> None:
        self._directory = directory
        self._bus = bus
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start polkitd and wait until the bus knows it."""
        files = self._write_files()
        log = self._directory / "polkitd.log"
        with log.open("ab") as words:
            self._process = await asyncio.create_subprocess_exec(
                *MOUNTS_AS_ROOT,
                *BOUND,
                *("sh", "-c", SETUP, "sh", *files),
                *(program("polkitd", "polkitd"), "--no-debug"),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={"PATH": os.environ["PATH"], "DBUS_SYSTEM_BUS_ADDRESS": self._bus.address},
            )
        try:
            async with asyncio.timeout(20):
                while not await self._is_known():  # noqa: ASYNC110  # asked by another program
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServiceError(f"no polkitd: {log.read_text(errors='replace')}") from None

    def _write_files(self) -> list[str]:
        """Return the directories of actions and rules and the users' file, as they are bound."""
        actions, rules = self._directory / "actions", self._directory / "rules"
        for made in (actions, rules):
            made.mkdir(exist_ok=True)
        (actions / ACTIONS.name).write_text(ACTIONS.read_text())
        (rules / "50-tests.rules").write_text(RULE)
        users = self._directory / "passwd"
        ours = (f"{name}:x:{KDUMPD}:{KDUMPD}::/:/bin/false\n" for name in OUR_USERS)
        users.write_text(USERS.read_text() + "".join(ours))
        return [str(actions), str(rules), str(users)]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End polkitd, paused or not, if it runs."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(number)  # before a paused one can go on and answer
            process.send_signal(signal.SIGCONT)
            await end(process, number)

    def pause(self) -> None:
        """Make polkitd hang."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # It stops a little later. A dead one must not block us; WNOWAIT leaves it to asyncio.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused polkitd go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _is_known(self) -> bool:
        names = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
        (known,) = await Busctl(self._bus.address).call(*names, "NameHasOwner", "s", NAME)
        return bool(known)


@contextmanager
def public_directory() -> Iterator[Path]:
    """Make a directory that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="kdumpd-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@asynccontextmanager
async def polkit_on(directory: Path, bus: Bus) -> AsyncIterator[Polkit]:
    """Run polkitd on the bus; all may see the directory, which holds what it reads and says."""
    polkit = Polkit(directory, bus)
    try:
        await polkit.start()
        yield polkit
    finally:
        await polkit.stop()


@asynccontextmanager
async def system_bus(directory: Path, broker: Broker) -> AsyncIterator[Bus]:
    """Run a bus with the rules of a system bus, on which polkit and kdumpd have their names."""
    async with private_bus(directory, broker, Policy.SYSTEM, POLKIT_RULES + our_rules()) as bus:
        yield bus


def our_rules() -> str:
    """Return what we install for the bus, with users that it knows in the place of ours."""
    (rules,) = re.findall(r"<busconfig>(.*)</busconfig>", BUS_POLICY.read_text(), re.DOTALL)
    for user in OUR_USERS:
        rules = rules.replace(f'user="{user}"', f'user="{KDUMPD}"')
    return str(rules)


def as_user(name: str) -> tuple[str, ...]:
    """Return what, put before a command, runs it as that user, with no other group."""
    entry = pwd.getpwnam(name)
    return (
        "setpriv",
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all",
        "--",
    )
