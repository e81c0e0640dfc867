# SPDX-License-Identifier: GPL-2.0-or-later
"""What is given broken inputs."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.security.mutator import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """A parser: what gives it bytes, the errors that it declares, and inputs that it takes."""

    name: str
    read: Callable[..., None]
    errors: tuple[type[Exception], ...]
    seeds: tuple[Parts, ...]
