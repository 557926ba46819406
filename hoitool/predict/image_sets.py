"""The images of a matcher as it takes them: sets of regions out of a feature store, or pictures squashed to a square.

regions   the rows of an image in a store of regions or of a grid's cells, by its key (`hoitool embed regions`, SCAN's)
pictures  bytes, each side resized by itself, bilinear and without smoothing, as OpenCV does it and VSE-infinity's code
          with it; they are normalised on the device (hoitool/models/vse_images.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.embed.regions import BOX
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.models.vse_images import Grid
from hoitool.predict.loading import loaded
from hoitool.store import Store

NAME = "name a store that has them, in a recipe with data.features=[FILE], to `hoitool predict` among DATA"
OF = frozenset(("regions", "grid"))


@dataclass(frozen=True, eq=False)
class RegionSets:
    """Images whose rows lie in a store, at these places (I,) of it."""

    store: Store
    places: Array

    def __len__(self) -> int:
        """The number of images."""
        return len(self.places)

    def rows(self, image: int) -> Array:
        """(K, features) float32 of an image's regions."""
        place = int(self.places[image])
        held = self.store[place]
        if (parts := self.store.manifest.parts) and "part" in self.store.columns:
            start, stop = self.store.offsets[place : place + 2].tolist()
            held = held[self.store.column("part")[start:stop] == parts.index(BOX)]
        return held.astype(np.float32, copy=False)

    def share(self, images: Array) -> RegionSets:
        """Some of the images, by their places."""
        return RegionSets(self.store, self.places[images])

    def given(self, images: Tensor) -> Tensor:
        """What a matcher takes: the regions (B, K, features) themselves."""
        return images

    def batches(self, size: int, workers: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Regions (B, K, features) and the mask (B, K) of those that are there."""
        for first in range(0, len(self), size):
            yield together([self.rows(image) for image in range(first, min(first + size, len(self)))])


@dataclass(frozen=True, eq=False)
class PictureSets:
    """Images as pictures of an album, and what the network wants of them.

    size  the side in pixels that they are squashed to; grid: how they are normalised
    """

    album: Album
    size: int
    grid: Grid

    def __len__(self) -> int:
        """The number of images."""
        return len(self.album.names)

    def pixels(self, picture: Image.Image) -> Array:
        """(size, size, 3) uint8 of a picture."""
        return squashed(picture, self.size)

    def share(self, images: Array) -> PictureSets:
        """Some of the images, by their places."""
        names = [self.album.names[i] for i in images.tolist()]
        return PictureSets(Album(names, self.album.keys[images], self.album.pictures), self.size, self.grid)

    def given(self, images: Tensor) -> Tensor:
        """What a matcher takes: normalised pictures (B, 3, size, size), of bytes (B, size, size, 3)."""
        return self.grid.normalised(images)

    def batches(self, size: int, workers: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Pictures (B, size, size, 3) uint8, and no mask. Raises MissingData and DataError naming a file."""
        for _, pixels, _ in loaded(self.album, self.pixels, size, workers):
            yield torch.from_numpy(np.stack(pixels)), None


ImageSets = RegionSets | PictureSets
Home = tuple[str, str]  # a dataset and a subset, empty where it is not known


def region_sets(keys: Array, stores: Sequence[Path], features: int | None = None, home: Home = ("", "")) -> RegionSets:
    """The regions of images by their keys (I,), in the one of some stores that has all of them.

    features  how many numbers a region must have
    home      the dataset and the subset of the images, which decide between several stores: names of images may be
              numbers that each subset counts anew
    Raises MissingData where no store has them, UsageError where several do, DataError for an image without regions.
    """
    held = [Store(path) for path in stores]
    for store in held:
        store.require(of=OF)
    fitting = [made for store in held if (made := _places(keys, store)) is not None]
    if not fitting:
        names = ", ".join(map(str, stores)) or "no store"
        raise MissingData(f"{names}: no features of all {len(keys):,} images there, {_lacking(keys, held)}; {NAME}")
    fitting = _nearest(fitting, home)
    if len(fitting) > 1:
        names = " and ".join(str(each.store.path) for each in fitting)
        raise UsageError(f"{names}: all of them have these {len(keys):,} images; {NAME}")
    (made,) = fitting
    _check(made, keys, features)
    return made


def _places(keys: Array, store: Store) -> RegionSets | None:
    """The images in a store, None where one is not there."""
    place = {key: i for i, key in enumerate(store.key.tolist())}
    found = [place.get(key, -1) for key in keys.tolist()]
    return None if -1 in found else RegionSets(store, np.array(found, np.int64))


def _nearest(sets: list[RegionSets], home: Home) -> list[RegionSets]:
    """Those out of stores of the same dataset and subset, else of the same dataset, else all."""
    for count in (2, 1):
        if near := [held for held in sets if home_of(held.store)[:count] == home[:count]]:
            return near
    return sets


def home_of(store: Store) -> Home:
    """The dataset and the subset of a store's images."""
    return store.manifest.dataset, store.manifest.subset


def _lacking(keys: Array, stores: Sequence[Store]) -> str:
    known = {key for store in stores for key in store.key.tolist()}
    lacking = [key for key in keys.tolist() if key not in known]
    return f"image {lacking[0]!r} for one ({len(lacking):,} lack)" if lacking else "they are spread over several"


def _check(images: RegionSets, keys: Array, features: int | None) -> None:
    store, held = images.store, images.store.manifest.dim
    if features is not None and held != features:
        raise DataError(f"{store.path}: regions have {held} numbers ({store.manifest.model}), expected {features}")
    failed = set(store.failed)
    counts = np.diff(store.offsets)[images.places]
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        if not count or key in failed:
            told = "no regions" if not count else "regions that could not be made"
            raise DataError(f"{store.path}: image {key!r} has {told}, and a matcher needs one at least")


def together(sets: Sequence[Array]) -> tuple[Tensor, Tensor]:
    """Sets (K, features) as one table (B, K, features), zeros behind the last of each, and its mask (B, K) bool."""
    lengths = [len(rows) for rows in sets]
    table = np.zeros((len(sets), max(lengths), sets[0].shape[1]), np.float32)
    for row, held in zip(table, sets, strict=True):
        row[: len(held)] = held
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return torch.from_numpy(table), torch.from_numpy(mask)


def captions_together(captions: Sequence[Sequence[int]]) -> Tensor:
    """(B, T) int64 of the ids of captions, 0 behind the last of each."""
    table = np.zeros((len(captions), max(map(len, captions))), np.int64)
    for row, held in zip(table, captions, strict=True):
        row[: len(held)] = held
    return torch.from_numpy(table)


def squashed(picture: Image.Image | Array, size: int) -> Array:
    """(size, size, 3) uint8 of a picture, or of its pixels (H, W, 3) uint8. See the module."""
    pixels: Any = np.array(picture)
    held = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    made = interpolate(held, (size, size), mode="bilinear", align_corners=False, antialias=False)
    whole: Array = made[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return whole
