"""Embeddings of whole images, and of the cells of a grid over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hoitool.data.dataset import Array, offsets_of
from hoitool.embed.encoder import Encoder
from hoitool.embed.ensembles import unit
from hoitool.embed.job import Inputs, Lane
from hoitool.embed.pictures import Album
from hoitool.store import Layout, Manifest


class Images:
    """The job of one row an image."""

    lane = "image"

    def __init__(self, album: Album, encoder: Encoder, manifest: Manifest) -> None:
        """manifest: as hoitool/embed/about.py makes it; encoder: one of images."""
        assert encoder.preprocess is not None
        self.album, self.preprocess, self.manifest = album, encoder.preprocess, manifest
        self.inputs = np.ones(len(album.names), np.int64)
        self.layout = Layout(album.keys, offsets_of(self.inputs))
        self.lanes: Mapping[str, Lane] = {"image": encoder.images}

    def picture_size(self, image: int) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        return self.album.size(image)

    def load(self, image: int) -> dict[str, Inputs]:
        """The pixels of an image."""
        return {self.lane: self.preprocess.pixels(self.album.open(image))[None]}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(r, dim) the image's rows."""
        rows = made[self.lane].reshape(-1, self.manifest.dim)
        return unit(rows, "row") if self.manifest.normalised else rows


class Grid(Images):
    """The job of a row for each cell of a grid, row by row; the column `grid` has its height and width."""

    lane = "map"

    def __init__(self, album: Album, encoder: Encoder, manifest: Manifest) -> None:
        """encoder: one of maps."""
        super().__init__(album, encoder, manifest)
        rule, images = self.preprocess, len(album.names)
        probe = encoder.maps(np.zeros((1, rule.height, rule.width, 3), np.uint8))()
        high, wide, dim = probe.shape[1:]
        grid = np.tile(np.array([[high, wide]], np.int32), (images, 1))
        self.layout = Layout(album.keys, offsets_of(np.full(images, high * wide)), {"grid": grid})
        self.manifest = replace(manifest, dim=dim)
        self.lanes = {"map": encoder.maps}
