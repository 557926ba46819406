"""A teacher's sure labels as a dataset: which, with what provenance, and that all that takes data takes it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hoitool.data import read, select_images, statistics, validate, write
from hoitool.data.quality import check
from hoitool.errors import DataError, UsageError
from hoitool.predict.pseudo_labels import as_dataset, cut

TEACHER = {"model": "defr", "checkpoint": "ab" * 32}


@pytest.fixture
def three(small):
    """Three images of the synthetic test subset, with boxes and pairs."""
    return select_images(small.test, np.arange(3))


def logits_of(images, *sure, low=-9.0):
    """Logits that are low but for (image, label, logit) rows."""
    made = np.full((len(images), images.meta.classes), low, np.float32)
    for image, label, value in sure:
        made[image, label] = value
    return made


def test_labels_at_the_threshold_and_above_are_present_and_nothing_else_is_said(three):
    logits = logits_of(three, (0, 4, 2.0), (0, 2, 0.0), (0, 3, -0.01), (2, 5, 40.0))
    made = as_dataset([(three, logits)], 0.5, TEACHER)
    validate(made)
    assert made.key.tolist() == [three.key[0], three.key[2]] and made.width.tolist() == three.width[[0, 2]].tolist()
    assert made.image_label.tolist() == [2, 4, 5] and made.image_value.tolist() == [1, 1, 1]
    assert made.image_label_offsets.tolist() == [0, 2, 3]
    assert not len(made.boxes) and not len(made.subject) and made.meta.label_kind == three.meta.label_kind
    counts = {"images": 2, "left_out": 1, "labels": 3, "classes": 3}
    assert made.meta.extras == {"pseudo_labels": {**TEACHER, "threshold": 0.5, "counts": counts}}


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20), st.floats(0.001, 0.999))
def test_it_is_the_sigmoid_that_is_compared(values, threshold):
    for value in values:
        probability = 1 / (1 + math.exp(-value))
        if abs(probability - threshold) > 1e-12:
            assert (value >= cut(threshold)) == (probability >= threshold)


def test_it_is_read_checked_and_counted_like_any_dataset(three, tmp_path):
    write(as_dataset([(three, logits_of(three, (1, 7, 3.0)))], 0.9, TEACHER), tmp_path / "pseudo.parquet")
    held = read(tmp_path / "pseudo.parquet")
    assert statistics(held)["image_labels_present"] == 1
    assert held.meta.extras["pseudo_labels"]["model"] == "defr"
    assert not check([held]).by_kind("error")


def test_a_student_learns_from_it_beside_the_real_one(three, tmp_path):
    pytest.importorskip("torch")
    from hoitool.train.defr.images import images_of, joined

    for name in three.file_name.tolist():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    pseudo = as_dataset([(three, logits_of(three, (1, 7, 3.0), (1, 2, 5.0)))], 0.9, TEACHER)
    both = joined([three, pseudo], [images_of(three, tmp_path), images_of(pseudo, tmp_path)])
    assert len(both) == 4 and np.flatnonzero(both.target(3) == 1).tolist() == [2, 7]


def test_what_cannot_be_meant_is_one_line(three):
    logits = logits_of(three, (0, 1, 0.5))
    for threshold in (0.0, 1.0, 1.5, float("nan")):
        with pytest.raises(UsageError, match="expected a probability above 0 and below 1"):
            as_dataset([(three, logits)], threshold, TEACHER)
    with pytest.raises(DataError, match=r"no label of 3 images reaches 0.9, the best has 0.622; lower it"):
        as_dataset([(three, logits)], 0.9, TEACHER)
    with pytest.raises(DataError, match=r"logits have shape \[3, 2\], expected \[3, "):
        as_dataset([(three, logits[:, :2])], 0.5, TEACHER)
    logits[1, 0] = np.nan
    with pytest.raises(DataError, match="a logit is NaN"):
        as_dataset([(three, logits)], 0.5, TEACHER)


def test_parts_make_what_the_whole_makes(three):
    """As predictions in shards come: an empty part, and one of which nothing is sure."""
    logits = logits_of(three, (0, 1, 3.0), (2, 5, 4.0), (2, 1, 9.0))
    whole = as_dataset([(three, logits)], 0.9, TEACHER)
    parts = [(select_images(three, rows), logits[rows]) for rows in (np.arange(1), np.arange(0), np.arange(1, 3))]
    made = as_dataset(parts, 0.9, TEACHER)
    assert made.meta == whole.meta
    for name in ("key", "image_label", "image_label_offsets"):
        assert getattr(made, name).tolist() == getattr(whole, name).tolist()
