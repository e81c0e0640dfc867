# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures: what one crash of a kernel left on disk."""
