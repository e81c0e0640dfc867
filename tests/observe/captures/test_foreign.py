# SPDX-License-Identifier: GPL-2.0-or-later
import logging

import pytest

from kdumpd.observe.captures.scan import MAX_LOGGED_DIRECTORIES, ForeignDirectories


def test_each_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    foreign = ForeignDirectories()
    for path in (b"/var/crash/a", b"/var/crash/b\n", b"/var/crash/a"):
        foreign.say(path)
    assert caplog.messages == [
        "'/var/crash/a' holds no capture of a known layout",
        "'/var/crash/b\\n' holds no capture of a known layout",
    ]
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_so_many_are_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    foreign = ForeignDirectories()
    for number in range(MAX_LOGGED_DIRECTORIES + 5):
        foreign.say(b"/var/crash/%d" % number)
    assert len(caplog.records) == MAX_LOGGED_DIRECTORIES
