# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what readiness is judged from."""
