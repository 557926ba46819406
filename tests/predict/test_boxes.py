"""Boxes of a detector and boxes of annotators, told apart by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hoitool.data import write
from hoitool.errors import DataError, MissingData
from hoitool.files import sha256
from hoitool.predict.boxes import ORACLE, boxes_for


def test_the_datasets_own_are_oracle_boxes(small):
    made = boxes_for(small.test)
    assert made.data is small.test
    assert (made.name, made.sources, made.dropped) == (ORACLE, {}, {})


def test_a_result_file_of_coco(small, tmp_path):
    rows = [
        {"image_id": name, "category_id": category, "bbox": [1, 2, 30, 40], "score": 0.75}
        for name, category in ((str(small.test.key[1]), 1), (str(small.test.key[1]), 999), ("elsewhere.jpg", 1))
    ]
    path = tmp_path / "detected.json"
    path.write_text(json.dumps(rows))
    made = boxes_for(small.test, path)
    assert (made.name, made.sources) == ("detected.json", {"detected.json": sha256(path)})
    assert made.data.counts("box").tolist()[:2] == [0, 2]
    assert made.data.box_scores.tolist() == [0.75, 0.75]
    assert list(made.dropped.values()) == [1, 1]


def test_predictions_and_annotations_of_a_file(small, detected, tmp_path):
    write(detected, tmp_path / "predictions.parquet")
    write(small.test, tmp_path / "test.parquet")
    made = boxes_for(small.test, tmp_path / "predictions.parquet")
    assert made.name == "predictions.parquet"
    np.testing.assert_array_equal(made.data.boxes, detected.boxes)
    made = boxes_for(small.test, tmp_path / "test.parquet")
    assert made.name == "oracle-box (test.parquet)"
    np.testing.assert_array_equal(made.data.boxes, small.test.boxes)


def test_no_boxes_are_told(small, tmp_path):
    bare = small.test.with_columns(
        **{name: values[:0] for group in ("box", "pair") for name, values in small.test.columns(group).items()},
        box_offsets=np.zeros(len(small.test) + 1, np.int64),
        pair_offsets=np.zeros(len(small.test) + 1, np.int64),
    )
    with pytest.raises(DataError, match="has no boxes to pair; give those of a detector"):
        boxes_for(bare)
    write(bare, tmp_path / "bare.parquet")
    with pytest.raises(DataError, match=r"bare\.parquet: has no boxes in the"):
        boxes_for(small.test, tmp_path / "bare.parquet")
    with pytest.raises(MissingData, match="gone"):
        boxes_for(small.test, tmp_path / "gone.json")
