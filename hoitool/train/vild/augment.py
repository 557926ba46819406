"""How training pictures and their boxes vary: a flip, and a scale over a wide range (large-scale jitter).

The longer side becomes `scale` times the square's, drawn evenly; of a picture that is larger than the square a random
part is cut out. Boxes are clipped to it, and those of which less than a pixel is left go.
Source: Ghiasi et al., Simple Copy-Paste, CVPR 2021 (large-scale jitter), as ViLD trains with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoitool.data.dataset import Array
from hoitool.predict.vild.squares import placed, resized
from hoitool.train.vild.settings import Augment

LEAST = 1.0  # pixels of a box's side in the square


@dataclass(frozen=True, eq=False)
class Varied:
    """A square (S, S, 3) uint8 and how a picture came into it.

    size         (height, width) of the picture in the square
    flipped      mirrored, as it was `width` pixels wide
    scale        (x, y) pixels of the square for one of the picture; corner: (x, y) of the square in the scaled picture
    """

    pixels: Array
    size: tuple[int, int]
    flipped: bool
    width: int
    scale: tuple[float, float]
    corner: tuple[int, int]

    def boxes(self, boxes: Array) -> tuple[Array, Array]:
        """(m, 4) float32 boxes in the square of boxes (n, 4) in the picture, and (m,) which of them are left."""
        made = boxes.astype(np.float64)
        if self.flipped:
            made = np.stack([self.width - made[:, 2], made[:, 1], self.width - made[:, 0], made[:, 3]], axis=1)
        high, wide = self.size
        made = np.clip(made * (self.scale * 2) - self.corner * 2, 0, [wide, high, wide, high])
        kept = np.flatnonzero(((made[:, 2:] - made[:, :2]) >= LEAST).all(axis=1))
        return made[kept].astype(np.float32), kept


def varied(pixels: Array, rule: Augment, side: int, numbers: np.random.Generator) -> Varied:
    """A picture (H, W, 3) uint8, varied as the rule says, in a square."""
    high, wide = pixels.shape[:2]
    flipped = bool(numbers.random() < rule.flip)
    share = side * numbers.uniform(*rule.scale) / max(high, wide)
    tall, broad = (max(1, round(length * share)) for length in (high, wide))
    made = resized(pixels[:, ::-1] if flipped else pixels, (tall, broad))
    left, top = (int(numbers.integers(max(0, length - side) + 1)) for length in (broad, tall))
    cut = made[top : top + side, left : left + side]
    return Varied(placed(cut, side), cut.shape[:2], flipped, wide, (broad / wide, tall / high), (left, top))
