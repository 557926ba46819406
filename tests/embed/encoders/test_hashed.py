"""The encoder without weights: the same numbers everywhere, by a second way of counting, and no torch."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.embed import ENCODERS
from hoitool.embed.encoder import Settings
from hoitool.errors import UsageError

ENCODER = ENCODERS["hashed"].load(Settings())
TEXT_HEADS = [
    [2.0, 2.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0],
    [1.0, 3.0, 1.0, 3.0, 3.0, -1.0, 1.0, -1.0],
    [-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0],
]  # the first eight numbers
GOLDEN = "7f15256ea8e4655d0d58a18b9ec68959cd897f60a7c484409347bd66fb721a23"
WEIGHTS = "27cab680a5af84cdc52a47382b33fbbd5b099faf06e1a85df29115856cfc1fc7"


def signs(word):
    """The 64 signs of a word, a bit at a time."""
    number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return [1 if number >> bit & 1 else -1 for bit in range(64)]


def project(colours):
    """64 numbers of an (8, 8, 3) block of mean colours 0 .. 255, a term at a time."""
    total = list(map(float, signs("pixels")))
    for i, colour in enumerate(colours.ravel().tolist()):
        total = [a + (2 * colour / 255 - 1) * b for a, b in zip(total, signs(f"pixel {i}"), strict=True)]
    return total


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_golden_values():
    pixels = (np.arange(2 * 32 * 32 * 3) * 7919 % 256).astype(np.uint8).reshape(2, 32, 32, 3)
    rows = ENCODER.texts(["ride bicycle", "Ride the, bicycle!", ""])()
    assert [row[:8].tolist() for row in rows] == TEXT_HEADS
    digest = hashlib.sha256()
    for made in (rows, ENCODER.images(pixels)(), ENCODER.maps(pixels)()):
        assert made.dtype == np.float32
        digest.update(made.astype("<f4").tobytes())
    assert digest.hexdigest() == GOLDEN
    assert ENCODER.facts["weights_sha256"] == WEIGHTS


def test_texts_are_sums_of_their_words():
    (row,) = ENCODER.texts(["A person, a PERSON"])()
    assert row.tolist() == [2 * a + 2 * b for a, b in zip(signs("a"), signs("person"), strict=True)]
    assert ENCODER.texts(["", "?!"])().tolist() == [signs("")] * 2
    assert ENCODER.texts([])().shape == (0, 64)


def test_texts_that_share_words_are_near():
    rows = ENCODER.texts(["ride bicycle", "ride motorcycle", "eat apple"])()
    assert rows[0] @ rows[1] > abs(rows[0] @ rows[2])


def test_images_and_maps_agree_with_a_slow_count():
    pixels = np.stack([picture(0), picture(1)])
    means = pixels.reshape(2, 8, 4, 8, 4, 3).astype(float).mean((2, 4))
    np.testing.assert_allclose(ENCODER.images(pixels)(), [project(colours) for colours in means], atol=1e-4)
    maps = ENCODER.maps(pixels)()
    assert maps.shape == (2, 4, 4, 64)
    for image, row, column in [(0, 0, 0), (0, 1, 2), (1, 3, 0)]:
        cell = pixels[image, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].astype(float)
        np.testing.assert_allclose(maps[image, row, column], project(cell), atol=1e-4)


def test_images_of_like_colours_are_near():
    near, far = picture(2) // 2, picture(2) // 2 + 127
    rows = ENCODER.images(np.stack([near, near + 3, far]))()
    assert np.linalg.norm(rows[0] - rows[1]) < np.linalg.norm(rows[0] - rows[2]) / 4


def test_no_images_are_no_rows():
    none = np.zeros((0, 32, 32, 3), np.uint8)
    assert ENCODER.images(none)().shape == (0, 64)
    assert ENCODER.maps(none)().shape == (0, 4, 4, 64)


@given(st.lists(st.text(max_size=20), max_size=5), st.randoms(use_true_random=False))
def test_rows_depend_on_their_own_text_only(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    np.testing.assert_array_equal(ENCODER.texts([texts[i] for i in order])(), ENCODER.texts(texts)()[order])
    assert ENCODER.texts(texts)().any(1).all()


def test_it_has_no_choices():
    for changed in ({"variant": "b"}, {"weights": "w"}, {"pooling": "cls"}, {"precision": "fp16"}, {"compile": True}):
        with pytest.raises(UsageError, match=f"hashed has no choice of {next(iter(changed))}"):
            ENCODERS["hashed"].load(Settings(**changed))
    with pytest.raises(UsageError, match="hashed has no choice of device, came 'cuda:3'"):
        ENCODERS["hashed"].load(Settings(device="cuda:3"))
    assert ENCODERS["hashed"].load(Settings(device="cpu")).dim == 64


def test_it_needs_no_torch():
    code = "import sys, hoitool.embed as e, hoitool.embed.encoder as s; e.ENCODERS['hashed'].load(s.Settings()); "
    code += "e.ENCODERS['bert'].SUMMARY; e.ENCODERS['hf'].SUMMARY; e.ENCODERS['minilm'].SUMMARY; "
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'huggingface_hub')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
