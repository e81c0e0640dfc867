# SPDX-License-Identifier: GPL-2.0-or-later
import struct

from hypothesis import given
from hypothesis import strategies as st

from kdumpd.model.formats.kernel import KernelImage, parse_kernel_image


def x86_image(version: int = 0x20F, text: bytes = b"6.1.0-56-amd64 (a@b) #1 SMP") -> bytes:
    head = bytearray(0x4000)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, version)
    struct.pack_into("<H", head, 0x20E, 0x3000)
    struct.pack_into("<I", head, 0x260, 66682880)
    head[0x3200 : 0x3200 + len(text)] = text
    return bytes(head)


def test_x86() -> None:
    assert parse_kernel_image(x86_image()) == KernelImage(b"6.1.0-56-amd64", 66682880)


def test_an_old_protocol_does_not_say_what_memory_it_takes() -> None:
    assert parse_kernel_image(x86_image(version=0x209)) == KernelImage(b"6.1.0-56-amd64", None)


def test_arm64() -> None:
    head = bytearray(64)
    struct.pack_into("<Q", head, 16, 40 << 20)
    head[56:60] = b"ARM\x64"
    assert parse_kernel_image(bytes(head)) == KernelImage(memory=40 << 20)


def test_a_file_that_ends_too_early() -> None:
    assert parse_kernel_image(x86_image()[:0x208]) == KernelImage()
    assert parse_kernel_image(b"") == KernelImage()


@given(noise=st.binary(max_size=200), text=st.binary(max_size=100))
def test_any_image(noise: bytes, text: bytes) -> None:
    parse_kernel_image(noise)
    release = parse_kernel_image(x86_image(text=text)).release
    assert len(release) <= 64
    assert b" " not in release
