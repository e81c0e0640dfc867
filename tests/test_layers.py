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
MAY_IMPORT = {
    "model": {"model"},
    "observe": {"model", "call", "bus", "observe"},
    "inspect": {"model", "observe", "inspect"},
    "rows": {"model"},
    "seal": set(),
    "ledger_file": {"model", "rows", "seal"},
    "ledger": {"model", "rows", "ledger_file"},
    "call": set[str](),
    "address": {"call"},
    "capability": set[str](),
    "signals": set[str](),
    "arguments": set[str](),
    "options": {"arguments"},
    "document": {"model"},
    "bus": {"call"},
    "expose": {"model", "call", "bus", "expose"},
    "trigger": {
        "model",
        "observe",
        "address",
        "arguments",
        "call",
        "bus",
        "config",
        "expose",
        "trigger",
    },
    "client": {"model", "address", "call", "bus", "arguments", "document", "client"},
    "config": {"model"},
    "flow": {"model", "observe", "ledger", "ledger_file", "expose"},
    "deeds": {"flow", "ledger", "ledger_file", "model", "observe", "expose"},
    "once": {"arguments", "config", "document", "model", "observe", "expose"},
    "daemon": {
        "arguments",
        "once",
        "options",
        "address",
        "capability",
        "signals",
        "flow",
        "deeds",
        "model",
        "observe",
        "ledger",
        "ledger_file",
        "call",
        "bus",
        "expose",
        "config",
    },
}
# Who may import what is not the standard library's.
THIRD_PARTY = {
    "dbus_fast": {"bus.py"},
    "drgn": {"inspect/memory.py"},
    "pyinotify": {"observe/watch.py"},
    "systemd": {
        "expose/journal.py",
        "expose/notify.py",
        "observe/boot_journal.py",
        "observe/kernel_journal.py",
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


def layer(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_layer(module: Path) -> None:
    if layer(module) == "__init__":
        assert list(imports(module)) == []
        return
    for name in imports(module):
        first, second, *_ = f"{name}.".split(".")
        if first == "kdumpd":
            assert second == "__version__" or second in MAY_IMPORT[layer(module)], name
        elif first in THIRD_PARTY:
            assert str(module) in THIRD_PARTY[first], name
        elif layer(module) == "model":
            assert first in PURE, name


@pytest.mark.parametrize("module", [one for one in MODULES if layer(one) == "model"], ids=str)
def test_the_model_is_pure(module: Path) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else ""
            attribute = function.attr if isinstance(function, ast.Attribute) else ""
            assert not {name, attribute} & IMPURE_CALLS, ast.unparse(node)
        assert not isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await)


def test_all_layers_are_known() -> None:
    assert {layer(module) for module in MODULES} == {"__init__", *MAY_IMPORT}


def test_license() -> None:
    first_lines = {(PACKAGE / module).read_text().partition("\n")[0] for module in MODULES}
    assert first_lines == {"# SPDX-License-Identifier: GPL-2.0-or-later"}
