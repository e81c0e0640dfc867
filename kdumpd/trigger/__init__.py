# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger: crash the kernel on purpose, for who may, when nothing speaks against it."""
