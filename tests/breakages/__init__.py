# SPDX-License-Identifier: GPL-2.0-or-later
"""Trees of healthy machines with one thing broken, and what must be said of them."""
