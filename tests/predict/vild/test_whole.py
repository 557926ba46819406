"""Detections of pictures: whose boxes, in which pixels, of which words, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_vild import make_workspace

from hoitool.data import write
from hoitool.data.parquet import read
from hoitool.embed import engine
from hoitool.embed.load import load
from hoitool.embed.words import Stored, job_of, lines
from hoitool.errors import DataError, UsageError
from hoitool.eval import score
from hoitool.models.card import read_card
from hoitool.predict.opened import opened
from hoitool.predict.recognition import Pace
from hoitool.predict.vild.squares import fitted, normalised
from hoitool.predict.vild.whole import predict_for
from hoitool.predict.whole import Asked
from hoitool.train.recipe import resolve
from hoitool.train.vild.prepare import prepare

TEST = "data/things/test.parquet"


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace with models that have learnt nothing: own, which proposes boxes, and given, which does not."""
    made = make_workspace(tmp_path_factory.mktemp("things"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        given = ["data.boxes=proposals-train.parquet", "predict.boxes=proposals-test.parquet"]
        for name, changes in (("own", []), ("given", ["model.proposals=given", *given])):
            job = prepare(resolve("recipe.yaml", changes), silent, "cpu")
            job.card.write(made / name)
            save_file(job.module.state_dict(), made / name / "weights.safetensors")
    return made


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def detected(here, tmp_path, name="own", sources=(TEST,), **asked):
    path = here / name
    made = predict_for(
        opened(path, device="cpu"),
        path,
        [here / each for each in sources],
        Asked(out=tmp_path / "p.parquet", **asked),
        silent,
    )
    return made, read(made.done.path)


def test_what_is_written(here, tmp_path):
    made, held = detected(here, tmp_path)
    truth = read(here / TEST)
    assert np.array_equal(held.key, truth.key)
    assert (held.meta.label_kind, held.meta.box_frame, held.meta.labels.name) == ("objects", "continuous", "coco")
    assert held.meta.extras["predict"]["boxes"] == "its own"
    assert (held.counts("box") <= 100).all()
    limit = np.tile([128, 96], 2)
    assert ((held.boxes >= 0) & (held.boxes <= limit)).all()
    for image in range(len(held)):
        scores = held.box_scores[slice(*held.box_offsets[image : image + 2])]
        assert (np.diff(scores) <= 0).all()
    assert made.told()[0].endswith(f"objects of 6 images by own, {len(held.boxes):,} boxes")
    assert made.summary()["boxes"] == len(held.boxes)


def test_a_batch_of_pictures_of_different_sizes_is_each_by_itself(here, tmp_path):
    sizes = [(128, 96), (60, 100), (100, 33), (200, 90)]
    rng = np.random.default_rng(0)
    (pictures := tmp_path / "pictures").mkdir()
    for i, size in enumerate(sizes):
        noise = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / f"{i}.png")
    _, together = detected(here, tmp_path, sources=[pictures], pace=Pace(4))
    _, alone = detected(here, tmp_path, sources=[pictures], pace=Pace(1), overwrite=True)
    assert len(together.boxes)
    np.testing.assert_allclose(together.box_scores, alone.box_scores, atol=1e-5)
    for image, size in enumerate(sizes):
        boxes = together.boxes[slice(*together.box_offsets[image : image + 2])]
        assert (boxes <= np.tile(size, 2)).all()


@pytest.mark.parametrize("name", ["own", "given"])
def test_given_boxes_are_looked_at(here, tmp_path, name):
    given = read(here / "proposals-test.parquet")
    _, held = detected(here, tmp_path, name, boxes=here / "proposals-test.parquet")
    assert held.meta.extras["predict"]["boxes"] == "proposals-test.parquet"
    assert len(held.boxes) > 0
    assert (held.counts("box") <= 65 * given.counts("box")).all()


def test_a_model_that_is_given_boxes_says_that_it_needs_them(here, tmp_path):
    with pytest.raises(UsageError, match="given proposes no boxes; give those that it is to look at with --boxes"):
        detected(here, tmp_path, "given")


def test_another_vocabulary(here, tmp_path):
    (tmp_path / "mine.txt").write_text("a green cup\na car\n")
    engine.run(job_of(lines(tmp_path / "mine.txt", []), load("colours"), Stored()), tmp_path / "m.h5", engine.Pace(8))
    _, held = detected(here, tmp_path, vocabulary=tmp_path / "m.h5")
    assert held.meta.labels.objects == ("a green cup", "a car")
    assert held.meta.extras["predict"]["vocabulary"] == "m.h5"
    assert set(held.categories.tolist()) == {0, 1}


def test_classes_with_attributes(here, tmp_path):
    for name, told in (("mine", "cup\ncar\n"), ("colours", "green\nred\nblue\n")):
        (tmp_path / f"{name}.txt").write_text(told)
        words = lines(tmp_path / f"{name}.txt", [])
        engine.run(job_of(words, load("colours"), Stored()), tmp_path / f"{name}.h5", engine.Pace(8))
    _, held = detected(here, tmp_path, vocabulary=tmp_path / "mine.h5", attributes=tmp_path / "colours.h5")
    assert held.meta.labels.objects == ("green cup", "red cup", "blue cup", "green car", "red car", "blue car")
    assert held.meta.extras["predict"]["attributes"] == "colours.h5"
    assert set(held.categories.tolist()) <= set(range(6))


def test_proposals_are_boxes_without_a_class(here, tmp_path):
    _, held = detected(here, tmp_path, how={"task": "proposals"})
    assert set(held.categories.tolist()) == {-1}
    assert (held.counts("box") == 100).all()
    assert ((held.box_scores > 0) & (held.box_scores < 1)).all()
    result = score(read(here / TEST), held, "open-vocab", "proposals")
    assert 0 < result.mean("full", metric="AR@100") < 1
    model = opened(here / "own", device="cpu").module
    square = fitted(np.asarray(Image.open(here / "raw/things/images/test/test_0000.png")), 128)
    with torch.inference_mode():
        pixels = normalised(torch.from_numpy(square.pixels[None]), [square.size], read_card(here / "own"))
        (rows,) = model.proposals(pixels, model.maps(pixels), [square.size])
    np.testing.assert_allclose(held.boxes[:100], rows[:, :4].numpy(), atol=1e-3)
    assert (np.diff(held.box_scores[:100]) <= 0).all()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"how": {"task": "detection"}}, "No task of a detector of objects named 'detection'"),
        ({"how": {"task": "proposals"}, "boxes": "proposals-test.parquet"}, "--task proposals writes the model's own"),
    ],
)
def test_tasks_that_it_does_not_have_are_refused(here, tmp_path, asked, told):
    with pytest.raises(UsageError, match=told):
        detected(here, tmp_path, **asked)


