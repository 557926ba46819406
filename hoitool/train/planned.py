"""What a recipe's settings mean for the engine: its plan, which decides the weights, and its pace."""

from __future__ import annotations

from typing import Literal

from hoitool.train.plan import Pace, Plan
from hoitool.train.settings import Recipe


def plan_of(recipe: Recipe, stays: tuple[str, ...] = (), drop_last: bool = False) -> Plan:
    """What decides the weights: `optimise` and the seed.

    stays: beginnings of the names of parameters that are not trained; drop_last: as hoitool/train/plan.py has it
    """
    held = recipe.optimise
    return Plan(
        epochs=held.epochs,
        batch=held.batch,
        drop_last=drop_last,
        optimiser=held.optimiser,
        lr=held.lr,
        weight_decay=held.weight_decay,
        momentum=held.momentum,
        groups=held.groups | dict.fromkeys(stays, 0.0),
        frozen=held.frozen,
        schedule=held.schedule,
        clip=held.clip,
        ema=held.ema,
        precision=held.precision,
        seed=recipe.seed,
    )


def pace_of(recipe: Recipe, device: Literal["auto", "cpu"] = "auto") -> Pace:
    """How the work is done, on the devices that there are or on the CPU alone."""
    held = recipe.optimise
    return Pace(
        per_device=held.per_device,
        accumulate=held.accumulate == "keep-batch",
        compile=held.compile,
        gradient_checkpointing=held.gradient_checkpointing,
        workers=recipe.data.workers,
        evaluate_every=recipe.evaluate.every,
        best=recipe.evaluate.best,
        device=device,
        threads=held.threads,
        checkpoint_minutes=held.checkpoint_minutes,
        keep=held.keep,
    )
