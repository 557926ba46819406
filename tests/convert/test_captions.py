"""Captions from COCO's JSON, tables, JSON lines and hoitool's own files, and each fault in one line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from builders import truth_of
from hypothesis import given
from hypothesis import strategies as st

from hoitool.convert import sniff
from hoitool.convert.captions import read_captions
from hoitool.data import offsets_of, read, strings, validate, write
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError

ROWS = [("b.jpg", 'a man, "riding" a horse'), ("a.jpg", "two dogs"), ("b.jpg", "a rider"), ("c/d.jpg", "")]
HELD = {"b.jpg": ['a man, "riding" a horse', "a rider"], "a.jpg": ["two dogs"], "c/d.jpg": []}


def held(data):
    """Captions by image."""
    validate(data)
    at = data.caption_offsets
    return {key: data.caption_text[at[i] : at[i + 1]].tolist() for i, key in enumerate(data.key.tolist())}


def coco(**changed):
    made = {
        "images": [
            {"id": 7, "file_name": "x_7.jpg"},
            {"id": 3, "file_name": "y.jpg"},
            {"id": 5, "file_name": "z_5.jpg"},
        ],
        "annotations": [
            {"image_id": 3, "id": 12, "caption": "A cat."},
            {"image_id": 7, "id": 90, "caption": " two  cups\n"},
            {"image_id": 3, "id": 11, "caption": "The cat."},
        ],
    }
    return made | changed


def save(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_coco_captions_keep_order_text_and_ids(tmp_path):
    data = read_captions(save(tmp_path / "captions_val2014.json", coco()))
    assert held(data) == {"x_7.jpg": [" two  cups\n"], "y.jpg": ["A cat.", "The cat."], "z_5.jpg": []}
    assert data.caption_id.tolist() == [90, 12, 11]
    assert image_ids(data).tolist() == [7, 3, 5]
    assert (data.meta.subset, data.meta.classes, list(data.meta.sources)) == ("val", 0, ["captions_val2014.json"])


def test_captions_without_ids_are_numbered(tmp_path):
    table = coco()
    for row in table["annotations"]:
        del row["id"]
    assert read_captions(save(tmp_path / "x.json", table)).caption_id.tolist() == [2, 1, 3]


@pytest.mark.parametrize("names", [("file_name", "caption"), ("image", "text"), ("key", "caption")])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_tables_have_a_row_for_each_caption(tmp_path, names, suffix):
    path = tmp_path / f"train{suffix}"
    if suffix == ".csv":
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([names, *ROWS])
    elif suffix == ".tsv":
        save(path, "".join("\t".join(row) + "\r\n" for row in [names, *ROWS]))
    else:
        save(path, "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS) + "\n\n")
    data = read_captions(path)
    assert held(data) == HELD
    assert (data.caption_id.tolist(), data.meta.subset) == ([1, 3, 2], "train")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(st.characters(codec="utf-8", exclude_characters="\0")))))
def test_texts_of_tables_are_kept_as_they_are(tmp_path_factory, rows):
    rows = [("a", "first"), *rows]
    folder = tmp_path_factory.mktemp("captions")
    with (folder / "x.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("key", "caption"), *rows])
    save(folder / "x.jsonl", "\n".join(json.dumps({"key": key, "caption": text}) for key, text in rows))
    expected = {key: [t for k, t in rows if k == key and t.strip()] for key in dict.fromkeys(k for k, _ in rows)}
    for name in ("x.csv", "x.jsonl"):
        assert held(read_captions(folder / name)) == expected


TOKENS = "1000092795.jpg#0\tTwo men .\r\n1000092795.jpg#1\tMen , outside .\r\n10002456.jpg#0\tA #1 fan\twaves\r\n"


def test_the_file_of_flickr30k(tmp_path, hoitool):
    path = save(tmp_path / "results_20130124.token", TOKENS)
    assert sniff(path) == "captions"
    data = read_captions(path)
    assert held(data) == {"1000092795.jpg": ["Two men .", "Men , outside ."], "10002456.jpg": ["A #1 fan\twaves"]}
    assert (data.meta.dataset, data.meta.subset, image_ids(data).tolist()) == ("flickr30k", "", [1000092795, 10002456])
    assert hoitool("convert", path, "-o", tmp_path / "data").code == 0
    assert held(read_captions(tmp_path / "data" / "all.parquet")) == held(data)


def test_sizes_of_coco_are_kept(tmp_path, hoitool):
    table = coco()
    table["images"][0] |= {"width": 640, "height": 480}
    path = save(tmp_path / "captions_val2014.json", table)
    assert hoitool("convert", path, "-o", tmp_path / "data").code == 0
    data = read_captions(tmp_path / "data" / "val.parquet")
    assert (data.width.tolist(), data.height.tolist()) == ([640, 0, 0], [480, 0, 0])
    assert hoitool("convert", tmp_path / "data", "--to", "captions", "-o", tmp_path / "again").code == 0
    again = json.loads((tmp_path / "again" / "captions_val.json").read_text())
    assert again["images"][0] == table["images"][0]
    assert sorted(again["annotations"], key=str) == sorted(table["annotations"], key=str)


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.tsv", "x.jsonl"])
def test_files_of_captions_are_recognised(tmp_path, name):
    tables = {".csv": "image,text\na,b\n", ".tsv": "image\ttext\na\tb\n", ".jsonl": '{"key": "a", "caption": "b"}\n'}
    path = tmp_path / name
    assert sniff(save(path, tables.get(path.suffix) or coco())) == "captions"
    save(path, "file_name,verb,caption\n" if path.suffix == ".csv" else "{}")
    assert sniff(path) != "captions"


def test_a_folder_of_captions_beside_instances_is_of_coco(tmp_path):
    save(tmp_path / "captions_val2014.json", coco())
    assert sniff(tmp_path) == "captions"
    assert held(read_captions(tmp_path)) == held(read_captions(tmp_path / "captions_val2014.json"))
    save(tmp_path / "instances_val2014.json", {"images": [], "annotations": [], "categories": []})
    assert sniff(tmp_path) == "coco"


def test_ids_of_a_table_are_kept(tmp_path):
    data = read_captions(save(tmp_path / "x.csv", "id,key,url,caption\n5,a,u,one\n-3,b,u,two\n9,a,u,three\n,c,u,\n"))
    assert data.caption_id.tolist() == [5, 9, -3]
    assert data.key.tolist() == ["a", "b", "c"]


def test_a_dataset_that_has_captions(tmp_path):
    data = read_captions(save(tmp_path / "captions.json", coco()))
    write(data, tmp_path / "data.parquet")
    assert held(read_captions(tmp_path / "data.parquet")) == held(data) == held(read(tmp_path / "data.parquet"))
    write(truth_of([]), tmp_path / "none.parquet")
    with pytest.raises(UsageError, match=r"none\.parquet: has no captions"):
        read_captions(tmp_path / "none.parquet")


def test_a_subset_of_a_dataset_that_holds_several(tmp_path):
    captions = {"caption_id": np.arange(3), "caption_text": strings("abc"), "caption_offsets": offsets_of([1, 1, 1])}
    for subset in ("train", "test"):
        write(truth_of([], subset=subset).with_columns(**captions), tmp_path / "d" / f"{subset}.parquet")
    assert read_captions(tmp_path / "d", "test").meta.subset == "test"
    with pytest.raises(UsageError, match="holds 2 subsets"):
        read_captions(tmp_path / "d")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"images": [{"id": 7}]}, r"images\[0\]: no field 'file_name'"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, r"images\[1\]\.file_name is 'a', which .*images\[0\] has too"),
        (
            {"annotations": [{"image_id": 8, "id": 1, "caption": "a"}]},
            r"annotations\[0\]\.image_id is 8, which no image",
        ),
        ({"annotations": [{"image_id": 7, "id": 1, "caption": 4}]}, r"annotations\[0\]\.caption is 4, expected text"),
        (
            {"annotations": [{"image_id": 7, "id": 1, "caption": " "}]},
            r"annotations\[0\]\.caption is ' ', expected text",
        ),
        (
            {"annotations": [{"image_id": 7, "id": "x", "caption": "a"}]},
            r"annotations\[0\]\.id is 'x', expected an int",
        ),
        ({"annotations": {}}, r"x\.json: annotations is .*, expected a list"),
    ],
)
def test_faults_of_coco_captions(tmp_path, changed, told):
    with pytest.raises(DataError, match=told) as caught:
        read_captions(save(tmp_path / "x.json", coco(**changed)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.csv", "file,caption\na,b\n", r"line 1: no file_name or image or key; it has 'file', 'caption'"),
        ("x.csv", "key,words\na,b\n", r"line 1: no caption or text; it has 'key', 'words'"),
        ("x.csv", "key,caption,key\na,b,c\n", r"line 1: column 'key' stands twice"),
        ("x.csv", "key,caption\na,b\na,b,c\n", r"line 3: 3 cells, expected 2"),
        ("x.csv", 'key,caption\na,"b\nc"\n,d\n', r"line 4: key is '', expected the name of an image"),
        ("x.csv", 'key,caption\na,"b" c\n', r"line 2: not readable as a table"),
        ("x.csv", "key,caption,id\na,b,1\na,c,1\n", r"line 3: id is 1, which line 2 has too"),
        ("x.csv", "key,caption,id\na,b,1\na,c,\n", r"line 3: id is missing, which other lines have"),
        ("x.csv", "key,caption,id\na,b,one\n", r"line 2: id is 'one', expected an integer"),
        ("x.csv", "key,caption\n", r"x\.csv: holds no captions"),
        ("x.tsv", "key\tcaption\na\n", r"line 2: 1 cells, expected 2"),
        ("x.jsonl", '{"key": "a", "caption": "b"}\n{"key": "a"', r"line 2: not readable as JSON"),
        ("x.jsonl", '{"key": "a", "caption": "b"}\n[1]\n', r"line 2 is a list \[1\], expected an object"),
        ("x.jsonl", '{"key": 3, "caption": "b"}\n', r"line 1: key is 3, expected the name of an image"),
        ("x.jsonl", '{"key": "a", "caption": null}\n', r"line 1: caption is None, expected text"),
        ("x.jsonl", '{"key": "a", "text": "b", "id": 1.5}\n', r"line 1: id is 1\.5, expected an integer"),
        ("x.jsonl", '{"name": "a"}\n', r"line 1: no file_name or image or key"),
        ("x.token", "a.jpg#0\tb\na.jpg\tc\n", r"line 2: is 'a\.jpg\\tc', expected name\.jpg#0, a tab and a caption"),
        ("x.token", "a.jpg#0 b\n", r"line 1: is 'a\.jpg#0 b', expected"),
        ("x.token", "a.jpg#x\tb\n", r"line 1: is .*, expected"),
        ("x.token", "#0\tb\n", r"line 1: is .*, expected"),
        ("x.json", "[]", r"holds a list, expected an object"),
        ("x.csv", "", r"the file is empty"),
    ],
)
def test_faults_of_tables(tmp_path, name, content, told):
    with pytest.raises(DataError, match=told) as caught:
        read_captions(save(tmp_path / name, content))
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"key,caption\na,\xff\xfe\n")
    with pytest.raises(DataError, match=r"x\.csv: not readable as captions"):
        read_captions(tmp_path / "x.csv")
    with pytest.raises(MissingData, match="captions expected"):
        read_captions(tmp_path / "absent.csv")
