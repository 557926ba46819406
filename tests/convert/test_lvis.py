"""LVIS: images by name, url or id, what is said of categories in images, frequencies, and each fault in one line."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from builders import box_scenes, lvis_scenes
from meaning import meaning

from hoitool.convert import load, read, sniff
from hoitool.convert.coco_labels import numbers_of
from hoitool.convert.fit import fit
from hoitool.convert.lvis import HOLDS, write
from hoitool.data.class_groups import base_or_novel, frequencies
from hoitool.errors import DataError, MissingData, UsageError

URL = "http://images.cocodataset.org/train2017/000000391895.jpg"
FILE = {
    "images": [
        {
            "id": 391895,
            "width": 640,
            "height": 360,
            "coco_url": URL,
            "neg_category_ids": [7, 2],
            "not_exhaustive_category_ids": [9],
        },
        {"id": 5, "width": 10, "height": 20, "neg_category_ids": [], "not_exhaustive_category_ids": []},
    ],
    "annotations": [
        {"id": 1, "image_id": 391895, "category_id": 9, "bbox": [1.5, 2, 3.25, 4], "area": 9.0, "segmentation": []},
        {"id": 2, "image_id": 391895, "category_id": 2, "bbox": [0, 0, 5, 5], "area": 25.0},
    ],
    "categories": [
        {"id": 9, "name": "acorn", "frequency": "r", "synset": "acorn.n.01"},
        {"id": 2, "name": "banana", "frequency": "f"},
        {"id": 7, "name": "cup", "frequency": "c"},
    ],
}


def save(path, table=FILE):
    path.write_text(json.dumps(table))
    return path


def test_a_file_of_v1(tmp_path):
    path = save(tmp_path / "lvis_v1_val.json")
    assert sniff(path) == "lvis"
    assert sniff(tmp_path) == "lvis"
    data = load(path)
    assert (data.meta.label_kind, data.meta.dataset, data.meta.subset) == ("objects", "lvis", "val")
    assert data.key.tolist() == ["train2017/000000391895.jpg", "000000000005.jpg"]
    assert data.meta.labels.objects == ("banana", "cup", "acorn")
    assert data.meta.extras == {"lvis": {"frequency": "fcr", "category_ids": [2, 7, 9]}}
    assert data.categories.tolist() == [2, 0]
    assert data.boxes[0].tolist() == [1.5, 2, 4.75, 6]
    assert list(zip(data.image_label.tolist(), data.image_value.tolist(), strict=True)) == [(1, -1), (0, -1), (2, 0)]
    assert data.image_label_offsets.tolist() == [0, 3, 3]
    assert {name: mask.tolist() for name, mask in frequencies(data).items()}["rare"] == [False, False, True]
    assert base_or_novel(data)["base"].tolist() == [True, True, False]


def test_names_of_v0_5_and_ids_that_count_from_one(tmp_path):
    table = copy.deepcopy(FILE)
    table["images"][0]["file_name"] = "COCO_val2014_000000391895.jpg"
    for row, number in zip(table["categories"], (3, 1, 2), strict=True):
        row["id"] = number
    table["images"][0] |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    table["annotations"] = []
    data = load(save(tmp_path / "lvis_v0.5_train.json", table))
    assert data.key[0] == "COCO_val2014_000000391895.jpg"
    assert "category_ids" not in data.meta.extras["lvis"]
    assert (data.meta.subset, len(data.boxes)) == ("train", 0)


def test_what_is_written_is_what_was_read(tmp_path):
    data = load(save(tmp_path / "lvis_v1_val.json"))
    (held,) = fit([data], HOLDS).parts
    write([held], tmp_path / "out")
    back = load(tmp_path / "out")
    assert meaning(back) == meaning(data)
    assert back.meta.extras == data.meta.extras
    assert back.meta.labels.hash == data.meta.labels.hash
    (made,) = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("lvis_val.json")]
    assert [row["frequency"] for row in made["categories"]] == ["f", "c", "r"]
    assert made["images"][0]["neg_category_ids"] == [7, 2]
    assert "iscrowd" not in made["annotations"][0]
    with pytest.raises(UsageError, match="name a folder for them"):
        write([held, held], tmp_path / "two.json")


def test_labels_that_say_what_a_box_says_are_left_out_and_counted(tmp_path):
    truth = lvis_scenes(box_scenes(4))
    values = truth.image_value.copy()
    values[:2] = [1, 0]
    fitted = fit([truth.with_columns(image_value=values)], HOLDS)
    assert fitted.lost == {"labels of images that say that an object is there": 1}
    assert fitted.parts[0].image_label_offsets.tolist() == [0, 1, 3, 5, 7]


def test_unknown_frequencies_stay_unknown(tmp_path):
    table = copy.deepcopy(FILE)
    del table["categories"][0]["frequency"]
    data = load(save(tmp_path / "a.json", table))
    assert data.meta.extras["lvis"]["frequency"] == "fc?"
    write([fit([data], HOLDS).parts[0]], tmp_path / "b.json")
    assert load(tmp_path / "b.json").meta.extras == data.meta.extras
    for row in table["categories"]:
        row.pop("frequency", None)
    bare = load(save(tmp_path / "c.json", table))
    with pytest.raises(UsageError, match="does not say which categories are rare"):
        frequencies(bare)
    assert numbers_of(bare.meta) == [2, 7, 9]


def change(part, row, **values):
    def made(table):
        table[part][row] |= values
        return table

    return made


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            change("images", 0, neg_category_ids=[7, 99]),
            r"images\[0\]\.neg_category_ids.* is 99, which no category has",
        ),
        (change("images", 0, neg_category_ids=7), r"images\[0\]\.neg_category_ids is 7, expected a list"),
        (
            change("images", 1, not_exhaustive_category_ids=["x"]),
            r"images\[1\]\.not_exhaustive.*\[0\] is 'x', expected",
        ),
        (change("images", 0, coco_url=5), r"images\[0\]\.coco_url is 5, expected text"),
        (change("images", 1, id=391895), r"images\[1\]\.id is 391895, which .*images\[0\] has too"),
        (change("categories", 1, name="acorn"), r"categories\[\d\]\.name is 'acorn', which .* has too"),
        (change("categories", 1, name="-"), r"a name is '-', which means nothing"),
        (change("categories", 0, frequency="x"), r"categories\[0\]\.frequency is 'x', expected one of r, c, f"),
        (change("categories", 0, frequency=None), r"categories\[0\]\.frequency is None, expected text"),
        (change("annotations", 0, category_id=4), r"annotations\[0\]\.category_id is 4, which no category has"),
        (change("annotations", 0, image_id=4), r"annotations\[0\]\.image_id is 4, which no image has"),
        (change("annotations", 1, bbox=[1, 2, 3]), r"annotations\[1\]\.bbox is .*, expected 4 numbers"),
        (lambda table: {"images": []}, r"no field 'categories'"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, broken, told):
    path = save(tmp_path / "lvis_v1_val.json", broken(copy.deepcopy(FILE)))
    with pytest.raises(DataError, match=r"lvis_v1_val\.json.*" + told) as caught:
        read(path, "lvis")
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="no such file or folder"):
        read(tmp_path / "absent", "lvis")
    with pytest.raises(DataError, match="no LVIS annotations in it"):
        read(tmp_path, "lvis")


def test_a_command_reads_and_scores_them(tmp_path, hoitool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = lvis_scenes(box_scenes())
    write([fit([truth], HOLDS).parts[0]], tmp_path / "raw" / "lvis")
    assert hoitool("convert").code == 0
    rows = [
        {
            "image_id": int(i),
            "category_id": int(c) + 1,
            "bbox": [*b[:2].tolist(), *(b[2:] - b[:2]).tolist()],
            "score": 1,
        }
        for i, c, b in zip(truth.image_of("box"), truth.categories, truth.boxes, strict=True)
    ]
    save(tmp_path / "found.json", rows)
    done = hoitool("eval", "found.json", "--truth", "data/lvis/test.parquet", "--variant", "lvis", "--json")
    assert done.code == 0, done.err
    figures = {row["split"]: row["metrics"]["AP"] for row in json.loads(done.out)["results"]}
    assert figures == pytest.approx(dict.fromkeys(("full", "rare", "common", "frequent"), 1))
    done = hoitool("eval", "found.json", "--truth", "data/lvis/test.parquet")
    assert (done.code, done.err.count("scored by --variant lvis")) == (1, 1)
    done = hoitool("eval", "found.json", "--truth", "data/lvis/test.parquet", "--variant", "lvis", "--split", "rare")
    assert "Rare" in done.out
    assert "Common" not in done.out


def test_crowds_and_other_label_spaces_fit(tmp_path):
    data = box_scenes(5).with_columns(crowd=np.ones(0, bool))
    data = data.with_columns(crowd=np.arange(len(data.boxes)) == 0)
    fitted = fit([data], HOLDS)
    assert fitted.lost == {"marks of boxes as crowds": 1}
    write(fitted.parts, tmp_path / "lvis.json")
    back = load(tmp_path / "lvis.json")
    assert back.meta.labels.objects == data.meta.labels.objects
    assert "lvis" in back.meta.extras
    assert replace(back.meta, extras={}).extras == {}
