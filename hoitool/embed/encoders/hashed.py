"""An encoder of texts and images without weights and without torch: for demonstrations, tests and dry runs.

It knows nothing: texts are near when they share words, images when they share colours in the same places, and the two
have nothing to do with each other. Everything is integer arithmetic over BLAKE2b, so its numbers are the same on every
machine. With sign(t) the 64 signs +1 and -1 that the bits (lowest first) of the 8-byte BLAKE2b digest of t give:

    text     the sum of sign(w) over its words w, case folded, as often as they occur; a text of no words is one of ""
    picture  the sum of x[i] sign("pixel i") over the 8 x 8 x 3 mean colours x (rows, columns, RGB) in -1 .. 1, plus
             sign("pixels"), so that no picture is zero
    map      the same of each 8 x 8 cell of a picture
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Encoder, Pending, Settings, require_no_choices
from hoitool.embed.preprocess import Preprocess

SUMMARY = "hashed words and colours, no weights and no meaning: for demonstrations and dry runs; 64 numbers"

DIM = 64
SIDE = 8  # cells along each side of a picture, and pixels along each side of a map's cell
WORD = re.compile(r"\w+")


def load(settings: Settings) -> Encoder:
    """The encoder. Raises UsageError for a setting that it cannot have, such as a device other than the CPU."""
    require_no_choices("hashed", settings)
    return Hashed()


class Hashed:
    """See hoitool.embed.encoder.Encoder."""

    name = "hashed"
    dim = DIM
    preprocess: Preprocess | None = Preprocess(32, 32, fit="squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {
            "weights": "none",
            "weights_sha256": hashlib.sha256(_colour_signs().astype(np.int8).tobytes()).hexdigest(),
        }

    def best_batch(self) -> int:
        """256: it computes at once whatever it gets."""
        return 256

    def texts(self, texts: Sequence[str]) -> Pending:
        """(N, 64) of N texts."""
        rows = [sum(map(signs, WORD.findall(text.casefold()) or [""]), np.zeros(DIM, np.int64)) for text in texts]
        return lambda: np.array(rows, np.float32).reshape(-1, DIM)

    def images(self, pixels: Array) -> Pending:
        """(N, 64) of N pictures (N, 32, 32, 3)."""
        size = pixels.shape[1] // SIDE  # pixels along each side of a cell
        colours = pixels.astype(np.int64).reshape(-1, SIDE, size, SIDE, size, 3).sum((2, 4))
        return lambda: _project(colours, size * size)

    def maps(self, pixels: Array) -> Pending:
        """(N, 4, 4, 64) of N pictures (N, 32, 32, 3)."""
        count, grid = len(pixels), pixels.shape[1] // SIDE
        cells = pixels.reshape(-1, grid, SIDE, grid, SIDE, 3).transpose(0, 1, 3, 2, 4, 5)  # (N, h, w, 8, 8, 3)
        return lambda: _project(cells.astype(np.int64), 1).reshape(count, grid, grid, DIM)


@functools.lru_cache(maxsize=2**16)
def signs(word: str) -> Array:
    """(64,) int64: +1 and -1 of a word."""
    digest = np.frombuffer(hashlib.blake2b(word.encode(), digest_size=DIM // 8).digest(), np.uint8)
    return 2 * np.unpackbits(digest, bitorder="little").astype(np.int64) - 1


@functools.cache
def _colour_signs() -> Array:
    """(193, 64): a row for each mean colour, and the one that no picture is without."""
    return np.stack([*(signs(f"pixel {i}") for i in range(SIDE * SIDE * 3)), signs("pixels")])


def _project(colours: Array, pixels: int) -> Array:
    """(N, 64) of sums (..., 8, 8, 3) of `pixels` colours each; whole numbers until the one division."""
    one = 255 * pixels
    centred = 2 * colours.reshape(-1, SIDE * SIDE * 3) - one  # -one .. one
    summed = centred @ _colour_signs()[:-1] + one * _colour_signs()[-1]
    return np.asarray(summed / one, np.float32)
