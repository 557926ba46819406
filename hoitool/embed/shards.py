"""Several processes on one store: each makes a slice of the images as a shard, the last to finish joins them.

The processes are started by torchrun (`torchrun --nproc-per-node 8 -m hoitool embed ...`, several machines with a
shared folder), which tells each its rank; they need not talk to each other. A shard that is complete stays, so a run
in which one process died is finished by running it again with the same number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.job import Inputs, Job
from hoitool.store import merge
from hoitool.store.hdf5 import plan_of


def share(inputs: Array, rank: int, ranks: int) -> tuple[int, int]:
    """The images (first, last) of one process: consecutive, with about as many inputs as the others'."""
    ends = np.cumsum(inputs)
    total = int(ends[-1]) if len(ends) else 0
    cuts = [int(np.searchsorted(ends, total * i / ranks, "right")) for i in range(1, ranks)]
    edges = [0, *cuts, len(inputs)]
    return edges[rank], edges[rank + 1]


def shard_paths(path: Path, ranks: int) -> list[Path]:
    """Where the shards of a store lie: in a folder beside it, so that both can be moved together."""
    folder = path.with_name(path.stem + ".shards")
    return [folder / f"rank-{rank:05d}-of-{ranks:05d}{path.suffix}" for rank in range(ranks)]


def join(path: Path, plans: Sequence[str]) -> str | None:
    """Merge the shards once all are complete; the content hash, None while one is missing.

    plans: of each shard; one of another plan, which an earlier command left, counts as missing.

    Two processes that finish at once both do it: they write the same file, each in one step.
    """
    shards = shard_paths(path, len(plans))
    if any(plan_of(shard) != plan for shard, plan in zip(shards, plans, strict=True)):
        return None
    return merge(shards, path, overwrite=True)


class Slice:
    """The part of a job that is of the images first .. last - 1."""

    def __init__(self, job: Job, first: int, last: int) -> None:
        self._job, self._first = job, first
        self.manifest, self.lanes = job.manifest, job.lanes
        self.layout, self.inputs = job.layout.images(first, last), job.inputs[first:last]
        whole: Callable[[int], int] | None = getattr(job, "picture_size", None)
        self.picture_size = None if whole is None else lambda image: whole(first + image)

    def load(self, image: int) -> dict[str, Inputs]:
        """The inputs of an image, counted from the slice's first."""
        return self._job.load(self._first + image)

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """The rows of an image, counted from the slice's first."""
        return self._job.combine(self._first + image, made)
