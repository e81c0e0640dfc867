# SPDX-License-Identifier: GPL-2.0-or-later
"""The crashkernel= kernel parameter: how the kernel reads it, and what it should reserve."""
