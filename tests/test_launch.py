"""Which process this is: the place itself is tested with the shards that it decides."""

from __future__ import annotations

import pytest

from hoitool.launch import is_first


@pytest.mark.parametrize(("rank", "first"), [(None, True), ("0", True), ("1", False)])
def test_the_first_process_is_the_one_that_speaks(monkeypatch, rank, first):
    for name, value in (("RANK", rank), ("WORLD_SIZE", "2"), ("LOCAL_RANK", rank), ("LOCAL_WORLD_SIZE", "2")):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert is_first() is first
