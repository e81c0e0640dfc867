# SPDX-License-Identifier: GPL-2.0-or-later
"""When the kernel died whose log systemd-pstore has archived, by the name of the archive's folder.

systemd-pstore (src/pstore/pstore.c) names the folder after the record's number without the part's
own digits. EFI's number is (seconds since 1970 * 100 + part) * 1000 + count
(drivers/firmware/efi/efi-pstore.c, generic_id()), and the folder is the seconds with, below it, the
count. ERST's has in its upper half the seconds since 1970 of the first record of that boot
(drivers/firmware/efi/cper.c, cper_next_record_id()). Debian's 252 and older ones leave the last six
digits out of either number.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from kdumpd.model.time import EPOCH

FOLDER = rb"/(\d{9,20})(?:/\d{3})?/?$"
EFI_DIGITS, OLD_EFI_DIGITS = 10, 9
OLD_ERST_DIGITS, ERST_DIGITS, LEFT_OUT = range(12, 14), range(18, 20), 1_000_000
BEYOND = 1 << 63  # after 2038, ERST's numbers are made another way


@dataclass(frozen=True, slots=True)
class RecordTime:
    """A time in the life of the kernel that died."""

    at: datetime
    exact: bool  # whether it is when it died; otherwise it may have lived on for long


def parse_record_time(directory: bytes) -> RecordTime | None:
    """Return what the name of an archive's folder says of the time, None where it says nothing."""
    match = re.search(FOLDER, directory)
    if match is None:
        return None
    digits, number = len(match[1]), int(match[1])
    if digits == EFI_DIGITS:
        return RecordTime(EPOCH + timedelta(seconds=number), exact=True)
    if digits == OLD_EFI_DIGITS:
        return RecordTime(EPOCH + timedelta(seconds=number * 10 + 9), exact=True)
    if digits in OLD_ERST_DIGITS:
        number, digits = number * LEFT_OUT, ERST_DIGITS.start
    if digits in ERST_DIGITS and number < BEYOND:
        return RecordTime(EPOCH + timedelta(seconds=number >> 32), exact=False)
    return None
