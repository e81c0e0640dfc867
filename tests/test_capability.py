# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's capability stays the daemon's."""

import sys

from tests.support.namespace import needs_root
from tests.support.process import output

# Of root nothing is left but the name, and one capability as AmbientCapabilities= gives it.
CONFINED = (
    *("setpriv", "--securebits=+noroot,+noroot_locked", "--bounding-set=-all,+dac_read_search"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", "--"),
)
SCRIPT = """
import re, subprocess, sys
from kdumpd.arguments import keep_to_oneself
if sys.argv[1] == "kept":
    keep_to_oneself()
status = open("/proc/self/status").read()
child = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
print(*(re.search(r"CapEff:\\t(.*)", one)[1] for one in (status, child)))
"""
DAC_READ_SEARCH = 1 << 2


async def effective(how: str) -> list[int]:
    """Return the effective capabilities of the daemon and of what it starts."""
    printed = await output(*CONFINED, *(sys.executable, "-c", SCRIPT, how))
    return [int(word, 16) for word in printed.split()]


@needs_root
async def test_what_is_started_has_no_capability() -> None:
    assert await effective("given away") == [DAC_READ_SEARCH, DAC_READ_SEARCH]
    assert await effective("kept") == [DAC_READ_SEARCH, 0]
