"""The conventional names of a workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hoitool import workspace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for age, name in enumerate(reversed(names)):  # the first is the newest
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
        os.utime(name, ns=(10**18 + age, 10**18 + age))


def test_an_empty_folder_has_nothing(folder):
    assert workspace.datasets() == []
    assert workspace.predictions() == []
    assert workspace.raw_entries() == []


def test_datasets_are_listed_in_name_order_and_by_subset(folder):
    touch(
        "data/b/test.parquet",
        "data/a/train.parquet",
        "data/a/test.parquet",
        "data/a/labels-1.json",
        "data/stray.parquet",
    )
    Path("data/c/test.parquet").mkdir(parents=True)  # a folder of shards
    found = ["data/a/test.parquet", "data/a/train.parquet", "data/b/test.parquet", "data/c/test.parquet"]
    assert [str(path) for path in workspace.datasets()] == found
    assert [str(path) for path in workspace.datasets("test")] == [found[0], found[2], found[3]]
    assert workspace.datasets("val") == []


def test_hidden_entries_are_not_seen(folder):
    touch("data/.a/test.parquet", "data/a/.test.parquet", "runs/.r/predictions-test.parquet", "raw/.x", "raw/d/.y")
    assert workspace.datasets() == []
    assert workspace.predictions() == []
    assert workspace.raw_entries() == [Path("raw/d")]


def test_predictions_come_newest_first(folder):
    made = ["runs/b/predictions-test.parquet", "runs/c/predictions-test.parquet", "runs/a/predictions-val.parquet"]
    touch(*made)
    touch("runs/a/config.yaml", "runs/a/other.parquet", "runs/stray")
    assert [str(path) for path in workspace.predictions()] == made


def test_raw_entries_are_what_is_visible_in_name_order_without_pictures(folder):
    touch("raw/z.npz", "raw/a/2.mat", "raw/a/1.mat", "raw/a/deep/er.mat", "raw/x.jpg", "raw/a/y.PNG", "raw/a/z.jpeg")
    assert [str(path) for path in workspace.raw_entries()] == ["raw/a", "raw/z.npz"]
    assert [path.name for path in workspace.raw_entries(Path("raw/a"))] == ["1.mat", "2.mat", "deep"]
    assert workspace.raw_entries(Path("raw/z.npz")) == []


def test_a_folder_of_pictures_is_told_from_one_with_other_files(folder):
    touch("p/a.JPG", "p/below/b.png", "p/.hidden")
    assert workspace.only_pictures(folder / "p")
    assert not workspace.only_pictures(folder / "nowhere")
    touch("p/notes.txt")
    assert not workspace.only_pictures(folder / "p")


def test_paths_and_their_run_agree():
    path = workspace.predictions_path("baseline", "test")
    assert path == Path("runs/baseline/predictions-test.parquet")
    assert workspace.run_folder(path) == Path("runs/baseline")
    assert workspace.run_folder(Path("/elsewhere") / path) == Path("/elsewhere/runs/baseline")
    assert workspace.dataset_folder("hico-det") == Path("data/hico-det")


@pytest.mark.parametrize(
    "path",
    [
        "predictions-test.parquet",
        "results/a/predictions-test.parquet",
        "runs/a/other.parquet",
        "runs/predictions-test.parquet",
    ],
)
def test_a_file_elsewhere_belongs_to_no_run(path):
    assert workspace.run_folder(Path(path)) is None
