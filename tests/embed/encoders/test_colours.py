"""Colours where words meet pictures."""

from __future__ import annotations

import numpy as np
import pytest

from hoitool.data.synthetic_colours import COLOURS, THINGS
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders.colours import DIM, load
from hoitool.errors import UsageError

KNOWN = COLOURS | THINGS


def cosines(one, other):
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
    return one @ other.T


def test_a_picture_of_a_thing_is_nearest_to_its_name():
    encoder, names = load(Settings()), list(KNOWN)
    pictures = np.full((len(names), 32, 32, 3), 230, np.uint8)
    pictures[:, 4:28, 4:28] = np.array([KNOWN[name] for name in names])[:, None, None]
    near = cosines(encoder.images(pictures)(), encoder.texts([f"a photo of a {name}." for name in names])())
    assert near.argmax(axis=1).tolist() == list(range(len(names)))
    assert (np.diag(near) > 0.99).all()


def test_a_person_is_skin_above_and_clothes_below():
    encoder = load(Settings())
    person, dog, both, none = encoder.texts(["person", "dog", "a person and a dog", "nothing here"])()
    np.testing.assert_allclose(both, (person + dog) / 2, atol=1e-6)
    assert cosines(none[None], np.stack([person, dog])).max() < 0.1
    assert np.linalg.norm(none) == pytest.approx(0.01, rel=1e-5)


def test_paper_is_no_colour():
    encoder = load(Settings())
    paper, blank = encoder.images(np.full((1, 32, 32, 3), 230, np.uint8))(), encoder.texts(["nothing"])()
    np.testing.assert_allclose(paper, blank, atol=1e-7)
    assert paper.shape == (1, DIM)


def test_it_has_no_choices():
    with pytest.raises(UsageError, match="colours has no choice of weights"):
        load(Settings(weights="x"))
    with pytest.raises(UsageError, match="embeds no maps"):
        load(Settings()).maps(np.zeros((1, 32, 32, 3), np.uint8))
