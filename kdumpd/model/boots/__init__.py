# SPDX-License-Identifier: GPL-2.0-or-later
"""How the boots before this one ended."""
