"""How training pictures vary: flip, squash, brightness, contrast, a random crop, drawn from a generator of numbers.

A task makes one for each sample (hoitool/train/task.py), so that a draw depends on its place alone. The order of the
steps is DEFR's (Jin et al., CVPR 2022), brightness before contrast; factors and windows are spread as torchvision's
ColorJitter and RandomResizedCrop have them, from NumPy's stream of numbers in place of torch's. Colours are Pillow's;
torch resamples, on bytes, which is within two levels of Pillow's way and several times faster.
What leaves here is uint8 (hoitool/embed/preprocess.py).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageStat
from torch.nn.functional import interpolate

from hoitool.data.dataset import Array
from hoitool.train.settings import Augment

Generator = np.random.Generator
RAMP = Image.frombytes("L", (256, 1), bytes(range(256)))
TRIES = 10  # windows that are drawn before the middle is taken, as in torchvision


def augmented(picture: Image.Image, rule: Augment, size: int, numbers: Generator) -> Array:
    """(size, size, 3) uint8 of an RGB picture of any size, varied as the rule says."""
    if numbers.random() < rule.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = Image.fromarray(_resampled(np.array(picture), size, "bicubic"))
    if rule.brightness:
        picture = _blended(picture, 0, _factor(rule.brightness, numbers))
    if rule.contrast:
        grey = int(ImageStat.Stat(picture.convert("L")).mean[0] + 0.5)
        picture = _blended(picture, grey, _factor(rule.contrast, numbers))
    if rule.crop_scale is not None:
        left, top, wide, high = window(size, size, rule.crop_scale, rule.crop_ratio, numbers)
        cut = picture.crop((left, top, left + wide, top + high))
        return _resampled(np.array(cut), size, "bilinear")
    return np.array(picture)


def _resampled(pixels: Array, size: int, mode: str) -> Array:
    """(size, size, 3) uint8 of (H, W, 3) uint8, smoothed where it shrinks."""
    held = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    made: Array = interpolate(held, (size, size), mode=mode, antialias=True)[0].permute(1, 2, 0).numpy()
    return made


def _blended(picture: Image.Image, grey: int, factor: float) -> Image.Image:
    """A picture further from a grey, or nearer to it: ImageEnhance's brightness and contrast, by a table."""
    table = Image.blend(Image.new("L", RAMP.size, grey), RAMP, factor)
    return picture.point(list(table.tobytes()) * 3)


def _factor(strength: float, numbers: Generator) -> float:
    """Uniform from 1 - strength, at least 0, to 1 + strength."""
    return float(numbers.uniform(max(0.0, 1 - strength), 1 + strength))


def window(
    width: int, height: int, scale: tuple[float, float], ratio: tuple[float, float], numbers: Generator
) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random window, all pixels.

    scale: its share of the area, uniform; ratio: width by height, uniform in its logarithm. A window that does not fit
    is drawn again, ten times, then the largest one in the middle whose ratio is allowed. Source: torchvision's
    RandomResizedCrop.
    """
    for _ in range(TRIES):
        area = width * height * numbers.uniform(*scale)
        form = math.exp(numbers.uniform(math.log(ratio[0]), math.log(ratio[1])))
        wide, high = round(math.sqrt(area * form)), round(math.sqrt(area / form))
        if 0 < wide <= width and 0 < high <= height:
            top, left = int(numbers.integers(height - high + 1)), int(numbers.integers(width - wide + 1))
            return left, top, wide, high
    wide, high = _largest(width, height, ratio)
    return (width - wide) // 2, (height - high) // 2, wide, high


def _largest(width: int, height: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """The largest width and height inside a picture whose ratio is allowed."""
    if width / height < ratio[0]:
        return width, max(1, round(width / ratio[0]))
    if width / height > ratio[1]:
        return max(1, round(height * ratio[1])), height
    return width, height
