# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-inspect: reads one untrusted core through, in a process that may break over it."""
