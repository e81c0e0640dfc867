# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-notify: shows the user of a desktop each crash once."""
