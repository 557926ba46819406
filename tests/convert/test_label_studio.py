"""Label Studio's exports: golden tasks, directions, rotation, names, exact corners, what is dropped and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meaning import meaning

from hoitool.convert import FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.label_studio import corners, percents
from hoitool.convert.label_studio_tasks import short_name
from hoitool.errors import DataError, UsageError

LABEL_STUDIO = FORMATS["label-studio"]


def rectangle(name: str, box: list[float], label: str | None = "person", **more: Any) -> dict[str, Any]:
    """A rectangle in an image of 640 x 480; box: x y width height in per cent."""
    value = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"rotation": 0}
    value |= {"rectanglelabels": [label]} if label else {}
    made = {"id": name, "type": "rectanglelabels", "original_width": 640, "original_height": 480, "value": value}
    made["value"] |= more.pop("value", {})
    return made | more


def relation(subject: str, obj: str, *labels: str, **more: Any) -> dict[str, Any]:
    return {"type": "relation", "from_id": subject, "to_id": obj, "direction": "right", "labels": list(labels)} | more


RIDER = [rectangle("p", [18.75, 10, 25, 50]), rectangle("b", [15, 30, 30, 45], "bicycle"), relation("p", "b", "ride")]


def task(result: list[dict[str, Any]], image: str = "street.jpg", **more: Any) -> dict[str, Any]:
    return {"data": {"image": image}, "annotations": [{"was_cancelled": False, "result": result}]} | more


def export(folder: Path, *tasks: dict[str, Any], name: str = "export.json") -> Path:
    (folder / name).write_text(json.dumps(list(tasks)), encoding="utf-8")
    return folder / name


def triplets(data: Any) -> list[tuple[int, str, int]]:
    names = [data.meta.labels.interaction_name(i) for i in data.label]
    return list(zip(data.subject.tolist(), names, data.object.tolist(), strict=True))


def test_rectangles_become_boxes_and_relations_pairs(tmp_path):
    path = export(tmp_path, task(RIDER), task([], "empty.jpg"))
    assert sniff(path) == "label-studio"
    made = load(path)
    assert made.key.tolist() == ["street.jpg", "empty.jpg"]
    assert made.boxes.tolist() == [[120, 48, 280, 288], [96, 144, 288, 360]]
    assert made.meta.box_frame == "continuous"
    assert (made.width.tolist(), made.height.tolist()) == ([640, 0], [480, 0])
    assert made.meta.labels.objects == ("bicycle", "person")
    assert triplets(made) == [(0, "ride bicycle", 1)]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("right", [(0, "ride bicycle", 1)]),
        ("left", [(1, "ride person", 0)]),
        ("bi", [(0, "ride bicycle", 1), (1, "ride person", 0)]),
    ],
)
def test_the_direction_says_who_acts(tmp_path, direction, expected):
    made = load(export(tmp_path, task([*RIDER[:2], relation("p", "b", "ride", direction=direction)])))
    assert triplets(made) == expected


def test_a_relation_with_several_labels_is_several_pairs(tmp_path):
    made = load(export(tmp_path, task([*RIDER[:2], relation("p", "b", "ride", "hold")])))
    assert triplets(made) == [(0, "ride bicycle", 1), (0, "hold bicycle", 1)]
    (written, _) = LABEL_STUDIO.write([made], tmp_path / "w.json")
    (only,) = json.loads(written.read_text())
    relations = [row for row in only["annotations"][0]["result"] if row["type"] == "relation"]
    assert relations == [relation("box-1", "box-2", "ride", "hold")]  # Label Studio keeps one between two rectangles


def test_what_is_dropped_is_counted_with_its_reason(tmp_path):
    polygon = {"id": "x", "type": "polygonlabels", "value": {}}
    result = [*RIDER, polygon, relation("p", "x", "ride"), relation("b", "p"), rectangle("d", [1, 1, 2, 2])]
    result[-1]["value"]["rectanglelabels"] = ["dog", "cat"]
    annotations = [
        {"was_cancelled": True, "result": []},
        {"was_cancelled": False, "result": result},
        {"result": RIDER},
    ]
    held = read(export(tmp_path, {"data": {"image": "a"}, "annotations": annotations, "predictions": [{"result": []}]}))
    assert held.dropped == {
        "predictions of models": 1,
        "results that are neither rectangles nor relations": 1,
        "annotations that were cancelled": 1,
        "annotations of a task after its first": 1,
        "classes of a rectangle after its first": 1,
        "relations with something that is no rectangle": 1,
        "relations without a verb": 1,
    }
    assert triplets(held.parts[0]) == [(0, "ride bicycle", 1)]
    assert len(held.parts[0].boxes) == 3


def test_a_task_whose_annotations_were_all_cancelled_is_an_image_without_pairs(tmp_path):
    made = load(export(tmp_path, {"data": {"image": "a"}, "annotations": [{"was_cancelled": True, "result": RIDER}]}))
    assert (len(made), len(made.boxes)) == (1, 0)


def test_a_rotated_rectangle_becomes_the_box_around_it(tmp_path):
    turned = rectangle("b", [50, 50, 20, 10], "bicycle", value={"rotation": 90})  # at 320 240, 128 x 48
    held = read(export(tmp_path, task([RIDER[0], turned])))
    np.testing.assert_array_equal(held.parts[0].boxes[1], [272, 240, 320, 368])
    assert held.notes == ["1 rotated rectangles became the upright boxes around them"]
    half = rectangle("b", [50, 50, 10, 10], "bicycle", value={"rotation": 45})
    made = load(export(tmp_path, task([half])))
    np.testing.assert_allclose(
        made.boxes[0], [320 - 48 * 0.5**0.5, 240, 320 + 64 * 0.5**0.5, 240 + 112 * 0.5**0.5], atol=1e-9
    )


def test_the_class_may_stand_in_a_result_of_its_own_or_be_unknown(tmp_path):
    bare = [rectangle("p", [1, 1, 2, 2], None, type="rectangle"), rectangle("q", [1, 1, 2, 2], None)]
    labels = {"id": "p", "type": "labels", "value": {"labels": ["person"]}}
    held = read(export(tmp_path, task([*bare, labels, relation("p", "q", "see")])))
    assert held.parts[0].categories.tolist() == [0, -1]
    assert held.parts[0].meta.label_kind == "verbs"
    assert held.dropped == {}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("street.jpg", "street.jpg"),
        ("/data/upload/3/1a2b3c4d-street.jpg", "street.jpg"),
        ("/data/upload/1a2b3c4d-a-b.jpg", "a-b.jpg"),
        ("/data/upload/3/holiday-street.jpg", "holiday-street.jpg"),
        ("s3://bucket/x/1a2b3c4d-street.jpg", "1a2b3c4d-street.jpg"),
        ("/data/local-files/?d=x/y%20z.jpg", "y z.jpg"),
        ("https://example.org/x/y.jpg?size=2#top", "y.jpg"),
        ("what?.jpg", "what?.jpg"),
        ("http://[bad", "[bad"),
        ("/", "/"),
    ],
)
def test_the_name_of_an_image_is_the_last_part_without_the_upload_digits(source, name):
    assert short_name(source) == name


def test_images_of_one_name_keep_their_paths(tmp_path):
    held = read(export(tmp_path, task(RIDER, "a/x.jpg"), task([], "b/x.jpg"), task([], "b/y.jpg")))
    assert held.parts[0].key.tolist() == ["a/x.jpg", "b/x.jpg", "y.jpg"]
    assert held.notes == ["images with the same file name are named by their whole path"]
    with pytest.raises(DataError, match=r"\[1\].data.image is 'a/x.jpg', which .*\[0\].data has too"):
        read(export(tmp_path, task(RIDER, "a/x.jpg"), task([], "a/x.jpg")))


def test_the_image_may_have_another_field(tmp_path):
    made = load(export(tmp_path, {"data": {"photo": "x.png", "note": "hi"}, "annotations": [{"result": RIDER}]}))
    assert made.key.tolist() == ["x.png"]
    with pytest.raises(DataError, match=r"\[0\].data: no field 'image'.*; a and b could be it"):
        read(export(tmp_path, {"data": {"a": "x.png", "b": "y.png"}, "annotations": [{"result": RIDER}]}))


def test_what_was_read_is_written_for_the_same_project(tmp_path):
    first = task(
        [rectangle("p", [50.8, 5.25, 12.4, 10.5], from_name="kind", to_name="pic")], "/data/upload/1/1a2b3c4d-a.jpg"
    )
    first["data"] = {"img": first["data"]["image"], "subset": "train"}
    made = load(export(tmp_path, first))
    (written, _) = LABEL_STUDIO.write([made], tmp_path / "w.json")
    (only,) = json.loads(written.read_text())
    assert only["data"]["img"] == "/data/upload/1/1a2b3c4d-a.jpg"
    assert only["data"]["subset"] == "train"
    (result,) = only["annotations"][0]["result"]
    assert (result["from_name"], result["to_name"]) == ("kind", "pic")
    assert [result["value"][name] for name in ("x", "y", "width", "height")] == [50.8, 5.25, 12.4, 10.5]
    assert meaning(load(written)) == meaning(made)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(1, 9000), st.integers(1, 9000))
def test_corners_of_nine_decimals_come_back_exactly(seed, decimals, width, height):
    boxes = np.round(np.random.default_rng(seed).uniform(-50, 9050, (50, 4)), decimals)
    size = np.tile([float(width), float(height)], (50, 1))
    np.testing.assert_array_equal(corners(percents(boxes, size), size), boxes)


def test_other_corners_are_rounded_and_counted(tmp_path):
    made = load(export(tmp_path, task(RIDER)))
    moved = made.with_columns(boxes=made.boxes + np.array([[1 / 3, 0, 0, 0], [0, 0, 0, 0]]))
    held = fit([moved], LABEL_STUDIO.HOLDS)
    assert held.lost == {"boxes whose corners have more than 9 decimals, rounded": 1}
    assert held.parts[0].boxes[0, 0] == 120.333333333


def test_images_without_a_size_lose_their_boxes_and_it_is_said(small, tmp_path):
    bare = small.test.with_columns(
        width=None, height=None, image_label=None, image_value=None, image_label_offsets=None
    )
    held = fit([bare], LABEL_STUDIO.HOLDS)
    assert held.lost == {"boxes of images of unknown size, with their pairs": len(bare.boxes)}
    assert len(held.parts[0]) == len(bare)


def test_subsets_stand_in_one_file(small, tmp_path):
    parts = fit([small.train, small.test], LABEL_STUDIO.HOLDS).parts
    (written, labels) = LABEL_STUDIO.write(parts, tmp_path / "out")
    assert (written.name, labels.name) == ("label-studio.json", "labels.json")
    assert sniff(tmp_path / "out") == "label-studio"
    back = {part.meta.subset: part for part in read(tmp_path / "out").parts}
    for part in parts:
        assert meaning(back[part.meta.subset]) == meaning(part)
    with pytest.raises(UsageError, match="--overwrite"):
        LABEL_STUDIO.write(parts, tmp_path / "out")


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ([*RIDER, relation("p", "z", "ride")], "[0].annotations[0].result[3].to_id is 'z', which no result"),
        ([*RIDER, relation("p", "", "ride")], "[0].annotations[0].result[3].to_id is '', which no result"),
        ([*RIDER, relation("p", "b", "x", direction="up")], "result[3].direction is 'up', expected right, left, bi"),
        ([*RIDER, relation("p", "b", "x") | {"labels": "x"}], "result[3].labels is 'x', expected a list of names"),
        ([*RIDER, relation("p", "b", "-")], "result[3].labels is '-', expected the name of a verb"),
        ([*RIDER, rectangle("p", [1, 1, 2, 2])], "result[3].id is 'p', which"),
        ([rectangle("p", [1, 1, 2, 2], original_width=0)], "result[0].original_width is 0, expected 1.."),
        ([rectangle("p", [1, 1, float("nan"), 2])], "result[0].value.width is nan, expected finite numbers"),
        ([*RIDER, rectangle("q", [1, 1, 2, 2], original_width=641)], "images of [640, 480] and [641, 480] pixels"),
        ([{"id": "p", "type": "rectanglelabels"}], "result[0]: no field 'value'"),
        ([7], "[0].annotations[0].result[0] is 7, expected an object"),
    ],
)  # fmt: skip
def test_a_bad_result_is_named_with_task_and_field(tmp_path, result, told):
    path = export(tmp_path, task(result))
    with pytest.raises(DataError) as error:
        read(path, "label-studio")
    assert str(error.value).startswith(str(path))
    assert told in str(error.value)


def test_places_count_in_the_whole_file(tmp_path):
    bad = {"data": {"image": "b"}, "annotations": [{"was_cancelled": True, "result": []}, {"result": [{"type": 3}]}]}
    with pytest.raises(DataError, match=r"\[1\]\.annotations\[1\]\.result\[0\]\.type is 3, expected text"):
        read(export(tmp_path, task(RIDER), bad), "label-studio")


def test_the_whole_way_on_the_command_line(hoitool, tmp_path):
    path = export(tmp_path, task(RIDER))
    done = hoitool("convert", path, "-o", tmp_path / "data")
    assert done.code == 0, done.err
    back = hoitool("convert", tmp_path / "data", "--to", "label-studio", "-o", tmp_path / "back.json")
    assert back.code == 0, back.err
    assert meaning(load(tmp_path / "back.json")) == meaning(load(path))
