# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program loads before it is told what to do: nothing that only some runs need."""

import subprocess
import sys

import pytest

LOADED = """\
import sys
__import__(sys.argv[1])
print(*sys.modules)
"""
OF_CAPTURES = {
    "kdumpd.model.crashlog.crash",
    "kdumpd.observe.cores.core",
    "kdumpd.observe.captures.capture",
}


def loaded_by(module: str) -> set[str]:
    command = [sys.executable, "-W", "ignore", "-c", LOADED, module]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  # ours
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("program", "needed", "later"),
    [
        ("kdumpd.daemon", "kdumpd.engine", {"kdumpd.oneshot", *OF_CAPTURES}),
        ("kdumpd.ctl.main", "kdumpd.ctl.client", {"kdumpd.ctl.trigger", *OF_CAPTURES}),
    ],
)
def test_what_only_some_runs_need_is_loaded_by_them(
    program: str, needed: str, later: set[str]
) -> None:
    loaded = loaded_by(program)
    assert needed in loaded
    assert not loaded & later
    assert not {name for name in loaded if name.startswith(("kdumpd.inspect", "kdumpd.trigger"))}


# Generation 0 is what was made just now: the interpreter's own, before the first line is run.
COLLECTING = """\
import gc
gc.collect()
early = []
gc.callbacks.append(
    lambda _, about: early.append(about["generation"] > 0 and not gc.get_freeze_count())
)
import kdumpd.daemon
print(gc.isenabled(), gc.get_freeze_count() > 0, any(early))
"""


def test_the_collector_never_looks_through_the_modules() -> None:
    command = [sys.executable, "-W", "ignore", "-c", COLLECTING]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  # ours
    assert done.stdout.split() == ["True", "True", "False"]


@pytest.mark.parametrize("module", sorted(OF_CAPTURES))
def test_there_is_such_a_module(module: str) -> None:
    assert module in loaded_by(module)
