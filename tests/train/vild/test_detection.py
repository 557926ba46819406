"""The task of ViLD: what a sample holds, what is not there for it, and what is minimised."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tiny_vild import make_workspace

from hoitool.data import select_images
from hoitool.data.parquet import read, write
from hoitool.data.synthetic import scenes
from hoitool.demo.draw import draw_all
from hoitool.embed import engine
from hoitool.embed.load import load
from hoitool.embed.words import Stored, job_of, labels
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels.prompts import load_prompts
from hoitool.losses.vild import image_loss, text_logits, text_loss
from hoitool.store import Store
from hoitool.train.recipe import resolve
from hoitool.train.vild.prepare import prepare

NOVEL = {"cup", "tie", "couch", "bus"}


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path


def job(*changes, say=silent):
    return prepare(resolve("recipe.yaml", ["augment.scale=[1.0, 1.0]", "augment.flip=0", *changes]), say, "cpu")


def names_of(task, index):
    rows = slice(*task.data.box_offsets[index : index + 2])
    return [task.data.meta.labels.objects[category] for category in task.data.categories[rows]]


def test_novel_objects_are_not_there(workspace):
    task = job().task
    space = task.data.meta.labels
    for index in range(len(task)):
        sample, shown = task.sample(index, 0), names_of(task, index)
        kept = [name for name in shown if name not in NOVEL]
        counted = [int(task.label[space.object_index(name)]) for name in kept]
        assert sample["labels"].tolist() == counted
        assert len(sample["boxes"]) == len(kept)
    assert task.label.max() == len(task.card.predict["base"]) == 48
    assert {space.objects[i] for i in task.card.predict["novel"]} >= NOVEL


def test_objects_that_a_recipe_names_are_novel_and_all_others_base(workspace):
    made = job("data.novel=[car, kite]")
    objects = made.card.labels.objects
    assert sorted(objects[i] for i in made.card.predict["novel"]) == ["car", "kite"]
    assert len(made.card.predict["base"]) == len(objects) - 2
    with pytest.raises(UsageError, match="carr"):
        job("data.novel=[carr]")


def test_crowds_and_boxes_without_a_class_are_not_there(workspace):
    path = workspace / "data" / "things" / "train.parquet"
    data = read(path)
    crowd = np.zeros(len(data.boxes), bool)
    crowd[::2] = True
    write(data.with_columns(crowd=crowd, categories=np.where(crowd, data.categories, -1)), path)
    task = job("model.heads=text").task
    assert all(not len(task.sample(index, 0)["labels"]) for index in range(4))
    losses = job("model.heads=text")
    batch = losses.task.collate([losses.task.sample(index, 0) for index in range(4)])
    assert torch.isfinite(losses.task.loss(losses.module, batch, 0.0)["loss"])


def test_the_teacher_s_regions_are_those_of_the_store(workspace):
    task = job().task
    store = Store("features/regions.h5")
    sample = task.sample(3, 0)
    np.testing.assert_allclose(sample["regions"], store.column("boxes")[12:16], atol=1e-3)  # squares of the same scale
    np.testing.assert_allclose(sample["target"], store.rows(12, 16), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(sample["target"], axis=1), 1, atol=1e-6)
    few = job("data.most=2").task.sample(3, 0)
    assert few["target"].shape == (2, task.card.numbers["dim"])
    assert all(any(np.allclose(row, other) for other in sample["target"]) for row in few["target"])


def test_the_losses_are_those_of_the_paper_on_what_the_module_says(workspace):
    made = job("loss.temperature=0.05", "loss.image=3")
    task, texts = made.task, torch.from_numpy(Store("features/texts.h5").rows(0, 80))
    batch = task.collate([task.sample(index, 0) for index in range(3)])
    torch.manual_seed(1)
    losses = task.loss(made.module, batch, 0.0)
    seen = []
    made.module.register_forward_hook(lambda module, given, said: seen.append(said))
    torch.manual_seed(1)
    task.loss(made.module, batch, 0.0)
    (said,) = seen
    base = torch.tensor(made.card.predict["base"])
    logits = text_logits(said.text, said.background, texts[base], 0.05)
    torch.testing.assert_close(losses["text"], text_loss(logits, said.taught.labels), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses["image"], image_loss(said.image, batch["target"]), rtol=1e-4, atol=1e-5)
    rest = losses["objectness"] + losses["proposals"] + losses["boxes"] + losses["text"]
    torch.testing.assert_close(losses["loss"], rest + 3 * losses["image"])


def test_held_out_classes_may_stay_in_the_softmax_with_a_logit_of_zero(workspace):
    absent, zero = job(), job("loss.held_out=zero")
    assert len(absent.task.criterion.texts) == 48
    assert len(zero.task.criterion.texts) == 80
    assert zero.task.criterion.held_out.sum() == 32
    sample = zero.task.sample(0, 0)
    shown = [name for name in names_of(zero.task, 0) if name not in NOVEL]
    assert [zero.task.data.meta.labels.objects[label - 1] for label in sample["labels"]] == shown


def test_a_batch_without_regions_has_one_that_does_not_count(workspace):
    task = job().task
    samples = [task.sample(index, 0) for index in range(2)]
    bare = [each | {"regions": each["regions"][:0], "target": each["target"][:0]} for each in samples]
    batch = task.collate(bare)
    assert (len(batch["regions"]), batch["valid"].tolist()) == (1, [False])
    made = job()
    assert made.task.loss(made.module, batch, 0.0)["image"] == 0


def test_a_model_that_is_given_boxes_is_taught_by_them(workspace):
    given = ["model.proposals=given", "data.boxes=proposals-train.parquet", "predict.boxes=proposals-test.parquet"]
    made = job(*given)
    batch = made.task.collate([made.task.sample(index, 0) for index in range(4)])
    assert [len(boxes) for boxes in batch["lesson"].proposals] == [4, 4, 4, 4]
    assert set(made.task.loss(made.module, batch, 0.0)) == {"loss", "boxes", "text", "image"}
    assert {"boxes", "test boxes"} <= set(made.inputs)
    for changes, told in ((given[:1], "data.boxes"), (given[:2], "predict.boxes")):
        with pytest.raises(UsageError, match=f"model.proposals is given, and {told} names no file"):
            job(*changes)


def test_scenes_of_pairs_are_trained_on_by_their_objects(workspace):
    """A dataset of interactions has boxes too; which of its objects are novel goes by COCO's names."""
    made = select_images(scenes(seed=1, scale=0.1).train, np.arange(4))
    write(made, workspace / "data" / "demo" / "train.parquet")
    draw_all([made], workspace / "raw" / "demo" / "images", 0)
    scene = ["data.dataset=demo", "data.test=null", "model.heads=text"]
    with pytest.raises(
        MissingData, match="no embeddings of the objects of label space 'demo'[^\n]*hoitool embed labels"
    ):
        job(*scene)
    words, encoder = labels(made.meta.labels, "objects", [load_prompts("photo")]), load("colours")
    engine.run(job_of(words, encoder, Stored()), workspace / "features" / "scenes.h5", engine.Pace(8))
    task = job(*scene).task
    objects = task.data.meta.labels.objects
    assert {objects[i] for i in task.card.predict["novel"]} == {"dog", "skateboard", "umbrella"}
    assert len(task.sample(0, 0)["labels"])


