"""Which of several processes this one is: torchrun starts them and tells each its rank."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from hoitool.errors import UsageError


@dataclass(frozen=True)
class Place:
    """Which of how many processes this one is: in all, and on its machine."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local_ranks: int = 1


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place that torchrun gives this process. Raises UsageError for one that cannot be."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not all(name in environment for name in names):
        return Place()
    try:
        made = Place(*(int(environment[name]) for name in names))
    except ValueError:
        made = Place(1, 0)
    if not 0 <= made.rank < made.ranks:
        told = ", ".join(f"{name}={environment[name]}" for name in names)
        raise UsageError(f"{told}: no place among processes, expected what torchrun sets")
    return made


def is_first() -> bool:
    """Whether this is the first process, or the only one: the one that speaks and writes."""
    return place().rank == 0
