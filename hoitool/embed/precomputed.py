"""Features of regions that others computed, as rows of a store: each image has equally many, without boxes.

The array may be mapped from a file larger than memory: an image's features are read when it is its turn. An image with
numbers that are not finite is left out, as one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hoitool import __version__
from hoitool.data.dataset import Array
from hoitool.embed.job import Inputs, Lane
from hoitool.errors import DataError
from hoitool.store import Layout, Manifest

MODEL = "bottom-up-attention"  # Faster R-CNN of Anderson et al., CVPR 2018, whose regions SCAN's files hold


class Precomputed:
    """The job of storing them. See hoitool/embed/job.py for what a job is."""

    def __init__(
        self, features: Array, rows: Array, key: Array, dtype: str, dataset: str, subset: str, sources: dict[str, str]
    ) -> None:
        """features: (N, K, D); rows (I,) say which of them is each image's; key (I,) the images' names."""
        self.features, self.rows = features, rows
        regions, dim = features.shape[1:]
        self.manifest = Manifest(
            of="regions",
            model=MODEL,
            dim=dim,
            dtype=dtype,
            normalised=False,
            boxes="detected",
            dataset=dataset,
            subset=subset,
            sources=sources,
            hoitool=__version__,
        )
        self.layout = Layout(key, np.arange(len(key) + 1, dtype=np.int64) * regions)
        self.inputs: Array = np.ones(len(key), np.int64)
        self.lanes: Mapping[str, Lane] = {"regions": lambda held: lambda: held}

    def load(self, image: int) -> dict[str, Inputs]:
        """(1, K, D) the features of an image. Raises DataError where they are not finite."""
        held = np.asarray(self.features[self.rows[image]], np.float32)
        if not np.isfinite(held).all():
            raise DataError(f"row {self.rows[image]} of the features has numbers that are not finite")
        return {"regions": held[None]}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(K, D) the rows of an image."""
        rows: Array = made["regions"][0]
        return rows
