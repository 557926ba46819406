"""The instance JSON of hicodet and vcoco: by hand, from the official annotations, and what is wrong with a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import truth_of

from hoitool.convert import load, pocket, read, sniff
from hoitool.convert.fit import fit
from hoitool.data import Dataset, select_images
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import LabelSpace, load_labels

VAL = {
    "annotations": [
        {
            "boxes_h": [[248.63, 108.14, 631.8, 536.0], [6.02, 24.09, 360.14, 528.77]],
            "boxes_o": [[68.81, 126.15, 368.2, 412.26], [160.71, 173.45, 251.39000000000001, 390.63]],
            "actions": [0, 14],
            "objects": [77, 28],
            "file_name": "COCO_train2014_000000000165.jpg",
        },
        {"boxes_h": [], "boxes_o": [], "actions": [], "objects": [], "file_name": "COCO_train2014_000000003048.jpg"},
    ],
    "classes": [
        "hold obj", "sit instr", "ride instr", "look obj", "hit instr", "hit obj", "eat obj", "eat instr",
        "jump instr", "lay instr", "talk_on_phone instr", "carry obj", "throw obj", "catch obj", "cut instr",
        "cut obj", "work_on_computer instr", "ski instr", "surf instr", "skateboard instr", "drink instr", "kick obj",
        "read obj", "snowboard instr",
    ],
    "objects": ["background", *load_labels("v-coco").objects],
    "images": [165, 3048],
}  # fmt: skip
TEST = {
    "annotation": [
        {"boxes_h": [], "boxes_o": [], "hoi": [], "object": [], "verb": []},
        {
            "boxes_h": [[320.0, 306.0, 359.0, 349.0], [1, 1, 640, 480]],
            "boxes_o": [[148.0, 345.0, 376.0, 414.0], [2, 3, 4, 5]],
            "hoi": [245, 18],
            "object": [13, 1],
            "verb": [87, 76],
        },
    ],
    "filenames": ["HICO_test2015_00000007.jpg", "HICO_test2015_00000001.jpg"],
    "empty": [0],
    "size": [[0, 0], [640, 480]],
}


def hico_tables(objects: list[str]) -> dict:
    """HICO's names and correspondence, its objects numbered in this order."""
    hico = load_labels("hico")
    number = {name: i for i, name in enumerate(objects)}
    pairs = zip(hico.interaction_objects.tolist(), hico.interaction_verbs.tolist(), strict=True)
    rows = [[i, number[hico.objects[o]], v] for i, (o, v) in enumerate(pairs)]
    return {"objects": objects, "verbs": list(hico.verbs), "correspondence": rows}


COCO_ORDER = [
    n for _, n in sorted(zip(load_labels("hico").coco_ids.tolist(), load_labels("hico").objects, strict=True))
]


def saved(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_vcoco_pairs_keep_every_bit_of_their_boxes(tmp_path):
    data = load(saved(tmp_path / "instances_vcoco_val.json", VAL))
    labels = data.meta.labels
    assert (labels.name, data.meta.label_kind, data.meta.box_frame) == ("v-coco", "verbs", "continuous")
    assert (data.meta.dataset, data.meta.subset) == ("v-coco", "val")
    assert [labels.verbs[v] for v in data.label] == ["hold_obj", "cut_instr"]
    assert [labels.objects[c] for c in data.categories] == ["person", "scissors", "person", "tie"]
    assert data.boxes[3].tolist() == [160.71, 173.45, 251.39000000000001, 390.63]
    assert (data.subject.tolist(), data.object.tolist()) == ([0, 2], [1, 3])
    assert data.pair_offsets.tolist() == [0, 2, 2]
    assert data.key.tolist()[1] == "COCO_train2014_000000003048.jpg"


def test_written_vcoco_files_have_the_authors_keys_in_their_order(tmp_path):
    data = load(saved(tmp_path / "instances_vcoco_val.json", VAL))
    assert pocket.write([data], tmp_path / "out") == [tmp_path / "out" / "instances_vcoco_val.json"]
    made = json.loads((tmp_path / "out" / "instances_vcoco_val.json").read_text())
    taken = made.pop("action_to_object")
    assert json.dumps(made) == json.dumps(VAL)
    assert len(taken) == 24
    assert 77 in taken[0]
    assert 28 in taken[14]
    assert all(row == sorted(set(row)) and 1 <= row[0] <= row[-1] <= 80 for row in taken)


def test_older_vcoco_files_number_objects_as_coco_does(tmp_path):
    coco = load_labels("v-coco").coco_ids
    old = {name: value for name, value in VAL.items() if name not in ("objects", "images")}
    rows = [row | {"objects": [float(coco[o - 1]) for o in row["objects"]]} for row in VAL["annotations"]]
    new = load(saved(tmp_path / "instances_vcoco_val.json", VAL))
    older = load(saved(tmp_path / "instances_vcoco_test.json", old | {"annotations": rows}))
    np.testing.assert_array_equal(older.categories, new.categories)
    rows[0]["objects"][1] = 12
    saved(tmp_path / "instances_vcoco_test.json", old | {"annotations": rows})
    with pytest.raises(DataError, match=r"annotations\[0\]\.objects\[1\] is 12, expected a category id of COCO"):
        load(tmp_path / "instances_vcoco_test.json")


def test_image_ids_that_the_names_do_not_say_come_back(tmp_path):
    data = load(saved(tmp_path / "instances_vcoco_val.json", VAL | {"images": [165, 17]}))
    assert data.meta.extras == {"coco": {"image_ids": {"COCO_train2014_000000003048.jpg": 17}}}
    pocket.write([data], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "instances_vcoco_val.json").read_text())["images"] == [165, 17]


