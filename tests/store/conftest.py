"""A small store that many tests read."""

from __future__ import annotations

from pathlib import Path

import pytest
from store.making import layout_of, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three images, one of them without rows, with every column."""
    write(tmp_path / "small.h5", layout_of(["a.jpg", "bü.jpg", "c.jpg"], [2, 0, 3]))
    return tmp_path / "small.h5"
