# SPDX-License-Identifier: GPL-2.0-or-later
import string

import pytest

from kdumpd.model.crashlog.lines import TAINT_WORDS, taint_in_words


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("", ""),
        ("G", ""),
        ("G           ", ""),
        ("P", "proprietary module (P)"),
        ("G           OE     ", "out-of-tree module, unsigned module (G OE)"),
        (
            "P    B      OE     ",
            "proprietary module, bad page, out-of-tree module, unsigned module (P BOE)",
        ),
        (
            "G   M  D W     L   ",
            "machine check, died before, warned before, soft lockup before (G MDWL)",
        ),
        ("G Z", "unknown Z (G Z)"),
        ("G  W ------------ ", "warned before (G W)"),
    ],
)
def test_taint(letters: str, words: str) -> None:
    assert taint_in_words(letters) == words


def test_every_letter_of_the_documentation() -> None:
    """Documentation/admin-guide/tainted-kernels.rst: twenty bits, and G for none of the first."""
    assert set(TAINT_WORDS) == set("PFSRMBUDAWCIOELKXTNJ")
    assert all(f"({letter})" in taint_in_words(letter) for letter in TAINT_WORDS)
    assert all(taint_in_words(letter) for letter in string.ascii_uppercase if letter != "G")
