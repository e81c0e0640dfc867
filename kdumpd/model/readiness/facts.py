# SPDX-License-Identifier: GPL-2.0-or-later
"""All that readiness is judged from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kdumpd.model.facts.capture_kernel import CaptureKernelFacts
from kdumpd.model.facts.folder import FolderFacts
from kdumpd.model.facts.kernel import KernelFacts
from kdumpd.model.facts.last_test import LastTest
from kdumpd.model.facts.next_boot import NextBootFacts
from kdumpd.model.facts.policy import PolicyFacts
from kdumpd.model.facts.reservation import ReservationFacts
from kdumpd.model.facts.service import ServiceFacts
from kdumpd.model.facts.storage import StorageFacts
from kdumpd.model.facts.surroundings import SurroundingsFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """All that readiness is judged from."""

    kernel: KernelFacts
    folders: tuple[FolderFacts, ...]
    reservation: ReservationFacts = field(default_factory=ReservationFacts)
    capture_kernel: CaptureKernelFacts = field(default_factory=CaptureKernelFacts)
    next_boot: NextBootFacts = field(default_factory=NextBootFacts)
    storage: StorageFacts = field(default_factory=StorageFacts)
    policy: PolicyFacts = field(default_factory=PolicyFacts)
    surroundings: SurroundingsFacts = field(default_factory=SurroundingsFacts)
    service: ServiceFacts = field(default_factory=ServiceFacts)
    was_armed: bool = False  # earlier in this boot
    last_test: LastTest | None = None  # None also where that was of another set-up
    configuration: tuple[str, ...] = ()  # what is wrong with kdumpd's own, with file and line

    @property
    def armed(self) -> bool | None:
        """Whether something waits for the next panic: a crash kernel, or fadump's firmware."""
        fadump = self.reservation.fadump
        return fadump.registered if fadump and fadump.enabled else self.kernel.crash_loaded

    @property
    def problems(self) -> Iterator[str]:
        """Why whole groups of facts could not be read."""
        groups = (
            self.reservation,
            self.capture_kernel,
            self.next_boot,
            self.storage,
            self.policy,
            self.surroundings,
            self.service,
        )
        return (group.problem for group in groups if group.problem)
