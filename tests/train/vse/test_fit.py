"""A recipe of VSE to a run: what is trained, what is written, what searches say of it, and how it goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_matching import CAPTIONS, TEST, TRAIN, make_workspace

from hoitool.convert import load
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import retrieval
from hoitool.eval.embedded import from_store
from hoitool.models import checkpoints
from hoitool.predict.opened import opened
from hoitool.report.scoring import score_paths
from hoitool.store import Layout, Store, Writer
from hoitool.train import metrics
from hoitool.train.fit import fit
from hoitool.train.recipe import resolve
from hoitool.train.vse.prepare import prepare
from hoitool.train.vse.task import FIGURES, figures


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path


def run(folder, name, *changes, **more):
    return fit(resolve(f"{name}.yaml", changes), folder, silent, device="cpu", **more)


@pytest.mark.parametrize("name", ["grid", "region"])
def test_a_run_holds_what_it_was_and_what_it_made(workspace, name):
    made = run(workspace / "runs" / "first", name)
    assert made.trained.steps == 2 * (TRAIN * CAPTIONS // 8)
    held = {path.name for path in made.folder.iterdir() if not path.name.startswith(".")}
    assert held == {
        *("config.yaml", "environment.json", "metrics.jsonl", "checkpoint", "model.json", "vocabulary.txt"),
        "predictions-test.h5",
    }
    inputs = json.loads((made.folder / "environment.json").read_text())[0]["inputs"]
    regions = {"features of captions", "features of test captions"} if name == "region" else set()
    assert set(inputs) == {"captions", "test captions"} | regions
    lines = [line["evaluation"] for line in metrics.lines(made.folder / "metrics.jsonl") if "evaluation" in line]
    assert len(lines) == 2
    assert tuple(lines[-1]) == FIGURES
    assert lines[-1] == made.trained.figures


@pytest.mark.parametrize("name", ["grid", "region"])
def test_the_store_that_is_left_scores_as_the_best_evaluation_said(workspace, name):
    """There is one evaluator: `hoitool eval` of the store has the figures of training, and finds it by itself."""
    made = run(workspace / "runs" / "first", name)
    (path,) = made.predicted
    store = Store(path)
    assert (len(store), int(store.offsets[-1])) == (TEST, TEST * (1 + CAPTIONS))
    np.testing.assert_allclose(np.linalg.norm(store.rows(0, int(store.offsets[-1])), axis=1), 1, atol=1e-5)
    found = figures(retrieval.evaluate(from_store(store)))
    assert found["rsum"] == pytest.approx(made.trained.best.value, abs=1e-9)
    scored = score_paths(())
    assert (scored.predictions.resolve(), scored.result.protocol) == (path.resolve(), "retrieval")


def test_an_interrupted_run_goes_on_bit_for_bit(workspace):
    whole = run(workspace / "runs" / "whole", "region")
    half = run(workspace / "runs" / "half", "region", "optimise.checkpoint_minutes=0.0000001")
    steps = checkpoints.steps(half.folder / checkpoints.FOLDER)
    assert len(steps) == 2
    for path in steps[-1:]:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    again = run(half.folder, "region", "optimise.checkpoint_minutes=0.0000001", resume=True)
    one, other = (
        checkpoints.evaluated(checkpoints.steps(each.folder / checkpoints.FOLDER)[-1]) for each in (whole, again)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_falls_and_search_finds_far_more_than_chance(tmp_path, monkeypatch):
    images = 60
    monkeypatch.chdir(make_workspace(tmp_path, 120, images))
    changes = ["optimise.epochs=12", "augment.share=0.05", "evaluate.every=12", "loss.summed=100.0"]
    made = run(tmp_path / "runs" / "long", "region", *changes)
    losses = [line["loss"] for line in metrics.lines(made.folder / "metrics.jsonl") if "loss" in line]
    assert losses[-1] < 0.5 * losses[0]
    assert made.trained.figures["t2i R@1"] > 5 / images
    assert made.trained.figures["i2t R@1"] > 5 / images


def test_a_run_opens_again_and_starts_another(workspace):
    made = run(workspace / "runs" / "first", "grid")
    last = checkpoints.steps(made.folder / checkpoints.FOLDER)[-1]
    ways = [opened(path, device="cpu").module.state_dict() for path in (made.folder, last, last / checkpoints.WEIGHTS)]
    assert all(torch.equal(ways[0][name], way[name]) for way in ways for name in way)
    job = prepare(resolve("grid.yaml", [f"model.checkpoint={last / checkpoints.WEIGHTS}"]), silent)
    assert all(torch.equal(value, ways[0][name]) for name, value in job.module.state_dict().items())


def test_without_test_images_nothing_is_scored_or_embedded(workspace):
    made = run(workspace / "runs" / "first", "region", "data.test=null")
    assert (made.predicted, made.trained.figures) == ((), {})


def test_the_first_images_of_another_subset_are_scored_while_it_learns(workspace):
    job = prepare(resolve("region.yaml", ["data.dev=train", "data.dev_images=3"]), silent)
    examined = job.task.examination.data
    assert examined.key.tolist() == load(workspace / "data" / "demo" / "train.parquet").key[:3].tolist()
    assert len(job.task.examination.images) == 3


def test_an_image_without_captions_is_refused_before_training(workspace):
    path = workspace / "data" / "demo" / "test.parquet"
    from hoitool.data import offsets_of, write

    data = load(path)
    write(data.with_columns(caption_offsets=offsets_of([2 * CAPTIONS, 0, *[CAPTIONS] * (TEST - 2)])), path)
    with pytest.raises(DataError, match=r"^[^\n]*has no caption[^\n]*$"):
        prepare(resolve("region.yaml"), silent)


@pytest.mark.parametrize(
    ("name", "changes", "error", "told"),
    [
        ("region", ["data.dataset=coco"], MissingData, "hoitool convert"),
        ("region", ["data.dataset=demo", "data.dev=val"], MissingData, "demo holds test, train, which [^\n]*data.dev="),
        ("region", ["model.features=9"], DataError, "regions have 8 numbers"),
        ("region", ["data.features=[nowhere.h5]"], MissingData, "nowhere.h5"),
        ("region", ["model.weights=w.pth"], UsageError, "regions has none of its own"),
        ("region", ["model.language=folder"], UsageError, "bigru starts from random numbers"),
        ("region", ["model.vocabulary=nowhere.txt"], MissingData, "nowhere.txt"),
        ("region", ["evaluate.best=r1"], UsageError, "rsum"),
        ("region", ["evaluate.variant=other"], UsageError, "other"),
        ("region", ["optimise.per_device=4"], UsageError, "is not accumulated"),
        ("region", ["optimise.batch=100"], UsageError, "do not fill one batch"),
        ("region", ["optimise.batch=1"], UsageError, "a pair learns from the other ones"),
        ("region", ["model.least=1000"], DataError, "no word stands 1000 times or more"),
        ("grid", ["model.image_size=16"], UsageError, "model.image_size: [^\n]*32"),
        ("grid", ["data.images=nowhere"], MissingData, "nowhere"),
        ("grid", ["data.features=[features/regions-tiny.h5]"], UsageError, "takes pictures"),
        ("grid", ["model.images=detector", "model.weights=null"], MissingData, "weights/detector"),
        ("grid", ["model.images=other"], UsageError, "other"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(workspace, name, changes, error, told):
    with pytest.raises(error, match=f"^[^\n]*{told}[^\n]*$"):
        run(workspace / "runs" / "first", name, *changes)
    assert not list(workspace.glob("runs/*/checkpoint/*"))


def test_a_broken_picture_is_named_and_ends_the_training(workspace):
    broken = next((workspace / "raw" / "demo" / "images" / "train").iterdir())
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=broken.name):
        run(workspace / "runs" / "first", "grid")


def test_two_stores_with_the_same_images_must_be_named(workspace):
    (workspace / "features" / "again.h5").write_bytes((workspace / "features" / "regions-tiny.h5").read_bytes())
    with pytest.raises(UsageError, match=r"again.h5 and features/regions-tiny.h5: all of them[^\n]*data.features"):
        prepare(resolve("region.yaml"), silent)
    job = prepare(resolve("region.yaml", ["data.features=[features/again.h5]"]), silent)
    assert job.inputs["features of captions"].name == "again.h5"


def test_features_that_were_made_for_other_images_of_these_names_are_told(workspace):
    """Where names are numbers, those of another subset have the same."""
    path = workspace / "features" / "regions-tiny.h5"
    held = Store(path)
    rows = [held[i] for i in range(len(held))]
    manifest, layout = replace(held.manifest, dataset="demo", subset="train"), Layout(held.key, held.offsets)
    with Writer(workspace / "features" / "train.h5", manifest, layout) as writer:
        writer.write(0, rows)
        writer.finish()
    said = []
    path.unlink()
    prepare(resolve("region.yaml"), said.append)
    told = [line for line in said if "took the features" in line]
    assert told[0] == "took the features features/train.h5"
    assert told[1].startswith("took the features features/train.h5, which were made for demo train")


def test_bert_that_is_nowhere_is_told_where_it_goes(workspace, monkeypatch):
    def gone(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", gone)
    with pytest.raises(MissingData, match=r"^[^\n]*give it with model.language=FOLDER, or as weights/bert$"):
        prepare(resolve("region.yaml", ["model.texts=bert"]), silent)
