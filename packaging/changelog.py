# SPDX-License-Identifier: GPL-2.0-or-later
"""Print debian/changelog as NEWS.md tells it.

usage: python3 packaging/changelog.py NEWS.md VERSION SECONDS

The newest section is given VERSION, and the time in seconds since 1970.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

MAINTAINER = "kdumpd developers <developers@kdumpd.org>"
SECTION = re.compile(r"^## (\S+), (.+)\n\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
WIDTH = 76  # columns


def changelog(news: str, version: str, at: datetime) -> str:
    """Return the changelog (deb-changelog(5)); a section without a date is of the time given."""
    return "\n".join(_entries(news, version, at))


def _entries(news: str, newest: str, at: datetime) -> Iterator[str]:
    for number, (version, when, text) in enumerate(SECTION.findall(news)):
        date = datetime.fromisoformat(when).replace(tzinfo=UTC) if DATE.fullmatch(when) else at
        yield f"kdumpd ({version if number else newest}) unstable; urgency=medium\n"
        for item in re.split(r"^- ", text, flags=re.MULTILINE)[1:]:
            words = " ".join(item.split())
            yield textwrap.fill(
                words,
                WIDTH,
                initial_indent="  * ",
                subsequent_indent="    ",
                break_long_words=False,
            )
        yield f"\n -- {MAINTAINER}  {format_datetime(date)}\n"


if __name__ == "__main__":
    file, named, seconds = sys.argv[1:]
    time = datetime.fromtimestamp(int(seconds), UTC)
    sys.stdout.write(changelog(Path(file).read_text(encoding="utf-8"), named, time))
