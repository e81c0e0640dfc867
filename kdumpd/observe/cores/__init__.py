# SPDX-License-Identifier: GPL-2.0-or-later
"""Read cores: each format, and by a child process what takes long."""
