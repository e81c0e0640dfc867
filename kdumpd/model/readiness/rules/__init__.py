# SPDX-License-Identifier: GPL-2.0-or-later
"""What each thing must be so that the next panic leaves a dump: a function for each."""
