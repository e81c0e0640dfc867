# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages tell all that can be typed and met with, and nothing else."""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpd import daemon
from kdumpd.arguments import EXIT_FAILURE, EXIT_IO, EXIT_USAGE
from kdumpd.config import SETTERS, Settings, read_configuration
from kdumpd.ctl import main
from kdumpd.ctl import options as client_options
from kdumpd.expose.journal_entries import JOURNAL_FIELDS, MESSAGE_IDS
from kdumpd.model.crashkernel.expect import expect
from kdumpd.model.readiness.report import EXIT_STATUS, UNKNOWN_OUTCOME, Report, check_lines
from kdumpd.model.readiness.verdict import RULES
from kdumpd.model.text import MIB
from kdumpd.model.vocabulary import Readiness
from kdumpd.notify import main as notify
from kdumpd.notify.seen import MAX_SEEN_LINES
from kdumpd.notify.terminal import TERMINAL_COMMANDS
from kdumpd.trigger import main as trigger_options
from kdumpd.trigger.objections import RULES as OBJECTING
from tests.model.readiness.rules.test_every_rule import ALL
from tests.support.process import output, program
from tests.trigger.test_objections import OBJECTIONS

PAGES = Path(__file__).parents[2] / "docs/man"
DAEMON, CLIENT, NOTIFY = (PAGES / name for name in ("kdumpd.8", "kdumpdctl.1", "kdumpd-notify.1"))
TRIGGER, CONFIG = PAGES / "kdumpd-trigger.8", PAGES / "kdumpd.conf.5"
PARSERS = {
    DAEMON: daemon.arguments_parser,
    CLIENT: client_options.arguments_parser,
    NOTIFY: notify.arguments_parser,
    TRIGGER: trigger_options.arguments_parser,
}
EXAMPLE = "384M-2G:64M,2G-:128M"
CODES = {rule.__name__.replace("_", "-") for rule in RULES}


def section(page: Path, title: str) -> str:
    """Return the source of one section; the test fails where there is none."""
    (text,) = re.findall(
        rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(text)


def items(text: str) -> list[str]:
    return re.findall(r"^\.It (.*)$", text, re.MULTILINE)


def documented_checks() -> dict[str, set[str]]:
    """Return the outcomes of each code, as the page has them."""
    found = [re.fullmatch(r"Cm (\S+) Pq (.+)", item) for item in items(section(DAEMON, "CHECKS"))]
    return {match[1]: set(match[2].split(" , ")) for match in found if match}


def parsers_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    yield from commands_of(parser).values()


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    # argparse has no other way to ask a parser what it takes.
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(action.choices)
    return found


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
async def test_is_clean_to_mandoc(page: Path) -> None:
    assert await output(program("mandoc", "mandoc"), "-Tlint", "-Wwarning", str(page)) == b""


def test_each_check_is_explained_once_and_no_other() -> None:
    codes = [item.split()[1] for item in items(section(DAEMON, "CHECKS"))]
    assert len(codes) == len(set(codes))
    assert set(codes) == CODES == documented_checks().keys()


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_check_matters_as_much_as_is_said(code: str) -> None:
    told = {str(one.severity) for one in ALL if one.code == code and not one.unknown}
    assert documented_checks().get(code) == (told or {UNKNOWN_OUTCOME})


@pytest.mark.parametrize(("page", "parser"), PARSERS.items(), ids=[page.name for page in PARSERS])
def test_every_option(page: Path, parser: Callable[[], argparse.ArgumentParser]) -> None:
    taken = {
        word
        for one in parsers_of(parser())
        for action in one._actions
        for word in action.option_strings
    }
    said = " ".join(items(section(page, "OPTIONS")))
    assert {f"-{word}" for word in re.findall(r"Fl (\S+)", said)} == taken


def test_every_command() -> None:
    said = [item.split()[1] for item in items(section(CLIENT, "COMMANDS"))]
    assert said == list(commands_of(client_options.arguments_parser()))


def test_every_word_of_readiness() -> None:
    words = re.findall(r"^\.It Cm (\S+)$", section(DAEMON, "READINESS"), re.MULTILINE)
    assert words == [str(word) for word in Readiness]


def test_every_exit_status() -> None:
    readiness = {str(number): str(word) for word, number in EXIT_STATUS.items()}
    other = {str(number) for number in (EXIT_USAGE, EXIT_IO)}
    for page, more in ((DAEMON, set[str]()), (CLIENT, {str(main.EXIT_ABSENT)})):
        text = section(page, "EXIT STATUS")
        assert set(items(text)) == {*readiness, *other, *more}
        first = dict(re.findall(r"^\.It (\d)\n([a-z-]+)$", text, re.MULTILINE))
        assert first == readiness


def test_each_objection_is_explained_with_its_severity_and_no_other() -> None:
    said = [item.split() for item in items(section(TRIGGER, "OBJECTIONS"))]
    severities = {code: str(severity) for _, code, severity, *_ in OBJECTIONS}
    assert {code: severity for _, code, _, severity in said} == severities
    codes = [rule.__name__.replace("_", "-") for rule in OBJECTING]
    assert [code for _, code, *_ in said] == codes


def test_every_exit_status_of_the_trigger() -> None:
    statuses = {str(number) for number in (0, EXIT_FAILURE, EXIT_USAGE)}
    assert set(items(section(TRIGGER, "EXIT STATUS"))) == statuses


def test_notifications() -> None:
    assert set(items(section(NOTIFY, "EXIT STATUS"))) == {"0", str(EXIT_USAGE)}
    terminals = " ".join(re.findall(r"^\.Li (.*)$", section(NOTIFY, "DESCRIPTION"), re.MULTILINE))
    assert terminals.replace(",", "").split() == [name for name, *_ in TERMINAL_COMMANDS] + ["."]
    assert f"The newest {MAX_SEEN_LINES} lines are kept." in section(NOTIFY, "FILES")
    wait = notify.arguments_parser().get_default("wait")
    assert f"The default is {wait:g}." in section(NOTIFY, "OPTIONS")


def test_every_kind_of_event() -> None:
    text = section(DAEMON, "JOURNAL") + section(TRIGGER, "JOURNAL")
    said = re.findall(r"^\.It Cm (\S+)\n([0-9a-f]{32})\b", text, re.MULTILINE)
    assert dict(said) == {str(kind): id_ for kind, id_ in MESSAGE_IDS.items()}


def test_every_field_of_the_journal() -> None:
    said = re.findall(r"^\.It Ev (\S+)$", section(DAEMON, "JOURNAL"), re.MULTILINE)
    assert sorted(said) == sorted([*JOURNAL_FIELDS.values(), "KDUMPD_EVENT"])


@pytest.mark.parametrize(("ram", "marked"), [(256, 0), (1024, 1), (4096, 2)])
def test_the_example_reads_as_is_shown(ram: int, marked: int) -> None:
    reading = expect(f"crashkernel={EXAMPLE}".encode(), ram * MIB).reading
    lines = list(check_lines(Report(summary="", checks=(), reading=reading)))[-3:]
    (shown,) = re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed", DAEMON.read_text(), re.DOTALL | re.MULTILINE
    )
    assert EXAMPLE in DAEMON.read_text()
    assert [line[4:] for line in shown.splitlines()] == [line[4:] for line in lines]
    assert [line.startswith("  > ") for line in lines].index(True) == marked


