# SPDX-License-Identifier: GPL-2.0-or-later
from kdumpd.model.finding import Severity
from kdumpd.model.text import MIB
from tests.model.rules.breakage import Breakage, broken

BREAKAGES = [
    Breakage(
        broken("kernel", reserved=0),
        "reservation-missing",
        Severity.FATAL,
        "crashkernel=256M came to nothing",
    ),
    Breakage(
        broken("kernel", reserved=192 * MIB),
        "reservation-short",
        Severity.WARNING,
        "192 MiB of the 256 MiB",
    ),
]
