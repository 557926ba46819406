"""Augmentation against torchvision's arithmetic, and what it depends on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

pytest.importorskip("torch")

from hoitool.embed.preprocess import Preprocess
from hoitool.train.augment import augmented, window
from hoitool.train.settings import Augment

DEFR = Augment()
PLAIN = Augment(flip=0.0, brightness=0.0, contrast=0.0, crop_scale=None)


def generator(*place):
    return np.random.default_rng(place)


def picture(width=61, height=47, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def close(made, expected):
    """Equal up to what another way to resample changes: few bytes, and these by few levels."""
    off = np.abs(made.astype(int) - expected)
    assert off.max() <= 3
    assert (off > 0).mean() < 0.02


def test_a_picture_depends_on_its_numbers_alone():
    made = {
        (seed, epoch, place): augmented(picture(), DEFR, 32, generator(seed, epoch, place)).tobytes()
        for seed in (0, 1)
        for epoch in (0, 1)
        for place in (0, 1, 2)
    }
    assert len(set(made.values())) == len(made)
    for numbers, pixels in made.items():
        assert augmented(picture(), DEFR, 32, generator(*numbers)).tobytes() == pixels


def test_nothing_random_is_the_way_pictures_are_prepared_for_evaluation():
    made = augmented(picture(), PLAIN, 32, generator(0, 0, 0))
    assert (made.shape, made.dtype) == ((32, 32, 3), np.uint8)
    close(made, Preprocess(32, 32, "squash").pixels(picture()))


@pytest.mark.parametrize("kind", ["rgb_uint8_hwc", "gray_uint8_hw"])
@pytest.mark.parametrize("model", ["clip", "imagenet"])
def test_pictures_for_evaluation_are_the_recorded_ones(shared, model, kind):
    path = shared("parity/defr/preprocess_eval.safetensors")
    held = pytest.importorskip("safetensors.numpy").load_file(path)
    numbers = {} if model == "clip" else {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    rule = Preprocess(32, 32, "squash", **numbers)
    pixels = rule.pixels(Image.fromarray(held[kind]).convert("RGB")) / np.float32(255)
    made = (pixels - np.float32(rule.mean)) / np.float32(rule.std)
    expected = held[f"eval_{model}/{kind.partition('_')[0]}_out32"]
    np.testing.assert_allclose(made, expected.transpose(1, 2, 0), rtol=1e-6, atol=1e-6)


def test_the_same_draws_give_torchvisions_pixels():
    functional = pytest.importorskip("torchvision.transforms.functional")
    for place in range(20):
        numbers = generator(3, 1, place)
        made = augmented(picture(seed=place), DEFR, 48, generator(3, 1, place))
        expected = picture(seed=place)
        if numbers.random() < 0.5:
            expected = functional.hflip(expected)
        expected = functional.resize(expected, [48, 48], functional.InterpolationMode.BICUBIC)
        expected = functional.adjust_brightness(expected, numbers.uniform(0.6, 1.4))
        expected = functional.adjust_contrast(expected, numbers.uniform(0.6, 1.4))
        left, top, wide, high = window(48, 48, (0.7, 1.0), (0.7, 1.3), numbers)
        expected = functional.resized_crop(
            expected, top, left, high, wide, [48, 48], functional.InterpolationMode.BILINEAR
        )
        close(made, np.asarray(expected))


def test_colours_are_pillows():
    for place in range(20):
        numbers = generator(3, 1, place)
        rule = Augment(flip=0.0, crop_scale=None, brightness=0.7, contrast=0.7)
        made = augmented(picture(48, 48, place), rule, 48, generator(3, 1, place))
        numbers.random()
        brighter = ImageEnhance.Brightness(picture(48, 48, place)).enhance(numbers.uniform(0.3, 1.7))
        expected = ImageEnhance.Contrast(brighter).enhance(numbers.uniform(0.3, 1.7))
        np.testing.assert_array_equal(made, np.asarray(expected))


def test_windows_are_spread_as_torchvisions():
    """Means and deviations of 4,000 windows of both, which agree within the error of so many."""
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("torchvision.transforms")
    tall, count = torch.zeros(3, 90, 60), 4000
    numbers = generator(0, 0, 0)
    ours = np.array([window(60, 90, (0.3, 1.0), (0.5, 2.0), numbers) for _ in range(count)], float)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        crop = transforms.RandomResizedCrop.get_params
        drawn = [crop(tall, [0.3, 1.0], [0.5, 2.0]) for _ in range(count)]
    theirs = np.array([(left, top, wide, high) for top, left, high, wide in drawn], float)
    error = np.hypot(ours.std(0), theirs.std(0)) / math.sqrt(count)
    assert (abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all()
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.08)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31), st.floats(0.05, 1), st.floats(0.3, 3))
def test_a_window_lies_in_its_picture(width, height, seed, smallest, narrow):
    left, top, wide, high = window(width, height, (smallest, 1.0), (narrow, narrow * 1.5), generator(seed, 0, 0))
    assert left >= 0
    assert top >= 0
    assert 0 < left + wide <= width
    assert 0 < top + high <= height


def test_a_picture_too_long_for_any_window_gives_the_middle():
    assert window(1000, 10, (0.9, 1.0), (0.7, 1.3), generator(0, 0, 0)) == (493, 0, 13, 10)
    assert window(10, 1000, (0.9, 1.0), (0.5, 1.3), generator(0, 0, 0)) == (0, 490, 10, 20)
