# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What a process finds of itself and of the machine, once it is confined.
LOOK = """
import ctypes, json, os, resource, socket, sys
from pathlib import Path
from kdumpd.inspect.sandbox import Share, confine, forbid_processes
confine(Share(cpu_seconds=7, address_space=1 << 29, file_size=1 << 20))
forbid_processes()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
limits = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
ends_with_parent = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(ends_with_parent))  # PR_GET_PDEATHSIG
print(json.dumps({
    "signal": ends_with_parent.value,
    "status": {key: value.strip() for key, value in status.items()},
    "limits": {name: resource.getrlimit(number) for name, number in limits.items()},
    "directory": os.getcwd(),
    "nice": os.nice(0),
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
    "interfaces": [name for _, name in socket.if_nameindex()],
}))
"""
# As the daemon's unit has it: a user with one capability, which also finds Python in root's home.
SEARCHING = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"),
)


def confined(*before: str) -> dict[str, Any]:
    root = str(Path(__file__).parents[2])
    with Path("/dev/null").open("rb") as leaked:
        printed = subprocess.run(  # noqa: S603 - our own program
            [*before, sys.executable, "-c", f"import sys; sys.path.append({root!r})\n{LOOK}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[leaked.fileno()],
            check=True,
        ).stdout
    content: dict[str, Any] = json.loads(printed)
    return content


@pytest.fixture(scope="module")
def look() -> dict[str, Any]:
    return confined()


def test_limits(look: dict[str, Any]) -> None:
    limits = look["limits"]
    assert limits["RLIMIT_CORE"] == [0, 0]
    assert limits["RLIMIT_AS"] == [1 << 29] * 2
    assert limits["RLIMIT_FSIZE"] == [1 << 20] * 2
    assert limits["RLIMIT_CPU"] == [7, 12]
    assert limits["RLIMIT_NOFILE"] == [64, 64]
    assert limits["RLIMIT_NPROC"] == [0, 0]


def test_no_privilege_is_left(look: dict[str, Any]) -> None:
    status = look["status"]
    assert status["NoNewPrivs"] == "1"
    assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


def test_it_ends_with_whoever_started_it(look: dict[str, Any]) -> None:
    assert look["signal"] == signal.SIGKILL


def test_nothing_else_is_open(look: dict[str, Any]) -> None:
    assert look["open"] == [0, 1, 2]
    assert look["directory"] == "/"
    assert look["nice"] == 19


def test_no_network(look: dict[str, Any]) -> None:
    if not _may_leave_the_network():
        pytest.skip("the kernel does not let this user leave the network")
    assert look["interfaces"] == ["lo"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_with_one_right_has_none_left() -> None:
    look = confined(*SEARCHING)
    assert look["status"]["NoNewPrivs"] == "1"
    assert int(look["status"]["CapEff"], 16) == 0
    assert look["signal"] == signal.SIGKILL


def test_a_limit_that_is_lower_already() -> None:
    before = "prlimit", "--cpu=3:4", f"--as={1 << 28}", "--"
    limits = confined(*before)["limits"]
    assert limits["RLIMIT_CPU"] == [3, 4]
    assert limits["RLIMIT_AS"] == [1 << 28] * 2


def _may_leave_the_network() -> bool:
    command = ["unshare", "-n", "true"] if os.geteuid() == 0 else ["unshare", "-Un", "true"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603
