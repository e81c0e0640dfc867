# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether kexec is allowed here at all: container, live system, lockdown, limits."""

from dataclasses import dataclass

from kdumpd.model.readiness.finding import Fact

UNLOCKED = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurroundingsFacts:
    """Whether kexec is allowed here at all: container, live system, lockdown, limits."""

    container: str = ""  # which kind; empty for none
    live: str = ""  # the word of the command line that makes this a live system
    capturing: bool = False  # /proc/vmcore: this is the capture kernel itself
    xen_dom0: bool = False
    lockdown: Fact[str] = None  # none, integrity or confidentiality
    secure_boot: Fact[bool] = None
    load_disabled: Fact[bool] = None  # kernel.kexec_load_disabled
    disabled_at_boot: Fact[str] = None  # the file by which the next boot sets it to 1
    loads_left: Fact[int] = None  # kernel.kexec_load_limit_panic; -1 for no limit
    post_notifiers: Fact[bool] = None  # crash_kexec_post_notifiers
    notifiers_wanted: str = ""  # by what the kernel was made to turn them on itself
    problem: str = ""  # why nothing of it could be read

    @property
    def locked(self) -> bool:
        """Whether the kernel is known to be locked down."""
        return isinstance(self.lockdown, str) and self.lockdown != UNLOCKED
