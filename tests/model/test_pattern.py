# SPDX-License-Identifier: GPL-2.0-or-later
import importlib
import pkgutil
import re

import pytest

import kdumpd
from kdumpd.model.pattern import Pattern


def all_patterns() -> dict[str, Pattern[str] | Pattern[bytes]]:
    modules = pkgutil.walk_packages(kdumpd.__path__, "kdumpd.")
    return {
        f"{module.name}.{name}": value
        for module in modules
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, Pattern)
    }


PATTERNS = all_patterns()


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_of_ours_can_be_compiled(name: str) -> None:
    assert isinstance(PATTERNS[name].compiled, re.Pattern)


def test_there_are_patterns() -> None:
    assert "kdumpd.model.grub.QUOTING" in PATTERNS


def test_a_wrong_one_is_refused_when_it_is_used() -> None:
    with pytest.raises(re.error):
        Pattern("(").match("")


def test_it_is_compiled_once() -> None:
    pattern = Pattern(r"\d+")
    assert pattern.compiled is pattern.compiled


def test_it_finds_what_the_library_finds() -> None:
    text = "a1b22 C333"
    digits, own = Pattern(r"\d+"), re.compile(r"\d+")
    assert digits.match(text) is None
    assert digits.match(text, 1)
    assert digits.search(text, 2)[0] == "22"  # type: ignore[index]  # asserted by the access
    assert digits.fullmatch("42")
    assert not digits.fullmatch(text)
    assert digits.findall(text) == own.findall(text)
    assert [one.span() for one in digits.finditer(text)] == [
        one.span() for one in own.finditer(text)
    ]
    assert digits.sub("-", text) == "a-b- C-"
    assert digits.sub("-", text, 1) == "a-b22 C333"
    assert digits.sub(lambda match: f"<{match[0]}>", text) == "a<1>b<22> C<333>"
    assert Pattern(rb"c\d", re.IGNORECASE).search(text.encode())