def documented_settings() -> list[tuple[str, str]]:
    parts = re.split(r"^\.Ss \[(\w+)\]\n", section(CONFIG, "SECTIONS"), flags=re.MULTILINE)[1:]
    keys = (re.findall(r"^\.It Va (\w+)$", text, re.MULTILINE) for text in parts[1::2])
    return [(name, key) for name, some in zip(parts[::2], keys, strict=True) for key in some]


def test_every_setting() -> None:
    assert documented_settings() == list(SETTERS)


def test_the_example_of_a_configuration_says_what_holds_without_it(tmp_path: Path) -> None:
    example = (PAGES.parent / "kdumpd.conf").read_text()
    file = tmp_path / "kdumpd.conf"
    file.write_text(re.sub(r"^#(?=\w+=)", "", example, flags=re.MULTILINE))
    told = read_configuration(tmp_path, file)
    assert told.problems == ()
    assert replace(told.settings, crash_directories=()) == Settings()
    assert told.settings.directories == Settings().directories
    assert re.findall(r"^#(\w+)=", example, re.MULTILINE) == [key for _, key in SETTERS]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {word for action in parser._actions for word in action.option_strings}


def documented_options_of_commands() -> dict[str, set[str]]:
    """Return the options of each command; under "" those that no command is named for."""
    found: dict[str, set[str]] = {}
    items = re.split(r"^\.It (?=Fl )", section(CLIENT, "OPTIONS"), flags=re.MULTILINE)[1:]
    for heads, *words in (item.split("\n", 2) for item in items):
        with_ = re.match(
            r"With\n\.Cm (.+?)(?: :)?$(?:\nand\n\.Cm (\S+))?", "\n".join(words), re.MULTILINE
        )
        commands = [*re.split(" , ", with_[1]), *filter(None, [with_[2]])] if with_ else [""]
        for command in commands:
            options = {f"-{word}" for word in re.findall(r"Fl (\S+)", heads)}
            found.setdefault(command, set()).update(options)
    return found


def test_every_option_of_each_command() -> None:
    parser = client_options.arguments_parser()
    said = documented_options_of_commands()
    common = said.pop("")
    assert common == options_of(parser) - {"--root"}
    taken = {name: options_of(one) - common for name, one in commands_of(parser).items()}
    assert said == {name: options for name, options in taken.items() if options}


def test_the_synopsis_has_every_option_of_each_command() -> None:
    blocks = re.split(r"^\.Nm\n", section(CLIENT, "SYNOPSIS"), flags=re.MULTILINE)[1:]
    parsers = commands_of(client_options.arguments_parser())
    everywhere = {"--help", "--no-pager"}  # which would make each of them longer by a line
    for block in blocks:
        (command,) = re.findall(
            r"^(?:\.Op )?\.?Cm (\S+)", block.replace(".Op Cm", ".Cm"), re.MULTILINE
        )
        said = {f"-{word}" for word in re.findall(r"Fl (\S+)", block)}
        actions = [{*one.option_strings} for one in parsers.pop(command)._actions]
        assert not said - set().union(*actions)
        assert not [one for one in actions if one and not one & (said | everywhere)]
    assert not parsers


@pytest.mark.parametrize("page", [DAEMON, NOTIFY, TRIGGER], ids=lambda page: page.name)
def test_the_synopsis_has_every_option(page: Path) -> None:
    said = {f"-{word}" for word in re.findall(r"Fl (\S+)", section(page, "SYNOPSIS"))}
    assert said == options_of(PARSERS[page]()) - {"-h", "--help", "--version"}
