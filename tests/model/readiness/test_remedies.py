# SPDX-License-Identifier: GPL-2.0-or-later
"""An administrator is told the command that this machine has, and in the order that works."""

from dataclasses import replace

import pytest

from kdumpd.model.formats.kernel import Distribution
from kdumpd.model.readiness.facts import (
    CrashKernelFacts,
    MachineFacts,
    NextBootFacts,
    SystemFacts,
)
from kdumpd.model.readiness.remedies import (
    LOAD_COMMANDS_OF_ANY_TOOL,
    to_install,
    to_load,
    to_reserve,
    to_restart,
    to_switch_on,
    to_write_menu,
)
from kdumpd.model.text import MIB
from tests.support.machine_facts import HEALTHY


def machine(
    tool: str | None, distribution: Distribution = Distribution.OTHER, **kernel: object
) -> MachineFacts:
    return replace(
        HEALTHY,
        kernel=replace(HEALTHY.kernel, **kernel),  # type: ignore[arg-type]  # a row of a table
        crash_kernel=CrashKernelFacts(tool=tool),
        reservation=replace(HEALTHY.reservation, distribution=distribution),
    )


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("kdump-tools", "kdump-config load"),
        ("kdump-utils", "kdumpctl start"),
        ("kdump", "systemctl restart kdump.service"),
        (None, LOAD_COMMANDS_OF_ANY_TOOL),
    ],
)
def test_loading(tool: str | None, command: str) -> None:
    assert to_load(machine(tool)) == command


def test_a_tool_that_is_known_by_its_unit_alone() -> None:
    facts = CrashKernelFacts(tool="kdumpst", unit="kdumpst-init.service")
    told = to_load(replace(HEALTHY, crash_kernel=facts))
    assert told == "systemctl restart kdumpst-init.service"


def test_what_loading_needs_comes_first() -> None:
    assert to_load(machine("kdump-tools", reserved=0)) == (
        "fix reservation-missing first, then: kdump-config load"
    )
    small = replace(HEALTHY, kernel=replace(HEALTHY.kernel, reserved=48 * MIB))
    assert to_load(small).startswith("fix reservation-below-estimate first, then: ")
    assert to_load(machine("", Distribution.DEBIAN)) == "apt install kdump-tools"
    off = CrashKernelFacts(tool="kdump-tools", off="it says USE_KDUMP=0")
    assert "USE_KDUMP=1" in to_load(replace(HEALTHY, crash_kernel=off))


@pytest.mark.parametrize("distribution", [Distribution.DEBIAN, Distribution.FEDORA])
def test_a_machine_without_kdump_is_told_once_what_to_type(distribution: Distribution) -> None:
    nothing = machine("", distribution, reserved=0, crashkernel="")
    facts = replace(nothing, next_boot=NextBootFacts())
    assert "install" in to_reserve(facts, "256M")
    for told in (to_load(facts), to_install(facts)):
        assert told.startswith("fix reservation-missing")


def test_without_a_package_the_memory_comes_first() -> None:
    told = to_install(machine("", Distribution.OTHER, reserved=0, crashkernel=""))
    assert told.startswith("fix reservation-missing first, then: install")


def test_a_unit_is_started_again_when_it_is_known_why_it_failed() -> None:
    assert to_restart(machine("kdump-tools")) == (
        "find the cause with journalctl -b -u kdump-tools.service, then run systemctl restart"
        " kdump-tools.service"
    )
    assert to_restart(machine("kdump-tools", reserved=0)).startswith(
        "fix reservation-missing first, then: "
    )


def test_switching_on() -> None:
    assert "/etc/default/kdump-tools" in to_switch_on(machine("kdump-tools"))
    assert "/etc/kdump.conf" in to_switch_on(machine("kdump-utils"))
    assert "configuration" in to_switch_on(machine("kdump"))


@pytest.mark.parametrize(
    ("distribution", "installer", "menu"),
    [
        (Distribution.DEBIAN, "apt", "update-grub"),
        (Distribution.FEDORA, "dnf", "grub2-mkconfig"),
        (Distribution.SUSE, "zypper", "grub2-mkconfig"),
        (Distribution.OTHER, "install", "grub-mkconfig"),
    ],
)
def test_each_distribution_has_its_commands(
    distribution: Distribution, installer: str, menu: str
) -> None:
    assert to_install(machine("", distribution)).split()[0] == installer
    assert to_write_menu(machine("", distribution)).split()[0] == menu


def test_reserving() -> None:
    fedora = machine("kdump-utils", Distribution.FEDORA)
    assert "grubby --update-kernel=ALL --args=crashkernel=1G" in to_reserve(fedora, "1G")
    unasked = replace(fedora, kernel=replace(fedora.kernel, crashkernel=""))
    assert "kdumpctl reset-crashkernel" in to_reserve(unasked, "1G")
    old = replace(unasked, kernel=replace(unasked.kernel, release="4.18.0-553.el8_10.x86_64"))
    assert "grubby" in to_reserve(old, "1G")
    debian = machine("kdump-tools", Distribution.DEBIAN)
    assert "update-grub" in to_reserve(debian, "1G")
    assert to_reserve(machine("", Distribution.DEBIAN), "1G") == (
        "apt install kdump-tools, then reboot"
    )
    assert "crashkernel=1G" in to_reserve(machine("", Distribution.OTHER), "1G")


def test_a_live_system_is_installed_first() -> None:
    live = replace(machine("kdump-tools"), system=SystemFacts(live="boot=casper"))
    assert to_reserve(live, "1G").startswith("install the system first")
