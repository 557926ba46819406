"""hoitool draw boxes as people run it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from stub_encoders import noise

from hoitool.data import select_images, write
from hoitool.viz.shapes import FORMS


@pytest.fixture
def folder(small, detected, tmp_path, monkeypatch):
    """The first three images of the synthetic test subset with pictures, a truth, and two models' predictions."""
    monkeypatch.chdir(tmp_path)
    truth = select_images(small.test, np.arange(3))
    write(truth, tmp_path / "truth.parquet")
    write(select_images(detected, np.arange(3)), tmp_path / "first.parquet")
    write(select_images(detected, np.arange(2)), tmp_path / "runs" / "second" / "predictions-test.parquet")
    for seed, (name, wide, high) in enumerate(zip(truth.key, truth.width, truth.height, strict=True)):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        noise(wide, high, seed).save(tmp_path / "pictures" / name)
    return tmp_path


SECOND = "runs/second/predictions-test.parquet"


def test_predictions_are_drawn_beside_their_file(folder, hoitool):
    done = hoitool("draw", "boxes", "first.parquet", "--images", "pictures", "--limit", 2)
    assert (done.code, done.out) == (0, "drew 2 of 3 images into first-boxes\n"), done.err
    assert done.err == "--limit draws more than 2, --image others\n"
    written = sorted((folder / "first-boxes").iterdir())
    assert [path.suffix for path in written] == [".jpg"] * 2
    with Image.open(written[0]) as drawn:
        assert drawn.format == "JPEG"


@pytest.mark.parametrize("form", FORMS)
def test_truth_and_two_models_stand_side_by_side(folder, hoitool, form):
    key = "demo_test_00000001.jpg"
    line = ("draw", "boxes", "first.parquet", "--truth", "truth.parquet", "--other", SECOND, "--images", "pictures")
    done = hoitool(*line, "--image", key, "--format", form, "-o", "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["written"] == [f"out/demo_test_00000001.{form}"]
    if form == "svg":
        text = (folder / "out" / "demo_test_00000001.svg").read_text()
        assert all(f">{title}</text>" in text for title in ("Truth", "first", "second"))
        assert f"<title>{key}</title>" in text
    if form == "png":
        with Image.open(folder / "out" / "demo_test_00000001.png") as drawn:
            assert drawn.width > 3 * 500


def test_annotations_are_drawn_alone(folder, hoitool):
    done = hoitool("draw", "boxes", "truth.parquet", "--images", "pictures", "--format", "svg", "-o", "out")
    assert (done.code, done.err) == (0, "")
    assert len(list((folder / "out").iterdir())) == 3


def test_what_is_there_stays_unless_it_may_be_replaced(folder, hoitool):
    (folder / "first-boxes").mkdir()
    mine = folder / "first-boxes" / "demo_test_00000002.jpg"
    mine.write_text("mine")
    line = ("draw", "boxes", "first.parquet", "--images", "pictures")
    done = hoitool(*line)
    assert (done.code, done.out) == (2, "")
    assert "demo_test_00000002.jpg exists; --overwrite replaces it" in done.err
    assert list((folder / "first-boxes").iterdir()) == [mine] and mine.read_text() == "mine"
    assert hoitool(*line, "--overwrite").code == 0


def test_pictures_that_cannot_be_read_are_left_out_and_told(folder, hoitool):
    (folder / "pictures" / "demo_test_00000001.jpg").write_bytes(b"no picture")
    line = ("draw", "boxes", "first.parquet", "--images", "pictures")
    done = hoitool(*line)
    assert (done.code, done.out) == (0, "drew 2 of 3 images into first-boxes\n")
    assert done.err.startswith("note: left out 1 of 3 pictures, such as pictures/demo_test_00000001.jpg: not readable")
    named = hoitool(*line, "--image", "demo_test_00000001.jpg", "-o", "named")
    assert (named.code, named.out, named.err.count("\n")) == (1, "", 1)
    assert not (folder / "named").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere.parquet", "--images", "pictures"], 4, "nowhere.parquet"),
        (["first.parquet"], 4, "raw/demo: no such folder (images expected); name theirs with --images"),
        (["first.parquet", "--images", "runs"], 4, "holds none of the images"),
        (["first.parquet", "--images", "pictures", "--image", "demo_test_0000001.jpg"], 2, "Did you mean"),
        (["first.parquet", "--images", "pictures", "--other", "truth.parquet", "--image", "x"], 2, "No image named"),
        (["truth.parquet", "--images", "pictures", "--truth", "first.parquet"], 2, "holds predictions, expected annot"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(folder, hoitool, arguments, code, told):
    done = hoitool("draw", "boxes", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not (folder / "first-boxes").exists()
