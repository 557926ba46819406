"""Pictures in squares: nothing is stretched, and their rest is zero."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from hoitool.labels import load_labels
from hoitool.models.card import Labelled
from hoitool.predict.vild.squares import fitted, normalised, resized

CARD = Labelled("vild", {"image_size": 64}, {}, load_labels("coco"), "objects", (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def pixels(high, wide):
    return np.random.default_rng(0).integers(0, 256, (high, wide, 3), dtype=np.uint8)


@pytest.mark.parametrize(("size", "expected"), [((32, 64), (32, 64)), ((90, 60), (64, 43)), ((1, 200), (1, 64))])
def test_the_longer_side_becomes_the_square_s(size, expected):
    made = fitted(pixels(*size), 64)
    assert made.size == expected
    assert made.scale == (expected[0] / size[0], expected[1] / size[1])
    assert not made.pixels[made.size[0] :].any()
    assert not made.pixels[:, made.size[1] :].any()


def test_a_picture_of_the_size_stays_as_it_is():
    held = pixels(32, 64)
    assert np.array_equal(fitted(held, 64).pixels[:32], held)
    assert resized(held, (32, 64)) is held


def test_the_rest_is_zero_once_normalised():
    squares = [fitted(pixels(32, 64), 64), fitted(pixels(64, 20), 64)]
    given = torch.from_numpy(np.stack([square.pixels for square in squares]))
    made = normalised(given, [square.size for square in squares], CARD)
    assert made.shape == (2, 3, 64, 64)
    assert (made[0, :, 32:] == 0).all()
    assert (made[1, :, :, 20:] == 0).all()
    expected = (given[0, :32].float() / 255 - torch.tensor(CARD.mean)) / torch.tensor(CARD.std)
    torch.testing.assert_close(made[0, :, :32], expected.permute(2, 0, 1))
