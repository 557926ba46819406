"""The tables of Crisscrossed Captions: what they hold, and broken ones in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from broken import broken_bytes

from hoitool.convert.cxc import read_ratings, read_table, tables_of
from hoitool.errors import DataError, HoitoolError, MissingData

HEAD = "caption,image,agg_score,sampling_method"
TABLES = {
    "sts": "caption1,caption2,agg_score,sampling_method\n"
    "COCO_val2014:sentid:7,COCO_val2014:sentid:8,4.8,c2c_cocaption\n",
    "sis": "image1,image2,agg_score,sampling_method\n"
    "COCO_val2014_000000000042.jpg,COCO_val2014_000000000073.jpg,2.5,i2i_csim\n",
    "sits": f"{HEAD}\nCOCO_val2014:sentid:7,COCO_val2014_000000000042.jpg,5.0,c2i_original\n"
    "COCO_val2014:sentid:8,COCO_val2014_000000000073.jpg,0,c2i_intrasim\n",
}


@pytest.fixture
def folder(tmp_path):
    """The three tables of the test subset."""
    for kind, text in TABLES.items():
        (tmp_path / f"{kind}_test.csv").write_text(text)
    return tmp_path


def test_ids_scores_and_what_the_dataset_put_together(folder):
    held = read_ratings(folder)
    told = {
        kind: list(
            zip(*(getattr(each, name).tolist() for name in ("first", "second", "score", "original")), strict=True)
        )
        for kind, each in held.items()
    }
    assert told == {
        "sts": [(7, 8, 4.8, True)],
        "sis": [(42, 73, 2.5, False)],
        "sits": [(7, 42, 5.0, True), (8, 73, 0.0, False)],
    }


def test_what_is_not_there(folder):
    with pytest.raises(MissingData, match=r"sts_val\.csv: no such file"):
        read_ratings(folder, "val")
    with pytest.raises(MissingData, match="nowhere: no such file or folder"):
        read_ratings(folder / "nowhere")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "sits_test.csv: the file is empty"),
        ("caption\n", "line 1: expected two columns of captions or images"),
        ("caption,image,score\n", "line 1: no column 'agg_score'"),
        (f"{HEAD}\n7,COCO_val2014_000000000042.jpg,1,x\n", "line 2: caption is '7', expected a caption such as"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,picture.jpg,1,x\n", "line 2: image is 'picture.jpg', expected an image"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,,1,x\n", "line 2: image is empty, expected an image"),
        (f"{HEAD}\nCOCO_val2014:sentid:{'9' * 30},a42.jpg,1,x\n", "line 2: caption is 'COCO_val2014"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,a42.jpg,5.1,x\n", "line 2: agg_score is '5.1', expected a rating from 0 to 5"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,a42.jpg,,x\n", "line 2: agg_score is empty, expected a rating"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,a42.jpg,good,x\n", "line 2: agg_score is 'good', expected a number"),
        (f"{HEAD}\nCOCO_val2014:sentid:7,a42.jpg,3\n", "not readable as a table"),
        ("\x00\x01", "line 1: expected two columns"),
    ],
)
def test_broken_tables_are_refused_in_one_line(folder, text, told):
    (folder / "sits_test.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_ratings(folder)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "sits_test.csv" in str(caught.value)


@pytest.mark.parametrize("kind", TABLES)
def test_truncated_and_foreign_tables_are_refused_in_one_line(folder, kind):
    """Or read as ratings, where what is left is a whole table."""
    file = folder / f"{kind}_test.csv"
    whole = file.read_bytes()
    for what, content in broken_bytes(file, folder / "proof"):
        file.write_bytes(content)
        try:
            held = read_ratings(folder)[kind]
        except HoitoolError as error:
            assert file.name in str(error), what
            assert "\n" not in str(error), what
        else:
            assert np.isfinite(held.score).all(), what
        file.write_bytes(whole)
    assert not (folder / "proof").exists()


def test_tables_are_found_by_name_and_header(folder):
    (folder / "sts_test_raw.csv").write_text("caption1,caption2,rater,score\na,b,c,1\n")
    (folder / "other_test.csv").write_text(TABLES["sts"])
    assert [file.name for file in tables_of(folder)] == ["sis_test.csv", "sits_test.csv", "sts_test.csv"]
    assert tables_of(folder / "sts_test.csv") == [folder / "sts_test.csv"]
    for name in ("sts_test_raw.csv", "other_test.csv", "nowhere.csv", "nowhere"):
        assert tables_of(folder / name) == []
    assert len(read_table(folder / "sits_test.csv")) == 2


def test_inspect_shows_them_and_convert_says_what_they_are_for(folder, hoitool):
    told = json.loads(hoitool("inspect", folder, "--json").out)
    assert told["sits_test.csv"] == {
        "pairs": 2, "of the dataset itself": 1, "first": 2, "second": 2, "lowest": 0.0, "mean": 2.5, "highest": 5.0,
    }  # fmt: skip
    assert "sis_test.csv" in hoitool("inspect", folder / "sis_test.csv").out
    for path in (folder, folder / "sts_test.csv"):
        told = hoitool("convert", path, "-o", folder / "out")
        assert told.code == 2
        assert "ratings of Crisscrossed Captions, which are no dataset" in told.err
