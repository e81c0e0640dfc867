# SPDX-License-Identifier: GPL-2.0-or-later
"""What speaks against a crash: one function for each objection, named as its code is."""
