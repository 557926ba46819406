"""Every setting that says how the weights move reaches the plan or the pace."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hoitool.train.optimisers import optimiser_of
from hoitool.train.plan import Pace, Plan
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.recipe import names, paths, resolve
from hoitool.train.settings import Optimise

# setting: another value than that of tiny -> whose field it is, its name and what it becomes there
REACHED = {
    "seed=7": (Plan, "seed", 7),
    "optimise.optimiser=sgd": (Plan, "optimiser", "sgd"),
    "optimise.lr=0.25": (Plan, "lr", 0.25),
    "optimise.groups={backbone.: 0.1}": (Plan, "groups", {"backbone.": 0.1}),
    "optimise.frozen={backbone.: 2}": (Plan, "frozen", {"backbone.": 2.0}),
    "optimise.weight_decay=0.5": (Plan, "weight_decay", 0.5),
    "optimise.momentum=0.8": (Plan, "momentum", 0.8),
    "optimise.epochs=3": (Plan, "epochs", 3),
    "optimise.batch=8": (Plan, "batch", 8),
    "optimise.clip=0.5": (Plan, "clip", 0.5),
    "optimise.precision=bfloat16": (Plan, "precision", "bfloat16"),
    "optimise.ema=0.99": (Plan, "ema", 0.99),
    "optimise.per_device=4": (Pace, "per_device", 4),
    "optimise.accumulate=refuse": (Pace, "accumulate", False),
    "optimise.compile=true": (Pace, "compile", True),
    "optimise.gradient_checkpointing=true": (Pace, "gradient_checkpointing", True),
    "optimise.threads=2": (Pace, "threads", 2),
    "data.workers=1": (Pace, "workers", 1),
    "evaluate.every=2": (Pace, "evaluate_every", 2),
    "optimise.checkpoint_minutes=3.0": (Pace, "checkpoint_minutes", 3.0),
    "optimise.keep=5": (Pace, "keep", 5),
    "evaluate.best=few@5": (Pace, "best", "few@5"),
}


def reached(kind, *overrides):
    recipe = resolve("tiny", overrides)
    return (plan_of(recipe) if kind is Plan else pace_of(recipe)).model_dump()


@pytest.mark.parametrize("override", REACHED)
def test_a_setting_reaches_its_place_and_no_other(override):
    kind, field, value = REACHED[override]
    before, after = reached(kind), reached(kind, override)
    assert before[field] != value
    assert after == before | {field: value}


def test_the_schedule_reaches_the_plan_whole():
    recipe = resolve("tiny", ["optimise.schedule.floor=0.1"])
    assert plan_of(recipe).schedule == recipe.optimise.schedule
    assert recipe.optimise.schedule.floor == 0.1


def test_no_setting_is_forgotten():
    named = {override.partition("=")[0] for override in REACHED}
    assert {path for path in paths(Optimise, "optimise.") if ".schedule." not in path} <= named


@pytest.mark.parametrize("name", names())
def test_every_recipe_has_a_plan_and_a_pace(name):
    assert plan_of(resolve(name)).epochs
    assert pace_of(resolve(name), "cpu").device == "cpu"


def test_a_probe_trains_the_classifier_alone():
    from hoitool.models.defr import build
    from hoitool.train.defr.prepare import STAYS

    recipe = resolve("tiny", ["model.train=classifier", "optimise.groups={backbone.: 0.1}"])
    plan = plan_of(recipe, STAYS[recipe.model.train])
    module = build("tiny", "cosine", 5, 32, 8)
    optimiser_of(module, plan)
    assert [name for name, each in module.named_parameters() if each.requires_grad] == ["classifier.weight"]
