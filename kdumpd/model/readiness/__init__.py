# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the next panic would leave a usable dump."""
