"""V-COCO's official annotations: the shared files and counts, files written by hand, and files that are broken."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import v_coco_truth
from meaning import meaning

from hoitool.convert import FORMATS, load, one_part, read, sniff
from hoitool.convert.fit import fit
from hoitool.data import select_pairs, validate
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import Role, build, load_labels

V_COCO = FORMATS["v-coco"]
SUBSETS = {  # images, annotated people, boxes, people, crowds, pairs, pairs with an object: shared protocols/v-coco.md
    "train": (2533, 3932, 22100, 9637, 228, 11917, 6408),
    "val": (2867, 4499, 25323, 10936, 246, 13893, 7430),
    "trainval": (5400, 8431, 47423, 20573, 474, 25810, 13838),
    "test": (4946, 7768, 42999, 19058, 472, 23209, 12423),
}


@pytest.fixture(scope="module")
def official(shared):
    """The official data set, its parts by subset."""
    return {part.meta.subset: part for part in read(shared("data/v-coco"), "v-coco").parts}


@pytest.fixture(scope="module")
def instances(shared):
    """The COCO instances beside it."""
    return json.loads((shared("data/v-coco") / "instances_vcoco_all_2014.json").read_text())


class TestOfficial:
    """The shared copy of V-COCO."""

    def test_counts_are_the_published_ones(self, official):
        assert list(official) == list(SUBSETS)
        for name, part in official.items():
            validate(part)
            people = part.categories == part.meta.labels.person
            pairs, held = len(part.subject), int((part.object >= 0).sum())
            made = (len(part), part.annotated.sum(), len(part.boxes), people.sum(), part.crowd.sum(), pairs, held)
            assert made == SUBSETS[name], name
            assert not part.annotated[~people].any()
            assert part.meta.labels.name == part.meta.dataset == "v-coco"

    def test_images_are_those_of_the_split_ascending(self, shared, official):
        for name, part in official.items():
            ids = [int(i) for i in (shared("data/v-coco") / "splits" / f"vcoco_{name}.ids").read_text().split()]
            assert [int(key[-16:-4]) for key in part.key] == sorted(ids)

    def test_boxes_are_those_of_the_instances_to_the_last_bit(self, official, instances):
        held = {row["id"]: row for row in instances["annotations"]}
        name = {row["id"]: row["name"] for row in instances["categories"]}
        part = official["test"]
        rows = [held[number] for number in part.box_ids.tolist()]
        x, y, w, h = np.array([row["bbox"] for row in rows]).T
        np.testing.assert_array_equal(part.boxes, np.stack([x, y, x + w, y + h], axis=1))
        objects = part.meta.labels.objects
        assert [objects[c] for c in part.categories.tolist()] == [name[row["category_id"]] for row in rows]
        assert part.crowd.tolist() == [bool(row["iscrowd"]) for row in rows]

    def test_pairs_are_the_positives_of_the_actions(self, shared, official):
        blocks = json.loads((shared("data/v-coco") / "vcoco" / "vcoco_val.json").read_text())
        part = official["val"]
        expected = set()
        for block in blocks:
            rows, roles = len(block["ann_id"]), block["role_name"][1:]
            for i in np.flatnonzero(block["label"]).tolist():
                for r, role in enumerate(roles or [""], start=1):
                    obj = block["role_object_id"][r * rows + i] if roles else 0
                    expected.add((block["action_name"], role, block["ann_id"][i], obj))
        ids, roles = part.box_ids, part.meta.labels.roles
        subject, obj = ids[part.pair_boxes("subject")], part.pair_boxes("object")
        obj = np.where(obj < 0, 0, ids[obj])
        made = [(roles[v].action, roles[v].name) for v in part.label.tolist()]
        made = {(*a, s, o) for a, s, o in zip(made, subject.tolist(), obj.tolist(), strict=True)}
        assert made == expected
        assert len(made) == len(part.subject)

    def test_written_back_they_are_the_official_files(self, shared, official, instances, tmp_path):
        parts = [official["val"], official["test"]]
        V_COCO.write(parts, tmp_path)
        source = shared("data/v-coco")
        for part in parts:
            name = f"vcoco_{part.meta.subset}"
            made = json.loads((tmp_path / "vcoco" / f"{name}.json").read_text())
            expected = json.loads((source / "vcoco" / f"{name}.json").read_text())
            assert len(made) == len(expected) == 26
            for mine, theirs in zip(made, expected, strict=True):
                assert mine == theirs, theirs["action_name"]
            ids = (tmp_path / "splits" / f"{name}.ids").read_text().split()
            assert ids == (source / "splits" / f"{name}.ids").read_text().split()
        made = json.loads((tmp_path / "instances_vcoco_all_2014.json").read_text())
        theirs = {row["id"]: row for row in instances["annotations"]}
        for row in made["annotations"]:
            other = theirs[row["id"]]
            assert all(row[name] == other[name] for name in ("bbox", "category_id", "image_id", "iscrowd")), row
        assert len(made["annotations"]) == SUBSETS["val"][2] + SUBSETS["test"][2]

    def test_a_single_file_is_read_with_what_lies_beside_it(self, shared, official):
        part = load(shared("data/v-coco") / "vcoco" / "vcoco_train.json")
        assert meaning(part) == meaning(official["train"])


@pytest.mark.parametrize(("name", "images"), [("mini", 35), ("toy", 6), ("val400", 400)])
def test_files_side_by_side_in_one_folder(shared, name, images):
    held = read(shared(f"oracles/v-coco/{name}"))
    assert [part.meta.subset for part in held.parts] == [name]
    assert len(held.parts[0]) == images
    assert not held.dropped
    validate(held.parts[0])


# files made by hand


@pytest.fixture
def folder(tmp_path):
    """A small V-COCO in the official layout."""
    V_COCO.write([v_coco_truth()], tmp_path / "small")
    return tmp_path / "small"


def change(path, edit):
    """Edit a JSON file."""
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


def test_what_a_small_data_set_becomes(folder):
    table = {block["action_name"]: block for block in json.loads((folder / "vcoco/vcoco_test.json").read_text())}
    assert len(table) == 26
    assert table["cut"]["ann_id"] == table["hold"]["ann_id"] == [1, 5, 6]
    assert table["hold"]["label"] == [1, 0, 0]
    assert table["hold"]["role_object_id"] == [1, 5, 6, 2, 0, 0]
    assert table["cut"]["role_name"] == ["agent", "instr", "obj"]
    assert table["cut"]["role_object_id"] == [1, 5, 6, 0, 7, 0, 0, 8, 0]
    assert table["eat"]["role_object_id"] == [1, 5, 6, 0, 8, 0, 0, 0, 0]  # obj, then instr
    assert table["stand"]["role_object_id"] == [1, 5, 6]
    assert table["stand"]["label"] == [1, 0, 1]
    assert table["look"]["label"] == [1, 0, 0]
    assert table["look"]["role_object_id"] == [1, 5, 6, 0, 0, 0]
    assert table["read"]["include"] == [[], ["book"]]
    assert table["read"]["image_id"] == [1, 2, 2]
    boxes = json.loads((folder / "instances_vcoco_all_2014.json").read_text())["annotations"]
    assert [row["bbox"] for row in boxes[:3]] == [
        [10.5, 20.25, 100.1, 200.37],
        [60, 80, 40.3, 40.7],
        [300, 10, 80, 160],
    ]
    assert [row["iscrowd"] for row in boxes] == [0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_crowds_unannotated_people_and_empty_roles_come_back(folder):
    back, truth = load(folder), v_coco_truth()
    assert meaning(back) == meaning(truth)
    for name in ("annotated", "crowd", "box_ids", "object", "subject", "label", "boxes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(truth, name), name)
    assert sniff(folder) == sniff(folder / "vcoco" / "vcoco_test.json") == "v-coco"


def test_split_ids_may_stand_in_any_order_and_be_one(folder):
    ids = folder / "splits" / "vcoco_test.ids"
    ids.write_text("3\n1\n2\n")
    assert load(folder).key.tolist() == ["1.jpg", "2.jpg", "3.jpg"]
    ids.write_text("2")
    held = read(folder)
    assert held.parts[0].key.tolist() == ["2.jpg"]
    assert held.dropped == {"annotated people of images outside the split": 1}
    assert len(held.parts[0].subject) == 6  # cut and eat twice, point, stand


def test_without_split_ids_images_are_those_with_annotated_people(folder):
    (folder / "splits" / "vcoco_test.ids").unlink()
    held = read(folder)
    assert held.parts[0].key.tolist() == ["1.jpg", "2.jpg"]
    assert any("no vcoco_test.ids" in note for note in held.notes)


def test_every_file_may_lie_in_one_folder(folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        path.rename(flat / path.name)
    assert meaning(load(flat)) == meaning(v_coco_truth())


def test_two_subsets_share_the_instances(tmp_path):
    truth = v_coco_truth()
    other = v_coco_truth(subset="val")
    written = V_COCO.write([truth, other], tmp_path)
    assert len(written) == 5
    assert len(json.loads(written[0].read_text())["images"]) == 3
    held = read(tmp_path)
    assert [part.meta.subset for part in held.parts] == ["val", "test"]
    assert meaning(one_part(held, tmp_path, "test")) == meaning(truth)
    boxes = other.boxes + 1
    with pytest.raises(DataError, match=r"image '1\.jpg' has other boxes than in another subset"):
        V_COCO.write([truth, other.with_columns(boxes=boxes)], tmp_path / "b")


def test_another_label_space_is_made_of_the_file_s_actions_and_roles(tmp_path):
    labels = build(
        "kitchen",
        "made up",
        objects=[("person", 1), ("pan", 2)],
        verbs=[("stir_instr", "stir_instr"), ("stir_obj", "stir_obj"), ("rest", "rest")],
        interactions=[("rest", "-", -1)],
        roles=[Role("stir", "instr", ("pan",)), Role("stir", "obj"), Role("rest", "")],
    )
    truth = v_coco_truth(
        [(0, (1, 2, 30, 40), "person", "annotated"), (0, (5, 5, 9, 9), "pan", "")],
        [(0, "stir", (1, None)), (0, "rest", ())],
        images=1,
        labels=labels,
    )
    V_COCO.write([truth], tmp_path / "kitchen")
    back = load(tmp_path / "kitchen")
    assert back.meta.labels.roles == labels.roles
    assert back.meta.labels.verbs == labels.verbs
    assert back.meta.labels.objects == labels.objects
    assert meaning(back) == meaning(truth)


def test_area_and_ignore_travel_to_the_protocol_and_back(folder, tmp_path):
    def edit(table):
        table["annotations"][1]["area"] = 0
        table["annotations"][8]["ignore"] = 1

    change(folder / "instances_vcoco_all_2014.json", edit)
    part = load(folder)
    assert part.meta.extras == {"coco": {"no_area": [2], "ignored": [9]}}
    V_COCO.write([part], tmp_path / "again")
    assert load(tmp_path / "again").meta.extras == part.meta.extras


def test_image_ids_that_the_names_do_not_tell_are_kept(folder, tmp_path):
    def rename(table):
        for row in table["images"]:
            row["file_name"] = f"photo {'abc'[row['id'] - 1]}.jpg"

    change(folder / "instances_vcoco_all_2014.json", rename)
    part = load(folder)
    V_COCO.write([part], tmp_path / "again")
    for name in ("vcoco/vcoco_test.json", "splits/vcoco_test.ids"):
        assert (tmp_path / "again" / name).read_text() == (folder / name).read_text()


def test_what_the_layout_cannot_hold_is_not_written(tmp_path):
    truth = v_coco_truth()
    with pytest.raises(DataError, match="cannot hold 2 file names that differ from the images' keys"):
        V_COCO.write([truth.with_columns(file_name=truth.key[::-1].copy())], tmp_path / "x")
    one_role = select_pairs(truth, truth.label != truth.meta.labels.verb_index("cut_obj"))
    with pytest.raises(DataError, match="cannot hold 1 roles of an action that were not said to be empty"):
        V_COCO.write([one_role], tmp_path / "y")
    V_COCO.write(fit([one_role], V_COCO.HOLDS).parts, tmp_path / "y")  # the missing role of a person who cuts is empty
    assert len(load(tmp_path / "y").subject) == len(truth.subject)
    with pytest.raises(UsageError, match="which label space 'hico' does not have"):
        V_COCO.write([truth.with_columns(replace(truth.meta, labels=load_labels("hico")))], tmp_path / "z")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["y"]


BLOCKS, INSTANCES = "vcoco/vcoco_test.json", "instances_vcoco_all_2014.json"


def put(row, name, value, at=None):
    """Set a member of a row, or one entry of it."""
    if at is None:
        row[name] = value
    else:
        row[name][at] = value


BROKEN = {  # what is done to which file, and what is said
    "a person twice": (
        BLOCKS,
        lambda t: [put(b, "ann_id", 1, 1) for b in t],
        r"\[0\]\.ann_id\[1\].* is 1, which .*\[0\]",
    ),
    "a role object absent": (
        BLOCKS,
        lambda t: put(t[0], "role_object_id", 77, 3),
        r"\[0\]\.role_object_id \(role 'obj' of 'hold'\).* is 77, which no annotation of .*instances",
    ),
    "a role object of another image": (
        BLOCKS,
        lambda t: put(t[0], "role_object_id", 7, 3),
        r"annotation 7 is of image 2, its person is of image 1",
    ),
    "a row of another image": (
        BLOCKS,
        lambda t: [put(b, "image_id", 3, 0) for b in t],
        r"image_id\[0\] is 3, but the person 1 is of image 1",
    ),
    "a person absent": (BLOCKS, lambda t: [put(b, "ann_id", 99, 0) for b in t], r"ann_id.* is 99, which no annotation"),
    "other rows": (
        BLOCKS,
        lambda t: put(t[3], "ann_id", [1, 6, 5]),
        r"\[3\] \(ride\) has other rows than \[0\] \(hold\)",
    ),
    "label 2": (BLOCKS, lambda t: put(t[1], "label", 2, 1), r"\[1\]: label\[1\] is 2, expected 0 or 1"),
    "few labels": (BLOCKS, lambda t: put(t[1], "label", [0]), r"\[1\]: label has 1 entries, expected 3"),
    "few objects": (
        BLOCKS,
        lambda t: put(t[0], "role_object_id", [0] * 3),
        r"\[0\]: role_object_id has 3 entries, expected 6",
    ),
    "few includes": (BLOCKS, lambda t: put(t[0], "include", [[]]), r"with 1 includes, expected 'agent', then roles"),
    "no agent": (BLOCKS, lambda t: put(t[0], "role_name", ["obj", "agent"]), r"role_name is \['obj', 'agent'\]"),
    "text as id": (BLOCKS, lambda t: put(t[0], "ann_id", "x", 1), r"\[0\]: ann_id\[1\] is 'x', expected an integer id"),
    "a float as label": (BLOCKS, lambda t: put(t[0], "label", 0.5, 0), r"label\[0\] is 0.5, expected an integer id"),
    "null as id": (BLOCKS, lambda t: put(t[0], "image_id", None, 0), r"image_id\[0\] is None, expected an integer id"),
    "no label": (BLOCKS, lambda t: t[2].pop("label"), r"\[2\]: no field 'label'; it has"),
    "action a number": (BLOCKS, lambda t: put(t[2], "action_name", 3), r"action_name is 3, expected text"),
    "a nested list": (
        BLOCKS,
        lambda t: put(t[0], "ann_id", [[1], [5], [6]]),
        r"ann_id\[0\] is \[1\], expected an integer",
    ),
    "no actions": (BLOCKS, list.clear, r"holds no actions"),
    "a block that is none": (BLOCKS, lambda t: t.insert(0, 5), r"\[0\] is 5, expected an object"),
    "an image absent": (
        INSTANCES,
        lambda t: t["images"].pop(),
        r"vcoco_test\.ids.* is 3, which no image of .*instances",
    ),
    "an image twice": (
        INSTANCES,
        lambda t: t["images"].append(t["images"][0]),
        r"images\[3\]\.id is 1, which .*\[0\] has",
    ),
    "an annotation twice": (
        INSTANCES,
        lambda t: t["annotations"].append(t["annotations"][0]),
        r"annotations\[9\]\.id is 1, which .*annotations\[0\] has too",
    ),
    "a box of 3 numbers": (
        INSTANCES,
        lambda t: put(t["annotations"][2], "bbox", [1, 2, 3]),
        r"annotations\[2\]\.bbox is a list \[1, 2, 3\], expected 4 numbers",
    ),
    "a box with text": (
        INSTANCES,
        lambda t: put(t["annotations"][2], "bbox", [1, 2, 3, "4"]),
        r"annotations\[2\]\.bbox is .*, expected numbers",
    ),
    "a box with NaN": (
        INSTANCES,
        lambda t: put(t["annotations"][2], "bbox", [1, 2, 3, float("nan")]),
        r"annotations\[2\]\.bbox is .*, expected finite numbers",
    ),
    "an unknown category": (
        INSTANCES,
        lambda t: put(t["annotations"][0], "category_id", 12),
        r"annotations\[0\]\.category_id is 12, which no category has",
    ),
    "an annotation of no image": (
        INSTANCES,
        lambda t: put(t["annotations"][0], "image_id", 12),
        r"annotations\[0\]\.image_id is 12, which no image has",
    ),
    "no images": (INSTANCES, lambda t: t.pop("images"), r"no field 'images'"),
    "a size of text": (INSTANCES, lambda t: put(t["images"][1], "width", "wide"), r"images\[1\]\.width is 'wide'"),
    "a huge size": (
        INSTANCES,
        lambda t: put(t["images"][1], "height", 2**40),
        r"height is 1099511627776, expected 0\.\.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_that_names_the_place(folder, name):
    file, edit, told = BROKEN[name]
    change(folder / file, edit)
    with pytest.raises(DataError, match=told) as caught:
        read(folder, "v-coco")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1\ntwo\n3\n", r"line 2 is 'two', expected an image id"),
        ("1\n2.5\n", r"line 2 is '2.5'"),
        ("1\n-2\n", r"line 2 is '-2'"),
        ("1\n" + "9" * 40, r"line 2 is '9999"),
        ("1\n\u0662\n", r"line 2 is"),
        ("1\n2\n1\n", r"\[2\]\.line is 1, which .*\[0\] has too"),
    ],
)
def test_a_broken_ids_file(folder, text, told):
    (folder / "splits" / "vcoco_test.ids").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe1\x002", b"\x80\x81\n2"])
def test_an_ids_file_that_is_no_text(folder, content):
    (folder / "splits" / "vcoco_test.ids").write_bytes(content)
    with pytest.raises(DataError, match=r"vcoco_test\.ids"):
        read(folder)


def test_without_instances_the_data_are_missing(folder, hoitool):
    (folder / INSTANCES).unlink()
    with pytest.raises(
        MissingData, match=r"the COCO instances that its ids point into are not there .*instances_vcoco_all"
    ):
        read(folder)
    done = hoitool("convert", folder, "-o", folder / "out")
    assert done.code == 4
    assert len(done.err.splitlines()) == 1


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(MissingData, match=r"no vcoco_<subset>\.json"):
        V_COCO.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[", "{}", "[" * 100_000, '[{"action_name": "hold"}]', "null"])
def test_a_truncated_or_foreign_annotation_file(folder, text):
    (folder / BLOCKS).write_text(text)
    with pytest.raises(DataError, match=r"vcoco_test\.json"):
        V_COCO.read(folder)


def test_the_command_line_converts_and_names_what_is_lost(folder, tmp_path, hoitool):
    done = hoitool("convert", folder, "-o", tmp_path / "out", "--to", "hoia")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "test_vcoco.json").exists()
    assert "marks of people as annotated" in done.err
