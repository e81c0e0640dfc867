# SPDX-License-Identifier: GPL-2.0-or-later
"""What people run: they know the daemon only over D-Bus."""
