"""A recipe to a run: what is trained, what is written, what is predicted, and how it goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tiny_run import TEST, TRAIN, make_workspace

from hoitool.convert import load
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import score
from hoitool.files import sha256
from hoitool.models import checkpoints
from hoitool.predict.opened import opened
from hoitool.train import metrics
from hoitool.train.defr.prepare import criterion, prepare
from hoitool.train.defr.recognition import Recognition
from hoitool.train.fit import estimated, fit
from hoitool.train.recipe import resolve

RECOGNITION = ("predict.task=recognition",)


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path


def run(folder, *changes, resume=False, **more):
    return fit(resolve("recipe.yaml", [*RECOGNITION, *changes]), folder, silent, resume, **more)


def weights(folder):
    return checkpoints.evaluated(checkpoints.steps(folder / checkpoints.FOLDER)[-1])


def test_a_run_holds_what_it_was_and_what_it_made(workspace):
    made = run(workspace / "runs" / "first")
    assert made.trained.steps == 2 * TRAIN // 8
    held = {path.name for path in made.folder.iterdir() if not path.name.startswith(("labels-", "."))}
    assert held == {"config.yaml", "environment.json", "metrics.jsonl", "checkpoint", "model.json"} | {
        "predictions-test.parquet"
    }
    inputs = json.loads((made.folder / "environment.json").read_text())[0]["inputs"]
    assert set(inputs) == {"images", "test images"}
    figures = [line["evaluation"] for line in metrics.lines(made.folder / "metrics.jsonl") if "evaluation" in line]
    assert len(figures) == 2
    assert figures[-1] == made.trained.figures


def test_what_is_predicted_scores_as_the_last_evaluation_said(workspace):
    """There is one evaluator: the file of predictions has the figures of training."""
    made = run(workspace / "runs" / "first")
    truth = load(workspace / "data" / "demo" / "test.parquet")
    result = score(truth, load(made.predicted[0]), "hico")
    assert result.mean("full") == pytest.approx(made.trained.figures["full"], abs=1e-12)
    assert len(load(made.predicted[0])) == TEST


def test_the_same_seed_gives_the_same_weights_and_another_one_others(workspace):
    first, again = (weights(run(workspace / "runs" / name).folder) for name in ("first", "again"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = weights(run(workspace / "runs" / "other", "seed=1").folder)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_an_interrupted_run_goes_on_to_the_same_weights(workspace, monkeypatch):
    whole = weights(run(workspace / "runs" / "whole").folder)
    folder, often = workspace / "runs" / "cut", "optimise.checkpoint_minutes=1e-9"
    evaluate, calls = Recognition.evaluate, []

    def stopping(task, module):
        calls.append(task)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(task, module)

    monkeypatch.setattr(Recognition, "evaluate", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(folder, often)
    monkeypatch.setattr(Recognition, "evaluate", evaluate)
    with pytest.raises(UsageError, match="--resume"):
        run(folder, often)
    cut = weights(run(folder, often, resume=True).folder)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    with pytest.raises(UsageError, match="seed"):
        run(folder, often, "seed=3", resume=True)


def test_a_run_from_a_checkpoint_goes_on_by_itself(workspace):
    first = run(workspace / "runs" / "first").folder
    from_it = f"model.checkpoint={first}"
    run(workspace / "runs" / "second", from_it)
    gone_on = run(workspace / "runs" / "second", from_it, resume=True)
    assert gone_on.trained.steps == 2 * TRAIN // 8


def test_what_ended_before_its_first_checkpoint_uses_no_name_up(workspace):
    with pytest.raises(UsageError, match="float16"):
        run(workspace / "runs" / "first", "optimise.precision=float16", device="cpu")
    with pytest.raises(UsageError, match="no parameter"):
        run(workspace / "runs" / "first", "optimise.groups={backbone: 0.0, classifier: 0.0}")
    assert run(workspace / "runs" / "first").trained.steps == 2 * TRAIN // 8


def test_to_go_on_with_a_run_that_is_not_there_is_to_begin_and_is_said(workspace):
    said, folder = [], workspace / "runs" / "new"
    recipe = resolve("recipe.yaml", [*RECOGNITION, "optimise.epochs=1"])
    fit(recipe, folder, said.append, resume=True)
    assert said[0] == f"{folder}: no run there to go on with; it begins"
    fit(recipe, folder, said.append, resume=True)
    assert sum(line.endswith("it begins") for line in said) == 1


@pytest.mark.parametrize(
    ("change", "error"), [("predict.boxes=nowhere.json", MissingData), ("predict.mask_layers=50", UsageError)]
)
def test_what_would_end_the_predictions_is_said_before_the_training(workspace, change, error):
    with pytest.raises(error, match=change.partition("=")[2] if error is MissingData else "mask_layers is 50"):
        run(workspace / "runs" / "first", "predict.task=detection", change)
    assert not (workspace / "runs").exists()


def test_the_loss_falls_on_one_batch(workspace):
    """Eight pictures as they are, again and again: the recogniser learns them."""
    job = prepare(resolve("recipe.yaml", [*RECOGNITION, "data.test=null"]), silent)
    pixels, targets = (np.stack([job.task.sample(i, 0)[name] for i in range(8)]) for name in ("pixels", "target"))
    batch = {"pixels": torch.tensor(pixels), "target": torch.tensor(targets)}
    optimiser = torch.optim.AdamW(job.module.parameters(), lr=1e-3)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = job.task.loss(job.module, batch, 0.0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_without_test_images_nothing_is_scored_or_predicted(workspace):
    made = run(workspace / "runs" / "first", "data.test=null")
    assert (made.predicted, made.trained.figures) == ((), {})


def test_a_run_opens_by_its_folder_its_checkpoint_and_its_file(workspace):
    folder = run(workspace / "runs" / "first").folder
    last = checkpoints.steps(folder / checkpoints.FOLDER)[-1]
    ways = [opened(path, device="cpu") for path in (folder, last, last / checkpoints.WEIGHTS)]
    states = [way.module.state_dict() for way in ways]
    assert all(torch.equal(states[0][name], state[name]) for state in states for name in state)
    assert {way.name for way in ways} == {"first"}
    best = opened(folder, best=True, device="cpu")
    (kept,) = checkpoints.steps(folder / checkpoints.FOLDER, "best")
    assert best.sha256 == sha256(kept / checkpoints.WEIGHTS)
    assert not best.module.training


def test_a_checkpoint_starts_another_run(workspace):
    folder = run(workspace / "runs" / "first").folder
    file = checkpoints.steps(folder / checkpoints.FOLDER)[-1] / checkpoints.WEIGHTS
    job = prepare(resolve("recipe.yaml", [f"model.checkpoint={file}"]), silent)
    held = weights(folder)
    assert all(torch.equal(value, held[name]) for name, value in job.module.state_dict().items())
    assert job.inputs["checkpoint"] == file


def test_pseudo_labels_are_trained_on_beside_the_real_ones(workspace):
    """A dataset of whole-image labels, as `hoitool predict --as-dataset` writes it."""
    from hoitool.data import write
    from hoitool.predict.pseudo_labels import as_dataset

    images = load(workspace / "data" / "demo" / "test.parquet")
    logits = np.full((len(images), images.meta.classes), -9.0)
    logits[:, 3] = 9.0
    write(as_dataset([(images, logits)], 0.5, {"model": "teacher"}), workspace / "sure.parquet")
    job = prepare(resolve("recipe.yaml", ["data.beside=[sure.parquet]"]), silent)
    assert len(job.task) == TRAIN + TEST
    assert np.flatnonzero(job.task.images.target(TRAIN) == 1).tolist() == [3]
    assert job.inputs["beside sure.parquet"].name == "sure.parquet"


def test_a_broken_picture_is_named_and_ends_the_training(workspace):
    broken = next((workspace / "raw" / "demo" / "images" / "train").iterdir())
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=broken.name):
        run(workspace / "runs" / "first")


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        (["data.dataset=hico-det"], MissingData, "hoitool convert"),
        (["data.subset=val"], MissingData, "val.parquet"),
        (["data.images=nowhere"], MissingData, "nowhere"),
        (["data.split=rf-uc"], UsageError, "rf-uc"),
        (["evaluate.best=fulll"], UsageError, "fulll"),
    ],
)
def test_what_is_not_there_is_said(workspace, changes, error, told):
    with pytest.raises(error, match=told):
        run(workspace / "runs" / "first", *changes)


def test_several_datasets_must_be_named(workspace):
    (workspace / "data" / "demo2").symlink_to(workspace / "data" / "demo")
    with pytest.raises(UsageError, match="demo, demo2"):
        prepare(resolve("recipe.yaml"), silent)


@pytest.mark.parametrize("name", ["lse-sign", "bce", "weighted-bce", "focal"])
def test_every_loss_is_built_from_a_recipe(workspace, name):
    numbers = ["loss.alpha=0.25", "loss.gamma=2.0"] if name == "focal" else []
    job = prepare(resolve("recipe.yaml", [f"loss.name={name}", *numbers]), silent)
    rule = resolve("recipe.yaml", [f"loss.name={name}", *numbers]).loss
    loss = criterion(rule, job.task.images)(torch.zeros(2, 30), torch.ones(2, 30))
    assert torch.isfinite(loss)


def test_what_a_training_would_take_is_told_and_nothing_written(workspace):
    found, _ = estimated(resolve("recipe.yaml"), silent, "cpu")
    assert found.to_json()["steps"] == 6
    assert not (workspace / "runs").exists()


def test_a_probe_learns_on_features_that_are_made_once(workspace):
    said: list[str] = []
    changes = ["model.train=classifier", "augment.flip=0.0", "augment.brightness=0.0", "augment.contrast=0.0"]
    recipe = resolve("recipe.yaml", [*RECOGNITION, *changes, "augment.crop_scale=null"])
    start = prepare(recipe, silent).module.state_dict()
    made = fit(recipe, workspace / "runs" / "probe", said.append)
    held = weights(made.folder)
    stays = [name for name in held if name.startswith("backbone.")]
    assert stays and all(torch.equal(held[name], start[name]) for name in stays)
    assert not torch.equal(held["classifier.weight"], start["classifier.weight"])
    assert sum("once through" in line for line in said) == 2
    result = score(load(workspace / "data" / "demo" / "test.parquet"), load(made.predicted[0]), "hico")
    assert result.mean("full") == pytest.approx(made.trained.figures["full"], abs=1e-6)
    said.clear()
    fit(recipe, workspace / "runs" / "again", said.append)
    assert not any("once through" in line for line in said)
    assert estimated(recipe, silent, "cpu")[0].to_json()["steps"] == made.trained.steps


def test_a_tracker_that_is_not_there_is_said_before_anything_is_read(workspace, monkeypatch):
    monkeypatch.setattr("hoitool.train.trackers.find_spec", lambda _: None)
    with pytest.raises(MissingData, match="pip install wandb"):
        run(workspace / "runs" / "first", track=("wandb",))
    assert not (workspace / "runs").exists()
