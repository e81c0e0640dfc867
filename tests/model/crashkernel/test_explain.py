# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from kdumpd.model.crashkernel.expect import expect

MIB, GIB = 1 << 20, 1 << 30
FIRMWARE = 512 << 10  # what firmware keeps: a guest of 2 GiB has less than 2 GiB


def lines(value: str, ram: int) -> list[str]:
    """Return the reading, the lines that apply marked."""
    found = expect(f"ro crashkernel={value} quiet\n".encode(), ram)
    return [f"{'> ' if clause.applies else '  '}{clause.text}" for clause in found.reading]


@pytest.mark.parametrize(("ram", "applies"), [(256 * MIB, 0), (GIB, 1), (4 * GIB, 2)])
def test_the_example_of_the_ubuntu_server_guide(ram: int, applies: int) -> None:
    texts = [
        "RAM below 384M: nothing is reserved",
        "RAM from 384M to below 2G: 64M is reserved",
        "RAM of 2G or more: 128M is reserved",
    ]
    marks = ["> " if number == applies else "  " for number in range(3)]
    expected = [mark + text for mark, text in zip(marks, texts, strict=True)]
    assert lines("384M-2G:64M,2G-:128M", ram - FIRMWARE) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("256M", ["> 256M is reserved, whatever the RAM"]),
        ("256M@16M", ["> 256M is reserved at 16M, whatever the RAM"]),
        ("4G", ["> 4G is not smaller than the RAM of 2G: nothing is reserved"]),
        ("0", ["> the size is 0: nothing is reserved"]),
        (  # a gap, and what is above the last range
            "512M-1G:64M,4G-8G:256M",
            [
                "  RAM below 512M: nothing is reserved",
                "  RAM from 512M to below 1G: 64M is reserved",
                "> RAM from 1G to below 4G: nothing is reserved",
                "  RAM from 4G to below 8G: 256M is reserved",
                "  RAM of 8G or more: nothing is reserved",
            ],
        ),
        (
            "1G-:128M@16M",
            [
                "  RAM below 1G: nothing is reserved",
                "> RAM of 1G or more: 128M is reserved at 16M",
            ],
        ),
        (
            "1G-4G:64M,2G-4G:128M",
            [
                "  RAM below 1G: nothing is reserved",
                "> RAM from 1G to below 4G: 64M is reserved",
                "  RAM of 4G or more: nothing is reserved",
                "  2G-4G:128M never applies, because the ranges before it cover all of its RAM",
            ],
        ),
        (
            "1G-:3G",
            [
                "> RAM up to 3G: nothing is reserved",
                "  RAM above 3G: 3G is reserved",
                "  1G-:3G applies only if it and every size before it is below the RAM",
            ],
        ),
        (
            "4G-8G:1T,1G-4G:128M",
            [
                "> any RAM: nothing is reserved",
                "  4G-8G:1T never applies, because a size must be smaller than the RAM",
                (
                    "  1G-4G:128M never applies, because a larger size before it must be smaller"
                    " than the RAM, too"
                ),
            ],
        ),
        (
            "1G-4G:0",
            [
                "> any RAM: nothing is reserved",
                "  1G-4G:0 never applies, because it asks for nothing",
            ],
        ),
        (
            "4G-:64M,auto",
            [
                "> RAM below 4G: nothing is reserved",
                "  RAM of 4G or more: 64M is reserved",
                "  the kernel cannot read the rest: a number is missing before 'auto'",
            ],
        ),
        (
            "1G-:64M@",
            [
                "> any RAM: nothing is reserved",
                (
                    "  the kernel cannot read the place, so nothing is reserved: a number is"
                    " missing"
                    " behind '@'"
                ),
            ],
        ),
        (
            "256M,high",
            [
                "> 256M is reserved, above 4G if there is room",
                "> if so, another 256M is reserved below 4G",
            ],
        ),
        ("256M,high crashkernel=0,low", ["> 256M is reserved, above 4G if there is room"]),
        (
            "256M crashkernel=1G,high crashkernel=72M,low crashkernel=128M,cma",
            [
                "> 256M is reserved, whatever the RAM",
                "> another 128M is set aside, which programs can use until a crash",
                "  crashkernel=1G,high is ignored, because there is a plain crashkernel=",
                "  crashkernel=72M,low is ignored, because there is no valid crashkernel=SIZE,high",
            ],
        ),
        (
            "128M,cma",
            [
                "> no valid crashkernel= here gives the main size: nothing is reserved",
                "  crashkernel=128M,cma is ignored, because it only adds to another crashkernel=",
            ],
        ),
    ],
)
def test_every_line(value: str, expected: list[str]) -> None:
    assert lines(value, 2 * GIB) == expected


def test_hundreds_of_ranges_are_not_explained_one_by_one() -> None:
    found = expect(b"crashkernel=" + b"1-2:3," * 500 + b"1G-:64M", 2 * GIB)
    assert found.main == 64 * MIB
    assert [clause.text for clause in found.reading] == [found.explanation]
