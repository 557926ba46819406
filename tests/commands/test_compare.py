"""hoitool compare as people run it, on synthetic scenes."""

from __future__ import annotations

import csv
import json

import pytest
from searches import embedded, write_store

from hoitool.data import write
from hoitool.demo.detector import imperfect

FEW = ("--resamples", 50)


@pytest.fixture
def workspace(small, tmp_path, monkeypatch):
    """Two runs in a workspace with their truth."""
    monkeypatch.chdir(tmp_path)
    write(small.test, tmp_path / "data" / "demo" / "test.parquet")
    for name, seed in (("old", 1), ("new_model", 2)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write(imperfect(small.test, seed=seed)[0], tmp_path / "runs" / name / "predictions-test.parquet")
    return tmp_path


def test_two_runs_by_their_names(hoitool, workspace):
    ran = hoitool("compare", "old", "new_model", *FEW)
    assert ran.code == 0, ran.err
    assert "new_model less old" in ran.out
    assert "new_model: mAP (default, full) is " in ran.out
    assert "inside the noise" in ran.out or "larger than the noise" in ran.out
    assert "Classes of new_model (Default, AP in %)" in ran.out
    assert "50 resamples of " in ran.out


def test_everything_is_written(hoitool, workspace):
    ran = hoitool("compare", "old", "new_model", *FEW, "--setting", "default", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    held = json.loads(ran.out)
    assert json.loads((workspace / "out" / "comparison.json").read_text()) == held
    assert {each["setting"] for each in held["figures"]} == {"default"}
    assert held["sampling"]["permutations"] == 50
    assert sorted(held["inputs"]["predictions"]) == ["new_model", "old"]
    names = [f"{stem}{end}" for stem in ("classes", "differences") for end in (".png", ".svg")]
    assert sorted(p.name for p in (workspace / "out").iterdir()) == sorted(
        ["classes.csv", "comparison.json", "table.md", "table.tex", *names]
    )
    with (workspace / "out" / "classes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(held["classes"][0]["columns"]["class"])
    latex = (workspace / "out" / "table.tex").read_text()
    assert latex.count(r"\textbf{") == latex.count(r"\underline{") == 3
    assert r"new\_model & " in latex
    assert "<u>" in (workspace / "out" / "table.md").read_text()


def test_results_and_files_are_compared_with_runs(hoitool, workspace):
    """A folder from eval -o, a file of predictions and a run; a split of one's own choice."""
    assert hoitool("eval", "runs/old/predictions-test.parquet", "-o", "kept").code == 0
    ran = hoitool("compare", "kept", "runs/new_model/predictions-test.parquet", *FEW, "--split", "rare", "--json")
    assert ran.code == 0, ran.err
    held = json.loads(ran.out)
    assert held["systems"] == ["old", "new_model"]
    assert {each["split"] for each in held["figures"]} == {"rare"}


def test_a_result_whose_predictions_are_gone_is_told(hoitool, workspace):
    assert hoitool("eval", "runs/old/predictions-test.parquet", "-o", "kept").code == 0
    (workspace / "runs" / "old" / "predictions-test.parquet").unlink()
    ran = hoitool("compare", "kept", "new_model", *FEW)
    assert ran.code == 4
    assert "cannot be compared image by image: the predictions" in ran.err


def test_files_of_one_name_are_told_apart_by_what_differs(hoitool, workspace):
    ran = hoitool("compare", "runs/old/predictions-test.parquet", "runs/old/predictions-test.parquet", *FEW, "--json")
    assert json.loads(ran.out)["systems"] == ["old (1)", "old (2)"]
    for name in ("upt", "pvic"):
        assert hoitool("eval", "runs/old/predictions-test.parquet", "-o", workspace / name).code == 0
    ran = hoitool("compare", "upt", "pvic", *FEW, "--json")
    assert json.loads(ran.out)["systems"] == ["old (upt)", "old (pvic)"]


def test_systems_that_were_scored_against_other_boxes_are_not_compared(hoitool, workspace, small):
    """The same images, classes and predictions: all that differs is where the true boxes are."""
    moved = small.test.with_columns(boxes=small.test.boxes + 9)
    write(moved, workspace / "moved.parquet")
    for name, truth in (("first", "data/demo/test.parquet"), ("second", "moved.parquet")):
        assert hoitool("eval", "runs/old/predictions-test.parquet", "--truth", truth, "-o", name).code == 0
    ran = hoitool("compare", "first", "second", *FEW)
    assert ran.code == 1
    assert "scored against other truths: 'boxes' of data/demo/test.parquet and moved.parquet differ" in ran.err


def test_searches_are_told_not_to_be_compared(hoitool, tmp_path):
    stores = [write_store(tmp_path / f"{name}.h5", embedded([5, 5, 4], seed)) for seed, name in enumerate("ab")]
    ran = hoitool("compare", *stores, *FEW)
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith("hoitool: a: searches over feature stores (retrieval) are not compared")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["old"], 2, "takes two or more"),
        (["old", "newer"], 4, "newer"),
        (["old", "new_model"] * 4, 2, "6 results are told apart at most, came 8"),
        (["old", "new_model", "--resamples", "5"], 2, "5 resamples are too few"),
        (["old", "new_model", "--level", "95"], 2, "level 95 is no fraction"),
        (["old", "new_model", "--split", "rares"], 2, "No split named 'rares'"),
        (["old", "new_model", "--setting", "known"], 2, "No setting named 'known'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(hoitool, workspace, arguments, code, told):
    ran = hoitool("compare", *arguments)
    assert ran.code == code
    assert told in ran.err.splitlines()[-1]
