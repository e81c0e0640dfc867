# SPDX-License-Identifier: GPL-2.0-or-later
"""The package on a whole Debian that really crashes: by tests of ours, by itself, and unarmed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.deb import build_package
from tests.support.namespace import needs_root
from tests.vm.debian import DebianImage, Series, Turn, run_series

pytestmark = [pytest.mark.vm, needs_root]

# What is true of a small machine that has just been booted, and is no reason here.
OVERRIDDEN = " ".join(
    f"--override={code}"
    for code in (
        "just-booted",
        "busy",
        "pressure",
        "dirty-pages",
        "test-recently",
        "boot-loop",
        "not-judged-anew",
    )
)
INSTALLED = """
dpkg --install /host/kdumpd.deb
cat > /etc/kdumpd/kdumpd.conf << 'END'
[CrashTest]
Enabled=yes
CountdownSec=3
END
ready() {
    tries=0
    until kdumpdctl check > /host/check-1 || [ $? = 1 ] || [ $tries -ge 60 ]; do
        tries=$((tries + 1))
        sleep 2
    done
}
ready
"""
# The bus waits no more than 25 seconds until it is there, and a busy machine takes longer.
TRIGGER_STARTED = """
tries=0
until
    busctl get-property org.kdumpd1.Trigger /org/kdumpd1/trigger org.kdumpd1.Trigger State ||
        [ $tries -ge 10 ]
do
    tries=$((tries + 1))
done
"""
TESTED = f"""
{TRIGGER_STARTED}
systemctl show --value --property=ActiveState kdumpd > /host/unit
busctl introspect org.kdumpd1 /org/kdumpd1 > /host/introspection
# Not root, and so with nobody to ask in this place.
runuser -u games -- kdumpdctl status > /host/status-of-a-stranger || true
runuser -u games -- kdumpdctl test --yes=debian {OVERRIDDEN} > /host/test-of-a-stranger 2>&1 ||
    echo $? >> /host/test-of-a-stranger
kdumpdctl test --yes=debian {OVERRIDDEN} > /host/test-1 2>&1 || sleep 60
exit 1
"""
# After the boot is over, and what came of the last one is known.
TOLD = """
tries=0
until
    kdumpdctl status --json=short > /host/status-NUMBER || true
    [ $tries -ge 90 ] || {
        [ -s /host/status-NUMBER ] &&
            ! grep -E '"(previous_boot": *"unknown|verdict": *"pending)"' /host/status-NUMBER
    }
do
    tries=$((tries + 1))
    sleep 2
done
kdumpdctl list --json=short > /host/captures-NUMBER || true
kdumpdctl status > /host/words-NUMBER || true
journalctl --sync
journalctl --quiet --boot --output=json SYSLOG_IDENTIFIER=kdumpd > /host/journal-NUMBER
journalctl --quiet --boot --unit=kdumpd > /host/unit-NUMBER
"""
# Huge pages keep most of the memory from all others; to fill it takes QEMU a minute.
OUT_OF_MEMORY = """
sysctl --quiet vm.panic_on_oom=2 vm.nr_hugepages=350
tail /dev/zero
"""
# Nothing is set apart for root, who writes the dump: what is left is enough for the record alone.
DISK_FULL = f"""
tune2fs -r 0 "$(findmnt --noheadings --output=SOURCE /)"
fallocate --length=8M /var/spare
fallocate --length=$(($(stat --file-system --format='%f * %S' /) - 50000000)) /var/filler
cat /dev/zero > /var/rest || sync  # the last of it is ext4's, not to be had at once
rm /var/spare
{TRIGGER_STARTED}
kdumpdctl test --yes=debian {OVERRIDDEN} --override=too-little-space --override=not-ready \\
    > /host/test-3 2>&1 || sleep 60
