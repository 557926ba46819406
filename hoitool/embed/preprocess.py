"""From a picture to an encoder's input: resize, crop, and the numbers that normalise it.

Pillow resamples, as the published models' own code does; what leaves here is uint8, so that it is small on its way to
a device, where `(pixels / 255 - mean) / std` is computed. Source: torchvision's Resize and CenterCrop on Pillow
images, whose rounding of sizes and margins is kept, so that CLIP's own preprocessing gives the same pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from hoitool.data.dataset import Array

Fit = Literal["centre-crop", "squash", "pad"]
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes (height, width, 3).

    fit            centre-crop: the shorter side becomes the size, the middle is kept; squash: both sides become the
                   size; pad: the longer side becomes the size, the rest is the colour `mean`, the picture in the middle
    interpolation  bicubic or bilinear, Pillow's, which smooths when it shrinks
    crop           the size is this share of what the picture is resized to, the middle of which is kept (timm's
                   crop_pct); not with pad
    """

    height: int
    width: int
    fit: Fit = "centre-crop"
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    crop: float = 1.0

    def pixels(self, picture: Image.Image) -> Array:
        """(height, width, 3) uint8 of an RGB picture of any size."""
        return np.asarray(FITS[self.fit](picture, self))

    def to_json(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}


def _resize(picture: Image.Image, height: int, width: int, rule: Preprocess) -> Image.Image:
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), RESAMPLING[rule.interpolation])


def _squash(picture: Image.Image, rule: Preprocess) -> Image.Image:
    return _middle(_resize(picture, int(rule.height / rule.crop), int(rule.width / rule.crop), rule), rule)


def _centre_crop(picture: Image.Image, rule: Preprocess) -> Image.Image:
    """The shorter side becomes the size (the target is a square), then the middle is cut out."""
    width, height = picture.size
    size = int(rule.height / rule.crop)
    if width <= height:
        wide, high = size, int(size * height / width)
    else:
        wide, high = int(size * width / height), size
    return _middle(_resize(picture, high, wide, rule), rule)


def _middle(picture: Image.Image, rule: Preprocess) -> Image.Image:
    if picture.size == (rule.width, rule.height):
        return picture
    left, top = round((picture.width - rule.width) / 2), round((picture.height - rule.height) / 2)
    return picture.crop((left, top, left + rule.width, top + rule.height))


def _pad(picture: Image.Image, rule: Preprocess) -> Image.Image:
    scale = min(rule.height / picture.height, rule.width / picture.width)
    high, wide = max(1, round(picture.height * scale)), max(1, round(picture.width * scale))
    made = Image.new("RGB", (rule.width, rule.height), tuple(round(255 * value) for value in rule.mean))
    made.paste(_resize(picture, high, wide, rule), ((rule.width - wide) // 2, (rule.height - high) // 2))
    return made


FITS = {"centre-crop": _centre_crop, "squash": _squash, "pad": _pad}
