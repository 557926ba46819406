"""Detections: COCO's result JSON and hoitool's own files as boxes of given images, and each fault in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import HICO

from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.convert.detections import read_detections
from hoitool.convert.predictions.coco_results import ELSEWHERE, UNKNOWN
from hoitool.data import strings, validate, write
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError

BICYCLE, PERSON = HICO.object_index("bicycle"), HICO.object_index("person")


@pytest.fixture
def images():
    """image-0.jpg, image-1.jpg, image-2.jpg: COCO ids 0, 1, 2."""
    return truth_of([], images=3)


def result(image, category=1, box=(10.25, 20.5, 30.0, 5.125), score=0.5, **other):
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score, **other}


def save(path, rows):
    path.write_text(json.dumps(rows))
    return path


def test_boxes_are_grouped_by_image_in_the_order_of_the_file(tmp_path, images):
    rows = [result(2, score=0.1), result(0, 2, score=0.2), result(2, 2, score=0.9), result(0, score=1)]
    made, dropped = read_detections(save(tmp_path / "d.json", rows), images)
    validate(made)
    assert dropped == {}
    assert made.key.tolist() == images.key.tolist()
    assert made.box_offsets.tolist() == [0, 2, 2, 4]
    assert made.box_scores.tolist() == [0.2, 1, 0.1, 0.9]
    assert made.categories.tolist() == [BICYCLE, PERSON, PERSON, BICYCLE]
    assert (made.boxes.dtype, made.boxes[0].tolist()) == (np.float64, [10.25, 20.5, 40.25, 25.625])
    assert (made.meta.box_frame, made.meta.subset, len(made.subject)) == ("continuous", "test", 0)
    assert list(made.meta.sources) == ["d.json"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.tuples(*[st.floats(0, 1e4)] * 4),
            st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6),
        )
    )
)
def test_every_number_is_kept(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("d") / "d.json"
    images = truth_of([], images=3)
    made, _ = read_detections(save(path, [result(i, box=box, score=s) for i, box, s in drawn]), images)
    expected = [row for image in range(3) for row in drawn if row[0] == image]
    assert made.box_scores.tolist() == [s for _, _, s in expected]
    assert made.boxes.tolist() == [[x, y, x + w, y + h] for _, (x, y, w, h), _ in expected]
    assert made.image_of("box").tolist() == [i for i, _, _ in expected]


def test_images_by_the_ids_that_their_dataset_says(tmp_path, images):
    named = images.with_columns(
        replace(images.meta, extras={"coco": {"image_ids": {"a.jpg": 70, "b.jpg": 71}}}),
        key=strings(["a.jpg", "b.jpg", "c_9.jpg"]),
    )
    made, _ = read_detections(save(tmp_path / "d.json", [result(71), result(9.0), result(70)]), named)
    assert made.box_offsets.tolist() == [0, 1, 2, 3]
    assert image_ids(made).tolist() == [70, 71, 9]


def test_images_by_file_name_or_key(tmp_path, images):
    named = images.with_columns(key=strings(["x", "y", "z"]), file_name=strings(["0/x.jpg", "0/y.jpg", "1/z.jpg"]))
    rows = [result("1/z.jpg"), result("x"), result("none.jpg")]
    made, dropped = read_detections(save(tmp_path / "d.json", rows), named)
    assert made.box_offsets.tolist() == [0, 1, 1, 2]
    assert dropped == {ELSEWHERE: 1}
    assert made.file_name.tolist() == named.file_name.tolist()


def test_what_belongs_to_no_image_or_class_is_counted(tmp_path, images):
    rows = [result(0), result(99), result(98), result(1, 12), result(1, 500), result(99, 500)]
    made, dropped = read_detections(save(tmp_path / "d.json", rows), images)
    assert dropped == {ELSEWHERE: 3, UNKNOWN: 2}
    assert made.categories.tolist() == [PERSON, -1, -1]


def test_a_detector_that_found_nothing(tmp_path, images):
    made, dropped = read_detections(save(tmp_path / "d.json", []), images)
    assert (len(made), len(made.boxes), dropped) == (3, 0, {})


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"bbox": [1, 2, 3]}, r"\[1\]\.bbox is a list \[1, 2, 3\], expected 4 numbers"),
        ({"bbox": [1, 2, -3, 4]}, r"\[1\]\.bbox is .*, expected x, y, width, height \(not negative\)"),
        ({"bbox": [1, 2, float("nan"), 4]}, r"\[1\]\.bbox is .*, expected finite numbers"),
        ({"bbox": [1, "2", 3, 4]}, r"\[1\]\.bbox is .*, expected numbers"),
        ({"score": None}, r"\[1\]\.score is None, expected a number"),
        ({"score": float("inf")}, r"\[1\]\.score is inf, expected finite numbers"),
        ({"category_id": "dog"}, r"\[1\]\.category_id is 'dog', expected an integer"),
        ({"category_id": 1.5}, r"\[1\]\.category_id is 1\.5, expected an integer"),
        ({"image_id": None}, r"\[1\]\.image_id is None, expected an integer"),
        ({"image_id": "x.jpg"}, r"\[0\]\.image_id is 0, expected text as in row 1"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, images, fault, told):
    path = save(tmp_path / "d.json", [result(0), result(0) | fault])
    with pytest.raises(DataError, match=r"d\.json" + told) as caught:
        read_detections(path, images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["image_id", "category_id", "bbox", "score"])
def test_a_missing_field_is_named(tmp_path, images, name):
    row = result(0)
    del row[name]
    with pytest.raises(DataError, match=rf"d\.json\[1\]: no field '{name}'; it has "):
        read_detections(save(tmp_path / "d.json", [result(0), row]), images)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1]", r"d\.json\[0\] is 1, expected an object"),
        ('{"a": 1}', r"d\.json: holds a dict, expected a list"),
        ('[{"image_id": 1', r"d\.json: not readable as detections"),
        ("", r"d\.json: the file is empty"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, images, content, told):
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(DataError, match=told):
        read_detections(tmp_path / "d.json", images)


def test_detections_of_other_images_alone_are_refused(tmp_path, images):
    told = r"d\.json\[0\]\.image_id is 98, and no other is of one of the 3 images, such as 'image-0.jpg' \(id 0\)"
    with pytest.raises(DataError, match=told):
        read_detections(save(tmp_path / "d.json", [result(98), result(99)]), images)
    with pytest.raises(MissingData, match="detections expected"):
        read_detections(tmp_path / "absent.json", images)


def test_predictions_of_any_format_are_aligned(tmp_path, images):
    found = predictions_of([(2, (0, 0, 5, 5), (1, 1, 9, 9), 3, 0.5), (0, (2, 2, 5, 5), (1, 1, 9, 9), 4, 0.7)])
    write(found, tmp_path / "p.parquet")
    PREDICTION_FORMATS["pairs"].write([found], tmp_path / "p.npz")
    for name in ("p.parquet", "p.npz"):
        made, dropped = read_detections(tmp_path / name, images)
        assert (made.key.tolist(), dropped) == (images.key.tolist(), {})
        assert made.box_offsets.tolist() == [0, 2, 2, 4]
        assert made.label.tolist() == [4, 3]
    other = images.with_columns(key=strings(["a", "b", "c"]))
    with pytest.raises(DataError, match=r"p\.parquet: predictions name image 'image-0.jpg'"):
        read_detections(tmp_path / "p.parquet", other)


def test_the_boxes_of_annotations_are_taken_without_their_pairs(tmp_path, small):
    write(small.test, tmp_path / "t.parquet")
    made, _ = read_detections(tmp_path / "t.parquet", small.test)
    validate(made)
    assert made.boxes.tolist() == small.test.boxes.tolist()
    assert (made.kind, len(made.subject), made.box_scores) == ("predictions", 0, None)
    FORMATS["hico-det"].write([small.train, small.test], tmp_path / "both")
    whole, _ = read_detections(tmp_path / "both", small.test)
    assert len(whole) == len(small.test)
    with pytest.raises(UsageError, match="No subset in .* named 'val'"):
        read_detections(tmp_path / "both", small.test.with_columns(replace(small.test.meta, subset="val")))


def test_coco_results_of_a_detector(shared):
    path = shared("oracles/open-vocabulary/coco100_detections.json")
    rows = json.loads(path.read_text())
    ids = sorted({row["image_id"] for row in rows})
    images = truth_of([], images=len(ids)).with_columns(key=strings([f"{number:012d}.jpg" for number in ids]))
    made, dropped = read_detections(path, images)
    assert (len(made.boxes), set(dropped) - {UNKNOWN}) == (len(rows), set())
    at = made.box_offsets
    for i, number in enumerate(ids):
        assert made.box_scores[at[i] : at[i + 1]].tolist() == [r["score"] for r in rows if r["image_id"] == number]
