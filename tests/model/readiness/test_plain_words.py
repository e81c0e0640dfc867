# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a machine is a plain sentence, and its remedy a step that is complete."""

import re
from pathlib import Path

import pytest

from kdumpd.model.readiness.finding import Finding
from kdumpd.model.readiness.reservation import with_reservation
from kdumpd.model.readiness.verdict import check
from tests.docs.test_plain_words import PHRASES, found
from tests.model.readiness.rules.test_every_rule import ALL, NAMES
from tests.support.machine_facts import HEALTHY
from tests.support.sample_machines import VERDICTS

VERB_PATTERN = (
    r"\b(?:is|are|was|were|has|had|can|cannot|may|does|did|reserved|loads|starts|uses|matches|asks"
    r"|goes?|go|gets|panics|needs?|runs?|ignores|supports|exists|contains|puts|hangs|failed|left"
    r"|keeps|knows?)\b"
)
# A command of find(1) ends in \;.
DANGLING_PATTERN = (
    r"(?:\b(?:and|or|but|by|of|to|the|a|an|with|in|on|for|is|that)|[,:(]|(?<!\\);| )$"
)
# What a file's reader says follows the file's name: those are tested where they are made.
SAID = [
    *(pytest.param(one, id=one.code) for one in check(with_reservation(HEALTHY))),
    *(
        pytest.param(one, id=f"{name}-{one.code}")
        for name, fault in zip(NAMES, ALL, strict=True)
        for one in check(with_reservation(fault.facts))
        if not one.unknown and one.severity != "ok"
    ),
]


@pytest.mark.parametrize("finding", SAID)
def test_of_a_finding(finding: Finding) -> None:
    for text in (finding.message, finding.remedy):
        assert not re.search(DANGLING_PATTERN, text), text
        assert text.count("(") == text.count(")"), text
        assert text.count("'/") <= text.count("'") / 2, text
        assert list(found(text, PHRASES)) == []
    assert re.match(r"[a-z0-9]|'/|/|SysRq-c |KDUMP_CMDLINE ", finding.message), finding.message
    assert re.search(VERB_PATTERN, finding.message), finding.message


@pytest.mark.parametrize("golden", sorted(VERDICTS.iterdir()), ids=lambda path: path.stem)
def test_of_a_machine(golden: Path) -> None:
    said = golden.read_text().partition("$ kdumpd --check")[2]
    assert said
    assert list(found(" ".join(said.split()), PHRASES)) == []
