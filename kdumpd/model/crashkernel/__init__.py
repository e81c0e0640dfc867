# SPDX-License-Identifier: GPL-2.0-or-later
"""The crashkernel= kernel parameter: how the kernel reads it, and what it should reserve."""

from kdumpd.model.crashkernel.expectation import Expectation, Problem, expect
from kdumpd.model.crashkernel.parameter import crashkernel_parameter
from kdumpd.model.crashkernel.reading import Clause

__all__ = [
    "Clause",
    "Expectation",
    "Problem",
    "crashkernel_parameter",
    "expect",
]
