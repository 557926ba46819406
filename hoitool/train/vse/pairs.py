"""What a matcher learns from: captions, each with its image, and how both vary.

A sample is a caption, so that an image is seen as often as it has captions. Pictures are cropped to the same share of
both sides, anywhere, squashed and flipped; sets of words, regions and cells lose some (hoitool/train/size_augment.py).
Source: Chen et al., CVPR 2021, and its published code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.models.vse_words import Words
from hoitool.predict.image_sets import ImageSets, RegionSets, captions_together, squashed, together
from hoitool.train.size_augment import kept_cells, kept_regions, varied_words
from hoitool.train.vse.settings import Augment

Generator = np.random.Generator


@dataclass(frozen=True, eq=False)
class Pairs:
    """Captions and their images.

    captions  (C,) texts, image (C,) the image of each, keys (I,) names of the images
    cells     how many cells a picture has; 0: images are sets of regions
    """

    images: ImageSets
    captions: Array
    image: Array
    keys: Array
    words: Words
    rule: Augment
    cells: int

    def __len__(self) -> int:
        """The number of captions."""
        return len(self.captions)

    def sample(self, index: int, numbers: Generator) -> dict[str, Any]:
        """A caption and its image, varied: ids, image (K, features) or (S, S, 3) uint8, the mask of a grid's cells."""
        text = varied_words(
            self.words.split(self.captions[index]), self.words.mask, len(self.words), numbers, self.rule.share
        )
        return {"ids": self.words.framed(text), "index": index} | self._image(int(self.image[index]), numbers)

    def _image(self, image: int, numbers: Generator) -> dict[str, Any]:
        if isinstance(self.images, RegionSets):
            rows = self.images.rows(image)
            return {"image": rows[kept_regions(len(rows), numbers, self.rule.share)]}
        pixels = cut(np.asarray(self.images.album.open(image)), self.rule.crop, numbers)
        made = squashed(pixels, self.images.size)
        if numbers.random() < self.rule.flip:
            made = np.ascontiguousarray(made[:, ::-1])
        return {"image": made, "mask": kept_cells(self.cells, numbers, self.rule.share)}


def pairs_of(data: Dataset, images: ImageSets, words: Words, rule: Augment | None = None, cells: int = 0) -> Pairs:
    """The captions of a dataset with its images. Raises UsageError for data without captions."""
    if data.caption_text is None or not len(data.caption_text):
        raise UsageError(f"{data!r} has no captions to learn from")
    return Pairs(images, data.caption_text, data.image_of("caption"), data.key, words, rule or Augment(), cells)


def collated(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch: images, captions (B, T), mask (B, K), index (B,)."""
    images = [sample["image"] for sample in samples]
    if "mask" in samples[0]:
        mask = torch.from_numpy(np.stack([sample["mask"] for sample in samples]))
        held = {"images": torch.from_numpy(np.stack(images)), "mask": mask}
    else:
        held = dict(zip(("images", "mask"), together(images), strict=True))
    return held | {
        "captions": captions_together([sample["ids"] for sample in samples]),
        "index": torch.tensor([sample["index"] for sample in samples]),
    }


def cut(pixels: Array, least: float, numbers: Generator) -> Array:
    """A crop of pixels (H, W, 3): the same share of both sides, from `least` to all, anywhere."""
    height, width = pixels.shape[:2]
    share = numbers.uniform(least, 1)
    high, wide = max(1, int(height * share)), max(1, int(width * share))
    top, left = int(numbers.integers(height - high + 1)), int(numbers.integers(width - wide + 1))
    return pixels[top : top + high, left : left + wide]