def test_pictures_of_the_result(here, tmp_path):
    made, _ = detected(here, tmp_path, draw=True)
    drawn = sorted(path.name for path in made.drawn.iterdir())
    assert drawn == [f"test_000{i}.jpg" for i in range(6)]


def test_broken_pictures_are_left_out_or_stop_it(here, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    whole = (here / "raw/things/images/test/test_0000.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="b.png"):
        detected(here, tmp_path, sources=[tmp_path])
    made, held = detected(here, tmp_path, sources=[tmp_path], pace=Pace(skip_broken=True))
    assert list(made.done.broken) == ["b.png"]
    assert held.counts("box").tolist()[1:] == [0]


def test_a_picture_of_another_size_than_its_image_is_refused(here, tmp_path):
    truth = read(here / TEST)
    write(truth.with_columns(width=truth.width + 1), tmp_path / "wrong.parquet")
    with pytest.raises(DataError, match="has 128x96 pixels, its annotations say 129x96"):
        detected(here, tmp_path, sources=[tmp_path / "wrong.parquet"])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"how": {"mask": "none"}}, "--mask is not for a detector"),
        ({"detector": "detr"}, "--detector is not for a detector"),
        ({"pseudo": "x.parquet"}, "--as-dataset is not for a detector"),
    ],
)
def test_what_is_of_pairs_is_refused(here, tmp_path, asked, told):
    with pytest.raises(UsageError, match=told):
        detected(here, tmp_path, **asked)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"base": None}, "predict.base is None"),
        ({"temperature": "hot"}, "predict.temperature is 'hot'"),
        ({"novel": [800]}, "predict.base and predict.novel are not some of its classes"),
        ({"novel": ["cup"]}, "predict.base and predict.novel are not some of its classes"),
    ],
)
def test_a_card_that_says_something_else_is_refused_in_one_line(here, tmp_path, changed, told):
    shutil.copytree(here / "own", tmp_path / "changed")
    path = tmp_path / "changed" / "model.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {"predict": held["predict"] | changed}))
    with pytest.raises(DataError, match=f"^model.json of changed: {told}[^\n]*$"):
        detected(here, tmp_path, str(tmp_path / "changed"))


def test_the_command_predicts_and_the_next_one_scores(here, hoitool, tmp_path):
    done = hoitool("predict", "own", TEST, "-o", tmp_path / "p.parquet", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["task"] == "objects"
    scored = hoitool("eval", tmp_path / "p.parquet", "--truth", TEST)
    assert scored.code == 0, scored.err
    assert "open-vocab · coco" in scored.out
    wrong = hoitool("predict", "own", TEST, "--vocabulary", "features/regions.h5", "-o", tmp_path / "q.parquet")
    assert wrong.code == 1
    assert "of is 'regions', expected 'labels' or 'texts'" in wrong.err
