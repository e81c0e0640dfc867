# SPDX-License-Identifier: GPL-2.0-or-later
"""Show the one state to everybody: on D-Bus, in the journal, to the service manager."""
