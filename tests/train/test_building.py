"""Every packaged recipe of DEFR builds, at a size for tests, and its loss has a gradient."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from tiny_run import make_workspace

from hoitool.train.defr.prepare import prepare
from hoitool.train.recipe import names, resolve

DEFR = [name for name in names() if resolve(name).model.name == "defr"]
SMALL = ["model.patch=8", "model.image_size=32", "model.weights=random", "optimise.per_device=4", "data.workers=0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.mark.parametrize("name", DEFR)
def test_a_recipe_builds_at_tiny_size(name, folder, monkeypatch):
    """The tower is small and the language hashed; classifier, loss, data, schedule are the recipe's own."""
    monkeypatch.chdir(folder)
    own = resolve(name)
    language = ["model.classifier.encoder=hashed", "model.classifier.space=joint"]
    words = language if own.model.classifier.init == "language" else []
    job = prepare(resolve(name, ["model.backbone=tiny", *SMALL, *words]), lambda _: None)
    samples = [job.task.sample(i, 0) for i in range(4)]
    loss = job.task.loss(job.module, job.task.collate(samples), 0.0)
    loss.backward()
    classifier = [p.grad for p in job.module.classifier.parameters()]
    assert torch.isfinite(loss)
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in classifier)
    assert job.plan.batch == own.optimise.batch
    assert job.card.build().state_dict().keys() == job.module.state_dict().keys()
