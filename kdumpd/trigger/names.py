# SPDX-License-Identifier: GPL-2.0-or-later
"""How users are called: a name says more to whoever reads an announcement than a number."""

import asyncio
import os
import pwd

from kdumpd.model.text import shown
from kdumpd.observe.threads import start

PATIENCE = 1.0  # seconds for what may ask a server (nsswitch.conf(5))


async def user_name(uid: int) -> str:
    """Return the name of the user with this uid, empty where none is known in time."""
    lookup = start(lambda: _name(uid))
    done, _ = await asyncio.wait([lookup], timeout=PATIENCE)
    return lookup.result() if done else ""


def _name(uid: int) -> str:
    try:
        return shown(os.fsencode(pwd.getpwuid(uid).pw_name))
    except (KeyError, OSError):
        return ""
