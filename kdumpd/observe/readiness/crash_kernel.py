# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what is to be loaded as the crash kernel."""

from kdumpd.model.formats.kdump_settings import Tool
from kdumpd.model.readiness.facts import CrashKernelFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import OSRELEASE, Files
from kdumpd.observe.readiness import kdump_tools, kdump_utils, suse_kdump
from kdumpd.observe.readiness.boot_files import first_there
from kdumpd.observe.readiness.shared_files import SharedFiles
from kdumpd.observe.readiness.units import read_unit_state

# The programs that load, and the tools that they belong to.
TOOL_OF_PROGRAM = {
    "usr/sbin/kdump-config": Tool.KDUMP_TOOLS,
    "usr/bin/kdumpctl": Tool.KDUMP_UTILS,
    "usr/sbin/kdumpctl": Tool.KDUMP_UTILS,
    "usr/lib/kdump/load.sh": Tool.SUSE,
    "lib/kdump/load.sh": Tool.SUSE,
    "usr/lib/kdumpst/kdumpst-load.sh": "kdumpst",
    "usr/lib/kdump/kdump-load.sh": "kdumpst",
}
STEAM_UNITS = ("kdumpst-init.service", "kdump-init.service")


def read_crash_kernel(shared: SharedFiles) -> CrashKernelFacts:
    """Return what is to be loaded as the crash kernel; nothing is raised for what is wrong."""
    files = shared.files
    tool, release = read_tool(files), files.text(OSRELEASE)
    running = release if isinstance(release, str) else ""
    if tool == Tool.KDUMP_TOOLS:
        return kdump_tools.read_kdump_tools(shared, running)
    if tool == Tool.KDUMP_UTILS:
        return kdump_utils.read_kdump_utils(files, running)
    if tool == Tool.SUSE:
        return suse_kdump.read_suse_kdump(files, running)
    there = STEAM_UNITS if isinstance(tool, str) and tool else ()
    units = ((unit, read_unit_state(files, unit)) for unit in there)
    unit, state = next(((unit, state) for unit, state in units if state), ("", None))
    return CrashKernelFacts(tool=tool, unit=unit, unit_state=state)


def read_tool(files: Files) -> Fact[str]:
    """Return the name of the tool that loads the crash kernel; None where no programs are."""
    program = first_there(files, TOOL_OF_PROGRAM)
    if program:
        return TOOL_OF_PROGRAM[program]
    for name in TOOL_OF_PROGRAM:
        if (status := files.status(name)) is not None:
            return status if isinstance(status, Unknown) else files.unknown(name, "is no file")
    return None if files.status("usr") is None else ""
