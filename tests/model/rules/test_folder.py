# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.facts.storage import StorageFacts
from kdumpd.model.finding import Severity
from tests.model.machines import FOLDER, HEALTHY
from tests.model.rules.breakage import Breakage

BREAKAGES = [
    Breakage(
        replace(HEALTHY, folders=(replace(FOLDER, present=False),)),
        "crash-folder-missing",
        Severity.INFO,
        "'/var/crash' does not exist: the capture tool makes it",
    ),
    Breakage(
        replace(
            HEALTHY, folders=(replace(FOLDER, present=False),), storage=StorageFacts(memory=None)
        ),
        "crash-folder-missing",
        Severity.WARNING,
        "'/var/crash' does not exist",
    ),
    Breakage(
        replace(HEALTHY, folders=(replace(FOLDER, problem="'/var/crash' is a link"),)),
        "crash-folder-unreadable",
        Severity.WARNING,
        "'/var/crash' is a link",
        unknown=True,
    ),
]
