# SPDX-License-Identifier: GPL-2.0-or-later
"""Regular expressions that are compiled when they are first used."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, AnyStr, Generic


class Pattern(Generic[AnyStr]):
    """A regular expression, of which a program has hundreds and a run needs few.

    Compiled while they are imported, they were a tenth of the daemon's start. The methods are those
    of re.Pattern.
    """

    def __init__(self, text: AnyStr, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._text: AnyStr = text
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[AnyStr]:
        """The expression as the standard library has it; re.error where it is none."""
        return re.compile(self._text, self._flags)

    def match(self, text: AnyStr, start: int = 0) -> re.Match[AnyStr] | None:
        """Return the match that begins at the start, if any."""
        return self.compiled.match(text, start)

    def fullmatch(self, text: AnyStr) -> re.Match[AnyStr] | None:
        """Return the match of the whole text, if it is one."""
        return self.compiled.fullmatch(text)

    def search(self, text: AnyStr, start: int = 0) -> re.Match[AnyStr] | None:
        """Return the first match from the start on, if any."""
        return self.compiled.search(text, start)

    def finditer(self, text: AnyStr) -> Iterator[re.Match[AnyStr]]:
        """Yield all matches, from left to right."""
        return self.compiled.finditer(text)

    def findall(self, text: AnyStr) -> list[Any]:
        """Return all matches: their groups, or of one group its texts, or the texts themselves."""
        return self.compiled.findall(text)

    def sub(
        self,
        replacement: AnyStr | Callable[[re.Match[AnyStr]], AnyStr],
        text: AnyStr,
        count: int = 0,
    ) -> AnyStr:
        """Return the text with the first so many matches replaced, 0 for all."""
        return self.compiled.sub(replacement, text, count)
