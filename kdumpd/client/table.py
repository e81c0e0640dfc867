# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures as a table: whole in a file or a pipe, as wide as the terminal otherwise."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from kdumpd.client.selection import Properties
from kdumpd.client.summary import local_time, new_word, state_word
from kdumpd.ctl.overview import OF_STATE
from kdumpd.ctl.terminal import PIPE, Screen, Style
from kdumpd.model.text import human_size, shown

UNKNOWN = "-"
GAP = 2
TIME, KERNEL, CLASS, STATE, NEW, SIZE, ID, DIRECTORY = (
    "TIME",
    "KERNEL",
    "CLASS",
    "STATE",
    "NEW",
    "SIZE",
    "ID",
    "DIRECTORY",
)
COLUMNS: Mapping[str, Callable[[Properties], str]] = {
    TIME: lambda capture: local_time(capture["CrashedAt"]) or UNKNOWN,
    KERNEL: lambda capture: capture["KernelRelease"] or UNKNOWN,
    CLASS: lambda capture: str(capture["Class"]),
    STATE: state_word,
    NEW: lambda capture: new_word(capture) or UNKNOWN,
    SIZE: lambda capture: human_size(capture["Size"]) if capture["CoreFile"] else UNKNOWN,
    ID: lambda capture: str(capture["Id"]),
    DIRECTORY: lambda capture: shown(capture["Directory"]),
}
# What a narrow terminal does without, one after the other.
EXPENDABLE = (DIRECTORY, KERNEL, SIZE, NEW)

Table = Mapping[str, Sequence[str]]  # the cells by their columns


def list_lines(
    captures: Sequence[Properties], screen: Screen = PIPE, *, legend: bool = True
) -> Iterator[str]:
    """Yield a table of captures, a line each, in their order."""
    table = {name: [cell(capture) for capture in captures] for name, cell in COLUMNS.items()}
    widths = fitting({name: _width(name, cells) for name, cells in table.items()}, screen)
    if legend:
        yield screen.styled(_line({name: name for name in widths}, widths, PIPE), Style.BOLD)
    for number in range(len(captures)):
        yield _line({name: table[name][number] for name in widths}, widths, screen)


def fitting(widths: Mapping[str, int], screen: Screen) -> Mapping[str, int]:
    """Return the columns that fit on the screen, with their widths; at least those of a pipe."""
    kept = dict(widths)
    for name in EXPENDABLE:
        total = sum(kept.values()) + GAP * (len(kept) - 1)
        if not screen.is_terminal or total <= screen.width:
            break
        del kept[name]
    return kept


def _width(name: str, cells: Sequence[str]) -> int:
    return max(len(name), *(len(cell) for cell in cells), 0)


def _line(cells: Mapping[str, str], widths: Mapping[str, int], screen: Screen) -> str:
    last = list(widths)[-1]
    parts = []
    for name, width in widths.items():
        cell = cells[name]
        room = " " * (width - len(cell))
        styled = screen.styled(cell, OF_STATE.get(cell) if name == STATE else None)
        parts.append(room + styled if name == SIZE else styled + ("" if name == last else room))
    return (" " * GAP).join(parts)
