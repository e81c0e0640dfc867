# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from kdumpd.model.readiness.rules.panic_policy import (
    SYSRQ_FUNCTIONS,
    keyboard_functions,
    keyboard_may_crash,
)


@pytest.mark.parametrize(
    ("value", "may"), [(0, False), (1, True), (8, True), (9, True), (176, False), (438, False)]
)
def test_may_the_keyboard_crash_the_machine(value: int, *, may: bool) -> None:
    assert keyboard_may_crash(value) == may


def test_what_the_keyboard_may_do() -> None:
    assert keyboard_functions(0) == ()
    assert keyboard_functions(1) == keyboard_functions(0x1FE) == tuple(SYSRQ_FUNCTIONS.values())
    assert keyboard_functions(128 | 16) == ("sync", "reboot")
