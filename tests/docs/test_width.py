# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed for a reader fits a terminal of 100 columns."""

import argparse
import re
from functools import partial
from pathlib import Path

import pytest

from tests.docs.test_manual import PAGES, PARSERS, parsers_of
from tests.support.process import output, program

WIDTH = 100
HELP = [one for parser in PARSERS.values() for one in parsers_of(parser())]


def too_wide(text: str) -> list[str]:
    """Return the lines that are wider, but for those with a long path, which cannot be broken."""
    return [
        line
        for line in text.splitlines()
        if len(line) > WIDTH and not any("/" in word[WIDTH // 2 :] for word in line.split())
    ]


@pytest.mark.parametrize("parser", HELP, ids=lambda one: one.prog)
def test_help(parser: argparse.ArgumentParser) -> None:
    raw = parser.formatter_class is argparse.RawDescriptionHelpFormatter
    formatter = argparse.RawDescriptionHelpFormatter if raw else argparse.HelpFormatter
    # As wide as argparse takes a terminal of this width to be.
    parser.formatter_class = partial(formatter, width=WIDTH - 2)
    text = parser.format_help()
    assert text
    assert too_wide(text) == []


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
async def test_manual_page(page: Path) -> None:
    text = await output(program("mandoc", "mandoc"), "-Tutf8", f"-Owidth={WIDTH}", str(page))
    # Letters that are struck twice are bold or underlined.
    lines = re.sub(r".\x08", "", text.decode())
    assert lines
    assert too_wide(lines) == []
