# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of the errors that the trigger answers with; the text is a sentence each time."""

BAD_TOKEN = "org.kdumpd1.Error.BadToken"  # noqa: S105  # no secret, the name of an error
DISABLED = "org.kdumpd1.Error.Disabled"
FAILED = "org.kdumpd1.Error.Failed"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
OBJECTIONS = "org.kdumpd1.Error.Objections"
