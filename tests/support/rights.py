# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test may do to files that are not its own."""

import os

import pytest

SOMEBODY = 1000  # a user, who need not exist

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")

# Put before a command: root is denied what modes deny, as everybody is.
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
