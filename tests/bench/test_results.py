# SPDX-License-Identifier: GPL-2.0-or-later
from bench.figure import Figure
from bench.results import BEGIN, END, machine, rows, table, with_figures

SLOW = Figure(name="slow", against="the floor", ours=(30.0, 10.0, 20.0), theirs=(10.0, 10.0, 10.0))
IDLE = Figure(name="idle", against="the floor", unit="", ours=(80.0,), theirs=(0.0,))
ABSENT = Figure(name="absent", against="tuned", missing="did not start")


def test_the_ratio_is_the_median_of_the_turns() -> None:
    assert (SLOW.ratio, SLOW.ratios) == (2.0, [1.0, 2.0, 3.0])


def test_a_target_is_missed_by_more_than_it() -> None:
    assert SLOW.misses(1.9)
    assert not SLOW.misses(2.0)
    assert not SLOW.misses(None)


def test_a_target_of_what_nothing_bare_does_is_of_the_figure() -> None:
    assert IDLE.misses(79)
    assert not IDLE.misses(80)


def test_what_was_not_measured_misses_nothing() -> None:
    assert not ABSENT.misses(1.0)


def test_a_row_says_all() -> None:
    (row,) = rows([SLOW], {"slow": 1.5})
    assert row == (
        "slow", "20.0 ms", "10.0 ms", "the floor", "2.00", "1.00–3.00", "1.5", "MISSED",
    )  # fmt: skip


def test_why_there_is_no_figure() -> None:
    (row,) = rows([ABSENT], {})
    assert row[-1] == "did not start"


def test_all_lines_of_the_table_are_as_long() -> None:
    assert len({len(line) for line in table([SLOW, IDLE, ABSENT], {})}) == 1


def test_figures_replace_those_of_before() -> None:
    document = f"Above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert with_figures(document, ["new"]) == f"Above\n{BEGIN}\nnew\n{END}\nbelow\n"


def test_the_machine_is_named() -> None:
    said = "\n".join(machine())
    assert all(word in said for word in ("kdumpd", "Linux", "Python", "dbus-fast"))
