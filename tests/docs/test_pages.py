# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pages say is there, is; code on them is that of the examples or the daemon."""

import argparse
import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdumpd import daemon
from kdumpd.ctl import options as client_options
from kdumpd.expose.journal_entries import MESSAGE_IDS
from kdumpd.model.readiness.report import EXIT_STATUS
from kdumpd.model.readiness.verdict import RULES
from kdumpd.model.vocabulary import CaptureState, Readiness
from tests.docs.example import EXAMPLES
from tests.support.page import DOCS, PAGES, PROJECT, Block, all_blocks, links
from tests.support.process import output, program

ADMINISTRATORS = DOCS / "administrators.md"
MARKS = {(), ("here",), ("here", "follow"), ("installed",)}
OURS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "kdumpd": daemon.arguments_parser,
    "kdumpdctl": client_options.arguments_parser,
}
# Programs whose --help names their verbs and options.
HELPFUL = {"systemctl": "systemd", "busctl": "systemd", "journalctl": "systemd"}
COMMON = {"cat", "chmod", "mkdir", "printf", "rm", "tail", "tee", "grep", "export", "man"}
# A file of the source tree, where it is not the end of another path, such as /etc/kdumpd/x.
NAMED = r"(?<![\w/.-])(?:\.\./)*((?:kdumpd|tests|bench)/[\w./*-]+)"
# A module, named from its wall on.
NAMED_WITHIN = (
    r"(?<![\w/.-])((?:model|observe|ledger|expose|inspect|trigger|ctl|notify)/[\w/]+\.py)"
)
# What pages name that the kernel, D-Bus, make, Python or a caller has, and not the code.
NAMES_OF_OTHERS = {
    *("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "CLOCK_BOOTTIME", "KDUMPD_EVENT", "Cancel"),
    *("EmitsChangedSignal", "FUZZ_SECONDS", "PYTHONHASHSEED", "Class"),
}
# Programs of the development environment.
OF_THE_VENV = ".venv/bin/"
# Not everywhere: of Debian's packages apt, systemd-sysv, crash and libglib2.0-bin.
ELSEWHERE = {"apt": {"install", "purge"}, "reboot": set[str](), "crash": set[str]()}
ELSEWHERE |= {"gdbus": {"monitor"}, "sudo": set()}


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's titles, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(block: Block) -> Iterator[list[str]]:
    """Yield commands with their words, split as a shell does."""
    text = re.sub(r"<<'END'\n.*?^END$", "", block.text, flags=re.DOTALL | re.MULTILINE)
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield shlex.split(inner)
    for line in text.splitlines():
        for part in re.split(r" (?:\||&&|\|\|) ", line):
            words = shlex.split(re.sub(r" >\S+$|^(?:[A-Z_]+=\S+ )+", "", part))
            if words:
                yield words[1:] if words[0] == "sudo" else words


def tracked_pages() -> list[Path]:
    """Return every page of Markdown that is the project's own, wherever it lies."""
    parts = (PROJECT / name for name in ("bench", "dbus", "docs", "kdumpd", "packaging", "tests"))
    found = [*PROJECT.glob("*.md"), *(page for part in parts for page in part.rglob("*.md"))]
    return sorted(found)


def named_files(page: Path) -> Iterator[str]:
    """Yield the files and directories of the source tree that a page names, also as patterns."""
    for name in re.findall(NAMED, page.read_text()):
        yield name.rstrip("./").replace("NAME", "*")
    for name in re.findall(NAMED_WITHIN, page.read_text()):
        yield f"kdumpd/{name}"


@pytest.mark.parametrize("page", tracked_pages(), ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = {name for name in named_files(page) if not list(PROJECT.glob(name))}
    assert missing == set()


def test_names_of_files_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "See `kdumpd/gone.py`, tests/vm/x.sh. [a](../bench/y) kdumpd/NAME; /etc/kdumpd/z"
        " (model/old.py)"
    )
    assert [*named_files(page)] == [
        *("kdumpd/gone.py", "tests/vm/x.sh", "bench/y", "kdumpd/*", "kdumpd/model/old.py")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def assert_development_command(name: str, arguments: list[str]) -> None:
    """Check a command of the development environment: its program, its module, its tests."""
    assert shutil.which(name, path=str(Path(sys.executable).parent)), name
    if name == "python":
        flag, module, *_ = arguments
        assert flag == "-m"
        assert importlib.util.find_spec(module), module
    for word in arguments:
        if word.startswith("tests/"):
            assert (PROJECT / word.partition("::")[0]).exists(), word


def test_every_development_command_in_the_text_is_there() -> None:
    text = " ".join((PROJECT / "CONTRIBUTING.md").read_text().split())
    named = re.findall(rf"`(?:[A-Z_]+=\S+ )*{re.escape(OF_THE_VENV)}([^`]+)`", text)
    assert named
    for name, *arguments in map(shlex.split, named):
        assert_development_command(name, arguments)


@pytest.mark.parametrize("page", [PROJECT / "CONTRIBUTING.md", DOCS / "architecture.md"])
def test_every_class_and_constant_that_is_named_is_there(page: Path) -> None:
    paths = (path for part in ("kdumpd", "tests") for path in (PROJECT / part).rglob("*.py"))
    source = "\n".join(path.read_text() for path in paths)
    named = set(re.findall(r"`([A-Z]\w*[A-Za-z])`", page.read_text())) - NAMES_OF_OTHERS
    assert named
    for name in named:
        assert re.search(
            rf"^(?:class )?{name}(?:\(.*\))?(?:: .+)?(?: =.*|:)$", source, re.MULTILINE
        ), name


def test_every_target_of_make_that_is_named_is_there() -> None:
    known = {*re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)}
    for page in PAGES:
        named = re.findall(r"`make ([\w-]+)", " ".join(page.read_text().split()))
        assert {*named} <= known, page.name


def test_marks_are_known() -> None:
    assert {block.marks for block in all_blocks("sh")} <= MARKS


@pytest.mark.parametrize("block", all_blocks("sh"), ids=lambda block: block.name)
async def test_every_command_and_option_is_there(block: Block) -> None:
    for name, *arguments in commands(block):
        if name in OURS:
            OURS[name]().parse_args(arguments)  # it exits, and so fails, where it does not know one
        elif name == "make":
            targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
            assert {word for word in arguments if "=" not in word} <= {*targets}
        elif name.startswith(OF_THE_VENV):
            assert_development_command(name.removeprefix(OF_THE_VENV), arguments)
        elif name in HELPFUL:
            help_ = (await output(program(name, HELPFUL[name]), "--help", "--no-pager")).decode()
            given = [word.partition("=")[0] for word in arguments if word.startswith("-")]
            verbs = [] if name == "journalctl" else [word for word in arguments if word[0] != "-"]
            for word in (*given, *verbs[:1]):
                assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_), (name, word)
        elif name in ELSEWHERE:
            assert not ELSEWHERE[name] or arguments[0] in ELSEWHERE[name]
        else:
            assert name in COMMON, name
            assert name == "export" or shutil.which(name)


