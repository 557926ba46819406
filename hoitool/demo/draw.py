"""Pictures of synthetic scenes, drawn with Pillow.

People wear a colour for the zone of their object, and so for what they do: a transformer that learns for a minute, from
nothing, sees colours and hardly geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hoitool.data import Dataset
from hoitool.data.synthetic import zone_of
from hoitool.data.synthetic_colours import CLOTHES, COLOURS, IDLE, SKIN, Colour
from hoitool.progress import progress


def draw_all(subsets: Sequence[Dataset], folder: Path, seed: int) -> Path:
    """Write every image of the subsets to <folder>/<subset>/<file name>."""
    rng = np.random.default_rng(seed + 2)
    for data in subsets:
        target = folder / data.meta.subset
        target.mkdir(parents=True, exist_ok=True)
        for i, name in enumerate(progress(data.key.tolist(), f"drawing {data.meta.subset}")):
            draw(data, i, rng).save(target / name, quality=85)
    return folder


def draw(data: Dataset, image: int, rng: np.random.Generator) -> Image.Image:
    """The picture of one scene: a plain background, objects in their colours, people in front of them."""
    size = int(data.need("width")[image]), int(data.need("height")[image])
    picture = Image.new("RGB", size, tuple(rng.integers(200, 250, 3).tolist()))
    pen = ImageDraw.Draw(picture)
    rows = range(data.box_offsets[image], data.box_offsets[image + 1])
    names = {row: data.meta.labels.objects[data.categories[row]] for row in rows}
    worn = _clothes(data, image)
    for row in sorted(rows, key=lambda row: names[row] == "person"):
        colour = worn.get(row, IDLE) if names[row] == "person" else COLOURS[names[row]]
        _thing(pen, names[row], data.boxes[row].tolist(), colour)
    return picture


def _clothes(data: Dataset, image: int) -> dict[int, Colour]:
    """What the people of an image's pairs wear, by their rows among all boxes."""
    pairs = slice(data.pair_offsets[image], data.pair_offsets[image + 1])
    humans, objects = (data.pair_boxes(side)[pairs].tolist() for side in ("subject", "object"))
    zones = (zone_of(*data.boxes[[human, obj]]) for human, obj in zip(humans, objects, strict=True))
    return {human: CLOTHES[zone] for human, zone in zip(humans, zones, strict=True)}


def _thing(pen: ImageDraw.ImageDraw, name: str, box: list[float], colour: Colour) -> None:
    x1, y1, x2, y2 = box
    third = (y2 - y1) / 3
    if name == "person":
        middle, radius = (x1 + x2) / 2, third / 2
        pen.ellipse((middle - radius, y1, middle + radius, y1 + third), fill=SKIN)
        pen.rectangle((x1, y1 + third, x2, y2), fill=colour)
    elif name == "umbrella":
        pen.pieslice((x1, y1, x2, y2 + (y2 - y1)), 180, 360, fill=colour)
    elif name == "bicycle":
        wheel = (x2 - x1) * 0.45
        for left in (x1, x2 - wheel):
            pen.ellipse((left, y2 - wheel, left + wheel, y2), outline=colour, width=3)
        pen.line((x1 + wheel / 2, y1, x2 - wheel / 2, y2 - wheel / 2), fill=colour, width=3)
    elif name == "chair":
        pen.rectangle((x1, y1, x1 + 4, y2), fill=colour)
        pen.rectangle((x1, y1 + third * 1.5, x2, y1 + third * 2), fill=colour)
        pen.rectangle((x2 - 4, y1 + third * 2, x2, y2), fill=colour)
    else:
        pen.rounded_rectangle((x1, y1, x2, y2), radius=min(6, third), fill=colour)
