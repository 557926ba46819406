"""A job: all that a recipe means, whichever system it is of (hoitool/train/systems.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from hoitool.models.card import Card
from hoitool.models.weights import Match
from hoitool.train.estimate import Sample
from hoitool.train.plan import Pace, Plan
from hoitool.train.task import Task


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained, how, and what comes after.

    inputs   the files that decide the weights, by what they are
    example  n samples as the module takes them, for the estimate
    finish   called with the run's folder when the training has ended: predicts, and says which files it wrote
    ready    makes the task that is trained out of what is kept beside the run; None: `task` is
    match    how the names of a checkpoint that it starts from fitted; None: it starts from none
    """

    task: Task
    module: nn.Module
    plan: Plan
    pace: Pace
    card: Card
    inputs: dict[str, Path]
    example: Sample
    finish: Callable[[Path], list[Path]]
    ready: Callable[[], Task] | None = None
    match: Match | None = None

    @property
    def samples(self) -> int:
        """How many samples an epoch has, repeated ones included."""
        factors = self.task.factors()
        return len(self.task) if factors is None else round(float(factors.sum()))
