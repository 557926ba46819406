"""Embeddings of images and of their captions, by one encoder of both.

Rows of an image: its own (part image), then each of its captions in their order (part text), whose words are in the
column `text` and whose ids are in the column `caption`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array, strings
from hoitool.embed.encoder import Encoder
from hoitool.embed.ensembles import unit
from hoitool.embed.job import Inputs, Lane
from hoitool.embed.pictures import Album
from hoitool.errors import UsageError
from hoitool.store import Layout, Manifest

PARTS = ("image", "text")


def layout_of(data: Dataset) -> Layout:
    """A row for each image and each of its captions. Raises UsageError for data without captions."""
    if data.caption_text is None or data.caption_offsets is None:
        raise UsageError(f"{data!r} has no captions")
    offsets = data.caption_offsets + np.arange(len(data) + 1)
    image = offsets[:-1]
    columns: dict[str, Array] = {
        "part": np.ones(int(offsets[-1]), np.uint8),
        "text": strings(np.insert(data.caption_text, data.caption_offsets[:-1], "")),
    }
    columns["part"][image] = PARTS.index("image")
    if data.caption_id is not None:
        columns["caption"] = np.insert(data.caption_id, data.caption_offsets[:-1], -1)
    return Layout(data.key, offsets, columns)


class Captions:
    """The job of embedding images and their captions. See hoitool/embed/job.py for what a job is."""

    def __init__(self, data: Dataset, album: Album, encoder: Encoder, manifest: Manifest) -> None:
        """data: with captions; album: its images; manifest: as hoitool/embed/about.py makes it, of captions.

        Raises UsageError for data without captions and an encoder that takes texts alone.
        """
        if encoder.preprocess is None:
            raise UsageError(f"{encoder.name} embeds no images; captions need an encoder of both, such as clip")
        self.album, self.preprocess = album, encoder.preprocess
        self.manifest, self.layout = replace(manifest, of="captions", parts=PARTS), layout_of(data)
        self.inputs: Array = np.diff(self.layout.offsets)
        self.lanes: Mapping[str, Lane] = {"image": encoder.images, "text": encoder.texts}

    def picture_size(self, image: int) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        return self.album.size(image)

    def load(self, image: int) -> dict[str, Inputs]:
        """The pixels of an image and the texts of its captions."""
        start, stop = self.layout.offsets[image : image + 2].tolist()
        pixels = self.preprocess.pixels(self.album.open(image))[None]
        return {"image": pixels, "text": self.layout.columns["text"][start + 1 : stop].tolist()}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(1 + captions, dim) the image's row, then those of its captions."""
        rows = np.concatenate([made[lane] for lane in PARTS if lane in made])
        return unit(rows, "row") if self.manifest.normalised else rows
