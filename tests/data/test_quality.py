"""Each kind of finding on data made by hand, with its exact row; image files made here; what is mended and what not."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from PIL import Image
from strategies import assert_same, datasets, either

from hoitool.boxes import iou
from hoitool.data import Dataset, Meta, concat, strings, to_frame, validate
from hoitool.data.quality import KINDS, PUBLISHED, Rules, check, fix, look_at_files
from hoitool.data.quality.repeats import first_near, first_same
from hoitool.errors import MissingData, UsageError
from hoitool.labels import load_labels

HICO, V_COCO = load_labels("hico"), load_labels("v-coco")
PERSON, BICYCLE, DOG = (HICO.object_index(name) for name in ("person", "bicycle", "dog"))
RIDE = HICO.interaction_index("ride", "bicycle")
MENDED = {kind for kind, held in KINDS.items() if held.mended}
SOUND = (10.0, 10.0, 50.0, 60.0)
OTHER = (20.0, 30.0, 90.0, 70.0)


def scene(boxes, pairs=None, size=(100, 80), frame="inclusive", labels=HICO, kind="interactions", key="a.jpg"):
    """One image: boxes (category, x1, y1, x2, y2) and pairs (subject, object, label); by default boxes 0 and 1 ride."""
    pairs = [(0, 1, RIDE)] if pairs is None else pairs
    rows = np.array([box[1:] for box in boxes], float).reshape(-1, 4)
    columns = np.array(pairs, np.int32).reshape(-1, 3).T
    return Dataset(
        meta=Meta(labels, dataset="mine", subset="test", label_kind=kind, box_frame=frame),
        key=strings([key]),
        width=np.array([size[0]], np.int32),
        height=np.array([size[1]], np.int32),
        boxes=rows,
        categories=np.array([box[0] for box in boxes], np.int32),
        subject=columns[0].copy(),
        object=columns[1].copy(),
        label=columns[2].copy(),
        box_offsets=np.array([0, len(rows)]),
        pair_offsets=np.array([0, columns.shape[1]]),
    )


def clean(**fixed) -> Dataset:
    return scene([(PERSON, *SOUND), (BICYCLE, *OTHER)], **fixed)


def found(*parts, images=None, rules=None) -> list[tuple[str, str, int | None]]:
    """(kind, image, row) of everything that is found."""
    return [(r["kind"], r["image"], r["row"]) for r in check(parts, images, rules).records()]


def text_of(data: Dataset, kind: str, **given) -> str:
    (record,) = [record for record in check([data], **given).records() if record["kind"] == kind]
    return record["text"]


def test_sound_data_have_nothing():
    report = check([clean()])
    assert (list(report.records()), report.summary(), report.by_kind("error")) == ([], [], {})
    assert report.notes == ["image files were not looked at (--images)"]


@pytest.mark.parametrize(
    ("frame", "size", "inside", "outside"),
    [
        ("inclusive", (100, 80), (0, 0, 99, 79), (0, 0, 100, 79)),
        ("inclusive", (100, 80), (0, 0, 99.01, 79.01), (0, 0, 99, 79.02)),
        ("continuous", (100, 80), (0, 0, 100, 80), (0, 0, 100.02, 80)),
        ("continuous", (100, 80), (-0.01, -0.01, 100.01, 80), (-1, 0, 100, 80)),
        ("normalised", (0, 0), (0, 0, 1, 1.000001), (0, -0.001, 1, 1)),
    ],
)
def test_a_box_may_reach_the_edge_of_its_frame_and_no_further(frame, size, inside, outside):
    near = (0.0, 0.0, 0.5, 0.5)
    pairs = [(0, 1, RIDE)]
    assert found(scene([(PERSON, *near), (BICYCLE, *inside)], pairs, size, frame)) == (
        [("size-unknown", "a.jpg", None)] if frame == "normalised" else []
    )
    assert ("box-outside", "a.jpg", 1) in found(scene([(PERSON, *near), (BICYCLE, *outside)], pairs, size, frame))


def test_the_tolerance_can_be_chosen():
    data = scene([(PERSON, *SOUND), (BICYCLE, -2, 0, 60, 60)])
    assert found(data) == [("box-outside", "a.jpg", 1)]
    assert text_of(data, "box-outside") == "box -2 0 60 60 leaves the image (0..99 x 0..79) by 2"
    assert found(data, rules=Rules(tolerance=2)) == []
    assert found(data, rules=Rules(tolerance=1.5)) == [("box-outside", "a.jpg", 1)]


def test_a_box_that_is_not_in_the_image_is_another_finding():
    for box in [(100, 0, 120, 20), (-20, 0, -1, 20), (0, 80, 9, 99), (0, -9, 9, -5)]:
        assert found(scene([(PERSON, *SOUND), (BICYCLE, *box)])) == [("box-off-image", "a.jpg", 1)]
    assert found(scene([(PERSON, *SOUND), (BICYCLE, 100, 0, 120, 20)], frame="continuous")) == [
        ("box-off-image", "a.jpg", 1)
    ]
    assert found(scene([(PERSON, *SOUND), (BICYCLE, 99, 0, 120, 20)])) == [("box-outside", "a.jpg", 1)]


def test_boxes_of_images_of_unknown_size_are_not_compared_and_that_is_said():
    report = check([scene([(PERSON, *SOUND), (BICYCLE, 0, 0, 9999, 9999)], size=(0, 80))])
    assert [record["kind"] for record in report.records()] == ["size-unknown"]
    assert report.notes[0] == "test: the boxes of 1 images of unknown size were not compared with their image"
    (beyond,) = (of for of in check([scene([(PERSON, *SOUND), (BICYCLE, -12, 0, 99, 99)], size=(0, 0))]).records()
                 if of["kind"] == "box-outside")  # fmt: skip
    assert beyond["text"] == "box -12 0 99 99 leaves the image (whose size is not known) by 12"
    without = clean().with_columns(width=None, height=None)
    assert "the boxes of 1 images of unknown size" in check([without]).notes[0]


@pytest.mark.parametrize(
    ("frame", "box", "kinds"),
    [
        ("inclusive", (50, 10, 10, 60), ["box-swapped"]),
        ("inclusive", (10, 60, 50, 10), ["box-swapped"]),
        ("inclusive", (10, 10, 10, 10), []),
        ("inclusive", (10, 10, 9, 60), ["box-degenerate"]),
        ("inclusive", (10, 10, 8, 9), ["box-swapped", "box-degenerate"]),
        ("continuous", (10, 10, 10, 60), ["box-degenerate"]),
        ("continuous", (10, 60.5, 50, 60), ["box-swapped"]),
        ("continuous", (10, 10, 10.5, 60), []),
    ],
)
def test_swapped_corners_and_boxes_without_width_or_height(frame, box, kinds):
    data = scene([(PERSON, *SOUND), (BICYCLE, *box)], frame=frame)
    assert found(data) == [(kind, "a.jpg", 1) for kind in kinds]


def test_what_is_said_of_swapped_and_degenerate_boxes():
    assert text_of(scene([(PERSON, *SOUND), (BICYCLE, 50, 10, 10, 60)]), "box-swapped") == (
        "box 50 10 10 60 has swapped corners"
    )
    assert text_of(scene([(PERSON, *SOUND), (BICYCLE, 10, 5, 9, 60)]), "box-degenerate") == (
        "box 10 5 9 60 is 0 wide and 56 high"
    )


def test_repeated_boxes_are_one_finding_per_image():
    boxes = [(PERSON, *SOUND), (BICYCLE, *OTHER), (PERSON, *SOUND), (DOG, *SOUND), (PERSON, *SOUND), (BICYCLE, *OTHER)]
    data = scene(boxes)
    assert found(data) == [("box-repeated", "a.jpg", 2)]
    assert text_of(data, "box-repeated") == "3 of 6 boxes repeat an earlier one of their class exactly: 2, 4, 5"
    assert check([data]).by_kind("info") == {"box-repeated": 1}
    many = text_of(scene([(PERSON, *SOUND)] * 12, []), "box-repeated")
    assert many.endswith("exactly: 1, 2, 3, 4, 5, 6, 7, 8 and 3 more")


def test_boxes_of_one_class_that_almost_agree():
    boxes = [(PERSON, 0, 0, 99, 49), (BICYCLE, 0, 0, 99, 49), (BICYCLE, 1, 0, 99, 49), (DOG, 1, 0, 99, 49)]
    data = scene(boxes)
    assert found(data) == [("box-near-repeated", "a.jpg", 2)]
    assert text_of(data, "box-near-repeated") == "overlaps box 1 by 0.990, both 'bicycle'"
    assert found(data, rules=Rules(min_iou=0.99)) == [("box-near-repeated", "a.jpg", 2)]
    assert found(data, rules=Rules(min_iou=0.991)) == []


def test_repeated_pairs_by_coordinates_and_label():
    hold = HICO.interaction_index("hold", "bicycle")
    boxes = [(PERSON, *SOUND), (BICYCLE, *OTHER), (PERSON, *SOUND), (BICYCLE, *OTHER)]
    data = scene(boxes, [(0, 1, RIDE), (0, 1, hold), (2, 3, RIDE), (0, 3, hold)])
    assert found(data) == [
        ("pair-repeated", "a.jpg", 2),
        ("pair-repeated", "a.jpg", 3),
        ("box-repeated", "a.jpg", 2),
    ]
    texts = [record["text"] for record in check([data]).records()]
    assert texts[0] == "repeats pair 0: 'ride bicycle' with the same boxes"
    assert texts[1] == "repeats pair 1: 'hold bicycle' with the same boxes"


def test_pairs_that_almost_agree_in_both_boxes():
    boxes = [(PERSON, 0, 0, 99, 49), (BICYCLE, *OTHER), (PERSON, 1, 0, 99, 49), (BICYCLE, 60, 30, 90, 70)]
    data = scene(boxes, [(0, 1, RIDE), (2, 1, RIDE), (2, 3, RIDE)])
    assert found(data) == [("pair-near-repeated", "a.jpg", 1), ("box-near-repeated", "a.jpg", 2)]
    assert text_of(data, "pair-near-repeated") == "nearly pair 0: 'ride bicycle' with boxes that overlap by 0.990"


def test_pairs_without_an_object_are_compared_by_their_subject():
    stand = V_COCO.verb_index("stand")
    person = V_COCO.person
    boxes = [(person, 0, 0, 99, 49), (person, 1, 0, 99, 49), (person, *SOUND)]
    pairs = [(0, -1, stand), (1, -1, stand), (2, -1, stand), (0, -1, stand)]
    data = scene(boxes, pairs, labels=V_COCO, kind="verbs")
    assert found(data) == [
        ("pair-repeated", "a.jpg", 3),
        ("pair-near-repeated", "a.jpg", 1),
        ("box-near-repeated", "a.jpg", 1),
    ]


def test_labels_that_the_label_space_does_not_have_with_the_object():
    data = scene([(PERSON, *SOUND), (DOG, *OTHER)], [(0, 1, RIDE), (0, -1, RIDE)])
    assert found(data) == [("label-forbidden", "a.jpg", 0), ("label-forbidden", "a.jpg", 1)]
    assert [r["text"] for r in check([data]).records()] == [
        "label 'ride bicycle' with the object 'dog'",
        "label 'ride bicycle' with no object",
    ]
    eat = HICO.verb_index("eat")
    verbs = scene(
        [(PERSON, *SOUND), (DOG, *OTHER), (-1, *OTHER)], [(0, 1, eat), (0, 2, eat), (0, -1, eat)], kind="verbs"
    )
    assert found(verbs) == [("label-forbidden", "a.jpg", 0), ("label-forbidden", "a.jpg", 2)]


def test_labels_of_a_space_with_roles():
    """A role takes what it includes and may be empty; a verb without a role takes nothing."""
    ride, stand, point = (V_COCO.verb_index(name) for name in ("ride_instr", "stand", "point_instr"))
    person, horse, cup = (V_COCO.object_index(name) for name in ("person", "horse", "cup"))
    boxes = [(person, *SOUND), (horse, *OTHER), (cup, 5, 5, 9, 9)]
    pairs = [(0, 1, ride), (0, 2, ride), (0, -1, ride), (0, -1, stand), (0, 1, stand), (0, 2, point)]
    data = scene(boxes, pairs, labels=V_COCO, kind="verbs")
    assert found(data) == [("label-forbidden", "a.jpg", 1), ("label-forbidden", "a.jpg", 4)]


def test_subjects_that_are_no_person():
    data = scene([(DOG, *SOUND), (BICYCLE, *OTHER), (-1, 1, 1, 9, 9)], [(0, 1, RIDE), (2, 1, RIDE)])
    assert found(data) == [("subject-not-person", "a.jpg", 0)]
    assert text_of(data, "subject-not-person") == "the subject is 'dog'"


def test_a_label_space_without_a_person_is_said():
    space = replace(HICO, objects=tuple("human" if name == "person" else name for name in HICO.objects))
    report = check([scene([(DOG, *SOUND), (BICYCLE, *OTHER)], labels=space)])
    assert list(report.records()) == []
    assert "test: label space 'hico' has no person, subjects were not checked" in report.notes


def test_empty_images():
    data = concat([clean(), scene([], [], key="b.jpg"), scene([(PERSON, *SOUND)], [], key="c.jpg")])
    assert found(data) == [("image-without-boxes", "b.jpg", None), ("image-without-pairs", "c.jpg", None)]
    assert text_of(data, "image-without-pairs") == "1 boxes and no pairs"


def test_data_with_nothing_but_image_labels_are_not_empty():
    none = {"image_label": np.array([3], np.int32), "image_value": np.array([1], np.int8)}
    data = scene([], []).with_columns(**none, image_label_offsets=np.array([0, 1]))
    assert found(data) == []


def test_one_image_under_two_names():
    keys = ["a/b.jpg", "A/B.JPG", "a\\b.jpg", "a/./b.jpg", "b.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg"]
    data = concat([clean(key=key) for key in keys])
    assert found(data) == [("image-repeated", key, None) for key in (*keys[1:4], keys[6])]
    assert next(check([data]).records())["text"] == "is also named 'a/b.jpg'"
    files = concat([clean(key="1"), clean(key="2"), clean(key="3")])
    assert found(files.with_columns(file_name=strings(["x.jpg", "", "X.jpg"]))) == [("image-repeated", "3", None)]


def test_images_in_two_subsets_unless_one_holds_the_other():
    a, b, c, d = (clean(key=key) for key in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"))

    def subset(name, *parts):
        made = concat(parts)
        return made.with_columns(replace(made.meta, subset=name))

    overlapping = [subset("train", a, b), subset("val", c, b), subset("test", d)]
    assert found(*overlapping) == [("image-in-two-subsets", "b.jpg", None)]
    assert [r["text"] for r in check(overlapping).records()] == ["is in 'train' too"]
    assert found(subset("train", a, b), subset("trainval", a, b, c)) == []


def test_counts_against_the_published_ones():
    data = clean()
    data = data.with_columns(replace(data.meta, dataset="hico-det", subset="test"))
    assert [(r["kind"], r["image"], r["row"], r["text"]) for r in check([data]).records()] == [
        ("counts", "", None, "1 images, published 9,658 (Chao et al., WACV 2018): 9,657 fewer"),
        ("counts", "", None, "1 pairs, published 33,405 (Chao et al., WACV 2018): 33,404 fewer"),
    ]
    assert check([data]).by_kind("warning") == {"counts": 2}
    assert check([data]).by_kind("error") == {}
    v_coco = data.with_columns(replace(data.meta, dataset="v-coco", subset="trainval"))
    assert [r["text"].split(",")[0] for r in check([v_coco]).records()] == ["1 images"]
    official = v_coco.with_columns(annotated=np.array([True, False]), crowd=np.array([False, True]))
    facts = [r["text"].split(",")[0] for r in check([official]).records()]
    assert facts == [
        *("1 images", "1 annotated people", "2 boxes", "1 people", "1 crowds", "1 pairs", "0 pairs without an object")
    ]


def test_counts_of_data_that_hold_two_subsets():
    parts = []
    for name in ("train", "test"):
        part = clean(key=name)
        parts.append(part.with_columns(replace(part.meta, dataset="hico-det", subset=name)))
    report = check([concat(parts)])
    assert [(r["subset"], r["text"][:8]) for r in report.records()] == [
        *(("train", "1 images"), ("train", "1 pairs,"), ("test", "1 images"), ("test", "1 pairs,"))
    ]
    assert [(row["subset"], row["findings"], row["images"]) for row in report.summary()] == [
        *(("train", 2, 0), ("test", 2, 0))
    ]


def test_the_published_subsets_add_up():
    for fact, count in PUBLISHED["v-coco", "trainval"].items():
        parts = [PUBLISHED["v-coco", name].get(fact) for name in ("train", "val")]
        assert None in parts or sum(parts) == count, fact


def test_the_published_counts_of_the_training_labels():
    assert PUBLISHED["hico-det", "train"]["pairs"] >= HICO.train_instances.sum()


def test_predictions_are_scored_as_they_are_so_that_nothing_in_them_is_an_error():
    rows = [(0, (50, 10, 10, 60), OTHER, RIDE, 0.5), (0, SOUND, OTHER, RIDE, 0.5), (0, SOUND, OTHER, RIDE, 0.25)]
    data = predictions_of(rows, images=1)
    report = check([data])
    assert [(r["kind"], r["severity"], r["row"]) for r in report.records()] == [
        ("box-swapped", "warning", 0),
        ("pair-repeated", "warning", 2),
    ]
    assert any("almost repeat" in note for note in report.notes)
    with pytest.raises(UsageError, match="scored as they are"):
        fix([data])


def test_dense_predictions_are_checked_where_it_makes_sense():
    rows = [(0, SOUND, OTHER, RIDE, 0.0), (0, SOUND, OTHER, RIDE, 0.0)]
    data = predictions_of(rows, images=1).with_columns(label=None, score=None, scores=np.zeros((2, 600)))
    report = check([data])
    assert [(r["kind"], r["row"], r["text"]) for r in report.records()] == [
        ("pair-repeated", 1, "repeats pair 0: with the same boxes")
    ]
    assert any("dense scores" in note for note in report.notes)


@pytest.mark.parametrize("rules", [Rules(min_iou=0), Rules(min_iou=1.5), Rules(tolerance=-1), Rules(tolerance=np.nan)])
def test_rules_out_of_range(rules):
    with pytest.raises(UsageError, match="expected"):
        check([clean()], rules=rules)


def test_the_page_lists_every_kind_as_it_is():
    text = (Path(__file__).parent.parent.parent / "docs" / "check.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning|info) \| (\w+) \| (.*?) \| (.*?) \|$", text, flags=re.M)
    assert [(row[0], row[1], row[2], row[4]) for row in rows] == [
        (kind, held.severity, held.about, held.mended or "-") for kind, held in KINDS.items()
    ]


# image files


def picture(size=(100, 80), turn: int | None = None, colour=(200, 40, 40)) -> bytes:
    """A JPEG."""
    stream, exif = io.BytesIO(), Image.Exif()
    if turn is not None:
        exif[0x0112] = turn
    Image.new("RGB", size, colour).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def images_of(*keys: str, **fixed) -> Dataset:
    return concat([clean(key=key, **fixed) for key in keys])


def test_files_that_are_missing_unreadable_or_of_another_size(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "good.jpg").write_bytes(picture())
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "large.jpg").write_bytes(picture((200, 160)))
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    keys = ("good.jpg", "cut.jpg", "gone.jpg", "large.jpg", "text.jpg", "empty.jpg", "folder.jpg", "../good.jpg")
    report = check([images_of(*keys)], tmp_path)
    told = {record["image"]: (record["kind"], record["row"], record["text"]) for record in report.records()}
    assert set(told) == set(keys) - {"good.jpg"}
    assert told["cut.jpg"][:2] == ("image-unreadable", None)
    assert "truncated" in told["cut.jpg"][2]
    assert told["gone.jpg"] == ("image-missing", None, "no such file")
    assert told["large.jpg"] == ("image-size", None, "the file is 200 x 160, stated is 100 x 80")
    assert told["text.jpg"] == ("image-unreadable", None, "is no image")
    assert told["empty.jpg"] == ("image-unreadable", None, "is an empty file")
    assert told["folder.jpg"][0] == "image-unreadable"
    assert told["../good.jpg"] == ("image-missing", None, "its name leads out of the image folder")
    assert len(report) == len(told)


def test_an_image_that_exif_turns(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture((80, 100), turn=6))
    report = check([clean()], tmp_path)
    assert [(r["kind"], r["text"]) for r in report.records()] == [
        ("image-size", "the file is 80 x 100, stated is 100 x 80: that of the image as EXIF turns it"),
        ("image-rotated", "EXIF orientation 6 turns 80 x 100 by 90 degrees"),
    ]
    (tmp_path / "a.jpg").write_bytes(picture((100, 80), turn=3))
    assert found(clean(), images=tmp_path) == []


def test_files_that_hold_the_same_bytes_in_one_subset_and_in_two(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(picture())
    (tmp_path / "d.jpg").write_bytes(picture(colour=(0, 0, 0)))
    train, test = images_of("a.jpg", "b.jpg"), images_of("c.jpg", "d.jpg")
    train = train.with_columns(replace(train.meta, subset="train"))
    report = check([train, test], tmp_path)
    assert [(r["kind"], r["subset"], r["image"], r["text"]) for r in report.records()] == [
        ("image-same-file", "train", "b.jpg", "same bytes as 'a.jpg' in 'train'"),
        ("image-same-file", "test", "c.jpg", "same bytes as 'a.jpg' in 'train'"),
    ]


def test_files_in_folders_below_are_found_by_name(tmp_path):
    for name in ("train/a.jpg", "train/b.jpg", "test/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture())
    report = check([images_of("a.jpg", "b.jpg", "test/b.jpg")], tmp_path)
    assert ("image-missing", "b.jpg") in [(r["kind"], r["image"]) for r in report.records()]
    assert report.by_kind("error") == {"image-missing": 1}
    assert "1 images were found by their names in folders below the image folder" in report.notes


def test_file_names_are_looked_for_before_keys(tmp_path):
    (tmp_path / "x.jpg").write_bytes(picture())
    data = clean(key="17").with_columns(file_name=strings(["x.jpg"]))
    assert found(data, images=tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="images expected"):
        check([clean()], tmp_path / "nowhere")


# mending


def flawed() -> Dataset:
    """One image with a box of every kind, and a pair of every kind."""
    boxes = [
        (PERSON, 50, 10, 10, 60),  # swapped
        (BICYCLE, -5, 30, 90, 99),  # outside
        (PERSON, 10, 10, 50, 60),  # the first one, in order
        (BICYCLE, 0, 30, 90, 79),  # the second one, clipped
        (PERSON, 300, 10, 350, 60),  # off the image
        (PERSON, 10, 10, 9, 60),  # no width
        (DOG, 5, 5, 20, 20),
    ]
    return scene(boxes, [(0, 1, RIDE), (2, 3, RIDE), (4, 3, RIDE), (5, 3, RIDE), (2, 6, RIDE)])


def test_what_is_mended_and_what_is_left():
    data = flawed()
    (made,), changes = fix([data])
    assert changes == {"box-outside": 1, "box-swapped": 1, "pair-repeated": 1}
    validate(made)
    expected = data.boxes.copy()
    expected[0], expected[1] = expected[2], expected[3]
    np.testing.assert_array_equal(made.boxes, expected)
    assert made.subject.tolist() == [0, 4, 5, 2]
    assert made.meta.extras["fixed"] == {
        "boxes with their corners put in order": 1,
        "boxes clipped to the image": 1,
        "repeated pairs removed": 1,
    }
    assert [kind for kind, _, _ in found(made)] == [
        *("box-off-image", "box-degenerate", "label-forbidden"),
        "box-repeated",
    ]
    same = made.with_columns(
        data.meta, boxes=data.boxes, **{name: getattr(data, name) for name in ("subject", "object", "label")}
    ).with_columns(pair_offsets=data.pair_offsets)
    assert_same(same, data)


def test_sizes_come_from_the_files_where_they_are_unknown(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "turned.jpg").write_bytes(picture((70, 100), turn=8))
    boxes = [(PERSON, *SOUND), (BICYCLE, 0, 0, 120, 20)]
    parts = [scene(boxes, size=(0, 0), key=key) for key in ("a.jpg", "turned.jpg", "gone.jpg")]
    data = concat(parts)
    files = look_at_files([data], tmp_path)
    assert text_of(parts[0], "size-unknown", images=tmp_path) == "its file is 100 x 80"
    (made,), changes = fix([data], files)
    assert changes == {"size-unknown": 1, "box-outside": 1}
    assert (made.width.tolist(), made.height.tolist()) == ([100, 0, 0], [80, 0, 0])
    assert made.boxes[1].tolist() == [0, 0, 99, 20]
    assert [kind for kind, _, _ in found(made, images=files)] == [
        *("image-missing", "image-rotated", "size-unknown", "size-unknown")
    ]
    unsized = data.with_columns(width=None, height=None)
    (made,), _ = fix([unsized], files)
    assert made.width.tolist() == [100, 0, 0]
    (untouched,), changes = fix([unsized])
    assert (untouched.width, changes) == (None, {})


def test_what_was_mended_before_is_added_up():
    (once,), _ = fix([flawed()])
    worse = once.with_columns(boxes=once.boxes + np.array([0, 0, 100, 0]) * (np.arange(7) == 3)[:, None])
    (twice,), changes = fix([worse])
    assert changes == {"box-outside": 1}
    assert twice.meta.extras["fixed"]["boxes clipped to the image"] == 2


# properties


@settings(deadline=None, max_examples=80)
@given(either())
def test_any_data_can_be_checked_and_every_finding_names_a_row_of_its_image(data):
    report = check([data])
    rows = {key: i for i, key in enumerate(data.key.tolist())}
    for record in report.records():
        assert json.loads(json.dumps(record)) == record
        assert "\n" not in record["text"]
        about = KINDS[record["kind"]].about
        if about == "subset":
            continue
        assert (record["row"] is None) == (about == "image")
        if record["row"] is not None:
            assert 0 <= record["row"] < data.counts(about)[rows[record["image"]]]
    assert sum(row["findings"] for row in report.summary()) == len(report) == len(list(report.records()))


@settings(deadline=None, max_examples=80)
@given(datasets())
def test_mending_is_idempotent_and_leaves_nothing_that_can_be_mended(data):
    (made,), changes = fix([data])
    validate(made)
    kinds = check([made]).by_kind("error", "warning", "info")
    assert not (MENDED - {"size-unknown"}) & set(kinds)
    before = check([data]).by_kind("error")
    assert {kind: before.get(kind, 0) for kind in ("box-outside", "box-swapped")} == {
        kind: changes.get(kind, 0) for kind in ("box-outside", "box-swapped")
    }
    (again,), changes = fix([made])
    assert changes == {}
    assert_same(again, made)


@settings(deadline=None, max_examples=80)
@given(datasets(sizes=True))
def test_mending_changes_nothing_else(data):
    """What is no box that is mended and no repeated pair comes back as it is; sound data come back as they are."""
    (made,), changes = fix([data])
    if not changes:
        assert made is data
        return
    mended = {(r["image"], r["row"]) for r in check([data]).records() if r["kind"] in ("box-outside", "box-swapped")}
    places = zip(data.key[data.image_of("box")].tolist(), _inside(data, "box"), strict=True)
    kept = np.array([place not in mended for place in places], bool)
    np.testing.assert_array_equal(made.boxes[kept], data.boxes[kept])
    for name in set(data.columns()) - {"boxes"} - set(data.columns("pair")):
        np.testing.assert_array_equal(getattr(made, name), getattr(data, name))
    assert made.boxes.dtype == data.boxes.dtype
    assert len(data.subject) - len(made.subject) == changes.get("pair-repeated", 0)
    assert {k: v for k, v in made.meta.extras.items() if k != "fixed"} == data.meta.extras


def _inside(data: Dataset, group: str) -> list[int]:
    offsets = data.offsets(group)
    return (np.arange(offsets[-1]) - offsets[:-1][data.image_of(group)]).tolist()


@settings(deadline=None, max_examples=40)
@given(datasets(box_frame="inclusive"))
def test_the_frames_agree_on_what_is_wrong(data):
    """Whole pixels are as wrong in the continuous frame; where boxes with swapped corners end is the frame's matter."""
    whole = data.with_columns(boxes=np.round(data.boxes.astype(np.float64)))
    mine, theirs = (
        [row for row in found(one) if row[0].startswith("box-")] for one in (whole, to_frame(whole, "continuous"))
    )
    shapeless = {row[1:] for row in mine if row[0] in ("box-swapped", "box-degenerate")}
    for rows in (mine, theirs):
        assert {row[1:] for row in rows if row[0] in ("box-swapped", "box-degenerate")} == shapeless
    sound = [[row for row in rows if row[1:] not in shapeless] for rows in (mine, theirs)]
    assert sound[0] == sound[1]


def test_equal_rows_and_overlapping_boxes_are_those_of_a_literal_search():
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = rng.integers(0, 3, (30, 2))
        first = first_same(rows[:, 0], rows)
        assert first.tolist() == [int(np.flatnonzero((rows == row).all(axis=1))[0]) for row in rows]
        low = rng.integers(0, 12, (40, 2))
        boxes = np.concatenate([low, low + rng.integers(5, 30, (40, 2))], axis=1).astype(float)
        group, min_iou = rng.integers(0, 3, 40), float(rng.choice([0.3, 0.6, 0.9, 1.0]))
        expected = list(range(40))
        for i in range(40):
            for j in range(i):
                if group[i] == group[j] and iou(boxes[i], boxes[j], "inclusive") >= min_iou:
                    expected[i] = min(expected[i], j)
        assert first_near(group, [boxes], "inclusive", min_iou).tolist() == expected


def test_no_rows_have_no_equals():
    assert first_same(np.empty(0), np.empty((0, 4))).tolist() == []
    assert first_near(np.empty(0, int), [np.empty((0, 4))], "continuous", 0.9).tolist() == []
    empty = truth_of([], images=0)
    assert list(check([empty]).records()) == []
    assert fix([empty])[1] == {}
