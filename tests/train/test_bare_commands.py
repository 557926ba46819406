"""What `hoitool embed --model clip` leaves is enough for a training, and a run is enough for a prediction."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tiny_run import TEST, make_workspace

from hoitool.convert import load
from hoitool.data import Meta
from hoitool.embed.encoders.tiny import save_tiny_clip
from hoitool.models.language import language
from hoitool.predict.opened import opened
from hoitool.store import Store
from hoitool.train.defr.backbone import resolved
from hoitool.train.defr.prepare import prepare
from hoitool.train.recipe import resolve

OVER_CLIP = """
base: recipe.yaml
model:
  backbone: clip
  classifier: {kind: cosine, init: language, encoder: clip, space: pre-projection, prompts: defr}
predict: {task: recognition}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with a small CLIP, whose labels were embedded as the bare command does."""
    monkeypatch.chdir(make_workspace(tmp_path))
    save_tiny_clip(tmp_path / "weights" / "clip")
    (tmp_path / "clip.yaml").write_text(OVER_CLIP)
    return tmp_path


def test_embed_and_train_and_predict_without_the_files_of_the_backbone(workspace, hoitool):
    assert hoitool("embed", "--model", "clip").code == 0
    (joint,) = (workspace / "features").glob("*.h5")
    ran = hoitool("train", "clip.yaml", "--device", "cpu")
    assert ran.code == 0, ran.err
    assert "took weights/clip" in ran.err
    (made,) = (path for path in (workspace / "features").glob("*.h5") if path != joint)
    assert (Store(joint).manifest.space, Store(made).manifest.space) == ("joint", "pre-projection")
    truth = load("data/demo/test.parquet")
    scores = load("runs/clip/predictions-test.parquet").image_scores
    assert scores.shape == (TEST, truth.meta.classes)

    for folder in ("weights", "features"):
        shutil.rmtree(workspace / folder)
    assert hoitool("predict", "runs/clip", "data/demo/test.parquet", "-o", "again.parquet", "--device", "cpu").code == 0
    np.testing.assert_allclose(load("again.parquet").image_scores, scores, rtol=1e-5, atol=1e-5)


def test_a_training_starts_at_the_published_tower_and_its_language(workspace):
    recipe, said = resolve("clip.yaml"), []
    job = prepare(recipe, said.append, device="cpu")
    assert set(job.inputs) == {"images", "test images", "backbone", "language"}
    assert [text.partition(":")[0] for text in said if "took the images" not in text] == ["backbone clip", "language"]
    found = resolved(recipe.model)
    assert (job.card.numbers["backbone"], job.card.numbers["config"]) == (found.name, found.config)
    assert (job.card.mean, job.card.std) == (found.mean, found.std)
    meta = Meta(job.card.labels)
    rows = language(job.inputs["language"], meta, job.module.backbone.dim)
    torch.testing.assert_close(job.module.classifier.weight.data, torch.as_tensor(rows), rtol=0, atol=0)
    torch.save(job.module.state_dict(), workspace / "w.pt")
    again = opened(workspace / "w.pt", job.card, device="cpu").module
    torch.testing.assert_close(again.state_dict(), job.module.state_dict(), rtol=0, atol=0)
