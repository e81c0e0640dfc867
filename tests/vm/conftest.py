# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from tests.vm.image import GuestImage, build_image, default_cache


@pytest.fixture(scope="session")
def image() -> GuestImage:
    return build_image(default_cache())
