# SPDX-License-Identifier: GPL-2.0-or-later
"""A small virtual machine that panics and captures its own memory into a directory of the host.

No hardware virtualisation is asked for: QEMU's TCG works on every machine.
"""

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian_packages import tool
from tests.support.image_cache import NotMadeError
from tests.vm import capture
from tests.vm.image import GuestImage

MACHINE = ("-machine", "q35", "-accel", "tcg", "-cpu", "max")
# no_timer_check: on a busy machine the timer seems broken to the kernel, which panics of that.
CMDLINE = "console=ttyS0 panic=-1 no_timer_check"
# panic=-1 also in the crash kernel: whatever goes wrong there ends in a reboot, thus in the end
# of QEMU (-no-reboot), and not in a time-out.
CAPTURE_CMDLINE = "console=ttyS0 panic=-1 no_timer_check nr_cpus=1 irqpoll reset_devices"
ARM = (
    "kexec -p /image/vmlinuz --initrd=/image/initramfs.gz"
    f' --append="{CAPTURE_CMDLINE}" || reboot -f\n'
)
PAUSE = 2.0  # seconds
CUE = "init.sh: what is left to do comes from outside"


class GuestError(NotMadeError):
    """The guest never ended, or QEMU would not run it; the message ends with the console's tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the guest dies and what is written then; `panic` and `capture` are lines of shell."""

    panic: str = "echo c > /proc/sysrq-trigger"
    capture: str = capture.debian()
    reservation: str = "crashkernel=192M"
    cmdline: str = ""  # after our own: a second crashkernel= wins
    ram: int = 768  # MiB
    armed: bool = True  # kexec -p before the panic; if that fails, the guest ends without one
    # Commands for QEMU's monitor, "nmi" or "mce ...", each PAUSE after what was before it: the
    # command before, or for the first that the cue stands on the console.
    monitor: tuple[str, ...] = ()
    cue: str = CUE  # which init.sh says when `panic` has run, and the kernel still lives
    cpus: int = 1
    initramfs: bool = True  # without it nothing of the above happens: there is no root to mount


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a guest left behind when it had ended by itself, beside the files in its directory."""

    console: str  # of both kernels
    capture_status: int | None  # of the scenario's capture lines, None when they never ended

    @property
    def panic(self) -> str | None:
        """The panic's reason, None where the kernel could not say it on the serial line.

        A panic in an NMI or a machine check jumps into the crash kernel before the console is
        flushed: only the captured log has the line then.
        """
        found = re.search(r"Kernel panic - not syncing: ([^\r\n]*)", self.console)
        return found and found[1]

    @property
    def tail(self) -> str:
        """The console's last lines."""
        return "\n".join(self.console.splitlines()[-40:])


async def run_guest(
    image: GuestImage, scenario: Scenario, host: Path, *, seconds: float = 600
) -> Outcome:
    """Run a scenario with `host` as the guest's /host; the guest is gone when this returns.

    Files appear in `host` as the guest made them, with their modes; their owner is the user of
    QEMU (security_model=none, which needs neither root nor extended attributes).
    """
    guest = _prepare(scenario, host)
    process = await asyncio.create_subprocess_exec(
        *_command(image, scenario, host), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            said = await _attend(process, scenario, guest)
            status = await process.wait()
    except TimeoutError as error:
        raise GuestError(f"no end within {seconds} s\n{_outcome(guest).tail}") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0:
        raise GuestError(f"QEMU ended with {status}: {said}\n{_outcome(guest).tail}")
    return _outcome(guest)


async def _attend(process: Process, scenario: Scenario, guest: Path) -> str:
    """Say the monitor's lines when their time has come, and listen to QEMU until it ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    if scenario.monitor:
        # Polled: the one who says it is another kernel, which has no Event of ours.
        while process.returncode is None and scenario.cue not in _console(guest):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        for command in scenario.monitor:
            await asyncio.sleep(PAUSE)
            process.stdin.write(f"{command}\n".encode())
    said = await process.stdout.read()
    return said.decode(errors="replace")


def given(scenario: Scenario) -> object:
    """Return all that a guest is given beside its image; what it leaves depends on nothing else."""
    image = GuestImage(kernel=Path("vmlinuz"), initramfs=Path("initramfs.gz"))
    command = _command(image, scenario, Path("/host"))
    return command, _scripts(scenario), scenario.cue, scenario.monitor


def _prepare(scenario: Scenario, host: Path) -> Path:
    guest = host / "guest"
    guest.mkdir(parents=True, exist_ok=True)
    for name in ("capture-status", "console"):  # of an earlier run in the same directory
        (guest / name).unlink(missing_ok=True)
    for name, script in _scripts(scenario).items():
        (guest / name).write_text(script)
    return guest


def _scripts(scenario: Scenario) -> dict[str, str]:
    return {
        "first.sh": f"{ARM if scenario.armed else ''}{scenario.panic}\n",
        "capture.sh": f"{scenario.capture}\n",
    }


def _command(image: GuestImage, scenario: Scenario, host: Path) -> list[str]:
    share = "local,security_model=none,mount_tag="
    initramfs = ("-initrd", str(image.initramfs)) if scenario.initramfs else ()
    # setpriv becomes QEMU, which then dies with us, however we die.
    return [
        *(str(tool("setpriv")), "--pdeathsig", "KILL", str(tool("qemu-system-x86_64"))),
        *("-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", *MACHINE),
        *("-smp", str(scenario.cpus), "-m", str(scenario.ram)),
        *("-kernel", str(image.kernel), *initramfs),
        *("-append", f"{CMDLINE} {scenario.reservation} {scenario.cmdline}"),
        *("-serial", f"file:{host / 'guest/console'}", "-monitor", "stdio"),
        *("-virtfs", f"{share}host,path={host}"),
        *("-virtfs", f"{share}image,path={image.directory},readonly=on"),
    ]


def _outcome(guest: Path) -> Outcome:
    status = guest / "capture-status"
    return Outcome(
        console=_console(guest),
        capture_status=int(status.read_text()) if status.exists() else None,
    )


def _console(guest: Path) -> str:
    path = guest / "console"  # made by QEMU, which may not have come so far
    return path.read_bytes().decode(errors="replace") if path.exists() else ""