def test_what_was_taken_is_said(workspace):
    told = []
    job(say=told.append)
    assert [line.partition(":")[0] for line in told[2:]] == ["texts", "regions"]
    assert "features/texts.h5" in told[2]
    assert told[1].startswith("neither base nor novel, so neither trained on nor found: traffic light, fire hydrant")
    named = []
    job("data.novel=[car, kite]", say=named.append)
    assert "data.novel: what is trained on follows it; the figures stand by the protocol's own groups" in named[1]
    assert not [line for line in named if line.startswith("neither")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model.texts=features/regions.h5", "of is 'regions', expected 'labels'"),
        ("data.regions=features/texts.h5", "of is 'labels', expected 'regions'"),
    ],
)
def test_a_store_of_something_else_is_refused_in_one_line(workspace, name, told):
    with pytest.raises(DataError, match=f"^[^\n]*{told}[^\n]*$"):
        job(name)


def test_regions_of_other_images_are_refused(workspace):
    path = workspace / "data" / "things" / "train.parquet"
    data = read(path)
    keys = data.key.copy()
    keys[5] = "another.png"
    write(data.with_columns(key=keys), path)
    with pytest.raises(DataError, match="has no image 'another.png'"):
        job()


def test_no_regions_say_with_which_command_they_are_made(workspace):
    (workspace / "features" / "regions.h5").unlink()
    with pytest.raises(MissingData, match="^[^\n]*hoitool embed regions[^\n]*--context 1.5[^\n]*$"):
        job()
    assert job("model.heads=text").task.teacher is None


def test_a_figure_that_the_protocol_does_not_have_is_refused(workspace):
    with pytest.raises(UsageError, match="evaluate.best"):
        job("evaluate.best=rare")


def test_what_a_detector_cannot_have_is_refused(workspace):
    with pytest.raises(UsageError, match="optimise.compile: each step of a detector has other shapes"):
        job("optimise.compile=true")
