# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service manager says of the unit that loads the crash kernel."""

from dataclasses import dataclass

from kdumpd.model.readiness.finding import Fact

AT_WORK = {"activating", "deactivating", "reloading"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """What the service manager says of the unit that loads the crash kernel.

    The words are systemd's (org.freedesktop.systemd1(5), interfaces Unit and Service); None where
    no service manager was asked.
    """

    problem: str = ""  # why nothing of it could be read
    unit: str = ""  # Id
    load_state: Fact[str] = None  # LoadState: loaded, not-found, masked, bad-setting, error
    active_state: Fact[str] = None  # ActiveState: active, inactive, failed, activating
    result: Fact[str] = None  # Result: success, exit-code, timeout, resources
    unit_file_state: Fact[str] = None  # UnitFileState: enabled, disabled, masked, static
    exec_main_status: Fact[int] = None  # ExecMainStatus: the exit status of the main process
    starting: bool | None = None  # whether the boot is still under way; SystemState

    @property
    def at_work(self) -> bool:
        """Whether the unit loads, unloads or rebuilds just now."""
        return self.active_state in AT_WORK