@pytest.mark.parametrize("language", ["python", "c"])
def test_code_on_the_pages_is_that_of_a_file(language: str) -> None:
    files = [*EXAMPLES.iterdir(), PROJECT / "kdumpd/engine.py"]
    sources = [path.read_text() for path in files if path.is_file()]
    shown = [block for block in all_blocks(language) if "shortened" not in block.marks]
    assert shown
    for block in shown:
        assert any(solid(block.text) in solid(source) for source in sources), block.text


def solid(code: str) -> str:
    """Return code without its white space: a page indents it less than a program."""
    return re.sub(r"\s", "", code)


def rows(first: str) -> list[list[str]]:
    """Return the cells of the rows whose first cell matches."""
    found = re.findall(rf"^\| ({first}) \|(.*)\|$", ADMINISTRATORS.read_text(), re.MULTILINE)
    return [[one, *(cell.strip() for cell in rest.split("|"))] for one, rest in found]


def test_every_kind_of_event_is_on_the_page() -> None:
    said = {one: cells[0] for one, *cells in rows(r"[a-z-]+") if re.fullmatch(r"\w{32}", cells[0])}
    assert said == {str(kind): id_ for kind, id_ in MESSAGE_IDS.items()}


def test_every_word_of_readiness_has_its_exit_status() -> None:
    said = {one.strip("`"): cells[0] for one, *cells in rows("`[a-z-]+`") if cells[0].isdigit()}
    assert said == {str(word): str(EXIT_STATUS[word]) for word in Readiness}


def test_every_state_of_a_capture_is_on_the_page() -> None:
    said = {one.strip("`") for one, *_ in rows("`[a-z-]+`")}
    assert {str(state) for state in CaptureState} <= said


def test_codes_on_the_page_are_those_of_checks() -> None:
    (table,) = re.findall(
        r"^\| code \|.*?\n\n", ADMINISTRATORS.read_text(), re.DOTALL | re.MULTILINE
    )
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    codes = {code for cell in cells for code in re.findall(r"`([a-z-]+)`", cell)}
    assert codes
    assert codes <= {rule.__name__.replace("_", "-") for rule in RULES}


def test_the_architecture_names_every_part_of_the_program() -> None:
    package = PROJECT / "kdumpd"
    parts = {
        f"../kdumpd/{path.name}"
        for path in package.iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    assert parts <= set(links(DOCS / "architecture.md"))
