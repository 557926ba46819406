"""The learning rate over time, as a factor of the highest: pure functions of the fractional epoch.

The epoch of a step is step / steps in an epoch, asked for before the step, as DEFR does; nothing has to be kept over an
interruption. Sources: Loshchilov and Hutter, ICLR 2017 (restarts); torch.optim.lr_scheduler for the conventions.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable

from hoitool.train.settings import Schedule


def factor(schedule: Schedule, step: int, per_epoch: int, steps: int) -> float:
    """The factor at a step (from 0) of a training of `steps` steps, `per_epoch` of them in an epoch."""
    shape = SHAPES[schedule.name](schedule, step / per_epoch, steps / per_epoch)
    return shape * _warmth(step, round(schedule.warmup * per_epoch))


def _warmth(step: int, rise: int) -> float:
    """1/rise at the first step, 1 at the last step of the rise and ever after."""
    return min(1.0, (step + 1) / rise) if rise else 1.0


def _constant(schedule: Schedule, epoch: float, epochs: float) -> float:
    return 1.0


def _cosine(schedule: Schedule, epoch: float, epochs: float) -> float:
    return _half_wave(min(1.0, epoch / epochs), schedule.floor)


def _restarts(schedule: Schedule, epoch: float, epochs: float) -> float:
    assert schedule.period is not None
    start, length = _period_at(epoch, schedule.period, schedule.growth)
    return _half_wave((epoch - start) / length, schedule.floor)


def _multi_step(schedule: Schedule, epoch: float, epochs: float) -> float:
    return float(schedule.gamma ** bisect_right(schedule.milestones, epoch))


def _half_wave(done: float, floor: float) -> float:
    """From 1 to `floor` while `done` goes from 0 to 1."""
    return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2


def _period_at(epoch: float, period: float, growth: int) -> tuple[float, float]:
    """Where the period that an epoch lies in starts, and its length."""
    if growth == 1:
        return epoch // period * period, period
    start, length = 0.0, period
    while epoch >= start + length:
        start, length = start + length, length * growth
    return start, length


SHAPES: dict[str, Callable[[Schedule, float, float], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "cosine-restarts": _restarts,
    "multi-step": _multi_step,
}
