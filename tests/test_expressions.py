# SPDX-License-Identifier: GPL-2.0-or-later
"""Our regular expressions are texts, which `re` compiles when they are first used, and keeps."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import kdumpd
from kdumpd.model.crashlog import headlines, incident
from kdumpd.model.formats.boot_messages import COMPLAINTS

KEPT = 512  # re._MAXCACHE: with one more, the oldest is compiled again
FUNCTIONS = {"compile", "match", "fullmatch", "search", "finditer", "findall", "sub", "split"}


def expressions_of(module: ModuleType) -> Iterator[tuple[str, str | bytes]]:
    """Yield the names and texts of the constants that a module has `re` look for."""
    assert module.__file__ is not None
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=function),
                args=[ast.Name(id=name), *_],
            ) if function in FUNCTIONS and isinstance(vars(module).get(name), str | bytes):
                yield f"{module.__name__}.{name}", vars(module)[name]


MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(kdumpd.__path__, "kdumpd.")
]
EXPRESSIONS = dict(one for module in MODULES for one in expressions_of(module))
TABLES = [
    *(text for *_, text in headlines.HEADLINE_RULES),
    *(text for *_, text in incident.PANIC_RULES),
    *(text for text, *_ in COMPLAINTS),
]


@pytest.mark.parametrize("texts", [EXPRESSIONS.values(), TABLES], ids=["constants", "tables"])
def test_every_expression_of_ours_can_be_compiled(texts: Iterable[str | bytes]) -> None:
    for text in texts:
        assert isinstance(re.compile(text), re.Pattern), text


def test_there_are_expressions() -> None:
    assert "kdumpd.model.formats.boot_loader.QUOTING_PATTERN" in EXPRESSIONS
    assert len(EXPRESSIONS) > 100


def test_all_of_them_stay_compiled() -> None:
    assert len({*EXPRESSIONS.values(), *TABLES}) < KEPT / 2  # the libraries have theirs


def test_none_is_compiled_while_it_is_imported() -> None:
    for module in MODULES:
        kept = [name for name, value in vars(module).items() if isinstance(value, re.Pattern)]
        assert not kept, module.__name__
