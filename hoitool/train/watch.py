"""The losses of steps, read one step late so that a device never waits for them; the end at one that is no number.

They travel to the host beside the work of the next step: nothing here waits for all that a device has been given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from hoitool.embed.encoder import Pending
from hoitool.embed.encoders.device import awaited
from hoitool.errors import DataError
from hoitool.train.task import Losses

NAMED = 8  # samples that a message names


def by_name(losses: Losses) -> Mapping[str, torch.Tensor]:
    """A task's losses by name; "loss" is the one that is minimised."""
    return {"loss": losses} if isinstance(losses, torch.Tensor) else losses


@dataclass
class Step:
    """The parts of one step in this process: losses, their weights in the step's mean, and names of the samples."""

    step: int
    losses: list[Mapping[str, torch.Tensor]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    samples: list[list[str]] = field(default_factory=list)

    def add(self, losses: Mapping[str, torch.Tensor], weight: float, samples: list[str]) -> None:
        """Take in a part."""
        self.losses.append({name: value.detach().float() for name, value in losses.items()})
        self.weights.append(weight)
        self.samples.append(samples)

    def mean(self) -> torch.Tensor:
        """The weighted sums of each loss over the parts of this process, in the order of their names."""
        parts = [torch.stack([part[name] for name in sorted(part)]) for part in self.losses]
        return torch.stack([part * weight for part, weight in zip(parts, self.weights, strict=True)]).sum(0)

    def culprits(self) -> list[str]:
        """The samples of those parts whose own loss is no finite number."""
        parts = zip(self.losses, self.samples, strict=True)
        return [name for losses, names in parts if not math.isfinite(losses["loss"].item()) for name in names]


class Watch:
    """Means of the losses since they were last asked for. Every process sees the means over all of them."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._pending: tuple[Step, Pending] | None = None
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, step: Step) -> None:
        """Take in a step, and look at the one before it. Raises DataError as `settle` does."""
        mean = step.mean()
        if self._accelerator.num_processes > 1:
            mean = self._accelerator.reduce(mean, "sum")
        self.settle()
        self._pending = step, awaited(mean)

    def settle(self) -> None:
        """Look at the last step. Raises DataError, naming its samples, where its loss is no finite number."""
        if self._pending is None:
            return
        (step, mean), self._pending = self._pending, None
        found = dict(zip(sorted(step.losses[0]), mean().tolist(), strict=True))
        if not math.isfinite(found["loss"]):
            raise DataError(_told(step, found["loss"]))
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def means(self) -> dict[str, float]:
        """The means over the steps since the last call, the last step included."""
        self.settle()
        found = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return found


def _told(step: Step, loss: float) -> str:
    names = step.culprits()
    where = ", ".join(names[:NAMED]) or "samples of another process"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"step {step.step + 1}: the loss is {loss}, in a batch of {where}{more}; try a lower learning rate, clipping, "
        "or float32, and look at these samples"
    )
