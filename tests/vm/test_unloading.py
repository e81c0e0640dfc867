# SPDX-License-Identifier: GPL-2.0-or-later
"""kdumpd on a whole Debian: its Python, its bus, its journal, its kdump-tools."""

import json
import shutil
from pathlib import Path

import pytest

import kdumpd
from tests.support.namespace import needs_root
from tests.vm.debian import Boot, DebianImage, boot_debian

pytestmark = [pytest.mark.vm, needs_root]

PACKAGE = Path(kdumpd.__file__).parent
VALIDATED = "ad07e7dfd75f4edb97b23ba382e0cb93"
CHANGED = "457eb317286b4b9ab294bbf437c045a5"
POLICY = """<busconfig>
<policy user="root"><allow own="org.kdumpd1"/></policy>
<policy context="default"><allow send_destination="org.kdumpd1"/></policy>
</busconfig>"""
# Type=notify: systemd-run ends once kdumpd has said that it is ready.
STARTED = f"""
mkdir -p /opt/kdumpd /var/lib/kdumpd
cp -r /host/kdumpd /opt/kdumpd
cat > /etc/dbus-1/system.d/org.kdumpd1.conf << 'END'
{POLICY}
END
systemctl reload dbus
systemd-run --quiet --unit=kdumpd --property=Type=notify --setenv=PYTHONPATH=/opt/kdumpd \\
    python3 -B -m kdumpd.daemon

events() {{
    journalctl --quiet --boot --output=json SYSLOG_IDENTIFIER=kdumpd KDUMPD_READINESS="$1"
}}
# Wait until kdumpd has journaled one readiness so many times; whatever comes is in the result.
journaled() {{
    tries=0
    until [ "$(events "$1" | wc -l)" -ge "$2" ] || [ $tries -ge 90 ]; do
        tries=$((tries + 1))
        sleep 1
    done
}}
readiness() {{
    setpriv --reuid=nobody --regid=nogroup --clear-groups \\
        busctl --json=short get-property org.kdumpd1 /org/kdumpd1 org.kdumpd1.Manager Readiness
}}
"""
UNLOADED_AND_LOADED = """
journaled ready 1
readiness >> /host/readiness
kdump-config unload
systemctl is-active kdump-tools >> /host/unit
journaled not-ready 1
readiness >> /host/readiness
kdump-config load
journaled ready 2
readiness >> /host/readiness
journalctl --quiet --boot --output=json SYSLOG_IDENTIFIER=kdumpd > /host/journal
systemctl stop kdumpd
systemctl show --value --property=Result kdumpd > /host/result
"""


async def test_an_unloaded_crash_kernel_is_journaled_and_so_is_its_return(
    debian: DebianImage, tmp_path: Path
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "kdumpd", ignore=shutil.ignore_patterns("__pycache__"))
    boot = Boot(script=STARTED + UNLOADED_AND_LOADED, seconds=420)
    outcome = await boot_debian(debian, boot, tmp_path)
    assert outcome.status == 0, outcome.output

    told = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    readiness = [entry for entry in told if "KDUMPD_READINESS" in entry]
    assert [(entry["MESSAGE_ID"], entry["KDUMPD_READINESS"]) for entry in readiness] == [
        (VALIDATED, "ready"),
        (CHANGED, "not-ready"),
        (CHANGED, "ready"),
    ]
    unloaded = readiness[1]
    assert unloaded["PRIORITY"] == "4"
    assert unloaded["KDUMPD_LOADED"] == "0"
    # kdump-tools.service is "active (exited)" all the time.
    assert {"crash-kernel-unloaded", "crash-kernel-lost", "service-proves-nothing"} <= set(
        unloaded["KDUMPD_FINDINGS"].split()
    )
    on_the_bus = [json.loads(line) for line in (tmp_path / "readiness").read_text().splitlines()]
    assert [answer["data"] for answer in on_the_bus] == ["ready", "not-ready", "ready"]
    assert (tmp_path / "unit").read_text() == "active\n"
    assert (tmp_path / "result").read_text() == "success\n"
