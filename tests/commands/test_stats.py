"""hoitool stats as people run it: the tables, JSON, the picture."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from hoitool.data import write
from hoitool.data.distribution import distribution


@pytest.fixture
def folder(small, detected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in (small.train, small.test):
        write(part, tmp_path / "demo" / f"{part.meta.subset}.parquet")
    write(detected, tmp_path / "detected.parquet")
    return tmp_path


def test_the_tables_name_every_subset(folder, small, hoitool):
    done = hoitool("stats", "demo")
    assert done.code == 0, done.err
    assert done.err == ""
    for subset in ("train", "test"):
        assert f"{subset}: interactions by pairs" in done.out
        assert f"{subset}: objects and verbs together" in done.out
        assert f"{subset}: pairs per image: mean" in done.out
    best, count = distribution(small.train).tails[0].ranked()[0]
    assert f"│ 1    │ {best}" in done.out
    assert f" {count} " in done.out


def test_json_is_the_whole_distribution(folder, small, hoitool):
    held = json.loads(hoitool("stats", "demo", "--json").out)
    assert held["dataset"] == "demo"
    test, train = held["parts"]
    assert (test["subset"], train["subset"]) == ("test", "train")
    assert train == json.loads(json.dumps(distribution(small.train).to_json()))
    assert sum(count for _, _, count in train["together"]) == len(small.train.subject)


def test_a_picture(folder, hoitool):
    done = hoitool("stats", "demo", "--png", "a.png")
    assert (done.code, done.err) == (0, "wrote a.png\n")
    with Image.open("a.png") as image:
        assert image.format == "PNG"


def test_top_and_subset(folder, hoitool):
    assert "by pairs" not in hoitool("stats", "demo", "--top", 0).out
    assert "train" not in hoitool("stats", "demo", "--subset", "test").out


def test_predictions_too(folder, hoitool):
    done = hoitool("stats", "detected.parquet")
    assert (done.code, done.err) == (0, "")
    assert "test: pairs per image" in done.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nowhere"], 4), (["demo", "--png", "a.jpg"], 2), (["demo", "--subset", "val"], 2), (["demo", "--top", -1], 2)],
)
def test_what_cannot_be_meant(folder, hoitool, arguments, code):
    done = hoitool("stats", *arguments)
    assert (done.code, done.out) == (code, "")
    assert not (folder / "a.jpg").exists()
