# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats of the files and messages that readiness is judged from."""
