# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lines of a kernel log tell of a crash."""
