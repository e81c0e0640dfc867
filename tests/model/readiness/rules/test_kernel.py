# SPDX-License-Identifier: GPL-2.0-or-later
from dataclasses import replace

from kdumpd.model.readiness.facts import PolicyFacts
from kdumpd.model.readiness.finding import Severity
from tests.model.readiness.rules.broken_machine import Fault, broken
from tests.support.looks import KERNEL
from tests.support.machine_facts import HEALTHY

UNSUPPORTED = replace(KERNEL, supported=False, crash_loaded=None, reserved=None)

FAULTS = [
    Fault(
        replace(HEALTHY, kernel=replace(UNSUPPORTED, present=False, problems=("no kernel runs",))),
        "kernel-absent",
        Severity.FATAL,
        "no kernel runs",
    ),
    Fault(
        replace(HEALTHY, kernel=UNSUPPORTED),
        "kexec-unsupported",
        Severity.FATAL,
        "was built without support for crash kernels",
    ),
    Fault(
        broken("kernel", reserved=None, problems=("'/sys/x' holds no number",)),
        "kernel-unreadable",
        Severity.FATAL,
        "'/sys/x' holds no number",
        unknown=True,
    ),
    Fault(
        broken("kernel", crash_loaded=False),
        "crash-kernel-unloaded",
        Severity.FATAL,
        "no crash kernel is loaded, so a panic leaves no dump",
        besides=("service-proves-nothing",),
    ),
    Fault(
        replace(broken("kernel", crash_loaded=False), was_armed=True),
        "crash-kernel-lost",
        Severity.WARNING,
        "but has been unloaded since",
        besides=("crash-kernel-unloaded", "service-proves-nothing"),
    ),
    Fault(
        replace(HEALTHY, policy=PolicyFacts(problem="no answer within 10 s")),
        "facts-unreadable",
        Severity.WARNING,
        "no answer within 10 s",
        unknown=True,
    ),
]
