"""The plan: its batch over devices and parts, JSON, differences."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

pytest.importorskip("torch")

from hoitool.errors import UsageError
from hoitool.train.plan import Pace, Plan, Spread, difference, spread


def plan(**changed):
    return Plan(**({"epochs": 2, "batch": 128, "lr": 0.1} | changed))


@pytest.mark.parametrize(
    ("world", "per_device", "expected"),
    [
        (8, 16, Spread(8, 16, 1)),
        (1, None, Spread(1, 128, 1)),
        (1, 2, Spread(1, 2, 64)),
        (4, 8, Spread(4, 8, 4)),
        (2, 500, Spread(2, 64, 1)),
    ],
)
def test_the_effective_batch_is_kept(world, per_device, expected):
    found = spread(plan(), Pace(per_device=per_device), world)
    assert found == expected
    assert found.world * found.per_device * found.accumulation == 128


def test_the_spread_is_told():
    assert (
        spread(plan(), Pace(per_device=16), 2).told() == "effective batch 128 = 2 devices x 16 samples x 4 accumulated"
    )
    assert "1 device x" in spread(plan(), Pace(), 1).told()


@pytest.mark.parametrize(
    ("world", "pace", "told"),
    [
        (3, Pace(), r"128 does not divide by 3 devices; the nearest batch that does is 129"),
        (2, Pace(per_device=24), r"does not divide by 2 x 24 samples at once; per_device 16 does, or .* is 144"),
        (2, Pace(per_device=16, accumulate=False), r"accumulation is refused"),
    ],
)
def test_a_batch_that_cannot_be_kept_is_refused(world, pace, told):
    with pytest.raises(UsageError, match=told):
        spread(plan(), pace, world)


def test_plans_go_through_json():
    made = plan(schedule={"name": "multi-step", "milestones": (1.5, 3)}, groups={"a.": 0.1}, clip=1.0)
    text = json.dumps(made.model_dump(mode="json"))
    assert Plan.model_validate(json.loads(text)) == made
    assert difference(json.loads(text), made) is None


def test_differences_are_named():
    made = plan().model_dump(mode="json")
    assert difference(made, plan(lr=0.2)) == "lr is 0.1 there and 0.2 here"
    assert "schedule is {" in difference(made, plan(schedule={"name": "cosine"}))
    assert difference(made | {"extra": 1}, plan()) == "extra is 1 there and 'absent' here"
    del made["clip"]
    assert difference(made, plan()) == "clip is 'absent' there and None here"


@pytest.mark.parametrize(
    "changed",
    [{"steps": 5}, {"epochs": None}, {"lr": 0}, {"batch": 0}, {"lr": float("nan")}, {"btch": 3}, {"ema": 1.0}],
)
def test_numbers_that_do_not_fit_are_refused(changed):
    with pytest.raises(ValidationError):
        plan(**changed)


def test_steps_or_epochs_end_a_training():
    assert plan().total(10) == 20
    assert plan(epochs=None, steps=7).total(10) == 7
