"""Pictures in their order, decoded ahead of the device by other processes, in batches.

A picture that cannot be opened stops the work with the one line that says so, when its turn comes, or is left out and
told of. What a picture becomes in a worker travels back through shared memory, each batch as one block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Indexed

from hoitool.data import offsets_of
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album, quiet
from hoitool.errors import HoitoolError


class Loaded(NamedTuple):
    """A batch: the places (n,) of its pictures in the album, what each became, and name -> why of those left out."""

    places: Array
    pixels: list[Array]
    broken: dict[str, str]


def loaded(
    album: Album,
    pixels: Callable[[Image.Image], Array],
    batch: int,
    workers: int,
    skip_broken: bool = False,
) -> Generator[Loaded, None, None]:
    """The pictures of an album in its order, `batch` at a time; of a batch of which all are broken nothing but these.

    pixels   what a picture (RGB) becomes, of any shape, all of one dtype; workers call it, so it is a function or
             method of a module
    workers  processes, at most as many as there are processors; 0: this process
    Raises MissingData and DataError for a picture that cannot be opened, unless `skip_broken`.
    """
    count = len(album.names)
    loader = DataLoader(
        _Batches(album, pixels, skip_broken),
        batch_sampler=[list(range(first, min(first + batch, count))) for first in range(0, count, batch)],
        num_workers=min(workers, processors()),
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # its own, so that loading draws nothing from the caller's randomness
    )
    with workers_told("pictures"):
        for held in loader:
            if isinstance(held, HoitoolError):
                raise held
            yield held.opened()


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers_told(what: str) -> Generator[None, None, None]:
    """Turn the end of a loading process from outside into one line. `what` it loads: pictures."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise HoitoolError(
            f"a process that loads {what} was ended from outside, most likely for lack of memory; use fewer workers"
        ) from error


@dataclass(frozen=True, eq=False)
class _Packed:
    """A batch on its way out of a worker: all pixels one after the other, so that they are one piece of memory."""

    places: list[int]
    flat: Tensor
    shapes: list[tuple[int, ...]]
    broken: dict[str, str]

    def opened(self) -> Loaded:
        offsets = offsets_of([int(np.prod(shape)) for shape in self.shapes])
        flat = self.flat.numpy()
        parts = zip(offsets[:-1].tolist(), offsets[1:].tolist(), self.shapes, strict=True)
        pixels = [flat[start:stop].reshape(shape) for start, stop, shape in parts]
        return Loaded(np.array(self.places, np.int64), pixels, self.broken)


class _Batches(Indexed[Any]):
    """Whole batches at once: an error is returned, because one raised in a worker comes with its traceback."""

    def __init__(self, album: Album, pixels: Callable[[Image.Image], Array], skip_broken: bool) -> None:
        self._album, self._pixels, self._skip_broken = album, pixels, skip_broken

    def __getitems__(self, places: list[int]) -> _Packed | HoitoolError:
        made: dict[int, Array] = {}
        broken: dict[str, str] = {}
        for place in places:
            try:
                with quiet():
                    made[place] = self._pixels(self._album.open(place))
            except HoitoolError as error:
                if not self._skip_broken:
                    return error
                broken[self._album.names[place]] = str(error)
        flat = np.concatenate([held.ravel() for held in made.values()]) if made else np.empty(0, np.uint8)
        return _Packed(list(made), torch.from_numpy(flat), [held.shape for held in made.values()], broken)


def _as_it_is(batch: Any) -> Any:
    return batch