@pytest.mark.parametrize("objects", [COCO_ORDER, sorted(COCO_ORDER), COCO_ORDER[::-1]], ids=["coco", "a-z", "back"])
def test_hico_pairs_are_zero_based_and_objects_go_by_name(tmp_path, objects):
    made = json.loads(json.dumps(TEST)) | hico_tables(objects)
    made["annotation"][1]["object"] = [objects.index("bench"), objects.index("bicycle")]
    data = load(saved(tmp_path / "instances_test2015.json", made))
    labels = data.meta.labels
    assert (labels.name, data.meta.dataset, data.meta.subset) == ("hico", "hico-det", "test")
    assert (data.meta.label_kind, data.meta.box_frame) == ("interactions", "inclusive")
    assert [labels.interaction_name(i) for i in data.label] == ["sit_on bench", "ride bicycle"]
    assert [labels.objects[c] for c in data.categories] == ["person", "bench", "person", "bicycle"]
    assert data.boxes[1:3].tolist() == [[147, 344, 375, 413], [0, 0, 639, 479]]
    assert (data.width.tolist(), data.height.tolist()) == ([0, 640], [0, 480])
    pocket.write([data], tmp_path / "out")
    back = json.loads((tmp_path / "out" / "instances_test2015.json").read_text())
    rare, others = back.pop("rare"), back.pop("non_rare")
    assert (len(rare), len(others)) == (138, 462)
    assert back == json.loads(json.dumps(TEST)) | hico_tables(COCO_ORDER)


def test_an_object_of_another_class_than_its_interactions_is_kept_and_told(tmp_path):
    made = json.loads(json.dumps(TEST)) | hico_tables(COCO_ORDER)
    made["annotation"][1]["object"][0] = 0
    held = read(saved(tmp_path / "instances_test2015.json", made))
    assert held.parts[0].meta.labels.objects[held.parts[0].categories[1]] == "person"
    assert held.notes[0].endswith("1 pairs with an object of another class than their interaction's")


def test_a_folder_gives_a_part_for_each_file_and_counts_training_pairs(small, tmp_path):
    parts = fit([small.train, small.test], pocket.HOLDS).parts
    pocket.write(parts, tmp_path / "mine")
    assert {p.name for p in (tmp_path / "mine").iterdir()} == {"instances_train2015.json", "instances_test2015.json"}
    assert sniff(tmp_path / "mine") == "pocket"
    back = {part.meta.subset: part for part in read(tmp_path / "mine").parts}
    labels = back["test"].meta.labels
    assert (labels.name, labels.hash) == ("mine", small.test.meta.labels.hash)
    counts = np.bincount(small.train.label, minlength=len(labels))
    np.testing.assert_array_equal(labels.train_instances, counts)
    for part in parts:
        np.testing.assert_array_equal(back[part.meta.subset].boxes, part.boxes)
        np.testing.assert_array_equal(back[part.meta.subset].label, part.label)


