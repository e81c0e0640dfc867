# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events make this kernel panic, and what SysRq may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kdumpd.model.readiness.finding import Fact, Unknown

# What each asks for besides itself (Documentation/admin-guide/sysctl/kernel.rst).
NEEDS = {
    "hardlockup_panic": ("watchdog", "nmi_watchdog"),
    "softlockup_panic": ("watchdog", "soft_watchdog"),
    "hung_task_panic": ("hung_task_timeout_secs",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Which events make this kernel panic, and what SysRq may do."""

    # By the last part of the sysctl's name; what the kernel does not have is left out.
    events: Mapping[str, Fact[int]] = field(default_factory=dict)
    needs: Mapping[str, Fact[int]] = field(default_factory=dict)
    sysrq: Fact[int] = None  # kernel.sysrq
    timeout: Fact[int] = None  # kernel.panic: seconds until a reboot, 0 never, negative at once
    problem: str = ""  # why nothing of it could be read

    @property
    def triggers(self) -> Mapping[str, Fact[bool]]:
        """Whether an event panics the machine, by the last part of its sysctl's name.

        One whose watchdog is turned off does not.
        """
        return {name: self._panics(name, value) for name, value in self.events.items()}

    def _panics(self, name: str, value: Fact[int]) -> Fact[bool]:
        asked = [value, *(self.needs.get(one) for one in NEEDS.get(name, ()))]
        if 0 in asked:
            return False
        bad = next((one for one in asked if isinstance(one, Unknown)), None)
        return bad or True
