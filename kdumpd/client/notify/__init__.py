# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify: tells whoever sits at a desktop of a crash, once."""