def vcoco(rows: list[tuple[str, int]]) -> Dataset:
    """One image with a pair for each (verb, object class) row; class -1: no object."""
    labels = load_labels("v-coco")
    made = truth_of([(0, (0, 0, 9, 9), (1, 1, 8, 8), 0)] * len(rows), images=1, labels=labels)
    categories = made.categories.copy()
    categories[1::2] = [max(category, 0) for _, category in rows]
    obj = np.where([category < 0 for _, category in rows], -1, made.object).astype(np.int32)
    verbs = np.array([labels.verb_index(verb) for verb, _ in rows], np.int32)
    meta = replace(made.meta, label_kind="verbs", box_frame="continuous", subset="val")
    return made.with_columns(meta, categories=categories, object=obj, label=verbs)


def test_what_the_layout_of_vcoco_cannot_hold_is_counted_and_pairs_stand_by_class():
    data = vcoco([("kick_obj", 32), ("hold_obj", 5), ("point_instr", 3), ("stand", -1), ("hold_obj", 4), ("run", 2)])
    fitted = fit([data], pocket.HOLDS)
    assert fitted.lost == {
        "pairs without an object": 1,
        "boxes in no pair": 2,
        "pairs that point at an object or name a body motion": 2,
    }
    part = fitted.parts[0]
    assert [part.meta.labels.verbs[v] for v in part.label] == ["hold_obj", "hold_obj", "kick_obj"]
    assert part.categories[1::2].tolist() == [5, 4, 32]


def test_a_path_that_is_a_file_is_refused(small, tmp_path):
    with pytest.raises(UsageError, match="name a folder"):
        pocket.write(fit([small.test], pocket.HOLDS).parts, tmp_path / "x.json")


def broken(tmp_path: Path, name: str, change) -> Path:
    content = json.loads(json.dumps(VAL if "vcoco" in name else TEST | hico_tables(COCO_ORDER)))
    change(content)
    return saved(tmp_path / name, content)


V, H = "instances_vcoco_val.json", "instances_test2015.json"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (V, lambda c: c.pop("classes"), "no field 'classes'"),
        (V, lambda c: c["classes"].append("juggle obj"), "No verb named 'juggle obj'"),
        (V, lambda c: c["classes"].append("hold obj"), r"classes\[24\] is 'hold obj', which stands before"),
        (V, lambda c: c["objects"].append("unicorn"), "No object named 'unicorn'"),
        (V, lambda c: c["annotations"].append(3), r"annotations\[2\] is 3, expected an object"),
        (V, lambda c: c["annotations"][0].pop("boxes_o"), r"annotations\[0\]: no field 'boxes_o'"),
        (V, lambda c: c["annotations"][0]["boxes_o"].pop(), r"annotations\[0\]: 1 boxes_o for 2 boxes_h"),
        (
            V,
            lambda c: c["annotations"][0]["boxes_o"][1].pop(),
            r"annotations\[0\]\.boxes_o\[1\] is .*expected 4 numbers",
        ),
        (V, lambda c: c["annotations"][0]["boxes_h"][0].__setitem__(2, "x"), r"boxes_h\[0\] is .*expected numbers"),
        (V, lambda c: c["annotations"][0]["actions"].__setitem__(1, 24), r"actions\[1\] is 24, expected 0\.\.23"),
        (V, lambda c: c["annotations"][0]["actions"].__setitem__(1, 1.5), r"actions\[1\] is 1\.5, expected an integer"),
        (V, lambda c: c["annotations"][0]["objects"].__setitem__(0, 0), r"objects\[0\] is 0, expected 1\.\.80"),
        (V, lambda c: c["annotations"][1].update(file_name=7), r"annotations\[1\]\.file_name is 7, expected text"),
        (V, lambda c: c["annotations"].append(c["annotations"][1]), "3 annotations"),
        (V, lambda c: c["images"].__setitem__(0, None), r"images\[0\] is None, expected an integer"),
        (H, lambda c: c.pop("filenames"), "no field 'filenames'"),
        (H, lambda c: c["filenames"].pop(), "1 filenames for 2 annotations"),
        (H, lambda c: c["filenames"].__setitem__(1, c["filenames"][0]), r"filenames\[1\] is .*stands before"),
        (H, lambda c: c["annotation"][1]["hoi"].__setitem__(0, 600), r"annotation\[1\]\.hoi\[0\] is 600"),
        (H, lambda c: c["annotation"][1]["object"].__setitem__(0, 80), r"object\[0\] is 80, expected 0\.\.79"),
        (H, lambda c: c["annotation"][1]["verb"].__setitem__(1, 3), r"verb\[1\] is 3, which is not the verb of inter"),
        (H, lambda c: c["annotation"][1]["verb"].pop(), r"annotation\[1\]: 1 verb for 2 boxes_h"),
        (H, lambda c: c["correspondence"][3].pop(), r"correspondence\[3\] is .*expected 3 integers"),
        (H, lambda c: c["correspondence"].pop(3), r"does not name the interactions 0\.\.598 once each"),
        (H, lambda c: c["correspondence"][3].__setitem__(1, 80), "correspondence of interaction 3: object 80 of 80"),
        (H, lambda c: c["size"].pop(), "1 sizes for 2 filenames"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, name, change, told):
    path = broken(tmp_path, name, change)
    with pytest.raises(DataError, match=told) as error:
        read(path, "pocket")
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(MissingData):
        read(tmp_path / "absent.json", "pocket")
    with pytest.raises(DataError, match="no instances_"):
        read(tmp_path, "pocket")
    (tmp_path / V).write_text(json.dumps(VAL)[:300])
    assert sniff(tmp_path / V) is None
    with pytest.raises(DataError, match="not readable as an instances_"):
        read(tmp_path / V, "pocket")
    (tmp_path / V).write_text("{" * 100_000)
    with pytest.raises(DataError, match="not readable as an instances_"):
        read(tmp_path / V, "pocket")


