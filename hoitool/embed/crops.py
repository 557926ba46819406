"""The part of a picture that a box cuts out, by one rule.

1. The box becomes continuous: an inclusive far edge moves out by one pixel, normalised edges are times the size.
2. It is scaled about its centre by `context` and clipped to the picture.
3. Its edges are rounded to whole pixels (half to even, as Pillow's crop does).
4. A side shorter than `min_side` grows about its middle to that, moved to lie inside of the picture.
What is cut out is then resized by the encoder's preprocessing. Source of the contexts 1 and 1.5: ViLD, Gu et al.,
ICLR 2022, section 3.2 (arXiv 2104.13921).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from hoitool.data.dataset import Array
from hoitool.data.meta import Frame


@dataclass(frozen=True)
class CropRule:
    """See the module. contexts: the scales of which each row sums the normalised embeddings; (1,) is the box alone."""

    contexts: tuple[float, ...] = (1.0,)
    min_side: int = 1
    rounding: str = "nearest"

    def to_json(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return asdict(self) | {"contexts": list(self.contexts)}


def cut(boxes: Array, frame: Frame, width: int, height: int, context: float, min_side: int = 1) -> Array:
    """(n, 4) int64 left, top, right, bottom of boxes (n, 4) in a picture, right and bottom outside of the crop."""
    made = continuous(boxes, frame, width, height)
    middle, half = (made[:, :2] + made[:, 2:]) / 2, (made[:, 2:] - made[:, :2]) / 2 * context
    size = np.array([width, height])
    low = np.rint(np.clip(middle - half, 0, size)).astype(np.int64)
    high = np.rint(np.clip(middle + half, 0, size)).astype(np.int64)
    least = np.minimum(min_side, size)
    small = high - low < least
    start = np.clip((low + high - least) // 2, 0, size - least)
    low, high = np.where(small, start, low), np.where(small, start + least, high)
    return np.concatenate([low, high], axis=1)


def continuous(boxes: Array, frame: Frame, width: int, height: int) -> Array:
    """(n, 4) float64 boxes as continuous coordinates in pixels, corners in order."""
    made = union(boxes, boxes).astype(np.float64)
    if frame == "normalised":
        made = np.multiply(made, [width, height, width, height])
    elif frame == "inclusive":
        made = np.add(made, [0, 0, 1, 1])
    return made


def union(one: Array, other: Array) -> Array:
    """(n, 4) the smallest boxes around two boxes each, whose corners may be swapped."""
    corners = np.stack([one[:, :2], one[:, 2:], other[:, :2], other[:, 2:]])
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)], axis=1)


def masked(crop: Image.Image, keep: Array, colour: tuple[int, int, int]) -> Image.Image:
    """A crop with everything outside of the boxes `keep` (n, 4: left, top, right, bottom in it) in one colour."""
    made = Image.new("RGB", crop.size, colour)
    for left, top, right, bottom in keep.tolist():
        made.paste(crop.crop((left, top, right, bottom)), (left, top))
    return made
