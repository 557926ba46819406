"""A recipe of ViLD to a run: what it learns by language, what is written, what is scored, and how it goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tiny_vild import make_workspace

from hoitool.data.parquet import read
from hoitool.errors import DataError, UsageError
from hoitool.eval import score
from hoitool.models import checkpoints
from hoitool.predict.opened import opened
from hoitool.predict.vild.whole import predict_for
from hoitool.predict.whole import Asked
from hoitool.store import Store
from hoitool.train import metrics
from hoitool.train.fit import estimated, fit
from hoitool.train.recipe import resolve

LEARNS = {"train": 100, "test": 40}


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run that has learnt base things, in its workspace."""
    folder = make_workspace(tmp_path_factory.mktemp("things"), **LEARNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, run(folder / "runs" / "first", "optimise.epochs=5", "evaluate.every=5")


def run(folder, *changes, **more):
    return fit(resolve("recipe.yaml", changes), folder, silent, device="cpu", **more)


@pytest.fixture
def workspace(learnt, monkeypatch):
    monkeypatch.chdir(learnt[0])
    return learnt[0]


def truth_of(folder):
    return read(folder / "data" / "things" / "test.parquet")


def test_novel_things_are_found_by_their_names(learnt):
    """It never saw a box or a name of them; at a seventeenth of the novel classes each, chance is far below."""
    _, made = learnt
    assert made.trained.figures["base"] > 0.5
    assert made.trained.figures["novel"] > 0.15


def test_it_learns(learnt):
    lines = [line for line in metrics.lines(learnt[1].folder / "metrics.jsonl") if "text" in line]
    for name in ("text", "image", "objectness", "loss"):
        assert np.mean([line[name] for line in lines[-3:]]) < 0.7 * lines[0][name]


def test_a_run_holds_what_it_was_and_what_it_made(learnt):
    _, made = learnt
    held = {path.name for path in made.folder.iterdir() if not path.name.startswith(".")}
    names = ("config.yaml", "environment.json", "metrics.jsonl", "checkpoint", "model.json", "predictions-test.parquet")
    assert held == set(names)
    inputs = json.loads((made.folder / "environment.json").read_text())[0]["inputs"]
    assert set(inputs) == {"images", "test images", "texts", "regions"}


def test_the_predictions_that_are_left_score_as_the_evaluation_said(learnt):
    """There is one evaluator, and loaded weights say what the trained ones did."""
    folder, made = learnt
    (path,) = made.predicted
    held = read(path)
    assert held.meta.label_kind == "objects"
    result = score(truth_of(folder), held, "open-vocab")
    assert {split: result.mean(split) for split in result.splits} == made.trained.figures


def test_predicting_gives_the_run_s_own_predictions_whatever_the_batch(workspace, learnt, tmp_path):
    made = learnt[1]
    model = opened(made.folder, device="cpu")
    asked = Asked(out=tmp_path / "p.parquet")
    done = predict_for(model, made.folder, [workspace / "data" / "things" / "test.parquet"], asked, silent).done
    mine, theirs = read(done.path), read(made.predicted[0])
    assert done.boxes == len(theirs.boxes)
    assert np.array_equal(mine.categories, theirs.categories)
    np.testing.assert_allclose(mine.boxes, theirs.boxes, atol=1e-2)
    np.testing.assert_allclose(mine.box_scores, theirs.box_scores, atol=1e-4)


def test_a_run_that_ended_goes_on_to_nothing_and_a_started_one_is_refused(workspace, learnt, tmp_path):
    with pytest.raises(UsageError, match="--resume"):
        run(learnt[1].folder, "optimise.epochs=5", "evaluate.every=5")


def test_a_training_is_the_same_again(workspace, tmp_path):
    small = ["data.test=null", "optimise.epochs=1", "data.most=4", "optimise.batch=20"]
    one, other = (checkpoints.evaluated(run(tmp_path / name, *small).trained.checkpoint) for name in ("a", "b"))
    assert all(torch.equal(held, other[name]) for name, held in one.items())


def test_what_it_takes_is_estimated_before(workspace):
    made, match = estimated(resolve("recipe.yaml"), silent, "cpu")
    assert match is None
    assert set(made.parameters) == {"background", "backbone", "rpn", "text", "box"}
    assert made.memory.activations > 0
    assert made.per_epoch == LEARNS["train"] // 4


def test_a_checkpoint_is_gone_on_from(workspace, learnt):
    start = learnt[1].folder
    told = []
    _, match = estimated(resolve("recipe.yaml", [f"model.checkpoint={start}"]), told.append, "cpu")
    assert match.complete
    assert any("started from" in line for line in told)
    with pytest.raises(DataError, match="not the weights of this Vild"):
        fit(resolve("recipe.yaml", [f"model.checkpoint={start}", "model.heads=separate"]), start.parent / "x", silent)


def test_the_texts_lie_with_the_weights(learnt):
    folder, made = learnt
    held = checkpoints.evaluated(made.trained.checkpoint)["texts"]
    np.testing.assert_allclose(held, Store(folder / "features" / "texts.h5").rows(0, 80), atol=1e-6)
