"""COCO instances and COCO with relations: by hand, from the real instances, label spaces, what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import truth_of

from hoitool.convert import coco, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.data import relabel, select_images
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import load_labels

MINE = {
    "images": [
        {"id": 9, "file_name": "b/kitchen.jpg", "width": 640, "height": 480, "license": 1},
        {"id": 7, "file_name": "a_7.jpg"},
    ],
    "annotations": [
        {"id": 30, "image_id": 7, "category_id": 1, "bbox": [473.07, 395.93, 38.65, 28.67], "iscrowd": 0, "area": 5},
        {"id": 0, "image_id": 9, "category_id": 47, "bbox": [1, 2, 3, 4], "area": 0.0, "segmentation": []},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0.1, 0.2, 0.3, 0.4], "iscrowd": 1, "ignore": 1},
    ],
    "categories": [{"id": 47, "name": "cup"}, {"id": 1, "name": "person"}],
}
RELATED = MINE | {
    "predicates": [{"id": 12, "name": "sit"}, {"id": 5, "name": "hold"}],
    "relations": [
        {"id": 1, "image_id": 9, "subject_id": 2, "object_id": 0, "predicate_id": 5},
        {"id": 2, "image_id": 7, "subject_id": 30, "object_id": None, "predicate_id": 12},
        {"id": 3, "image_id": 9, "subject_id": 2, "predicate_id": 5},
    ],
}


def saved(path: Path, content: dict) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def there_and_back(path: Path, content: dict) -> dict:
    """What is written of what was read of a file."""
    parts = read(saved(path, content), "coco").parts
    out = path.with_name("back.json")
    coco.write(parts, out, True)
    return json.loads(out.read_text())


def test_images_without_names_are_named_by_their_ids(tmp_path):
    images = [{"id": 9, "width": 640, "height": 480}, {"id": 7}]
    held = read(saved(tmp_path / "instances_val.json", MINE | {"images": images}))
    (data,) = held.parts
    assert data.key.tolist() == ["000000000009.jpg", "000000000007.jpg"]
    assert image_ids(data).tolist() == [9, 7]
    assert "its images have no file_name; their ids name them, as 000000000042.jpg" in held.notes[-1]


def test_instances_are_boxes_without_pairs(tmp_path):
    held = read(saved(tmp_path / "mine" / "instances_val2014.json", MINE))
    (data,) = held.parts
    assert (data.meta.dataset, data.meta.subset, data.meta.box_frame) == ("mine", "val", "continuous")
    assert data.key.tolist() == data.file_name.tolist() == ["b/kitchen.jpg", "a_7.jpg"]
    assert (data.width.tolist(), data.height.tolist()) == ([640, 0], [480, 0])
    assert (data.meta.labels.objects, data.meta.labels.coco_ids.tolist()) == (("person", "cup"), [1, 47])
    assert (len(data.meta.labels.verbs), len(data.subject), len(data.label)) == (0, 0, 0)
    assert data.box_offsets.tolist() == [0, 2, 3]
    assert data.boxes.tolist() == [
        [1, 2, 4, 6],
        [0.1, 0.2, 0.1 + 0.3, 0.2 + 0.4],
        [473.07, 395.93, 473.07 + 38.65, 395.93 + 28.67],
    ]
    assert data.categories.tolist() == [1, 0, 0]
    assert data.crowd.tolist() == [False, True, False]
    assert data.box_ids.tolist() == [0, 2, 30]
    assert data.annotated is None
    assert data.meta.extras["coco"] == {"image_ids": {"b/kitchen.jpg": 9}, "no_area": [0], "ignored": [2]}
    told = "not kept: segmentation of annotations; license of images; areas other than width times height"
    assert held.notes[0].endswith(told)


def test_instances_come_back(tmp_path):
    made = there_and_back(tmp_path / "mine.json", MINE)
    assert [(row["id"], row["file_name"]) for row in made["images"]] == [(9, "b/kitchen.jpg"), (7, "a_7.jpg")]
    rows = {row["id"]: row for row in made["annotations"]}
    assert [row["id"] for row in made["annotations"]] == [0, 2, 30]
    for row in MINE["annotations"]:
        for name in ("image_id", "category_id", "bbox", "ignore"):
            assert rows[row["id"]].get(name) == row.get(name)
        assert rows[row["id"]]["iscrowd"] == row.get("iscrowd", 0)
    assert rows[0]["area"] == 0
    assert rows[30]["area"] == 38.65 * 28.67
    assert made["categories"] == [{"id": 1, "name": "person"}, {"id": 47, "name": "cup"}]
    assert "relations" not in made


def test_relations_are_pairs(tmp_path):
    data = load(saved(tmp_path / "mine" / "x.json", RELATED))
    labels = data.meta.labels
    assert (labels.name, labels.verbs, data.meta.label_kind, data.meta.subset) == ("mine", ("hold", "sit"), "verbs", "")
    assert data.pair_offsets.tolist() == [0, 2, 3]
    assert (data.subject.tolist(), data.object.tolist()) == ([1, 1, 0], [0, -1, -1])
    assert [labels.verbs[v] for v in data.label] == ["hold", "hold", "sit"]
    assert [labels.interaction_name(i) for i in range(len(labels))] == ["hold", "sit", "hold cup"]


def test_relations_come_back_with_their_order_in_an_image(tmp_path):
    made = there_and_back(tmp_path / "mine.json", RELATED)
    names = {row["id"]: row["name"] for row in made["predicates"]}
    rows = [(r["image_id"], r["subject_id"], r["object_id"], names[r["predicate_id"]]) for r in made["relations"]]
    assert rows == [(9, 2, 0, "hold"), (9, 2, None, "hold"), (7, 30, None, "sit")]
    assert [row["id"] for row in made["relations"]] == [1, 2, 3]
    again = there_and_back(tmp_path / "again.json", made)
    assert again == made
    assert read(tmp_path / "again.json", "coco").notes == []


def test_the_interactions_of_a_file_are_its_label_space_in_its_order(tmp_path):
    listed = [{"predicate_id": 12, "category_id": 47}, {"predicate_id": 5, "category_id": None}]
    data = load(saved(tmp_path / "mine.json", RELATED | {"interactions": listed}), "coco")
    labels = data.meta.labels
    assert [labels.interaction_name(i) for i in range(len(labels))] == ["sit cup", "hold"]


def test_annotated_people_are_marked_where_a_file_says_so(tmp_path):
    rows = [row | ({"annotated": True} if row["id"] == 2 else {}) for row in MINE["annotations"]]
    data = load(saved(tmp_path / "mine.json", MINE | {"annotations": rows}), "coco")
    assert data.annotated.tolist() == [False, True, False]
    made = there_and_back(tmp_path / "mine.json", MINE | {"annotations": rows})
    assert {row["id"]: row["annotated"] for row in made["annotations"]} == {0: False, 2: True, 30: False}


@pytest.mark.parametrize("name", ["hico", "v-coco"])
def test_a_packaged_label_space_is_found_by_its_names(tmp_path, name):
    labels = load_labels(name)
    pairs = zip(labels.coco_ids.tolist(), labels.objects, strict=True)
    content = RELATED | {
        "categories": [{"id": number, "name": text.replace("_", " ")} for number, text in pairs],
        "predicates": [{"id": i, "name": text} for i, text in enumerate(reversed(labels.verbs))],
        "relations": [{"id": 1, "image_id": 9, "subject_id": 2, "object_id": 0, "predicate_id": 0}],
    }
    data = load(saved(tmp_path / "mine.json", content), "coco")
    assert data.meta.labels is labels
    assert data.label.tolist() == [len(labels.verbs) - 1]
    assert [labels.objects[c] for c in data.categories] == ["cup", "person", "person"]
    made = there_and_back(tmp_path / "mine.json", content)
    assert made["categories"] == sorted(
        [{"id": n, "name": text} for n, text in zip(labels.coco_ids.tolist(), labels.objects, strict=True)],
        key=lambda row: row["id"],
    )
    assert "interactions" not in made
    content["categories"][-1]["id"] = 99
    assert load(saved(tmp_path / "mine.json", content), "coco").meta.labels.name == tmp_path.name


def test_a_label_space_of_ones_own_comes_back(small, tmp_path):
    parts = fit([small.train, small.test], coco.HOLDS).parts
    assert [p.name for p in coco.write(parts, tmp_path / "out")] == ["instances_train.json", "instances_test.json"]
    for part, came in zip(parts, reversed(read(tmp_path / "out").parts), strict=True):
        assert came.meta.labels.hash == part.meta.labels.hash
        assert (came.meta.dataset, came.meta.subset) == (part.meta.dataset, part.meta.subset)
        for name, values in part.columns().items():
            np.testing.assert_array_equal(came.need(name), values)


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("instances_val2014.json", "val"),
        ("instances_train2017.json", "train"),
        ("instances_vcoco_all_2014.json", ""),
        ("mine-trainval.json", "trainval"),
        ("contest.json", ""),
    ],
)
def test_the_file_name_says_the_subset(tmp_path, name, subset):
    assert load(saved(tmp_path / name, MINE)).meta.subset == subset


def test_a_folder_is_read_file_by_file(tmp_path):
    saved(tmp_path / "annotations" / "instances_val2014.json", MINE)
    saved(tmp_path / "annotations" / "instances_train2014.json", RELATED)
    saved(tmp_path / "annotations" / "captions_val2014.json", {"images": [], "annotations": [], "info": {}})
    assert sniff(tmp_path / "annotations") == "coco"
    parts = read(tmp_path / "annotations").parts
    assert [(part.meta.dataset, part.meta.subset) for part in parts] == [
        (tmp_path.name, "train"),
        (tmp_path.name, "val"),
    ]
    with pytest.raises(UsageError, match="holds 2 subsets"):
        coco.write(parts, tmp_path / "one.json")


def test_ids_that_stand_twice_are_numbered_anew_and_counted(tmp_path):
    data = load(saved(tmp_path / "mine.json", MINE))
    twice = data.with_columns(box_ids=np.array([4, 4, 5]))
    fitted = fit([twice], coco.HOLDS)
    assert fitted.lost == {"ids of boxes that are not all different": 3}
    assert fitted.parts[0].box_ids.tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="cannot hold 3 ids of boxes"):
        coco.write([twice], tmp_path / "out.json")


def test_some_images_can_be_written(tmp_path):
    data = load(saved(tmp_path / "mine.json", RELATED))
    coco.write([select_images(data, np.array([False, True]))], tmp_path / "out.json")
    made = json.loads((tmp_path / "out.json").read_text())
    assert [row["id"] for row in made["annotations"]] == [30]
    assert [row["object_id"] for row in made["relations"]] == [None]


def change(table: str, row: int, **values):
    """Fields of a row replaced; None removes one."""

    def changed(content: dict) -> None:
        for name, value in values.items():
            content[table][row].pop(name, None)
            content[table][row] |= {} if value is None else {name: value}

    return changed


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda c: c.pop("images"), "no field 'images'"),
        (lambda c: c.update(annotations={}), "annotations is a dict .*, expected a list"),
        (lambda c: c["annotations"].append([]), r"annotations\[3\] is .*expected an object"),
        (change("images", 1, file_name=None), r"images\[1\]: no field 'file_name'"),
        (change("images", 1, id=9), r"images\[1\]\.id is 9, which .*images\[0\] has too"),
        (change("images", 1, file_name="b/kitchen.jpg"), r"images\[1\]\.file_name is 'b/kitchen\.jpg', which"),
        (change("images", 0, width=-1), r"images\[0\]\.width is -1"),
        (change("annotations", 1, image_id=8), r"annotations\[1\]\.image_id is 8, which no image has"),
        (change("annotations", 1, category_id=2), r"annotations\[1\]\.category_id is 2, which no category has"),
        (change("annotations", 1, id=30), r"annotations\[1\]\.id is 30, which .*annotations\[0\] has too"),
        (change("annotations", 1, bbox=[1, 2, 3]), r"annotations\[1\]\.bbox is .*expected 4 numbers"),
        (change("annotations", 1, bbox=[1, 2, 3, "4"]), r"annotations\[1\]\.bbox is .*expected numbers"),
        (change("annotations", 1, annotated="yes"), r"annotations\[1\]\.annotated is 'yes', expected true or false"),
        (change("categories", 1, name="cup"), "categories: the name 'cup' stands twice"),
        (change("categories", 1, id=2**31), r"categories\[1\]\.id is 2147483648"),
        (change("predicates", 1, name="sit"), r"predicates\[1\]\.name is 'sit', which .*predicates\[0\] has too"),
        (lambda c: c.pop("predicates"), "relations without predicates"),
        (change("relations", 0, predicate_id=6), r"relations\[0\]\.predicate_id is 6, which no predicate has"),
        (change("relations", 0, subject_id=3), r"relations\[0\]\.subject_id is 3, which no annotation has"),
        (change("relations", 2, object_id=3), r"relations\[2\]\.object_id is 3, which no annotation has"),
        (
            change("relations", 0, object_id=30),
            r"relations\[0\]\.object_id is 30, an annotation of image 7, expected .* 9",
        ),
        (change("relations", 1, image_id=9), r"relations\[1\]\.subject_id is 30, an annotation of image 7"),
        (change("relations", 1, image_id=4), r"relations\[1\]\.image_id is 4, which no image has"),
        (
            lambda c: c.update(interactions=[{"predicate_id": 5, "category_id": 3}]),
            r"interactions\[0\]\.category_id is 3",
        ),
        (lambda c: c.update(interactions=[{"predicate_id": 5, "category_id": 1}] * 2), "stands twice in it"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, make, told):
    content = json.loads(json.dumps(RELATED))
    make(content)
    path = saved(tmp_path / "mine.json", content)
    with pytest.raises(DataError, match=told) as error:
        read(path, "coco")
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(MissingData):
        read(tmp_path / "absent.json", "coco")
    with pytest.raises(DataError, match="no COCO instances JSON in it"):
        read(tmp_path, "coco")
    (tmp_path / "x.json").write_text(json.dumps(MINE)[:-9])
    with pytest.raises(DataError, match="not readable as COCO instances"):
        read(tmp_path / "x.json", "coco")
    (tmp_path / "x.json").write_bytes(json.dumps(MINE).encode("utf-16"))
    assert sniff(tmp_path / "x.json") is None
    with pytest.raises(DataError, match="not readable as COCO instances"):
        read(tmp_path / "x.json", "coco")


def test_the_command_line_converts_there_and_back(hoitool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "mine.json", RELATED)
    done = hoitool("convert", "mine.json", "-o", "data.parquet")
    assert done.code == 0, done.err
    assert "segmentation" in done.out + done.err
    done = hoitool("convert", "data.parquet", "--to", "coco", "-o", "out.json")
    assert done.code == 0, done.err
    assert [row["id"] for row in json.loads((tmp_path / "out.json").read_text())["annotations"]] == [0, 2, 30]


def test_every_number_of_real_instances_comes_back(shared, tmp_path):
    source = shared("data/v-coco/instances_vcoco_all_2014.json")
    coco.write(read(source, "coco").parts, tmp_path / "out.json")
    came, made = (json.loads(path.read_text()) for path in (source, tmp_path / "out.json"))
    assert [row["id"] for row in made["images"]] == [row["id"] for row in came["images"]]
    rows = {row["id"]: row for row in made["annotations"]}
    assert len(rows) == len(made["annotations"]) == len(came["annotations"]) == 90_422
    for row in came["annotations"]:
        mine = rows[row["id"]]
        assert mine["bbox"] == row["bbox"]
        assert (mine["image_id"], mine["category_id"], mine["iscrowd"]) == (
            row["image_id"], row["category_id"], row["iscrowd"],
        )  # fmt: skip


def test_vcoco_comes_back_through_relations(shared, tmp_path):
    (val,) = [part for part in read(shared("data/v-coco"), "v-coco").parts if part.meta.subset == "val"]
    assert not fit([val], coco.HOLDS).lost
    coco.write([val], tmp_path)
    back = load(tmp_path)
    assert back.meta.labels is val.meta.labels
    assert back.columns().keys() == val.columns().keys()
    for name, values in val.columns().items():
        np.testing.assert_array_equal(back.need(name), values)


def test_a_file_without_predicates_is_boxes_alone(tmp_path):
    space = load_labels("coco")
    rows = [{"id": n, "name": name} for n, name in zip(space.coco_ids.tolist(), space.objects, strict=True)]
    table = {
        "images": [{"id": 9, "file_name": "000000000009.jpg", "width": 640, "height": 480}],
        "annotations": [
            {"id": 4, "image_id": 9, "category_id": 90, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2]], "iscrowd": 0}
        ],
        "categories": rows,
    }
    (tmp_path / "instances_val2017.json").write_text(json.dumps(table))
    held = read(tmp_path / "instances_val2017.json")
    (data,) = held.parts
    assert (data.meta.label_kind, data.meta.labels.name, data.meta.subset) == ("objects", "coco", "val")
    assert [data.meta.labels.objects[c] for c in data.categories] == ["toothbrush"]
    assert any("segmentation of annotations" in note for note in held.notes)
    coco.write(fit([data], coco.HOLDS).parts, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert "predicates" not in again
    assert "relations" not in again
    assert load(tmp_path / "again.json").meta.labels.hash == space.hash


def test_boxes_of_a_packaged_label_space_come_back_in_it(tmp_path):
    hico = load_labels("hico")
    data = truth_of([(0, (0, 0, 9, 9), (1, 1, 8, 8), 3)], labels=hico)
    (held,) = fit([relabel(data, "objects")[0]], coco.HOLDS).parts
    coco.write([held], tmp_path / "a.json")
    back = load(tmp_path / "a.json")
    assert (back.meta.labels.name, back.categories.tolist()) == ("hico", data.categories.tolist())
