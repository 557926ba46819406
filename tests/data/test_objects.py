"""Boxes alone: data of detection, whose labels are objects and which have no pairs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from builders import RELATIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, assert_same, datasets, either, predictions

from hoitool.data import Meta, relabel, select_images, statistics, to_interactions, validate
from hoitool.data.distribution import distribution
from hoitool.data.parquet import read, write
from hoitool.data.quality.images import check_empty
from hoitool.data.quality.labels import check_labels, check_subjects
from hoitool.errors import DataError, UsageError
from hoitool.splits import Draw
from hoitool.splits.draw import drawn
from hoitool.train.defr.images import image_labels


def test_labels_are_the_objects_of_a_label_space():
    meta = Meta(DEMO, label_kind="objects")
    assert (meta.classes, meta.image_classes, meta.image_label_kind) == (7, 7, "objects")
    assert tuple(map(meta.label_name, range(7))) == DEMO.objects


@settings(deadline=None, max_examples=40)
@given(either(label_kind="objects"))
def test_they_are_valid_come_back_and_can_be_counted(tmp_path_factory, data):
    validate(data)
    path = tmp_path_factory.mktemp("out") / "a.parquet"
    write(data, path)
    assert_same(read(path), data)
    held = distribution(data)
    json.dumps(held.to_json())
    (tail,) = held.tails
    assert (held.counted, tail.table) == ("boxes", "objects")
    assert tail.counts.sum() == (data.categories >= 0).sum()
    assert held.per_image.sum() == len(data.boxes)
    assert statistics(data)["classes_with_boxes"] == (tail.counts > 0).sum()
    assert not check_labels(data)
    assert not check_subjects(data)
    assert "image-without-pairs" not in {found.kind for found in check_empty(data)}


@settings(deadline=None, max_examples=40)
@given(datasets() | predictions(box_scores=True), st.integers(0, 3))
def test_all_data_can_become_boxes_alone(data, images):
    made, gone = relabel(data, "objects")
    validate(made)
    assert (made.meta.label_kind, gone) == ("objects", 0 if made is data else len(data.subject))
    for name, values in data.columns("box").items():
        assert np.array_equal(made.need(name), values)
    kept = data.meta.label_kind in ("predicates", "objects") and data.image_label is not None
    assert kept == (made.image_label is not None)
    validate(select_images(made, np.arange(min(images, len(made)))))


@settings(deadline=None, max_examples=20)
@given(predictions(label_kind="objects"))
def test_they_become_nothing_else(data):
    for kind in ("interactions", "verbs", "predicates", "agents+roles"):
        with pytest.raises(UsageError, match=re.escape(f"holds boxes alone, expected pairs with {kind}")):
            relabel(data, kind)
    with pytest.raises(DataError, match="boxes alone, which are scored by --protocol open-vocab"):
        to_interactions(data)
    with pytest.raises(UsageError, match="holds objects, which recognition does not learn"):
        image_labels(data)
    with pytest.raises(UsageError, match="no label for each pair"):
        drawn(data, Draw(shots=1))


@settings(deadline=None, max_examples=20)
@given(predictions(labels=RELATIONS, label_kind="predicates", box_scores=False))
def test_predictions_without_scores_of_boxes_are_no_detections(data):
    with pytest.raises(UsageError, match="its boxes have no scores of their own"):
        relabel(data, "objects")


def test_what_is_not_boxes_alone_is_refused(small, detected):
    paired = small.test.with_columns(replace(small.test.meta, label_kind="objects"), image_label=None)
    paired = paired.with_columns(image_value=None, image_label_offsets=None)
    with pytest.raises(DataError, match=r"^\d+ pairs in data of objects, which are boxes alone$"):
        validate(paired)
    alone = relabel(detected.with_columns(box_scores=np.ones(len(detected.boxes))), "objects")[0]
    with pytest.raises(DataError, match="^predictions of objects without scores of boxes"):
        validate(alone.with_columns(box_scores=None))
