"""COCO's result JSON as predictions: recognised, read against a truth, written; classes by COCO's ids or one's own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import DETECTED, box_detector, box_scenes
from strategies import DEMO, HICO

from hoitool.convert import PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.coco_labels import numbers_of
from hoitool.convert.fit import fit
from hoitool.convert.predictions.coco_results import HOLDS, write
from hoitool.data import Meta
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import score
from hoitool.labels import build

ROW = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "known"),
    [
        ([ROW], True),
        ([{"score": 1, **ROW}], True),
        ([], False),
        ([{"image_id": 1, "category_id": 1, "segmentation": {}, "score": 0.5}], False),
        ({"annotations": [ROW]}, False),
    ],
)
def test_it_is_recognised_by_its_first_entry(tmp_path, content, known):
    (tmp_path / "d.json").write_text(json.dumps(content))
    assert (sniff(tmp_path / "d.json") == "coco-results") == known


def test_it_needs_a_truth(tmp_path):
    (tmp_path / "d.json").write_text(json.dumps([ROW]))
    with pytest.raises(MissingData, match=r"d\.json: names images and classes by their ids; give .* --truth"):
        read(tmp_path / "d.json")


def test_it_comes_back_and_scores_the_same(tmp_path):
    truth = box_scenes()
    found = box_detector(truth)
    fitted = fit([found], HOLDS)
    assert fitted.lost.keys() <= {"last bits of the corners of boxes"}
    write(fitted.parts, tmp_path / "d.json")
    back = load(tmp_path / "d.json", truth=truth)
    assert score(truth, back, "open-vocab").rows == score(truth, fitted.parts[0], "open-vocab").rows
    with pytest.raises(UsageError, match="--overwrite"):
        write(fitted.parts, tmp_path / "d.json")


def test_what_json_cannot_say_is_left_out_and_counted():
    found = box_detector(box_scenes(3))
    scores, boxes = found.box_scores.copy(), found.boxes.copy()
    scores[0], boxes[1:3] = np.inf, boxes[1:3][:, [2, 3, 0, 1]]
    classes = np.where(np.arange(len(scores)) == 3, -1, found.categories).astype(np.int32)
    fitted = fit([found.with_columns(box_scores=scores, boxes=boxes, categories=classes)], HOLDS)
    lost = {name: count for name, count in fitted.lost.items() if "bits" not in name}
    assert lost == {
        "boxes without a class, with their pairs": 1,
        "boxes with an infinite score": 1,
        "boxes with swapped corners": 2,
    }
    assert len(fitted.parts[0].boxes) == len(boxes) - 4


def test_predictions_of_pairs_become_boxes_where_these_have_scores(detected):
    with pytest.raises(UsageError, match="its boxes have no scores of their own"):
        fit([detected], HOLDS)
    scored = detected.with_columns(box_scores=np.linspace(0, 1, len(detected.boxes)))
    fitted = fit([scored], HOLDS)
    assert fitted.lost["pairs"] == len(detected.subject)
    assert len(fitted.parts[0].boxes) == len(detected.boxes)


def test_the_numbers_of_classes():
    assert numbers_of(Meta(HICO)) == HICO.coco_ids.tolist()
    own = build("own", "", [("a", -1), ("b", -1)], [], [])
    assert numbers_of(Meta(own)) == [1, 2]
    some = build("some", "", [("person", 1), ("gizmo", -1), ("man", 1)], [], [])
    assert numbers_of(Meta(some)) == [1, 1002, 1003]
    assert numbers_of(Meta(some, extras={"lvis": {"category_ids": [5, 6, 9]}})) == [5, 6, 9]
    assert numbers_of(Meta(DETECTED))[0] == 1
    assert len(set(numbers_of(Meta(DEMO)))) == len(DEMO.objects)


def test_the_writer_is_found_by_name_and_a_foreign_file_is_refused(tmp_path):
    truth = box_scenes(2)
    (tmp_path / "d.json").write_text('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": "x"}]')
    with pytest.raises(DataError, match=r"d\.json\[0\]\.score is 'x', expected a number"):
        PREDICTION_FORMATS["coco-results"].read(tmp_path / "d.json", truth)
    other = truth.with_columns(replace(truth.meta, labels=HICO))
    assert len(PREDICTION_FORMATS["coco-results"].HOLDS.label_kinds) == 1
    assert other.meta.labels.name == "hico"
