# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the next boot would be."""

import os

from kdumpd.model.crashkernel.parse import crashkernel_parameter
from kdumpd.model.formats.kdump_settings import assignments
from kdumpd.model.readiness.facts import NextBootFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.boot_loader import NextEntry, read_next_entry
from kdumpd.observe.files import Files
from kdumpd.observe.installed_kernels import is_installed, newest_release
from kdumpd.observe.readiness import kdump_tools, kdump_utils
from kdumpd.observe.readiness.crash_kernel import RELEASE, read_tool

CMDLINE = "proc/cmdline"
TEMPLATE, MORE = "etc/default/grub", "etc/default/grub.d"
# What grub-mkconfig puts on the command line of an ordinary entry (/etc/grub.d/10_linux).
PARTS = (b"GRUB_CMDLINE_LINUX", b"GRUB_CMDLINE_LINUX_DEFAULT")


def read_next_boot(files: Files) -> NextBootFacts:
    """Return what the next boot would be; nothing is raised for what is wrong."""
    cmdline, running = files.content(CMDLINE), files.text(RELEASE)
    following = read_next_entry(files, cmdline) if isinstance(cmdline, bytes) else None
    release = _release(files, following)
    tool = read_tool(files)
    written = following is not None and following.from_template
    return NextBootFacts(
        source=following.source if following else "",
        crashkernel=_crashkernel(following),
        template=files.shown(TEMPLATE),
        wanted=read_template(files) if written else None,
        release=release,
        initrd=_has_initrd(files, tool, release),
        makes_initrd=tool == kdump_utils.NAME or kdump_tools.makes_initrd(files),
        running_installed=is_installed(files, running) if isinstance(running, str) else None,
    )


def read_template(files: Files) -> Fact[str]:
    """Return crashkernel= of the settings that grub-mkconfig reads, None where it cannot be told.

    /etc/default/grub, and after it the files of a folder, which Debian added.
    """
    more = [name for name in files.readable_names(MORE) if name.endswith(".cfg")]
    values: dict[bytes, bytes | None] = {}
    for name in (TEMPLATE, *(f"{MORE}/{one}" for one in more)):
        script = files.plain(name)
        if not isinstance(script, bytes):
            return script
        values = assignments(script, values)
    parts = [values.get(part, b"") for part in PARTS]
    said = [part for part in parts if part is not None]
    return crashkernel_parameter(b" ".join(said)) if len(said) == len(parts) else None


def _crashkernel(following: NextEntry | None) -> Fact[str]:
    entry = following.entry if following else None
    if entry is None or isinstance(entry, Unknown):
        return entry
    return None if entry.options is None else crashkernel_parameter(os.fsencode(entry.options))


def _release(files: Files, following: NextEntry | None) -> str:
    entry = following.entry if following else None
    named = "" if entry is None or isinstance(entry, Unknown) else entry.release
    return named or newest_release(files)


def _has_initrd(files: Files, tool: Fact[str], release: str) -> Fact[bool]:
    if not release:
        return None
    if tool == kdump_tools.NAME:
        return kdump_tools.has_initrd(files, release)
    return kdump_utils.has_initrd(files, release) if tool == kdump_utils.NAME else None
