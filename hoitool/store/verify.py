"""Whether a store still holds what was written: each entry's rows by their digest, all of it by the content hash."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hoitool.errors import CheckFailed
from hoitool.progress import progress
from hoitool.store.hdf5 import plan_of
from hoitool.store.layout import content_hash, digest, plan_of_text
from hoitool.store.reader import BLOCK, Store


@dataclass(frozen=True)
class Verified:
    """A store's content hash as it says and as its bytes give it, and the keys of images whose rows were altered.

    planned  whether its manifest, keys, offsets and columns are those that were written
    """

    path: Path
    said: str
    found: str
    altered: list[str]
    failed: list[str]
    planned: bool = True

    def raise_for(self) -> None:
        """Raise CheckFailed unless the store holds what was written."""
        if not self.planned:
            told = "its manifest, keys, offsets or columns are not those that were written"
        elif self.altered and self.said == self.found:
            told = f"the digests of {len(self.altered):,} entries were altered, the first {self.altered[0]!r}"
        elif self.altered:
            told = f"the rows of {len(self.altered):,} entries are not those that were written"
            told += f", the first {self.altered[0]!r}"
        elif self.said != self.found:
            told = f"its status or content hash was altered (it says {self.said:.16}, its bytes give {self.found:.16})"
        else:
            return
        raise CheckFailed(f"{self.path}: {told}; make it again")


def verify(path: Path) -> Verified:
    """Read all of a store and compare. Raises what opening it raises."""
    store = Store(path)
    offsets = store.offsets
    digests = np.empty_like(store.digests)
    for first, last in progress(_blocks(offsets, store.manifest.dim * 4), f"verifying {path.name}"):
        rows = store.rows(int(offsets[first]), int(offsets[last]))
        for image in range(first, last):
            start, stop = (offsets[image : image + 2] - offsets[first]).tolist()
            digests[image] = np.frombuffer(digest(rows[start:stop]), np.uint8)
    altered = [str(key) for key in store.key[(digests != store.digests).any(axis=1)]]
    found = content_hash(store.text, store.layout, store.status, digests).hex()
    planned = plan_of(path) == plan_of_text(store.text, store.layout)
    return Verified(Path(path), store.content, found, altered, store.failed, planned)


def _blocks(offsets: np.ndarray, width: int) -> list[tuple[int, int]]:
    """Consecutive images (first, last) whose rows have about BLOCK bytes together."""
    cuts = [0]
    while cuts[-1] < len(offsets) - 1:
        limit = offsets[cuts[-1]] + max(1, BLOCK // width)
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(offsets, limit, "right")) - 1))
    return list(pairwise(cuts))
