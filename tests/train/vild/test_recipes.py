"""The packaged recipes of ViLD: what its configuration says, and the figures that were published."""

from __future__ import annotations

import pytest

from hoitool.eval import choose_variant
from hoitool.train.recipe import names, resolve

# name: heads, variant of the protocol, published figures
GOLDEN = {
    "vild": ("shared", "lvis", {"rare": 16.1}),
    "vild-text": ("text", "lvis", {"rare": 10.1}),
    "vild-ensemble": ("separate", "lvis", {"rare": 16.6}),
    "vild-coco": ("shared", "coco", {"novel": 27.6, "base": 59.5, "full": 51.3}),
}


def test_every_recipe_is_in_this_table():
    assert {name for name in names() if resolve(name).model.name == "vild"} == {*GOLDEN, "vild-tiny"}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_row_of_the_table(name):
    made = resolve(name)
    heads, variant, published = GOLDEN[name]
    assert (made.model.heads, made.evaluate.variant, made.reference.figures) == (heads, variant, published)
    assert choose_variant(made.evaluate.protocol, made.evaluate.variant) == variant
    assert made.evaluate.best in published


@pytest.mark.parametrize("name", GOLDEN)
def test_what_all_of_them_share(name):
    made = resolve(name)
    held = made.optimise
    assert (held.optimiser, held.momentum, held.lr, held.weight_decay, held.batch) == ("sgd", 0.9, 0.32, 4e-5, 256)
    assert (made.model.image_size, made.model.norm, made.augment.scale) == (1024, "batch", (0.1, 2.0))
    assert (made.loss.temperature, made.loss.image, made.data.most) == (0.01, 0.5, 300)
    assert (made.predict.nms, made.predict.most, made.data.novel) == (0.5, 300, None)


def test_its_length_on_lvis_is_that_of_the_published_steps():
    held, per_epoch = resolve("vild").optimise, 100_170 / 256
    steps = [round(held.epochs * per_epoch, -3), *(milestone * per_epoch for milestone in held.schedule.milestones)]
    assert steps == pytest.approx([180_000, 162_000, 171_000, 175_500], rel=2e-3)
    assert held.schedule.warmup * per_epoch == pytest.approx(1000, rel=2e-3)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_recipe_builds_at_tiny_size(name, tmp_path, monkeypatch):
    """The network and its squares are small; heads, losses, schedule and what varies are the recipe's own."""
    torch = pytest.importorskip("torch")
    from tiny_vild import make_workspace

    from hoitool.train.vild.prepare import prepare

    monkeypatch.chdir(make_workspace(tmp_path))
    small = ["model.body=tiny", "model.image_size=64", "data.workers=0", "optimise.per_device=4", "data.test=test"]
    job = prepare(resolve(name, [*small, "evaluate.variant=coco", "evaluate.best=novel"]), lambda _: None, "cpu")
    batch = job.task.collate([job.task.sample(i, 0) for i in range(4)])
    losses = job.task.loss(job.module, batch, 0.0)
    losses["loss"].backward()
    kinds = {"objectness", "proposals", "boxes", "text", "image", "loss"} - (
        {"image"} if name == "vild-text" else set()
    )
    assert set(losses) == kinds
    assert all(torch.isfinite(held) for held in losses.values())
    assert all(parameter.grad is not None for parameter in job.module.parameters())
    assert job.card.build().state_dict().keys() == job.module.state_dict().keys()
