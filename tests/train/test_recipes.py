"""The packaged recipes of DEFR: each is stated whole, and each differs from the others where DEFR's table does."""

from __future__ import annotations

import pytest

from hoitool.embed import ENCODERS
from hoitool.eval import choose_variant
from hoitool.labels.prompts import PROMPT_SETS
from hoitool.train.recipe import digest, names, resolve

CLIP, IN1K = "clip", "timm:vit_base_patch32_224.augreg_in21k_ft_in1k"
# name: backbone, encoder of the labels, loss, learning rate, epochs, batch, published mAP (full, few@1, few@5, few@10)
GOLDEN = {
    "defr-in1k-random-bce": (IN1K, None, "bce", 1e-4, 20, 128, (37.77, 7.91, 13.45, 14.88)),
    "defr-in1k-random-lse": (IN1K, None, "lse-sign", 1e-4, 10, 128, (44.07, 14.30, 20.03, 22.64)),
    "defr-in1k-bert-bce": (IN1K, "bert", "bce", 1e-4, 20, 128, (50.56, 20.12, 27.75, 29.96)),
    "defr-in1k-bert-lse": (IN1K, "bert", "lse-sign", 1e-4, 10, 128, (53.45, 27.23, 35.09, 37.10)),
    "defr-in1k-clip-bce": (IN1K, "clip", "bce", 1e-4, 20, 128, (51.51, 24.77, 31.23, 33.42)),
    "defr-in1k-clip-lse": (IN1K, "clip", "lse-sign", 1e-4, 10, 128, (54.73, 34.75, 39.78, 40.84)),
    "defr-in1k-simcse-lse": (IN1K, "simcse", "lse-sign", 1e-4, 10, 128, (53.75, 30.26, 37.73, 40.04)),
    "defr-clip-random-bce": (CLIP, None, "bce", 1.5e-5, 40, 128, (34.15, 6.21, 9.44, 11.93)),
    "defr-clip-random-lse": (CLIP, None, "lse-sign", 1.5e-5, 40, 128, (36.84, 9.48, 13.90, 15.85)),
    "defr-clip-bert-bce": (CLIP, "bert", "bce", 1.5e-5, 40, 128, (44.36, 15.35, 21.75, 24.72)),
    "defr-clip-bert-lse": (CLIP, "bert", "lse-sign", 1.5e-5, 10, 128, (50.96, 24.80, 31.68, 33.57)),
    "defr-clip-bce": (CLIP, "clip", "bce", 1.5e-5, 40, 128, (57.88, 42.17, 45.71, 46.56)),
    "defr-clip-lse": (CLIP, "clip", "lse-sign", 1.5e-5, 10, 128, (60.50, 49.61, 52.60, 52.86)),
    "defr-clip-b16-lse": (
        "clip:ViT-B-16-quickgelu",
        "clip:ViT-B-16-quickgelu",
        "lse-sign",
        5e-6,
        10,
        32,
        (65.6,),
    ),
}
PROBES = {"defr-clip-probe": (CLIP, 4.61, 27.0), "defr-in1k-probe": (IN1K, 0.0, 33.5)}
DEFR = [name for name in names() if resolve(name).model.name == "defr"]
OTHERS = {"defr-detection", "tiny"}
SPLITS = ("full", "few@1", "few@5", "few@10")


def test_every_recipe_is_in_one_of_these_tables():
    assert set(DEFR) == {*GOLDEN, *PROBES, *OTHERS}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_row_of_the_table(name):
    made = resolve(name)
    backbone, encoder, loss, lr, epochs, batch, published = GOLDEN[name]
    assert (made.model.backbone, made.model.classifier.encoder, made.loss.name) == (backbone, encoder, loss)
    assert made.model.classifier.init == ("random" if encoder is None else "language")
    assert (made.optimise.lr, made.optimise.epochs, made.optimise.batch) == (lr, epochs, batch)
    assert made.reference.figures == dict(zip(SPLITS, published, strict=False))
    assert made.model.patch == (16 if "b16" in name else 32)
    assert made.model.classifier.space == ("pre-projection" if (encoder or "").startswith("clip") else "joint")


@pytest.mark.parametrize("name", GOLDEN)
def test_what_all_of_them_share(name):
    made = resolve(name)
    held = made.optimise
    assert (held.optimiser, held.weight_decay, held.clip, held.precision, held.ema) == (
        "adamw",
        0,
        None,
        "float32",
        None,
    )
    assert (held.schedule.name, held.schedule.period, held.schedule.growth) == ("cosine-restarts", 5, 1)
    assert (held.schedule.warmup, held.schedule.floor, held.groups) == (0, 0, {})
    assert held.batch == 8 * held.per_device
    assert (made.model.image_size, made.model.log_scale, made.model.train_scale) == (672, 4.61, False)
    assert (made.model.classifier.kind, made.model.train) == ("cosine", "all")
    assert (made.balance.min_samples, made.balance.most) == (40, 40)
    assert (made.augment.flip, made.augment.brightness, made.augment.contrast) == (0.5, 0.4, 0.4)
    assert (made.augment.crop_scale, made.augment.crop_ratio) == ((0.7, 1.0), (0.7, 1.3))
    assert (made.evaluate.protocol, made.evaluate.variant) == ("hico", "defr")


@pytest.mark.parametrize("name", PROBES)
def test_a_linear_probe(name):
    made = resolve(name)
    backbone, scale, published = PROBES[name]
    assert (made.model.backbone, made.model.log_scale, made.reference.figures) == (backbone, scale, {"full": published})
    assert (made.model.train, made.model.classifier.kind, made.model.classifier.init) == (
        "classifier",
        "linear",
        "random",
    )
    assert (made.augment.flip, made.augment.brightness, made.augment.contrast) == (0, 0, 0)
    assert made.augment.crop_scale is None  # so that features are computed once


@pytest.mark.parametrize("name", DEFR)
def test_a_recipe_names_things_that_are_there(name):
    made = resolve(name)
    assert made.name == name
    assert made.summary
    choose_variant(made.evaluate.protocol, made.evaluate.variant)
    assert made.model.classifier.prompts in PROMPT_SETS
    encoder = made.model.classifier.encoder
    assert encoder is None or encoder.partition(":")[0] in ENCODERS
    assert made.reference is None or "DEFR" in made.reference.source


def test_no_two_recipes_are_one_training():
    assert len({digest(resolve(name)) for name in names()}) == len(names())


def test_the_detection_is_that_of_the_published_figures():
    made, trained = resolve("defr-detection"), resolve("defr-clip-lse")
    assert (made.predict.task, made.predict.mask, made.predict.mask_layers) == ("detection", "as-written", 1)
    assert (made.model, made.optimise, made.loss) == (trained.model, trained.optimise, trained.loss)
    assert made.reference is None
