"""What is minimised when, and how captions, regions and pictures vary."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_matching import CAPTIONS, TRAIN, make_workspace

from hoitool.losses.triplet import triplet
from hoitool.models.vse import similarity
from hoitool.train.recipe import resolve
from hoitool.train.vse.pairs import cut
from hoitool.train.vse.prepare import prepare
from hoitool.train.vse.settings import Loss
from hoitool.train.vse.task import rise


def silent(text):
    """What nobody wants to hear."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(params=["grid", "region"])
def job(request, folder, monkeypatch):
    monkeypatch.chdir(folder)
    return prepare(resolve(f"{request.param}.yaml"), silent)


def batch(job, epoch=0):
    return job.task.collate([job.task.sample(i, epoch) for i in range(8)])


def test_all_false_pairs_count_in_the_first_epoch_and_the_hardest_alone_then(job):
    held = batch(job)
    images, captions = job.module(job.task.pairs.images.given(held["images"]), held["captions"], held["mask"])
    table = similarity(images, captions)
    for at, hardest in ((0.0, False), (0.99, False), (1.0, True), (7.5, True)):
        found = job.task.loss(job.module, held, at)
        torch.testing.assert_close(found, triplet(table, 0.2, hardest))


def test_the_loss_rises_once_the_hardest_alone_count():
    rule = Loss(summed=1.0, warmup=1.0)
    assert [rise(at, rule) for at in (0.0, 0.9, 1.0, 1.25, 1.5, 2.0, 9.0)] == [1, 1, 0, 0.25, 0.5, 1, 1]
    assert rise(1.5, Loss()) == 1


def test_a_sample_is_the_same_every_time_and_another_in_another_epoch(job):
    assert len(job.task) == TRAIN * CAPTIONS
    one, again, other = (
        job.task.sample(3, 0),
        job.task.sample(3, 0),
        [job.task.sample(3, epoch) for epoch in range(1, 9)],
    )
    assert one["ids"] == again["ids"]
    np.testing.assert_array_equal(one["image"], again["image"])
    assert any(one["ids"] != each["ids"] for each in other)
    assert any(one["image"].shape != each["image"].shape or (one["image"] != each["image"]).any() for each in other)
    assert job.task.names(batch(job))[0] == job.task.pairs.keys[0]


def test_without_variation_a_sample_is_its_caption_and_its_image(folder, monkeypatch):
    monkeypatch.chdir(folder)
    changes = ["augment.share=0.0", "augment.crop=1.0", "augment.flip=0.0"]
    region, grid = (prepare(resolve(f"{name}.yaml", changes), silent).task for name in ("region", "grid"))
    for task in (region, grid):
        pairs = task.pairs
        assert task.sample(CAPTIONS, 0)["ids"] == pairs.words.ids(pairs.captions[CAPTIONS])
    np.testing.assert_array_equal(region.sample(CAPTIONS, 0)["image"], region.pairs.images.rows(1))
    sample = grid.sample(CAPTIONS, 0)
    images = grid.pairs.images
    np.testing.assert_array_equal(sample["image"], images.pixels(images.album.open(1)))
    assert sample["mask"].all()


def test_the_cells_of_a_mask_are_those_of_the_network(folder, monkeypatch):
    monkeypatch.chdir(folder)
    job = prepare(resolve("grid.yaml", ["model.image_size=70"]), silent)
    held = batch(job)
    cells = job.module.image.backbone(job.task.pairs.images.given(held["images"]))
    assert held["mask"].shape == cells.shape[:2]


def test_a_crop_keeps_the_same_share_of_both_sides():
    pixels, numbers = np.arange(40 * 60 * 3).reshape(40, 60, 3), np.random.default_rng(0)
    sizes = [cut(pixels, 0.5, numbers).shape for _ in range(200)]
    assert all(20 <= high <= 40 and abs(wide - 1.5 * high) < 1.6 for high, wide, _ in sizes)
    assert len({high for high, _, _ in sizes}) > 10
    assert cut(pixels, 1.0, numbers).shape == (40, 60, 3)
    assert cut(pixels[:1, :1], 0.1, numbers).shape == (1, 1, 3)


def test_accumulating_is_refused_and_more_devices_are_not(folder, monkeypatch):
    monkeypatch.chdir(folder)
    from hoitool.errors import UsageError
    from hoitool.train.vse.prepare import require_whole

    recipe = resolve("region.yaml", ["optimise.per_device=4"])
    require_whole(recipe, 2)
    with pytest.raises(UsageError, match=r"^optimise.batch 8 is more than 1 x 4 samples[^\n]*not accumulated[^\n]*$"):
        require_whole(recipe, 1)


def test_frozen_networks_learn_later(folder, monkeypatch):
    """The grid's network stays in the first epoch, with the factors that the recipes have."""
    monkeypatch.chdir(folder)
    changes = ["optimise.frozen={image.backbone.: 1.0}", "optimise.groups={image.backbone.: 0.01}"]
    job = prepare(resolve("grid.yaml", changes), silent)
    assert (job.plan.frozen, job.plan.groups) == ({"image.backbone.": 1.0}, {"image.backbone.": 0.01})
    assert job.plan.drop_last