def test_the_command_line_converts_there_and_back(hoitool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / V, VAL)
    done = hoitool("convert", V, "-o", "data")
    assert done.code == 0, done.err
    done = hoitool("convert", "data/val.parquet", "--to", "pocket", "-o", "out")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out" / V).read_text())["annotations"] == VAL["annotations"]


def test_the_official_vcoco_annotations_give_the_published_files(shared, tmp_path):
    """Counts of the protocol; val has the size of the published file, to the byte: that is without action_to_object."""
    official = read(shared("data/v-coco"), "v-coco").parts
    pocket.write(fit(official, pocket.HOLDS).parts, tmp_path)
    counts = {}
    for part in read(tmp_path).parts:
        counts[part.meta.subset] = (len(part), len(part.subject), int((part.counts("pair") > 0).sum()))
    assert counts == {
        "train": (2533, 6400, 2336),
        "val": (2867, 7417, 2633),
        "trainval": (5400, 13817, 4969),
        "test": (4946, 12402, 4532),
    }
    val = json.loads((tmp_path / V).read_text())
    assert sum(map(len, val.pop("action_to_object"))) == 236
    assert len(json.dumps(val)) == 932_966
    assert val["images"] == sorted(val["images"])


@pytest.mark.slow
def test_the_official_hico_annotations_give_the_published_file(shared, tmp_path):
    """Pair counts, everything back, and a test file of the published one's size, to the byte."""
    official = read(shared("data/hico-det"), "hico-det").parts
    parts = {part.meta.subset: part for part in fit(official, pocket.HOLDS).parts}
    pocket.write(list(parts.values()), tmp_path)
    assert (tmp_path / H).stat().st_size == 3_352_070
    back = {part.meta.subset: part for part in read(tmp_path).parts}
    assert {name: len(part.subject) for name, part in back.items()} == {"train": 117_654, "test": 33_405}
    for name, part in parts.items():
        for column, values in part.columns().items():
            np.testing.assert_array_equal(back[name].need(column), values)


def test_images_may_be_left_out_before_writing(tmp_path):
    data = load(saved(tmp_path / V, VAL))
    pocket.write([select_images(data, np.array([False, True]))], tmp_path / "out")
    made = json.loads((tmp_path / "out" / V).read_text())
    assert (made["images"], len(made["annotations"])) == ([3048], 1)


def test_a_label_space_with_verbs_alone_comes_back(tmp_path):
    one = LabelSpace(
        name="one",
        source="by hand",
        objects=("person", "cup"),
        verbs=("stand", "hold"),
        verbs_ing=("stand", "hold"),
        interaction_verbs=np.array([0, 1], np.int32),
        interaction_objects=np.array([-1, 1], np.int32),
        coco_ids=np.array([1, 47], np.int32),
        train_instances=np.array([-1, -1]),
    )
    data = truth_of([(0, (0, 0, 9, 9), (1, 1, 8, 8), 1)], images=1, labels=one)
    pocket.write(fit([data], pocket.HOLDS).parts, tmp_path / "one")
    back = load(tmp_path / "one")
    assert back.meta.labels.hash == one.hash
    assert "rare" not in json.loads((tmp_path / "one" / H).read_text())
