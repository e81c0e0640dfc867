# SPDX-License-Identifier: GPL-2.0-or-later
"""D-Bus: the connection, the interfaces, method calls and polkit."""
