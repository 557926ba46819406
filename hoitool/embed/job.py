"""What the engine runs: what goes in for each image, which encoder calls it needs, and how rows come out.

A job says all that is known before work starts (manifest, layout) and has three steps. `load` runs in worker threads
and gives an image's inputs, by lane: a lane is one call of an encoder, whose inputs are batched across images. `lanes`
are those calls. `combine` makes an image's rows from what its inputs became. A job of pictures also has `picture_size`
(image) -> bytes of its file, by which a run that goes on knows that they are the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Pending
from hoitool.store import Layout, Manifest

Inputs = Any  # what one lane takes: pictures (n, H, W, 3) uint8, or a list of texts
Lane = Callable[[Inputs], Pending]


class Job(Protocol):
    """See the module. inputs: (I,) how many inputs each image has, all lanes together."""

    manifest: Manifest
    layout: Layout
    inputs: Array
    lanes: Mapping[str, Lane]

    def load(self, image: int) -> dict[str, Inputs]:
        """The inputs of an image by lane. Raises DataError or MissingData when it cannot be read."""
        ...

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(r, dim) the rows of an image from what became of its inputs, by lane (n, ...)."""
        ...


def joined(pieces: Sequence[Inputs]) -> Inputs:
    """Pieces of one lane's inputs as one batch."""
    if isinstance(pieces[0], np.ndarray):
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return [item for piece in pieces for item in piece]
