# SPDX-License-Identifier: GPL-2.0-or-later
"""What the shells complete: tried in the shells themselves, and compared with the parser."""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpd.ctl.options import VERBS, arguments_parser
from kdumpd.model.vocabulary import CaptureState, CrashClass
from tests.ctl.crashes import daemon_of, write_crashes
from tests.ctl.terminal import printed
from tests.docs.test_manual import parsers_of
from tests.support.machine import Machine
from tests.support.process import output, program

DIRECTORY = Path(__file__).parents[2] / "completions"
BASH, ZSH, FISH = (DIRECTORY / name for name in ("kdumpdctl.bash", "_kdumpdctl", "kdumpdctl.fish"))
# As readline parts a line: the characters of COMP_WORDBREAKS are words of their own.
WORD = re.compile(r"[=:]|[^\s=:]+")
DRIVER = """
source "$1"; shift
COMP_LINE=$1; COMP_POINT=${#1}; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_kdumpdctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


async def by_bash(line: str) -> list[str]:
    """Return what bash completes at the end of the line."""
    words = WORD.findall(line)
    if line.endswith(" "):
        words.append("")
    process = await asyncio.create_subprocess_exec(
        *(program("bash", "bash"), "--norc", "-c", DRIVER, "driver", str(BASH), line, *words),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TZ": "UTC"},
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return out.decode().split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kdumpdctl li", ["list"]),
        ("kdumpdctl --json=", ["pretty", "short", "off"]),
        ("kdumpdctl --json=pr", ["pretty"]),
        ("kdumpdctl --json short st", ["status"]),
        ("kdumpdctl --bus s", ["system", "session"]),
        ("kdumpdctl --bus=unix:path=/tmp/bus che", ["check"]),
        ("kdumpdctl list --st", ["--state"]),
        ("kdumpdctl list --state in", ["incomplete"]),
        ("kdumpdctl list --state=gone,un", ["gone,unreadable", "gone,untrusted"]),
        ("kdumpdctl list --class soft", ["soft-lockup"]),
        ("kdumpdctl list --since y", ["yesterday"]),
        ("kdumpdctl list -U t", ["today"]),
        ("kdumpdctl report --a", ["--addresses"]),
        ("kdumpdctl dmesg --no", ["--no-pager"]),
        ("kdumpdctl test --d", ["--dry-run"]),
        ("kdumpdctl test --c", ["--cancel"]),
        ("kdumpdctl test --override=just", ["just-booted"]),
        ("kdumpdctl check --v", ["--verbose"]),
        ("kdumpdctl status --d", []),
        ("kdumpdctl watch ", []),
        ("kdumpdctl --bus=unix:path=/nowhere info ", []),
    ],
)
async def test_bash(line: str, words: list[str]) -> None:
    assert await by_bash(line) == words


async def test_bash_knows_every_verb() -> None:
    assert await by_bash("kdumpdctl ") == [name for name, *_ in VERBS]


@pytest.mark.bus
async def test_ids_are_those_of_the_daemon(machine: Machine, tmp_path: Path) -> None:
    write_crashes(machine, 3)
    async with daemon_of(machine, tmp_path, 3) as bus:
        listed = json.loads((await printed("list", "--json=short", "--bus", bus)).out)
        ids = [one["id"] for one in listed]
        assert await by_bash(f"kdumpdctl --bus={bus} info ") == ids
        assert await by_bash(f"kdumpdctl dmesg --bus {bus} {ids[1][:4]}") == [ids[1]]
        if shutil.which("fish"):
            assert sorted(await by_fish(f"kdumpdctl --bus={bus} info ")) == sorted(ids)


def options_of_the_parser() -> Iterator[str]:
    for parser in parsers_of(arguments_parser()):
        for action in parser._actions:
            yield from action.option_strings


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        (BASH, r"(?<![\w-])(--[a-z-]{3,})\b"),
        (ZSH, r"(?<![\w-])(--[a-z-]{3,})\b"),
        (FISH, r"^complete .*? -l ([a-z-]+)"),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_all_that_can_be_typed_is_there(file: Path, pattern: str) -> None:
    text = re.sub(r"#.*|list --no-legend|sed -n.*|\\\\\n", "", file.read_text())
    said = {f"--{name.removeprefix('--')}" for name in re.findall(pattern, text, re.MULTILINE)} - {
        "--"
    }
    assert said == {one for one in options_of_the_parser() if one.startswith("--")}
    words = set(re.findall(r"[a-z-]+", text))
    assert {*CaptureState, *CrashClass, *(name for name, *_ in VERBS)} <= words


async def test_zsh_reads_it() -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    assert await output(program("zsh", "zsh"), "-n", str(ZSH)) == b""


async def by_fish(line: str) -> list[str]:
    """Return what fish completes at the end of the line, without what it says of it."""
    with tempfile.TemporaryDirectory() as home:  # in which fish makes directories
        process = await asyncio.create_subprocess_exec(
            *(program("fish", "fish"), "--no-config", "-c"),
            f"source {FISH}; complete -C '{line}'",
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": home,
                "TZ": "UTC",
            },
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    return [line.partition("\t")[0] for line in out.decode().splitlines()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kdumpdctl li", ["list"]),
        ("kdumpdctl --json=pr", ["--json=pretty"]),
        ("kdumpdctl list --class=soft", ["--class=soft-lockup"]),
        # Not --a: fish 4 takes it for --no-pager too.
        ("kdumpdctl report --ad", ["--addresses"]),
        ("kdumpdctl watch ", []),
    ],
)
async def test_fish(line: str, words: list[str]) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    assert await by_fish(line) == words
