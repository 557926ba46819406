"""hoitool check as people run it: the report, JSON, files, exit codes, mended copies."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from builders import predictions_of, truth_of
from PIL import Image

from hoitool.convert import FORMATS
from hoitool.data import read, validate, write
from hoitool.labels import load_labels

RIDE = load_labels("hico").interaction_index("ride", "bicycle")
A, B, SWAPPED = (0.0, 0, 40, 40), (10.0, 10, 19, 29), (9.0, 9, 0, 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """good.parquet, and bad.parquet with a swapped box and a repeated pair; the current folder."""
    monkeypatch.chdir(tmp_path)
    sizes = {"width": np.full(2, 64, np.int32), "height": np.full(2, 48, np.int32)}
    good = truth_of([(0, A, B, RIDE), (1, A, B, RIDE)], images=2)
    bad = truth_of([(0, A, SWAPPED, RIDE), (1, A, B, RIDE), (1, A, B, RIDE)], images=2)
    write(good.with_columns(**sizes), tmp_path / "good.parquet")
    write(bad.with_columns(**sizes), tmp_path / "bad.parquet")
    write(predictions_of([(0, A, SWAPPED, RIDE, 0.5)], images=2), tmp_path / "predictions.parquet")
    return tmp_path


def test_good_data_pass(folder, hoitool):
    done = hoitool("check", "good.parquet")
    assert (done.code, done.out.strip()) == (0, "good.parquet: nothing found")
    assert done.err.strip() == "note: image files were not looked at (--images)"


def test_the_report_is_on_stdout_and_the_failure_on_stderr(folder, hoitool):
    done = hoitool("check", "bad.parquet")
    assert done.code == 3
    assert done.err.splitlines()[-1] == "hoitool: bad.parquet: 1 box-swapped, 1 pair-repeated"
    lines = done.out.splitlines()
    assert "  test image-0.jpg box 1: box 9 9 0 0 has swapped corners" in lines
    assert "  test image-1.jpg pair 1: repeats pair 0: 'ride bicycle' with the same boxes" in lines


def test_json_holds_every_finding_and_fails_alike(folder, hoitool):
    done = hoitool("check", "bad.parquet", "--json", "--limit", 0)
    assert done.code == 3
    held = json.loads(done.out)
    assert (held["failed"], held["dataset"]) == (True, "bad.parquet")
    assert held["parts"] == [{"kind": "dataset", "dataset": "", "subset": "test", "images": 2, "boxes": 6, "pairs": 3}]
    assert [row["kind"] for row in held["summary"]] == ["box-swapped", "pair-repeated", "box-repeated"]
    assert held["findings"][0] == {
        "kind": "box-swapped",
        "severity": "error",
        "subset": "test",
        "image": "image-0.jpg",
        "row": 1,
        "text": "box 9 9 0 0 has swapped corners",
    }
    assert json.loads(hoitool("check", "good.parquet", "--json").out)["failed"] is False


def test_limit_and_all(folder, hoitool):
    write(truth_of([(0, A, B, RIDE)] * 9, images=1), folder / "many.parquet")
    for arguments, shown in (((), 5), (("--limit", 2), 2), (("--all",), 8), (("--limit", 0), 0)):
        done = hoitool("check", "many.parquet", *arguments)
        assert sum("repeats pair 0" in line for line in done.out.splitlines()) == shown
        assert ("more (--all shows them)" in done.out) == (0 < shown < 8)


def test_findings_as_files(folder, hoitool):
    expected = json.loads(hoitool("check", "bad.parquet", "--json").out)
    for name in ("f.csv", "f.jsonl", "f.json"):
        done = hoitool("check", "bad.parquet", "-o", name)
        assert (done.code, f"wrote {name}" in done.err) == (3, True)
    rows = list(csv.DictReader((folder / "f.csv").read_text().splitlines()))
    assert [(row["kind"], row["image"], row["row"]) for row in rows] == [
        (row["kind"], row["image"], str(row["row"])) for row in expected["findings"]
    ]
    assert list(map(json.loads, (folder / "f.jsonl").read_text().splitlines())) == expected["findings"]
    assert json.loads((folder / "f.json").read_text()) == expected


def test_files_that_exist_stay(folder, hoitool):
    (folder / "f.csv").write_text("mine")
    again = hoitool("check", "bad.parquet", "-o", "f.csv")
    assert (again.code, again.err.strip()) == (2, "hoitool: f.csv exists; --overwrite replaces it")
    assert (folder / "f.csv").read_text() == "mine"
    assert hoitool("check", "bad.parquet", "-o", "f.csv", "--overwrite").code == 3
    assert hoitool("check", "bad.parquet", "-o", "f.txt").code == 2
    fixed = hoitool("check", "bad.parquet", "--fix", "good.parquet")
    assert (fixed.code, "good.parquet exists" in fixed.err) == (2, True)


def test_a_mended_copy(folder, hoitool):
    before = (folder / "bad.parquet").read_bytes()
    done = hoitool("check", "bad.parquet", "--fix", "fixed.parquet")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert "boxes with their corners put in order: 1" in lines
    assert "repeated pairs removed: 1" in lines
    assert "wrote fixed.parquet" in lines
    assert (folder / "bad.parquet").read_bytes() == before
    made = read(folder / "fixed.parquet")
    validate(made)
    assert (made.boxes[1].tolist(), len(made.subject)) == ([0, 0, 9, 9], 2)
    assert list(made.meta.sources) == ["bad.parquet"]
    again = json.loads(hoitool("check", "fixed.parquet", "--fix", "twice.parquet", "--json").out)
    assert (again["failed"], again["fixed"]["changes"]) == (False, {})


def test_the_exit_code_with_fix_is_that_of_the_copy(folder, hoitool):
    done = hoitool("check", "bad.parquet", "--fix", "a.parquet", "--json")
    held = json.loads(done.out)
    assert (done.code, held["failed"], held["fixed"]["changes"]) == (0, False, {"box-swapped": 1, "pair-repeated": 1})
    assert held["fixed"]["written"] == ["a.parquet"]
    wrong = read(folder / "bad.parquet")
    write(wrong.with_columns(categories=np.full(6, 17, np.int32)), folder / "worse.parquet")
    done = hoitool("check", "worse.parquet", "--fix", "b.parquet")
    assert done.code == 3
    assert "hoitool: b.parquet, after mending: 2 label-forbidden" in done.err


def test_data_are_never_changed_in_place(folder, hoitool):
    for out in ("bad.parquet", "./bad.parquet"):
        done = hoitool("check", "bad.parquet", "--fix", out, "--overwrite")
        assert (done.code, "never changed in place" in done.err) == (2, True)
    (folder / "set").mkdir()
    (folder / "bad.parquet").rename(folder / "set" / "test.parquet")
    assert hoitool("check", "set", "--fix", "set", "--overwrite").code == 2
    assert hoitool("check", "set/test.parquet", "--fix", "set", "--overwrite").code == 2
    assert sorted(p.name for p in (folder / "set").iterdir()) == ["test.parquet"]


def test_strict_counts_warnings(folder, hoitool):
    rows = [(0, (0, 0, 99, 49), B, RIDE), (0, (1, 0, 99, 49), B, RIDE)]
    write(truth_of(rows, images=1), folder / "near.parquet")
    assert hoitool("check", "near.parquet").code == 0
    done = hoitool("check", "near.parquet", "--strict")
    assert (done.code, done.err.splitlines()[-1]) == (3, "hoitool: near.parquet: 1 pair-near-repeated")
    assert hoitool("check", "near.parquet", "--strict", "--min-iou", 0.995).code == 0


def test_predictions_are_checked_and_not_mended(folder, hoitool):
    done = hoitool("check", "predictions.parquet")
    assert done.code == 0
    assert "box-swapped" in done.out
    assert hoitool("check", "predictions.parquet", "--strict").code == 3
    refused = hoitool("check", "predictions.parquet", "--fix", "x.parquet")
    assert (refused.code, "scored as they are" in refused.err) == (2, True)
    assert not (folder / "x.parquet").exists()


def test_predictions_have_the_sizes_of_their_truth(folder, hoitool):
    write(predictions_of([(0, A, (10, 10, 64, 40), RIDE, 0.5)], images=2), folder / "wide.parquet")
    assert "box-outside" not in hoitool("check", "wide.parquet").out
    done = hoitool("check", "wide.parquet", "--truth", "good.parquet")
    assert (done.code, "box 1: box 10 10 64 40 leaves the image (0..63 x 0..47) by 1" in done.out) == (0, True)


def test_images(folder, hoitool):
    (folder / "images").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "images" / "image-0.jpg")
    Image.new("RGB", (48, 64)).save(folder / "images" / "image-1.jpg")
    done = hoitool("check", "good.parquet", "--images", "images")
    assert done.code == 3
    assert "image-1.jpg: the file is 48 x 64, stated is 64 x 48" in done.out
    Image.new("RGB", (64, 48), "red").save(folder / "images" / "image-1.jpg")
    assert hoitool("check", "good.parquet", "--images", "images").code == 0
    assert hoitool("check", "good.parquet", "--images", "nowhere").code == 4


def test_any_format_all_subsets_or_one(small, tmp_path, hoitool):
    FORMATS["hico-det"].write([small.train, small.test], tmp_path / "raw")
    held = json.loads(hoitool("check", tmp_path / "raw", "--json").out)
    assert [part["subset"] for part in held["parts"]] == ["train", "test"]
    assert held["failed"] is False
    one = json.loads(hoitool("check", tmp_path / "raw", "--subset", "test", "--json").out)
    assert [part["subset"] for part in one["parts"]] == ["test"]
    fixed = hoitool("check", tmp_path / "raw", "--fix", tmp_path / "fixed", "--json")
    assert fixed.code == 0
    assert sorted(p.name for p in (tmp_path / "fixed").glob("*.parquet")) == ["test.parquet", "train.parquet"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.parquet"], 4),
        (["good.parquet", "--min-iou", "2"], 2),
        (["good.parquet", "--tolerance", "-1"], 2),
        (["good.parquet", "--subset", "val"], 2),
        (["good.parquet", "--from", "nonsense"], 2),
        (["good.parquet", "--fix", "x.csv"], 2),
    ],
)
def test_what_cannot_be_meant_is_one_line(folder, hoitool, arguments, code):
    done = hoitool("check", *arguments)
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("hoitool: ")
    assert done.err.count("\n") == 1
