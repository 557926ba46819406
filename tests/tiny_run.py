"""A workspace with a few synthetic pictures, and a recipe that trains on them in a moment."""

from __future__ import annotations

from pathlib import Path

from hoitool.data import select_images, write
from hoitool.data.synthetic import scenes
from hoitool.demo.draw import draw_all

TRAIN, TEST = 24, 10  # images
RECIPE = """
base: tiny
model: {patch: 8, image_size: 32, classifier: {init: random, encoder: null}}
data: {workers: 0}
optimise: {epochs: 2, batch: 8}
balance: {min_samples: null}
evaluate: {every: 1}
"""


def make_workspace(folder: Path) -> Path:
    """data/demo/{train,test}.parquet, raw/demo/images, recipe.yaml."""
    made = scenes(seed=1)
    parts = [select_images(data, range(count)) for data, count in ((made.train, TRAIN), (made.test, TEST))]
    for data in parts:
        write(data, folder / "data" / "demo" / f"{data.meta.subset}.parquet")
    draw_all(parts, folder / "raw" / "demo" / "images", 0)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder
