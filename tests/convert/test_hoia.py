"""HOIA JSON: what QPIC's converter writes of V-COCO, HICO's numbering and frame, other label spaces, broken files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import truth_of, v_coco_truth
from meaning import meaning

from hoitool.convert import FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.hoia import correspondence
from hoitool.data import Dataset, select_images
from hoitool.errors import DataError, MissingData
from hoitool.labels import load_labels

HOIA = FORMATS["hoia"]
HICO, V_COCO = load_labels("hico"), load_labels("v-coco")


def held(data: Dataset) -> Dataset:
    """Data as HOIA holds them."""
    return fit([data], HOIA.HOLDS).parts[0]


@pytest.fixture(scope="module")
def converted(shared, tmp_path_factory):
    """The official V-COCO as HOIA JSON."""
    parts = {part.meta.subset: part for part in read(shared("data/v-coco"), "v-coco").parts}
    folder = tmp_path_factory.mktemp("hoia")
    HOIA.write([held(parts["trainval"]), held(parts["test"])], folder)
    return folder, parts


class TestOfficial:
    """What QPIC's converter writes of the official files."""

    @pytest.mark.parametrize("name", ["trainval", "test"])
    def test_v_coco_is_written_entry_by_entry_as_there(self, shared, converted, name):
        expected = json.loads(shared(f"oracles/v-coco/expected/hoia/{name}_vcoco.json").read_text())
        made = json.loads((converted[0] / f"{name}_vcoco.json").read_text())
        assert len(made) == len(expected)
        for mine, theirs in zip(made, expected, strict=True):
            assert mine == theirs

    def test_corre_vcoco_is_the_include_lists(self, shared, converted):
        expected = np.load(shared("oracles/v-coco/expected/hoia/corre_vcoco.npy"))
        made = np.load(converted[0] / "corre_vcoco.npy")
        np.testing.assert_array_equal(made, expected, strict=True)

    def test_it_is_read_back_with_the_order_of_qpic(self, converted):
        folder, parts = converted
        back = {part.meta.subset: part for part in read(folder).parts}
        assert sorted(back) == ["test", "trainval"]
        for name, part in back.items():
            assert meaning(part) == meaning(held(parts[name]))
            assert part.key.tolist() != parts[name].key.tolist()
            assert part.meta.labels.name == part.meta.dataset == "v-coco"

    def test_published_files_are_read(self, shared):
        folder = shared("oracles/v-coco/expected/hoia")
        assert sniff(folder) == "hoia"
        counts = {part.meta.subset: (len(part), len(part.subject)) for part in read(folder).parts}
        assert counts == {"trainval": (5400, 25810), "test": (4946, 23209)}


# HICO's numbering, frame and ids


@pytest.fixture
def hico():
    """Two interactions of HICO in one image, none in the other; boxes as zero-based pixel indices."""
    rows = [
        (0, (0, 0, 99, 199), (20, 30, 79.5, 80), HICO.interaction_index("ride", "bicycle")),
        (0, (0, 0, 99, 199), (3, 4, 5, 6), HICO.interaction_index("no_interaction", "zebra")),
    ]
    return truth_of(rows, images=2, subset="train")


def test_hico_counts_verbs_and_interactions_from_1_and_keeps_zero_based_boxes(hico, tmp_path):
    HOIA.write([hico], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corre_hico.npy", "trainval_hico.json"]
    first, second = json.loads((tmp_path / "trainval_hico.json").read_text())
    assert first["file_name"] == "image-0.jpg"
    assert second["annotations"] == second["hoi_annotation"] == []
    assert [row["category_id"] for row in first["annotations"]] == [1, 2, 1, 24]
    assert [row["bbox"] for row in first["annotations"][:2]] == [[0, 0, 99, 199], [20, 30, 79.5, 80]]
    assert first["hoi_annotation"] == [
        {"subject_id": 0, "object_id": 1, "category_id": HICO.verb_index("ride") + 1, "hoi_category_id": 19},
        {"subject_id": 2, "object_id": 3, "category_id": HICO.verb_index("no_interaction") + 1, "hoi_category_id": 600},
    ]
    back = load(tmp_path)
    assert back.meta.box_frame == "inclusive"
    assert (back.meta.subset, back.meta.dataset, back.meta.label_kind) == ("train", "hico-det", "interactions")
    assert meaning(back) == meaning(held(hico))


def test_whole_pixels_are_written_as_integers(hico, tmp_path):
    whole = hico.with_columns(boxes=np.floor(hico.boxes))
    HOIA.write([whole], tmp_path)
    assert '"bbox": [0, 0, 99, 199]' in (tmp_path / "trainval_hico.json").read_text()


def test_continuous_boxes_come_into_hico_s_frame(hico):
    moved = hico.with_columns(replace(hico.meta, box_frame="continuous"))
    assert held(moved).boxes[1].tolist() == [20, 30, 78.5, 79]


def test_corre_hico_has_objects_by_coco_id_and_verbs_in_rows(hico, tmp_path):
    HOIA.write([hico], tmp_path)
    made = np.load(tmp_path / "corre_hico.npy")
    assert made.shape == (117, 80)
    assert made.dtype == np.float64
    assert made.sum() == 600
    by_coco = np.sort(HICO.coco_ids).tolist()
    for i in range(600):
        column = by_coco.index(int(HICO.coco_ids[HICO.interaction_objects[i]]))
        assert made[HICO.interaction_verbs[i], column] == 1
    np.testing.assert_array_equal(made, correspondence(HICO))


def test_ids_in_quotes_and_newlines_are_numbers(hico, tmp_path):
    """The published test_hico.json has category ids such as "1\\n"."""
    HOIA.write([hico], tmp_path)
    path = tmp_path / "trainval_hico.json"
    table = json.loads(path.read_text())
    for row in table[0]["annotations"]:
        row["category_id"] = f"{row['category_id']}\n"
    for row in table[0]["hoi_annotation"]:
        row["category_id"] = str(row["category_id"])
    path.write_text(json.dumps(table))
    assert meaning(load(path)) == meaning(held(hico))


def test_verbs_alone_are_enough(hico, tmp_path):
    HOIA.write([hico], tmp_path)
    path = tmp_path / "trainval_hico.json"
    table = json.loads(path.read_text())
    for row in table[0]["hoi_annotation"]:
        del row["hoi_category_id"]
    path.write_text(json.dumps(table))
    back = load(path)
    assert back.meta.label_kind == "verbs"
    assert [HICO.verbs[v] for v in back.label] == ["ride", "no_interaction"]


# V-COCO by hand, and other label spaces


def test_v_coco_by_hand(tmp_path):
    HOIA.write([held(v_coco_truth())], tmp_path)
    first, second, third = json.loads((tmp_path / "test_vcoco.json").read_text())
    assert first["annotations"][0] == {"category_id": 1, "bbox": [10.5, 20.25, 10.5 + 100.1, 20.25 + 200.37]}
    verbs = [row["category_id"] for row in first["hoi_annotation"]]
    assert [V_COCO.verbs[v] for v in verbs] == ["hold_obj", "stand", "look_obj"]
    assert [(row["subject_id"], row["object_id"]) for row in first["hoi_annotation"]] == [(0, 1), (0, -1), (0, -1)]
    assert len(second["hoi_annotation"]) == 6
    assert third["hoi_annotation"] == []
    assert third["annotations"] == [{"category_id": 18, "bbox": [0, 0, 640, 480]}]
    back = load(tmp_path)
    assert back.meta.box_frame == "continuous"
    assert back.meta.label_kind == "verbs"


def test_images_stand_by_their_smallest_annotated_person(tmp_path):
    truth = v_coco_truth()
    shuffled = select_images(truth, [2, 1, 0])
    HOIA.write([held(shuffled)], tmp_path)
    assert [row["file_name"] for row in json.loads((tmp_path / "test_vcoco.json").read_text())] == [
        "1.jpg",
        "2.jpg",
        "3.jpg",
    ]


def test_another_label_space_lies_beside_the_files(small, tmp_path):
    HOIA.write([held(small.test), held(small.train)], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "corre_demo.npy",
        "labels.json",
        "test_demo.json",
        "train_demo.json",
    ]
    back = {part.meta.subset: part for part in read(tmp_path).parts}
    assert back["test"].meta.labels.hash == small.test.meta.labels.hash
    assert meaning(back["train"]) == meaning(held(small.train))
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(DataError, match=r"labels\.json: not a label space"):
        read(tmp_path, "hoia")


def test_an_empty_part_keeps_its_kind_of_labels(tmp_path):
    truth = v_coco_truth([], [], images=2)
    HOIA.write([held(truth)], tmp_path)
    back = load(tmp_path)
    assert (len(back), back.meta.label_kind, back.meta.labels.name) == (2, "verbs", "v-coco")


def test_files_of_two_data_sets_in_one_folder_are_named(hico, tmp_path):
    HOIA.write([hico], tmp_path)
    HOIA.write([held(v_coco_truth())], tmp_path)
    with pytest.raises(DataError, match=r"holds files of .* and .*; name the files of one"):
        read(tmp_path, "hoia")
    assert load(tmp_path / "test_vcoco.json").meta.labels.name == "v-coco"


def test_what_hoia_cannot_hold_is_not_written(tmp_path):
    truth = v_coco_truth()
    with pytest.raises(DataError, match=r"cannot hold .*marks of people as annotated.*ids of boxes"):
        HOIA.write([truth], tmp_path)
    unknown = replace_categories(held(truth), -1)
    with pytest.raises(DataError, match="boxes without a class"):
        HOIA.write([unknown], tmp_path)
    assert not list(tmp_path.iterdir())


def replace_categories(data: Dataset, value: int) -> Dataset:
    made = data.categories.copy()
    made[0] = value
    return data.with_columns(categories=made)


def test_a_file_of_any_name_without_interactions_is_v_coco_s(tmp_path):
    HOIA.write([held(v_coco_truth())], tmp_path)
    (tmp_path / "test_vcoco.json").rename(tmp_path / "my_own.json")
    assert load(tmp_path / "my_own.json").meta.labels.name == "v-coco"


# broken files


@pytest.fixture
def entries(tmp_path):
    """A file to break: path, and its entries."""
    HOIA.write([held(v_coco_truth())], tmp_path)
    path = tmp_path / "test_vcoco.json"
    return path, json.loads(path.read_text())


BROKEN = {
    "an image twice": (lambda t: t.append(t[0]), r"\[3\]\.file_name is '1.jpg', which .*\[0\] has too"),
    "no file name": (lambda t: t[1].pop("file_name"), r"\[1\]: no field 'file_name'"),
    "a name of numbers": (lambda t: t[1].update(file_name=5), r"\[1\]\.file_name is 5, expected text"),
    "no annotations": (lambda t: t[1].pop("annotations"), r"\[1\]: no field 'annotations'"),
    "annotations a dict": (lambda t: t[1].update(annotations={}), r"\[1\]\.annotations is .*expected a list"),
    "an annotation of text": (
        lambda t: t[1].update(annotations=["x"]),
        r"\[1\]\.annotations\[0\] is 'x', expected an object",
    ),
    "a box of 3": (
        lambda t: t[1]["annotations"][2].update(bbox=[1, 2, 3]),
        r"\[1\]\.annotations\[2\]\.bbox is .*4 numbers",
    ),
    "a box of text": (lambda t: t[1]["annotations"][2].update(bbox=[1, 2, 3, "x"]), r"annotations\[2\]\.bbox is"),
    "an infinite box": (
        lambda t: t[0]["annotations"][0].update(bbox=[1, 2, 3, float("inf")]),
        r"expected finite numbers",
    ),
    "a category of none": (
        lambda t: t[1]["annotations"][2].update(category_id=12),
        r"\[1\]\.annotations\[2\]\.category_id is 12, which no object has",
    ),
    "a category of text": (
        lambda t: t[1]["annotations"][2].update(category_id="dog"),
        r"category_id is 'dog', expected an int",
    ),
    "a subject out of range": (
        lambda t: t[1]["hoi_annotation"][0].update(subject_id=4),
        r"\[1\]\.hoi_annotation\[0\]\.subject_id is 4, expected 0\.\.3, a place in the image's annotations",
    ),
    "a subject of none": (
        lambda t: t[1]["hoi_annotation"][0].update(subject_id=-1),
        r"subject_id is -1, expected 0\.\.3",
    ),
    "an object out of range": (
        lambda t: t[0]["hoi_annotation"][0].update(object_id=9),
        r"object_id is 9, expected -1\.\.3",
    ),
    "an object below": (lambda t: t[0]["hoi_annotation"][0].update(object_id=-2), r"object_id is -2, expected -1\.\.3"),
    "half an object": (
        lambda t: t[0]["hoi_annotation"][0].update(object_id=0.5),
        r"object_id is 0.5, expected an integer",
    ),
    "a verb out of range": (
        lambda t: t[0]["hoi_annotation"][2].update(category_id=29),
        r"\[0\]\.hoi_annotation\[2\]\.category_id is 29, expected 0\.\.28",
    ),
    "no subject": (
        lambda t: t[0]["hoi_annotation"][2].pop("subject_id"),
        r"hoi_annotation\[2\]: no field 'subject_id'",
    ),
    "some with interactions": (
        lambda t: t[0]["hoi_annotation"][0].update(hoi_category_id=1),
        r"hoi_annotation\[1\]: no field 'hoi_category_id'",
    ),
    "a row of text": (lambda t: t.insert(0, "x"), r"\[0\] is 'x', expected an object"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_that_names_the_place(entries, name):
    path, table = entries
    edit, told = BROKEN[name]
    edit(table)
    path.write_text(json.dumps(table))
    with pytest.raises(DataError, match=told) as caught:
        read(path, "hoia")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"null", b"[" * 100_000, b"\xff\xfe[", b'[{"annotations": [']
                         )  # fmt: skip
def test_truncated_and_foreign_files(tmp_path, content):
    (tmp_path / "test_vcoco.json").write_bytes(content)
    with pytest.raises(DataError, match=r"test_vcoco\.json"):
        read(tmp_path / "test_vcoco.json", "hoia")


def test_a_folder_without_any(tmp_path):
    with pytest.raises(MissingData, match="no HOIA JSON in this folder"):
        read(tmp_path, "hoia")
