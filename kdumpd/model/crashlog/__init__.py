# SPDX-License-Identifier: GPL-2.0-or-later
"""What crashed, out of a kernel log."""
