"""The demo's detector makes the errors that it says, and its pictures are there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hoitool.data import select_pairs
from hoitool.demo import make_workspace
from hoitool.demo.detector import KINDS, imperfect
from hoitool.errors import UsageError
from hoitool.eval import score


@pytest.fixture(scope="module")
def made(small):
    return imperfect(small.test, seed=3)


def test_it_is_seeded(small, made):
    again = imperfect(small.test, seed=3)
    assert np.array_equal(again[0].boxes, made[0].boxes)
    assert not np.array_equal(imperfect(small.test, seed=4)[0].boxes, made[0].boxes)


@pytest.mark.parametrize("kind", KINDS)
def test_only_correct_rows_and_duplicates_can_be_true_positives(small, made, kind):
    predictions, kinds = made
    mine = kinds == KINDS.index(kind)
    assert mine.any()
    result = score(small.test, select_pairs(predictions, mine))
    found = result.per_class["true_positives_default"].sum() / mine.sum()
    if kind in ("correct", "duplicate"):
        assert found > 0.9
    else:
        assert found < 0.05


def test_a_workspace_has_a_picture_for_every_image(tmp_path):
    make_workspace(tmp_path / "w", seed=1)
    pictures = list((tmp_path / "w/raw/demo/images").rglob("*.jpg"))
    assert len(pictures) > 500
    with Image.open(pictures[0]) as picture:
        assert picture.height == 120
    with pytest.raises(UsageError, match="not empty"):
        make_workspace(tmp_path / "w")
