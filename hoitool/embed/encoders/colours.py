"""An encoder where words meet pictures, without weights and without torch: for demonstrations and tests.

It knows the things of synthetic pictures by their colours (hoitool/data/synthetic_colours.py) and nothing else. With
mix(c) the 64 weights, of sum 1, of a colour c among the 4 x 4 x 4 colours of levels 0, 85, 170, 255, linear in between:

    picture  of its upper and of its lower half, the sum over pixels of ink(c) mix(c), ink(c) = max(0, 1 - min(c) / 200)
             being 0 for paper; and one number more, a hundredth, so that no picture is zero
    text     the same of the colours of the thing that it names: a person's head is skin, of other things both halves
             are alike; of what is worn, and of several things, the mean. A text without any has the last number alone
Rows are the cosine transform of these numbers: cosines between rows stay, and no number is that of one colour.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.data.synthetic_colours import CLOTHES, COLOURS, IDLE, SKIN, THINGS
from hoitool.embed.encoder import Encoder, Pending, Settings, require_no_choices
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import UsageError

SUMMARY = "the colours of synthetic scenes, no weights: words and pictures meet, for demonstrations; 129 numbers"

LEVELS = 4
DIM = 2 * LEVELS**3 + 1
PAPER = 200  # of whose least channel or more a colour is no ink
LEAST = 0.01
WORD = re.compile(r"\w+")


def load(settings: Settings) -> Encoder:
    """The encoder. Raises UsageError for a setting that it cannot have, such as a device other than the CPU."""
    require_no_choices("colours", settings)
    return Colours()


class Colours:
    """See hoitool.embed.encoder.Encoder."""

    name = "colours"
    dim = DIM
    preprocess: Preprocess | None = Preprocess(32, 32, fit="squash", interpolation="bilinear")

    def __init__(self) -> None:
        self.things = {name: _halves([colour], [colour]) for name, colour in (COLOURS | THINGS).items()}
        worn = [*CLOTHES.values(), IDLE]
        self.things["person"] = _halves([SKIN, *worn], worn)
        table = repr(sorted((name, row.tolist()) for name, row in self.things.items()))
        digest = hashlib.sha256(table.encode()).hexdigest()
        self.facts: dict[str, Any] = {"weights": "none", "weights_sha256": digest}

    def best_batch(self) -> int:
        """256: it computes at once whatever it gets."""
        return 256

    def texts(self, texts: Sequence[str]) -> Pending:
        """(N, 129) of N texts."""
        rows = np.zeros((len(texts), DIM))
        for row, text in zip(rows, texts, strict=True):
            named = [self.things[word] for word in WORD.findall(text.casefold()) if word in self.things]
            row[:-1] = np.mean(named, axis=0) if named else 0
            row[-1] = LEAST
        return lambda: _spread(rows)

    def images(self, pixels: Array) -> Pending:
        """(N, 129) of N pictures (N, 32, 32, 3)."""
        halves = pixels.reshape(len(pixels), 2, -1, 3).astype(np.float64)
        made = (_ink(halves)[..., None] * _mix(halves)).mean(axis=2)  # (N, 2, 64)
        last = np.full((len(pixels), 1), LEAST)
        return lambda: _spread(np.concatenate([made.reshape(len(pixels), -1), last], axis=1))

    def maps(self, pixels: Array) -> Pending:
        """Raises UsageError: a colour has no place in a picture but its half."""
        raise UsageError("encoder 'colours' embeds no maps")


def _halves(upper: Sequence[tuple[int, int, int]], lower: Sequence[tuple[int, int, int]]) -> Array:
    """(128,) of the mean colours of a thing's halves."""
    held = [np.array(colours, np.float64) for colours in (upper, lower)]
    return np.concatenate([(_ink(each)[:, None] * _mix(each)).mean(axis=0) for each in held])


def _ink(colours: Array) -> Array:
    """(...) of colours (..., 3): 0 for paper, 1 where a channel is 0."""
    made: Array = np.maximum(0, 1 - colours.min(axis=-1) / PAPER)
    return made


def _mix(colours: Array) -> Array:
    """(..., 64) of colours (..., 3): their weights among the colours of the levels."""
    places = colours / (255 / (LEVELS - 1))
    near = np.maximum(0, 1 - np.abs(places[..., None] - np.arange(LEVELS)))  # (..., 3, 4)
    red, green, blue = (near[..., channel, :] for channel in range(3))
    made: Array = red[..., :, None, None] * green[..., None, :, None] * blue[..., None, None, :]
    return made.reshape(*colours.shape[:-1], LEVELS**3)


def _spread(rows: Array) -> Array:
    """(N, 129) float32: the orthonormal cosine transform (DCT-II) of rows (N, 129)."""
    place = np.arange(DIM)
    waves = np.cos(np.pi / DIM * (place[:, None] + 0.5) * place) * np.sqrt(2 / DIM)
    waves[:, 0] /= np.sqrt(2)
    return np.asarray(rows @ waves, np.float32)
