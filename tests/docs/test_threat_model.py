# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule of the threat model names a test that there is, and so does each protection."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/threat-model.md", "docs/endurance.md")
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
RULE = re.compile(
    r"^\| (?P<rule>[A-Za-z][^|]*\.(?: \([^|]*\))?) \| (?P<tests>.*) \|$", re.MULTILINE
)
MENTIONED = re.compile(r"`(tests/[^`]*)`")


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


@pytest.mark.parametrize("page", PAGES)
def test_each_named_test_exists(page: str) -> None:
    named = NAMED.findall((ROOT / page).read_text())
    assert named
    missing = [f"{file}::{name}" for file, name in named if name not in functions_of(file)]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_each_test_is_named_in_full(page: str) -> None:
    """So that none escapes the check."""
    text = (ROOT / page).read_text()
    assert len(MENTIONED.findall(text)) == len(NAMED.findall(text))


def test_each_rule_has_a_test() -> None:
    rules = RULE.findall((ROOT / PAGES[0]).read_text())
    assert len(rules) > 70
    assert all(NAMED.search(tests) for _, tests in rules)
