"""Whether a store still holds what was written: each entry's rows by their digest, all of it by the content hash."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hoitool.errors import CheckFailed
from hoitool.progress import progress
from hoitool.store.layout import content_hash, digest
from hoitool.store.reader import Store

BLOCK = 2**26  # bytes read at once


@dataclass(frozen=True)
class Verified:
    """A store's content hash as it says and as its bytes give it, and the keys of images whose rows were altered."""

    path: Path
    said: str
    found: str
    altered: list[str]
    failed: list[str]

    def raise_for(self) -> None:
        """Raise CheckFailed unless the store holds what was written."""
        if self.altered:
            raise CheckFailed(
                f"{self.path}: the rows of {len(self.altered):,} entries are not those that were written, the first "
                f"{self.altered[0]!r}; make it again"
            )
        if self.said != self.found:
            raise CheckFailed(
                f"{self.path}: its manifest, keys or columns are not those that were written (content {self.said:.16}, "
                f"its bytes give {self.found:.16}); make it again"
            )


def verify(path: Path) -> Verified:
    """Read all of a store and compare. Raises what opening it raises."""
    store = Store(path)
    offsets = store.layout.offsets
    digests = np.empty_like(store.digests)
    for first, last in progress(_blocks(offsets, store.manifest.dim * 4), f"verifying {path.name}"):
        rows = store.rows(int(offsets[first]), int(offsets[last]))
        for image in range(first, last):
            start, stop = (offsets[image : image + 2] - offsets[first]).tolist()
            digests[image] = np.frombuffer(digest(rows[start:stop]), np.uint8)
    altered = [str(key) for key in store.key[(digests != store.digests).any(axis=1)]]
    found = content_hash(store.manifest, store.layout, store.status, digests).hex()
    return Verified(Path(path), store.content, found, altered, store.failed)


def _blocks(offsets: np.ndarray, width: int) -> list[tuple[int, int]]:
    """Consecutive images (first, last) whose rows have about BLOCK bytes together."""
    cuts = [0]
    while cuts[-1] < len(offsets) - 1:
        limit = offsets[cuts[-1]] + max(1, BLOCK // width)
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(offsets, limit, "right")) - 1))
    return list(pairwise(cuts))
