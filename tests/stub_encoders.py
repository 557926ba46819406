"""What tests of embeddings share: pictures drawn from a seed, an encoder that can be watched, jobs of numbers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hoitool.data import Dataset, Meta, offsets_of, strings
from hoitool.embed.encoder import Encoder
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import DataError
from hoitool.labels import load_labels
from hoitool.store import Layout, Manifest


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture in which every pixel differs from its neighbours."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


class Watched(Encoder):
    """An encoder of pictures by a fixed projection of all their pixels, which counts what it is given."""

    name, dim = "watched", 5

    def __init__(self, preprocess: Preprocess | None = None) -> None:
        self.preprocess = preprocess or Preprocess(6, 6, "squash", "bilinear", (0.5, 0.4, 0.3), (1, 1, 1))
        rule = self.preprocess
        self.facts = {"weights": "none"}
        self.weights = np.random.default_rng(3).normal(size=(rule.height * rule.width * 3, self.dim))
        self.batches: list[int] = []

    def best_batch(self) -> int:
        return 4

    def one(self, pixels: np.ndarray) -> np.ndarray:
        """(5,) of one picture (H, W, 3)."""
        return ((pixels.reshape(-1).astype(float) + 1) @ self.weights).astype(np.float32)

    def images(self, pixels):
        assert pixels.dtype == np.uint8 and pixels.shape[1:] == (self.preprocess.height, self.preprocess.width, 3)
        self.batches.append(len(pixels))
        return lambda: np.stack([self.one(each) for each in pixels])


def data_of(
    images: Sequence[tuple[str, Sequence[Sequence[float]], Sequence[tuple[int, int]]]],
    sizes: Sequence[tuple[int, int]] | None = None,
    frame: str = "continuous",
) -> Dataset:
    """A dataset of (file name, boxes, pairs (subject, object)) of each image; label 0 all over."""
    boxes = np.array([box for _, held, _ in images for box in held], np.float64).reshape(-1, 4)
    pairs = np.array([pair for _, _, held in images for pair in held], np.int32).reshape(-1, 2)
    width, height = np.array(sizes if sizes is not None else [(0, 0)] * len(images), np.int32).reshape(-1, 2).T
    return Dataset(
        meta=Meta(load_labels("hico"), dataset="made-up", subset="test", box_frame=frame),
        key=strings([Path(name).stem for name, _, _ in images]),
        file_name=strings([name for name, _, _ in images]),
        width=width,
        height=height,
        boxes=boxes,
        categories=np.zeros(len(boxes), np.int32),
        subject=pairs[:, 0],
        object=pairs[:, 1],
        label=np.zeros(len(pairs), np.int32),
        box_offsets=offsets_of([len(held) for _, held, _ in images]),
        pair_offsets=offsets_of([len(held) for _, _, held in images]),
    )


class Numbers:
    """A job whose inputs are numbers and whose rows are their squares, image by image, in one lane or in two.

    bad: images that cannot be read; fault: called with what is about to happen ("load" or "encode", how often so far).
    Each row also holds how many inputs were in its batch, so that rows depend on the batches.
    """

    def __init__(self, counts: Sequence[int], bad: Sequence[int] = (), fault=None, lanes: int = 1) -> None:
        self.inputs = np.array(counts, np.int64)
        self.first = offsets_of(self.inputs)
        self.manifest = Manifest("images", "numbers", 2, normalised=False)
        self.layout = Layout(strings([f"i{n}" for n in range(len(counts))]), self.first.copy())
        self.bad, self.fault = set(bad), fault or (lambda what, times: None)
        self.lanes = {f"lane {n}": self.encode for n in range(lanes)}
        self.loaded: list[int] = []
        self.batches: list[list[float]] = []
        self._lock = threading.Lock()

    def load(self, image: int):
        with self._lock:
            self.fault("load", len(self.loaded))
            self.loaded.append(image)
        if image in self.bad:
            raise DataError(f"i{image}: broken")
        numbers = np.arange(*self.first[image : image + 2].tolist(), dtype=np.float32)
        lanes = list(self.lanes)
        return {lane: numbers[n :: len(lanes)] for n, lane in enumerate(lanes) if len(numbers[n :: len(lanes)])}

    def encode(self, numbers):
        self.fault("encode", len(self.batches))
        self.batches.append(numbers.tolist())
        return lambda: np.stack([numbers**2, np.full(len(numbers), len(numbers), np.float32)], axis=1)

    def combine(self, image: int, made):
        rows = np.empty((int(self.inputs[image]), 2), np.float32)
        for n, lane in enumerate(self.lanes):
            if lane in made:
                rows[n :: len(self.lanes)] = made[lane]
        return rows
