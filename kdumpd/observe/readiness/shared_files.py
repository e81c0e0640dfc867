# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's files in one look: what several groups of facts follow from is read once."""

from kdumpd.model.formats.kdump_settings import ShellSettings, parse_shell_settings
from kdumpd.model.readiness.finding import Fact
from kdumpd.observe.files import Files
from kdumpd.observe.readiness.mounts import Mounts
from kdumpd.observe.threads import Once

KDUMP_TOOLS_CONFIG = "etc/default/kdump-tools"


class SharedFiles:
    """The files, and what of them is read when somebody in this look first asks for it.

    Each group of facts is read in a thread of its own, and waits for another one only where both
    want the same file.
    """

    # state: what of the files was read in this look

    def __init__(self, files: Files) -> None:
        self.files = files
        self.mounts = Mounts(files)
        self._kdump_tools = Once(self._read_kdump_tools)

    @property
    def kdump_tools(self) -> Fact[ShellSettings]:
        """What /etc/default/kdump-tools says."""
        return self._kdump_tools.get()

    def _read_kdump_tools(self) -> Fact[ShellSettings]:
        script = self.files.plain(KDUMP_TOOLS_CONFIG)
        return parse_shell_settings(script) if isinstance(script, bytes) else script
