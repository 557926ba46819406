"""Which samples a step sees: a pure function of the seed and the step, whatever processes there are.

An epoch is a permutation of the samples, some of them repeated. A step takes the next `batch` of it; processes share
the step's samples, and each cuts its share into parts that fit on its device.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.train.plan import Plan

Turn = tuple[int, int]  # the sample, and the number of the epoch that it is asked for with
ORDER, SAMPLE = 1, 2  # what a generator is for, so that no two draw the same numbers


class Order:
    """The samples of every step of a plan. Attributes: per_epoch and steps, both in steps."""

    def __init__(self, plan: Plan, samples: int, factors: Array | None = None) -> None:
        """Raises DataError where there is nothing to train on and UsageError where no batch would be full."""
        if factors is not None and (len(factors) != samples or not np.all(np.isfinite(factors) & (factors >= 0))):
            raise DataError(f"repetitions: expected {samples} finite numbers of at least 0, one a sample")
        self._plan, self._samples = plan, samples
        self._factors = None if factors is None else np.asarray(factors, float)
        self._drawn = samples if self._factors is None else round(float(self._factors.sum()))
        if self._drawn == 0:
            raise DataError("there are no samples to train on")
        self.per_epoch = self._drawn // plan.batch if plan.drop_last else -(-self._drawn // plan.batch)
        if self.per_epoch == 0:
            raise UsageError(
                f"{self._drawn} samples do not fill one batch of {plan.batch}, and drop_last leaves them out"
            )
        self.steps = plan.total(self.per_epoch)
        self._epoch = lru_cache(maxsize=2)(self._permuted)

    def batch(self, step: int) -> list[Turn]:
        """The samples of a step, in order."""
        epoch, place = divmod(step, self.per_epoch)
        order, turn = self._epoch(epoch)
        chosen = slice(place * self._plan.batch, (place + 1) * self._plan.batch)
        return list(zip(order[chosen].tolist(), turn[chosen].tolist(), strict=True))

    def parts(self, step: int, rank: int, world: int, per_device: int) -> list[list[Turn]]:
        """What one of `world` processes takes of a step, in parts of at most `per_device` samples.

        A process for which nothing is left gets an empty part only where a step has fewer samples than processes.
        """
        batch = self.batch(step)
        ends = [len(batch) * i // world for i in (rank, rank + 1)]
        share = batch[ends[0] : ends[1]]
        return [share[start : start + per_device] for start in range(0, max(1, len(share)), per_device)]

    def _permuted(self, epoch: int) -> tuple[Array, Array]:
        """The samples of an epoch, and the epoch's number for each: higher by the number of epochs when repeated."""
        rng = np.random.default_rng([ORDER, self._plan.seed, epoch])
        order = rng.permutation(self._samples)
        if self._factors is None:
            return order, np.full(len(order), epoch)
        counts = _systematic(self._factors[order], self._drawn, float(rng.random()))
        repeated = np.repeat(order, counts)
        time = np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
        epochs = -(-self.steps // self.per_epoch)
        mixed = rng.permutation(len(repeated))
        return repeated[mixed], (epoch + time * epochs)[mixed]


def _systematic(factors: Array, total: int, start: float) -> Array:
    """Whole numbers with the sum `total`, each one of the two next to its factor, on average over `start` equal to it.

    Systematic sampling (Madow, 1949): how many of the points start, start + 1, ... lie in each factor's stretch.
    """
    ends = np.cumsum(factors) * (total / factors.sum())
    ends[-1] = total
    passed = np.ceil(ends - start).clip(0, total).astype(int)
    return np.diff(passed, prepend=0)


class Parts:
    """The parts that one process takes from a step on to the end of the training: a DataLoader's batch sampler."""

    def __init__(self, order: Order, first: int, rank: int, world: int, per_device: int) -> None:
        self._order, self._first, self._place = order, first, (rank, world, per_device)

    def __iter__(self) -> Iterator[list[Turn]]:
        for step in range(self._first, self._order.steps):
            for part in self._order.parts(step, *self._place):
                yield part or self._order.batch(step)[:1]
