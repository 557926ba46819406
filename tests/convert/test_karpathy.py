"""Karpathy's JSON: splits, restval, ids of COCO, what comes back, and each fault in one line."""

from __future__ import annotations

import json

import pytest

from hoitool.convert import load, read, sniff
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData


def image(name, split, sentences, folder="val2014", **more):
    made = {"filename": name, "split": split, "imgid": 5, "sentids": [s for s, _ in sentences]}
    made["sentences"] = [{"raw": raw, "sentid": s, "tokens": raw.split(), "imgid": 5} for s, raw in sentences]
    return made | ({"filepath": folder} if folder else {}) | more


def table(**changed):
    images = [
        image("COCO_val2014_000000000042.jpg", "test", [(9, "A man."), (4, " Two  men")], cocoid=42),
        image("COCO_train2014_000000000007.jpg", "train", [(1, "A cup")], "train2014", cocoid=7),
        image("b.jpg", "restval", [(2, "A dog"), (3, "Dogs")], cocoid=8),
        image("COCO_val2014_000000000100.jpg", "test", [], cocoid=100),
    ]
    return {"images": images, "dataset": "coco"} | changed


def save(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_each_split_is_a_part_and_restval_is_of_train(tmp_path):
    held = read(save(tmp_path / "dataset_coco.json", table()))
    test, train = held.parts
    assert (test.meta.subset, train.meta.subset, test.meta.dataset) == ("test", "train", "coco")
    assert test.key.tolist() == [f"val2014/COCO_val2014_{i:012d}.jpg" for i in (42, 100)]
    assert test.caption_text.tolist() == ["A man.", " Two  men"]
    assert test.caption_id.tolist() == [9, 4]
    assert test.caption_offsets.tolist() == [0, 2, 2]
    assert train.key.tolist() == ["train2014/COCO_train2014_000000000007.jpg", "val2014/b.jpg"]
    assert image_ids(train).tolist() == [7, 8]
    assert held.notes == [f"{tmp_path / 'dataset_coco.json'}: 1 images of restval are among train"]


def test_flickr_has_neither_folders_nor_ids(tmp_path):
    images = [image("1000.jpg", "val", [(0, "A man")], folder=""), image("7.jpg", "val", [(1, "A cup")], folder="")]
    data = load(save(tmp_path / "dataset_flickr30k.json", table(images=images, dataset="flickr30k")))
    assert sniff(tmp_path) == sniff(tmp_path / "dataset_flickr30k.json") == "karpathy"
    assert (data.key.tolist(), image_ids(data).tolist()) == (["1000.jpg", "7.jpg"], [1000, 7])


def test_it_comes_back(tmp_path, hoitool):
    save(tmp_path / "dataset_coco.json", table())
    assert hoitool("convert", tmp_path / "dataset_coco.json", "-o", tmp_path / "data").code == 0
    assert hoitool("convert", tmp_path / "data", "--to", "karpathy", "-o", tmp_path / "again").code == 0
    again = json.loads((tmp_path / "again" / "dataset_coco.json").read_text())
    by_name = {row["filename"]: row for row in again["images"]}
    assert again["dataset"] == "coco"
    for row in table()["images"]:
        mine = by_name[row["filename"]]
        assert mine["split"] == ("train" if row["split"] == "restval" else row["split"])
        for name in ("filepath", "cocoid", "sentids"):
            assert mine[name] == row[name]
        assert [s["raw"] for s in mine["sentences"]] == [s["raw"] for s in row["sentences"]]
    assert by_name["COCO_val2014_000000000042.jpg"]["sentences"][0]["tokens"] == ["a", "man"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"images": {}}, "images is a dict"),
        ({"dataset": 3}, "dataset is 3, expected text"),
        ({"images": [image("a", "test", [(1, " ")])]}, r"images\[0\]\.sentences\[0\]\.raw is ' ', expected text"),
        (
            {"images": [image("a", "test", [(1, "x")]), image("b", "val", [(1, "y")])]},
            r"images\[1\]\.sentences\[0\]\.sentid is 1, which .*images\[0\]\.sentences\[0\] has too",
        ),
        (
            {"images": [image("a", "test", [])] * 2},
            r"images\[1\]\.filename is 'val2014/a', which .*images\[0\] has too",
        ),
        ({"images": [image(n, "test", [], cocoid=1) for n in "ab"]}, r"images\[1\]\.cocoid is 1"),
        ({"images": [image("a", "test", [], cocoid=1), image("b", "test", [])]}, r"images\[1\].*'cocoid'"),
        ({"images": [{"filename": "a"}]}, r"images\[0\].*'split'"),
    ],
)
def test_faults_are_told_in_one_line(tmp_path, changed, told):
    with pytest.raises(DataError, match=told) as caught:
        read(save(tmp_path / "dataset_x.json", table(**changed)), "karpathy")
    assert "dataset_x.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingData, match=r"no dataset_\*\.json"):
        read(tmp_path, "karpathy")
