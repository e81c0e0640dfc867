# SPDX-License-Identifier: GPL-2.0-or-later
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="kdumpd-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
