"""Samples into batches, in this process or in others; an error in one of them arrives as the one line that it is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from hoitool.embed.pictures import quiet
from hoitool.errors import HoitoolError
from hoitool.predict.loading import processors, workers_told
from hoitool.train.order import Parts, Turn
from hoitool.train.task import Task

Batch = dict[str, Any]


class _Batches(Dataset[Any]):
    """Whole batches at once: an error is returned, because one raised in a worker comes with its traceback."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getitems__(self, turns: list[Turn]) -> Batch | HoitoolError:
        try:
            with quiet():
                return self._task.collate([self._task.sample(index, epoch) for index, epoch in turns])
        except HoitoolError as error:
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


def batches(task: Task, parts: Parts, workers: int, pinned: bool) -> Generator[Batch, None, None]:
    """The batches of `parts` in their order. Raises what a sample raises, when its turn comes.

    workers: processes, at most as many as there are processors; 0: this one.
    """
    loader = DataLoader(
        _Batches(task),
        batch_sampler=parts,
        num_workers=min(workers, processors()),
        collate_fn=_as_it_is,
        pin_memory=pinned,
        generator=torch.Generator(),  # its own, so that the module's randomness does not depend on when loading starts
    )
    with workers_told("samples"):
        for batch in loader:
            if isinstance(batch, HoitoolError):
                raise batch
            yield batch
