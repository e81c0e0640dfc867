# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime

import pytest

from kdumpd.model.captures.layouts import RecordTime, parse_record_time

ARCHIVE = b"/var/lib/systemd/pstore/"
SECONDS = 1_700_000_123
AT = datetime.fromtimestamp(SECONDS, UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"1700000123", RecordTime(AT, exact=True)),
        (b"1700000123/001", RecordTime(AT, exact=True)),
        (b"170000012", RecordTime(datetime.fromtimestamp(1_700_000_129, UTC), exact=True)),
        (str((SECONDS << 32) + 7).encode(), RecordTime(AT, exact=False)),
        (str(1 << 63).encode(), None),
        (b"17000", None),
        (b"dmesg", None),
        (b"", None),
        (b"0" * 20, None),
        # Of a Debian 12: tests/samples/boots.
        (
            b"7712639104625",
            RecordTime(datetime(2026, 11, 27, 0, 18, 46, tzinfo=UTC), exact=False),
        ),
    ],
)
def test_the_time_in_the_name(name: bytes, expected: RecordTime | None) -> None:
    assert parse_record_time(ARCHIVE + name) == expected
