"""A probe's features are the backbone's, made once; what it trains and scores is what recognition would."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tiny_run import TEST, TRAIN, make_workspace

from hoitool.convert import load
from hoitool.errors import DataError
from hoitool.models import checkpoints
from hoitool.predict.recognition import image_logits
from hoitool.store import Store
from hoitool.train.defr.prepare import prepare
from hoitool.train.defr.probe import is_probe, probe
from hoitool.train.fit import estimated, fit
from hoitool.train.recipe import names, resolve

PROBE = (
    "model.train=classifier",
    "augment.flip=0",
    "augment.brightness=0",
    "augment.contrast=0",
    "augment.crop_scale=null",
    "predict.task=recognition",
)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path


def recipe(*changes):
    return resolve("recipe.yaml", [*PROBE, *changes])


def silent(text):
    """What nobody wants to hear."""


def made(*changes, say=silent):
    job = prepare(recipe(*changes), silent)
    return job, probe(job.task, job.module, "cpu", 0, say)


def stores(workspace):
    return sorted((workspace / "features").glob("*.h5"))


def test_which_recipes_are_probes():
    made = [resolve(name) for name in names()]
    probes = {recipe.name for recipe in made if recipe.model.name == "defr" and is_probe(recipe)}
    assert probes == {"defr-clip-probe", "defr-in1k-probe"}
    assert not is_probe(resolve("defr-clip-probe", ["augment.flip=0.5"]))
    assert not is_probe(resolve("defr-clip-probe", ["model.train=all"]))


def test_losses_and_figures_are_those_of_pictures(workspace):
    job, task = made()
    assert task.features.shape == (TRAIN, job.module.backbone.dim)
    assert task.examined.shape == (TEST, job.module.backbone.dim)
    job.module.eval()
    batches = [each.collate([each.sample(i, 0) for i in (3, 0, 5)]) for each in (job.task, task)]
    with torch.no_grad():
        plain, cached = (
            each.loss(job.module, batch, 0.0) for each, batch in zip((job.task, task), batches, strict=True)
        )
        torch.testing.assert_close(cached, plain, rtol=1e-4, atol=0)
        assert task.evaluate(job.module) == pytest.approx(job.task.evaluate(job.module), nan_ok=True)
    assert task.names(batches[1]) == job.task.names(batches[0])


def test_features_are_made_once(workspace):
    said = []
    _, first = made(say=said.append)
    files = [path.read_bytes() for path in stores(workspace)]
    assert [line.split(":")[1].split()[0] for line in said] == ["each", "each"]
    _, again = made("optimise.lr=0.5", say=said.append)
    assert ["are in" in line for line in said] == [False, False, True, True]
    assert np.array_equal(first.features, again.features)
    assert files == [path.read_bytes() for path in stores(workspace)]
    made("seed=5")
    assert len(stores(workspace)) == 4, "another backbone: its weights are random numbers of the seed"
    manifest = Store(stores(workspace)[0]).manifest
    assert manifest.preprocess["fit"] == "squash"
    assert (manifest.of, manifest.normalised, manifest.space) == ("images", False, "pre-projection")


def test_a_run_ends_with_the_whole_model(workspace):
    job, _ = made()
    done = fit(recipe(), workspace / "runs" / "probe", silent, device="cpu")
    held = checkpoints.evaluated(done.trained.checkpoint)
    start = job.module.state_dict()
    assert held.keys() == start.keys()
    moved = {name.partition(".")[0] for name, tensor in held.items() if not torch.equal(tensor, start[name])}
    assert moved == {"classifier"}
    job.module.load_state_dict(held)
    scores, _ = image_logits(job.module.eval(), job.task.examination.album, job.card)
    assert np.allclose(scores, load(done.predicted[0]).image_scores, atol=1e-5)


def test_a_dry_run_makes_nothing(workspace):
    found, _ = estimated(recipe(), silent, "cpu")
    assert found.parameters["backbone"][1] == 0
    assert not (workspace / "features").exists()


def test_a_broken_picture_is_one_line_and_mended_alone(workspace):
    broken = next(iter(sorted((workspace / "raw").rglob("*train*.jpg"))), None) or next(
        path for path in sorted((workspace / "raw").rglob("*.*")) if path.suffix in (".jpg", ".png")
    )
    whole = broken.read_bytes()
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=f"{broken.name}.*1 of {TRAIN} pictures are like it"):
        made()
    broken.write_bytes(whole)
    _, task = made()
    assert np.isfinite(task.features).all()
