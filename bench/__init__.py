# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast and how small: each figure against something bare that was measured in the same run."""
