# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch kernel crash captures and say whether the next one would succeed."""

# Before a release .dev0, in whose place packaging/version has a build say of which commit it is.
__version__ = "0.1.0.dev0"
