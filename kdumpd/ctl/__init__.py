# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpdctl: what people type. It knows the daemon only over D-Bus."""
