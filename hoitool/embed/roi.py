"""Embeddings of boxes from one map an image: RoIAlign over a backbone's features, one pass for all boxes.

The picture is resized to the encoder's size with both sides on their own (squash), so that a box's edges are
proportional to the map's. Source of RoIAlign: He et al., Mask R-CNN, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.crops import continuous
from hoitool.embed.encoder import Encoder
from hoitool.embed.ensembles import unit
from hoitool.embed.job import Inputs, Lane
from hoitool.embed.pictures import Album
from hoitool.embed.regions import MASKED, Boxes, require_size
from hoitool.errors import UsageError
from hoitool.store import Manifest

RULE: dict[str, Any] = {"pool": "roi-align", "bins": 7, "sampling": 2, "aligned": True, "then": "mean over bins"}


class RoiRegions:
    """The job of pooling boxes out of one map an image."""

    def __init__(self, boxes: Boxes, album: Album, encoder: Encoder, manifest: Manifest, align: Any) -> None:
        """encoder: one of maps; align: roi_align of hoitool/embed/encoders/roi.py. UsageError for masked unions."""
        assert encoder.preprocess is not None
        if MASKED in boxes.parts and np.any(boxes.layout.columns["part"] == boxes.parts.index(MASKED)):
            raise UsageError("a map of features cannot be masked outside of a pair; use --pool crop")
        self.boxes, self.album, self.align, self.manifest = boxes, album, align, manifest
        self.preprocess = replace(encoder.preprocess, fit="squash", crop=1.0)  # nothing of the picture is cut off
        self.layout = boxes.layout
        self.inputs = (np.diff(boxes.layout.offsets) > 0).astype(np.int64)
        self.lanes: Mapping[str, Lane] = {"map": encoder.maps}
        self._scaled: dict[int, Array] = {}  # boxes in the encoder's pixels, of images under way

    def picture_size(self, image: int) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        return self.album.size(image)

    def load(self, image: int) -> dict[str, Inputs]:
        """The picture in the encoder's size."""
        start, stop = self.layout.offsets[image : image + 2].tolist()
        if start == stop:
            return {}
        picture = self.album.open(image)
        require_size(picture.size, self.boxes.sizes[image], self.album.names[image])
        boxes = continuous(self.layout.columns["boxes"][start:stop], self.boxes.frame, picture.width, picture.height)
        scale = np.array([self.preprocess.width / picture.width, self.preprocess.height / picture.height] * 2)
        limit = np.array([self.preprocess.width, self.preprocess.height] * 2)
        self._scaled[image] = np.clip(boxes * scale, 0, limit)
        return {"map": self.preprocess.pixels(picture)[None]}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(r, dim) a row for each box."""
        if image not in self._scaled:
            return np.empty((0, self.manifest.dim), np.float32)
        boxes = self._scaled.pop(image)
        size = (self.preprocess.height, self.preprocess.width)
        rows: Array = self.align(made["map"], boxes, np.zeros(len(boxes), np.int64), size)
        return unit(rows, "box") if self.manifest.normalised else rows
