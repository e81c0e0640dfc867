# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/schema says what every JSON is, and every JSON is what it says."""

import json
import re
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from kdumpd.ctl.options import VERBS
from kdumpd.expose.dbus_properties import (
    CAPTURE_PROPERTIES,
    CRASH_TEST_PROPERTIES,
    MANAGER_PROPERTIES,
)
from kdumpd.json_output import READINESS_PROPERTIES, snake_case
from kdumpd.model.captures.capture import Layout
from kdumpd.model.vocabulary import CrashClass
from tests.ctl.crashes import daemon_of, write_crashes
from tests.ctl.terminal import printed
from tests.ctl.test_watch import watching
from tests.support.cores import Crash, flattened
from tests.support.machine import Machine
from tests.support.rights import as_root

PROJECT = Path(__file__).parents[2]
DIRECTORY = PROJECT / "docs/schema"
SCHEMAS: dict[str, Any] = {
    path.stem: json.loads(path.read_text()) for path in sorted(DIRECTORY.glob("*.json"))
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def validate(name: str, text: str) -> None:
    value = json.loads(text)
    Draft202012Validator(SCHEMAS[name], registry=REGISTRY).validate(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_a_schema(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:kdumpd:schema:{name}"
    assert schema["description"]


def test_every_verb_has_one() -> None:
    assert {*SCHEMAS} == {"capture", *(name for name, *_ in VERBS)}


def test_what_d_bus_has_is_named() -> None:
    def named(names: object) -> set[str]:
        return {snake_case(str(name)) for name in names}  # type: ignore[attr-defined]  # a mapping

    status = SCHEMAS["status"]["properties"]
    assert {*status} == named(MANAGER_PROPERTIES) | {"captures", "crash_test"}
    assert {*status["crash_test"]["properties"]} == named(CRASH_TEST_PROPERTIES)
    assert {*SCHEMAS["capture"]["properties"]} == named(CAPTURE_PROPERTIES)
    assert {*SCHEMAS["check"]["properties"]} == named(READINESS_PROPERTIES)


@pytest.mark.parametrize("name", ["capture", "check", "status"])
def test_what_it_has_is_always_there(name: str) -> None:
    schema = SCHEMAS[name]
    assert {*schema["required"]} == {*schema["properties"]}


@pytest.mark.parametrize(("name", "words"), [("class", CrashClass), ("layout", Layout)])
def test_every_word_of_a_capture_is_explained(name: str, words: type[StrEnum]) -> None:
    """By the schema and by the interface, as whole words."""
    schema = SCHEMAS["capture"]["properties"][name]
    interface = (PROJECT / "dbus/org.kdumpd1.xml").read_text()
    end = interface.index(f'<property name="{name.capitalize()}"')
    comment = interface[interface.rindex("<!--", 0, end) : end]
    for text in (schema["description"], comment):
        assert {*words} <= {*re.findall(r"[a-z-]+[a-z]", text)}
    assert schema.get("enum", [*words]) == [*words]


@pytest.fixture
async def bus(machine: Machine, tmp_path: Path) -> AsyncIterator[str]:
    write_crashes(machine, 5)
    machine.write("sys/kernel/kexec_crash_size", f"{128 << 20}\n")
    async with daemon_of(machine, tmp_path, 5, "degraded") as bus:
        yield bus


@as_root
@pytest.mark.bus
@pytest.mark.parametrize("form", ["pretty", "short"])
async def test_every_output_is_valid(bus: str, form: str) -> None:
    for verb in ("status", "check", "list", "info", "report", "dmesg", "path"):
        told = await printed(verb, f"--json={form}", "--bus", bus)
        assert told.out, verb
        validate(verb, told.out)
        assert (told.out.count("\n") == 1) == (form == "short"), verb
    listed = json.loads((await printed("list", "--json", "--bus", bus)).out)
    ids = [one["id"] for one in listed]
    validate("info", (await printed("info", *ids, "--json", "--bus", bus)).out)
    validate("path", (await printed("path", "--directory", "--json", "--bus", bus)).out)
    validate("acknowledge", (await printed("acknowledge", "--json", "--bus", bus)).out)
    done = (await printed("acknowledge", "--all", "--json", "--bus", bus)).out
    validate("acknowledge", done)
    unintended = [one["id"] for one in listed if one["class"] != "sysrq"]
    assert len(unintended) == len(ids) - 1
    assert json.loads(done) == {"acknowledged": unintended}


@pytest.mark.bus
async def test_what_happens_is_valid(machine: Machine, bus: str) -> None:
    async with watching(bus, "--json=short") as watcher:
        await watcher.word("degraded: ")
        core = flattened(Crash(crash_time=1_795_000_000))
        machine.kdump_tools("202611180000", core)
        validate("watch", await watcher.line("capture-added"))


async def test_a_look_without_the_daemon_is_valid(machine: Machine) -> None:
    write_crashes(machine, 3)
    for verb in ("list", "info", "check"):
        told = await printed(verb, "--json", "--root", str(machine.root))
        validate(verb, told.out)


def test_something_else_is_not_valid() -> None:
    for name in SCHEMAS:
        with pytest.raises(ValidationError):
            validate(name, '{"id": 5}')
