# SPDX-License-Identifier: GPL-2.0-or-later
"""Data flows one way: observe -> model -> ledger -> expose. Imports may only follow it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kdumpd"
# What needs no machine: no file, no clock, no process, no network, no chance.
PURE = {
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "json",
    "math",
    "re",
    "stat",
    "struct",
    "types",
    "typing",
}
# Whatever a module of the model imports, it does not ask what time it is.
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "exec", "eval"}
# Each wall, by the beginning of its modules' names, and what it may import of the others.
OF_THE_BUS = {"dbus.messages", "dbus.connection", "dbus.wire"}
MAY_IMPORT = {
    "model": {"model"},
    "observe": {"arguments", "model", "observe", *OF_THE_BUS},
    "inspect": {"arguments", "model", "observe", "inspect"},
    "ledger": {"model", "ledger"},
    "dbus.messages": set[str](),
    "dbus.wire": {"dbus.messages"},
    "dbus.transport": {"dbus.messages", "dbus.wire"},
    "dbus.waiting_calls": {"dbus.wire"},
    "dbus.session": {"dbus.messages", "dbus.wire", "dbus.transport"},
    "dbus.connection": {
        *("dbus.messages", "dbus.wire", "dbus.transport", "dbus.session", "dbus.waiting_calls"),
    },
    "dbus": {"dbus"},
    "arguments": set[str](),
    "json_output": {"model"},
    "config": {"model"},
    "expose": {"model", "dbus", "expose"},
    "trigger": {"model", "observe", "dbus", "arguments", "config", "expose", "trigger"},
    "ctl": {"model", *OF_THE_BUS, "arguments", "json_output", "ctl"},
    "notify": {"model", *OF_THE_BUS, "arguments", "ctl", "notify"},
    "engine": {"model", "observe", "ledger", "expose"},
    "oneshot": {"arguments", "config", "json_output", "model", "observe", "expose"},
    "daemon": {
        *("model", "observe", "ledger", "dbus", "expose", "engine"),
        *("arguments", "config", "oneshot"),
    },
}
# Who may import what is not the standard library's.
THIRD_PARTY = {
    "dbus_fast": {"dbus/wire.py"},
    "drgn": {"inspect/kernel_log.py"},
    "pyinotify": {"observe/captures/inotify.py"},
    "systemd": {
        "expose/journal.py",
        "expose/systemd.py",
        "observe/boots.py",
        "observe/readiness/boot_messages.py",
    },
}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
# Read while tests are collected: in a process where others have failed, or are at it in threads,
# Python 3.11 loses count ("AST constructor recursion depth mismatch", cpython#106905).
TREES = {module: ast.parse((PACKAGE / module).read_text()) for module in MODULES}


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def wall_of(name: str) -> str:
    """Return the wall of a module of ours, the most exact one: of dbus.messages that, not dbus."""
    return max((one for one in MAY_IMPORT if f"{name}.".startswith(f"{one}.")), key=len)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_layer(module: Path) -> None:
    if module.name == "__init__.py":
        assert list(imports(module)) == []
        return
    wall = wall_of(name_of(module))
    for name in imports(module):
        first, _, ours = name.partition(".")
        if first == "kdumpd":
            allowed = wall_of(ours) if ours != "__version__" else ""
            assert not allowed or {allowed, allowed.partition(".")[0]} & MAY_IMPORT[wall], name
        elif first in THIRD_PARTY:
            assert str(module) in THIRD_PARTY[first], name
        elif wall == "model":
            assert first in PURE, name


@pytest.mark.parametrize("module", [one for one in MODULES if one.parts[0] == "model"], ids=str)
def test_the_model_is_pure(module: Path) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else ""
            attribute = function.attr if isinstance(function, ast.Attribute) else ""
            assert not {name, attribute} & IMPURE_CALLS, ast.unparse(node)
        assert not isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await)


def test_all_walls_are_known() -> None:
    names = [name_of(module) for module in MODULES if module != Path("__init__.py")]
    assert {wall_of(name) for name in names} == {*MAY_IMPORT}


def test_license() -> None:
    first_lines = {(PACKAGE / module).read_text().partition("\n")[0] for module in MODULES}
    assert first_lines == {"# SPDX-License-Identifier: GPL-2.0-or-later"}
