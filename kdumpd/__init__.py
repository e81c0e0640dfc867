# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch kernel crash captures and say whether the next one would succeed."""

__version__ = "0.1.0"