exit 1
"""
# Between the record of the test and the key: while journald and the disks are waited for.
UNLOADED_BETWEEN = f"""
{TRIGGER_STARTED}
sysctl --quiet vm.dirty_background_ratio=80 vm.dirty_ratio=90 vm.dirty_expire_centisecs=360000
head --bytes=400M /dev/zero > /var/dirty
stdbuf --output=L busctl monitor org.kdumpd1.Trigger | (
    grep --quiet '"crashing"'
    kexec -p -u
) &
kdumpdctl test --yes=debian {OVERRIDDEN} --override=not-ready > /host/test-4 2>&1 || sleep 60
exit 1
"""
UNARMED = f"""
kdump-config unload
{TRIGGER_STARTED}
kdumpdctl test --dry-run > /host/test-5 2>&1 || echo $? >> /host/test-5
kdumpdctl test --yes=debian {OVERRIDDEN} --override=not-ready \\
    --override=crash-kernel-unloaded > /host/refused-5 2>&1 || echo $? >> /host/refused-5
{OUT_OF_MEMORY}
"""
PURGED = """
dpkg --purge kdumpd
getent passwd kdumpd kdumpd-trigger > /host/left || true
find / -xdev -name '*kdumpd*' -not -path '/host/*' -not -path '/proc/*' >> /host/left
ls /var/crash > /host/crash-directory
"""


def told(number: int, script: str = "") -> str:
    return TOLD.replace("NUMBER", str(number)) + script


class Told:
    """What kdumpd told in one boot."""

    def __init__(self, host: Path, number: int) -> None:
        self.status: dict[str, Any] = json.loads((host / f"status-{number}").read_text())
        self.captures: list[dict[str, Any]] = json.loads((host / f"captures-{number}").read_text())
        self.words = (host / f"words-{number}").read_text()
        lines = (host / f"journal-{number}").read_text().splitlines()
        self.journal: list[dict[str, Any]] = [json.loads(line) for line in lines]

    @property
    def test(self) -> dict[str, Any]:
        """What the last test has proven."""
        test: dict[str, Any] = self.status["crash_test"]
        return test

    @property
    def ended(self) -> tuple[str, str]:
        """How the boot before ended, and why that is believed."""
        return self.status["previous_boot"], self.status["previous_boot_reason"]

    @property
    def verdicts(self) -> list[str]:
        """The verdicts that stand in the journal of this boot."""
        return [one["KDUMPD_VERDICT"] for one in self.journal if "KDUMPD_VERDICT" in one]


async def boots(debian: DebianImage, host: Path, *turns: Turn) -> None:
    """Boot a machine again and again, with the package at hand."""
    (host / "built").mkdir()
    build_package(host / "built").rename(host / "kdumpd.deb")
    await run_series(debian, Series(turns=turns, records=True), host)


async def test_a_test_and_crashes_are_told_and_the_package_is_purged(
    debian: DebianImage, tmp_path: Path
) -> None:
    # One machine for all of it: to boot another one and to install the package takes minutes.
    await boots(
        debian,
        tmp_path,
        Turn(script=INSTALLED + TESTED, crashes=True),
        Turn(script=told(2, OUT_OF_MEMORY), crashes=True),
        Turn(script=told(3, UNARMED), crashes=True),
        Turn(script=told(4, PURGED)),
    )
    check_installed(tmp_path)
    check_a_test_that_passed(Told(tmp_path, 2), tmp_path)
    check_a_crash(Told(tmp_path, 3))
    check_refused(tmp_path)
    check_a_crash_with_nothing_loaded(Told(tmp_path, 4), Told(tmp_path, 3))
    check_purged(tmp_path)


@pytest.mark.long
async def test_a_disk_that_is_full_fails_the_test(debian: DebianImage, tmp_path: Path) -> None:
    await boots(
        debian, tmp_path, Turn(script=INSTALLED + DISK_FULL, crashes=True), Turn(script=told(2))
    )
    check_a_full_disk(Told(tmp_path, 2))


@pytest.mark.long
async def test_a_crash_kernel_unloaded_at_the_last_moment_fails_the_test(
    debian: DebianImage, tmp_path: Path
) -> None:
    await boots(
        debian,
        tmp_path,
        Turn(script=INSTALLED + UNLOADED_BETWEEN, crashes=True),
        Turn(script=told(2)),
    )
    check_an_unloaded_crash_kernel(Told(tmp_path, 2))


def check_installed(host: Path) -> None:
    assert (host / "unit").read_text() == "active\n"
    assert (host / "check-1").read_text().startswith(("ready: ", "degraded: "))
    assert "org.kdumpd1.CrashTest" in (host / "introspection").read_text()
    assert "panic" in (host / "status-of-a-stranger").read_text()
    refused = (host / "test-of-a-stranger").read_text()
    assert "You may not crash this machine's kernel" in refused
    assert refused.endswith("\n1\n")


def check_a_test_that_passed(boot: Told, host: Path) -> None:
    assert (boot.test["verdict"], boot.test["reason"]) == ("passed", "")
    (capture,) = boot.captures
    assert boot.test["capture"].endswith(capture["id"])
    assert capture["is_test"] is True
    assert (capture["class"], capture["state"]) == ("sysrq", "complete")
    assert boot.test["size"] == capture["size"] > 1_000_000
    assert 0 < boot.test["seconds"] < 1200
    assert boot.test["stale"] is False
    assert boot.ended[0] == "test-captured"
    assert boot.verdicts == ["passed"]
    assert "Last test: passed " in boot.words
    assert boot.status["unacknowledged"] == 0
    assert "kdumpdctl status" in (host / "test-1").read_text()


def check_a_crash(boot: Told) -> None:
    assert boot.ended[0] == "crash-captured"
    (capture,) = [one for one in boot.captures if not one["is_test"]]
    assert (capture["class"], capture["state"]) == ("out-of-memory", "complete")
    assert boot.status["unacknowledged"] == 1
    (entry,) = [one for one in boot.journal if one.get("KDUMPD_CAPTURE") == capture["id"]][:1]
    assert entry["PRIORITY"] == "2"
    assert entry["KDUMPD_CLASS"] == "out-of-memory"
    assert boot.test["verdict"] == "passed"


def check_a_full_disk(boot: Told) -> None:
    assert boot.test["verdict"] == "failed"
    assert "too little space" in boot.test["reason"]
    assert boot.ended[0] == "test-not-captured"
    assert boot.verdicts == ["failed"]


def check_an_unloaded_crash_kernel(boot: Told) -> None:
    assert boot.test["verdict"] == "failed"
    assert boot.test["reason"].startswith("No crash kernel was loaded when the kernel died")
    assert boot.ended[0] == "test-not-captured"


def check_refused(host: Path) -> None:
    prepared, refused = (host / "test-5").read_text(), (host / "refused-5").read_text()
    assert "[crash-kernel-unloaded]" in prepared
    assert prepared.endswith("\n1\n")
    assert "Nothing was crashed." in refused
    assert refused.endswith("\n1\n")


def check_a_crash_with_nothing_loaded(boot: Told, before: Told) -> None:
    word, reason = boot.ended
    assert word == "crash-not-captured"
    assert "no crash kernel was loaded" in reason
    told = [one for one in boot.journal if one.get("KDUMPD_CLASS") == "out-of-memory"]
    assert {one["PRIORITY"] for one in told} == {"2"}
    known = {one["id"] for one in before.captures}
    assert len(known) == 2
    # What the firmware kept, where nothing else could.
    (log,) = [one for one in boot.captures if one["id"] not in known]
    assert len(boot.captures) == 3
    assert (log["layout"], log["state"]) == ("pstore", "dmesg-only")


def check_purged(host: Path) -> None:
    """Nothing is left but what was there before, and is not ours."""
    assert (host / "left").read_text() == ""
    assert (host / "crash-directory").exists()
