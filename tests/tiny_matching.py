"""A workspace with a few synthetic pictures, their captions and features of regions, and recipes that learn fast."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hoitool.data import Dataset, select_images, strings, write
from hoitool.data.synthetic import scenes
from hoitool.data.synthetic_captions import captioned
from hoitool.demo.draw import draw_all
from hoitool.store import Layout, Manifest, Writer

TRAIN, TEST, CAPTIONS = 12, 6, 2
RECIPE = """
model: {{name: vse, images: {images}, texts: bigru, weights: random, least: 1, dim: 16, words: 8, image_size: 32}}
data: {{workers: 0}}
optimise:
  lr: 1.0e-2
  epochs: 2
  batch: 8
  clip: 2.0
  schedule: {{name: constant}}
  threads: 1
"""


def make_workspace(folder: Path, train: int = TRAIN, test: int = TEST) -> Path:
    """data/demo/{train,test}.parquet, raw/demo/images, features/regions-tiny.h5, grid.yaml and region.yaml."""
    made = scenes(seed=1)
    parts = [
        select_images(captioned(data, CAPTIONS), range(count))
        for data, count in ((made.train, train), (made.test, test))
    ]
    for data in parts:
        write(data, folder / "data" / "demo" / f"{data.meta.subset}.parquet")
    draw_all(parts, folder / "raw" / "demo" / "images", 0)
    regions(parts, folder / "features" / "regions-tiny.h5")
    for name, images in (("grid", "tiny"), ("region", "regions, features: 8")):
        (folder / f"{name}.yaml").write_text(RECIPE.format(images=images))
    return folder


def regions(parts: list[Dataset], path: Path, dim: int = 8) -> Path:
    """A store of what each object looks like, with noise: one row a box."""
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(20, dim)).astype(np.float32)
    rows = [
        looks[data.categories[start:stop]] + 0.1 * rng.normal(size=(stop - start, dim)).astype(np.float32)
        for data in parts
        for start, stop in zip(data.box_offsets[:-1], data.box_offsets[1:], strict=True)
    ]
    keys = strings([key for data in parts for key in data.key])
    layout = Layout(keys, np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64))
    with Writer(path, Manifest(of="regions", model="looks", dim=dim, normalised=False), layout) as writer:
        writer.write(0, list(rows))
        writer.finish()
    return path
