# SPDX-License-Identifier: GPL-2.0-or-later
"""What was told stays told, whatever becomes of the file."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpd.notify.seen import MAX_SEEN_LINES, SeenStore, parse_told, state_file

KEY, OTHER = "capture 0123456789abcdef", "boot 0f8e1a3c lost"


def test_kept_over_programs_and_only_for_the_user(tmp_path: Path) -> None:
    path = tmp_path / "state/kdumpd/notified"
    assert SeenStore(path).read() == frozenset()
    SeenStore(path).add([KEY])
    SeenStore(path).add([OTHER, KEY])
    assert SeenStore(path).read() == {KEY, OTHER}
    assert path.read_text() == f"{OTHER}\n{KEY}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_another_session_adds_is_not_lost(tmp_path: Path) -> None:
    one, another = SeenStore(tmp_path / "notified"), SeenStore(tmp_path / "notified")
    one.add([KEY])
    another.add([OTHER])
    assert one.read() == another.read() == {KEY, OTHER}


def test_oldest_are_forgotten(tmp_path: Path) -> None:
    seen_store = SeenStore(tmp_path / "notified")
    seen_store.add([f"capture {number:016x}" for number in range(MAX_SEEN_LINES + 5)])
    told = SeenStore(tmp_path / "notified").read()
    assert len(told) == MAX_SEEN_LINES
    assert f"capture {4:016x}" not in told
    assert f"capture {5:016x}" in told


def test_file_that_cannot_be_written_is_said_and_remembered_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    seen_store = SeenStore(tmp_path / "file/notified")
    seen_store.add([KEY])
    assert seen_store.read() == {KEY}
    assert "cannot be written: File exists" in caplog.text
    assert len(caplog.messages) == 2  # that it cannot be read, and not written, once each


def test_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "notified").symlink_to(tmp_path / "other")
    SeenStore(tmp_path / "notified").add([KEY])
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "notified").is_symlink()


@given(st.binary(), st.binary())
def test_damage_costs_no_other_line(before: bytes, after: bytes) -> None:
    assert KEY in parse_told(before + b"\n" + KEY.encode() + b"\n" + after)


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/kdumpd/notified"),
        ({"HOME": "/h"}, "/h/.local/state/kdumpd/notified"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/kdumpd/notified"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/kdumpd/notified"),
    ],
)
def test_where_it_is(environment: dict[str, str], path: str) -> None:
    assert state_file(environment) == Path(path)
