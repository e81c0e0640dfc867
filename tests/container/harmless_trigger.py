# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd-trigger in a container, with a plain file in the place of /proc/sysrq-trigger.

A container shall not crash its host: the real file is not writable there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.container.container import Container

FILE = "/run/harmless"
TRIGGER = "org.kdumpd1.Trigger /org/kdumpd1/trigger org.kdumpd1.Trigger"
DIRECTORY = "/run/systemd/system/kdumpd-trigger.service.d"
PUT = f"""
mkdir -p {DIRECTORY}
sed s,/proc/sysrq-trigger,{FILE}, /usr/lib/kdumpd/sysrq.conf >{DIRECTORY}/harmless.conf
: >{FILE}
systemctl daemon-reload
"""
TAKEN_AWAY = f"systemctl stop kdumpd-trigger; rm -r {DIRECTORY}; systemctl daemon-reload"


@contextmanager
def harmless_trigger(container: Container) -> Iterator[None]:
    """Let it start in a container, until the end; what it writes is in FILE."""
    container.run(PUT)
    try:
        yield
    finally:
        container.run(TAKEN_AWAY)
