"""From pictures to inputs: torchvision's pixels, a small case by hand, padding, every size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stub_encoders import noise

from hoitool.embed.preprocess import FITS, Preprocess

SIZES = [
    (50, 40),
    (40, 50),
    (33, 33),
    (7, 5),
    (5, 7),
    (32, 32),
    (64, 32),
    (32, 65),
    (97, 31),
    (1, 9),
    (200, 3),
    (33, 100),
]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [32, 31, 7])
@pytest.mark.parametrize("width, height", SIZES)
def test_centre_crop_and_squash_are_torchvisions(width, height, size, interpolation):
    transforms = pytest.importorskip("torchvision.transforms")
    picture = noise(width, height)
    mode = transforms.InterpolationMode(interpolation)
    expected = transforms.CenterCrop(size)(transforms.Resize(size, mode)(picture))
    found = Preprocess(size, size, "centre-crop", interpolation).pixels(picture)
    np.testing.assert_array_equal(found, np.asarray(expected), strict=True)
    expected = transforms.Resize((size, size + 3), mode)(picture)
    found = Preprocess(size, size + 3, "squash", interpolation).pixels(picture)
    np.testing.assert_array_equal(found, np.asarray(expected), strict=True)


@pytest.mark.parametrize("crop", [0.875, 0.9, 0.95])
@pytest.mark.parametrize("width, height", SIZES)
def test_a_share_of_the_picture_is_timms_way(width, height, crop):
    transforms = pytest.importorskip("torchvision.transforms")
    picture, mode = noise(width, height), transforms.InterpolationMode.BICUBIC
    larger = math.floor(32 / crop)
    for fit, size in (("centre-crop", larger), ("squash", (larger, larger))):
        expected = transforms.CenterCrop(32)(transforms.Resize(size, mode)(picture))
        found = Preprocess(32, 32, fit, crop=crop).pixels(picture)
        np.testing.assert_array_equal(found, np.asarray(expected), strict=True)


def test_centre_crop_of_the_right_height_is_the_middle():
    picture = noise(7, 4)
    np.testing.assert_array_equal(Preprocess(4, 4).pixels(picture), np.asarray(picture)[:, 2:6])  # 1.5 to even
    np.testing.assert_array_equal(
        Preprocess(4, 4).pixels(picture.transpose(Image.Transpose.ROTATE_90)).shape, (4, 4, 3)
    )


def test_squash_by_hand():
    """Halving by bilinear weighs four pixels with 1 3 3 1 of 8, at an edge those that there are."""
    row = np.array([0, 80, 160, 240], float)
    picture = Image.fromarray(np.tile(row, (2, 1)).astype(np.uint8)).convert("RGB")
    expected = [(3 * 0 + 3 * 80 + 160) / 7, (80 + 3 * 160 + 3 * 240) / 7]
    found = Preprocess(2, 2, "squash", "bilinear").pixels(picture)
    np.testing.assert_array_equal(found[..., 0], np.rint([expected, expected]))


def test_pad_keeps_the_shape_and_fills_with_the_mean():
    picture = noise(8, 4)
    found = Preprocess(8, 8, "pad", mean=(0.5, 0.25, 1.0)).pixels(picture)
    np.testing.assert_array_equal(found[2:6], np.asarray(picture))
    assert {tuple(pixel) for pixel in np.concatenate([found[:2], found[6:]]).reshape(-1, 3).tolist()} == {
        (128, 64, 255)
    }
    tall = Preprocess(8, 8, "pad", mean=(0, 0, 0)).pixels(noise(1, 900))
    assert tall[:, 3].any() and not np.delete(tall, 3, axis=1).any()


@given(width=st.integers(1, 90), height=st.integers(1, 90), size=st.integers(1, 40), fit=st.sampled_from(sorted(FITS)))
def test_every_picture_becomes_the_size(width, height, size, fit):
    found = Preprocess(size, size, fit).pixels(Image.new("RGB", (width, height), (9, 8, 7)))
    assert (found.shape, found.dtype) == ((size, size, 3), np.uint8)
    if fit != "pad":
        assert (found == [9, 8, 7]).all()  # nothing outside of the picture gets in


def test_what_the_manifest_says():
    said = Preprocess(4, 5, "pad", "bilinear", (0, 0.5, 1), (1, 1, 1)).to_json()
    assert said == {
        "height": 4,
        "width": 5,
        "fit": "pad",
        "interpolation": "bilinear",
        "mean": [0, 0.5, 1],
        "std": [1, 1, 1],
        "crop": 1.0,
    }
