# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the machine: plain values, as they were read."""
