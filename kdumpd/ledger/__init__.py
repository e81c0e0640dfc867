# SPDX-License-Identifier: GPL-2.0-or-later
"""What survives a crash of the machine or of the daemon."""
