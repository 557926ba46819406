"""Synthetic pictures for detection with an open vocabulary: two coloured things each, with COCO's names.

Twelve names are base, four are among COCO's novel ones, which occur as often but are not learnt from. Proposals stand
for those of a detector of base objects: true boxes moved a little, and boxes anywhere, none with a class. Everything is
drawn from one seed. Boxes: the continuous frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, strings
from hoitool.data.synthetic_colours import THINGS
from hoitool.labels import load_labels

WIDTH, HEIGHT = 128, 96  # pixels
EACH = 2  # things of a picture
SIDES = (26, 52)  # pixels of a thing, least and most
PAPER = (230, 232, 228)


def pictures(subset: str, count: int, seed: int) -> Dataset:
    """Annotations of `count` pictures, boxes alone: things side by side, each anywhere in its part."""
    rng = np.random.default_rng(seed)
    space = load_labels("coco")
    shown = np.array([space.object_index(name) for name in THINGS], np.int32)
    part = WIDTH // EACH
    size = rng.integers(*SIDES, (count, EACH, 2))
    corner = rng.integers(0, np.array([part, HEIGHT]) - size) + np.arange(EACH)[:, None] * [part, 0]
    boxes = np.concatenate([corner, corner + size], axis=2).reshape(-1, 4).astype(np.float64)
    names = strings([f"{subset}_{i:04d}.png" for i in range(count)])
    columns = no_pairs(count) | {"boxes": boxes, "box_offsets": offsets_of([EACH] * count)}
    columns["categories"] = rng.choice(shown, EACH * count)
    sides = {"width": np.full(count, WIDTH, np.int32), "height": np.full(count, HEIGHT, np.int32)}
    meta = Meta(space, "things", subset, "objects", box_frame="continuous")
    return Dataset(meta=meta, key=names, file_name=names, **sides, **columns)


def draw_all(data: Dataset, folder: Path) -> Path:
    """Write every picture of a subset to <folder>/<file name>; odd things are ellipses, others fill boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(data.key.tolist()):
        picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        pen = ImageDraw.Draw(picture)
        for row in range(*data.box_offsets[i : i + 2].tolist()):
            x1, y1, x2, y2 = data.boxes[row].tolist()
            kind = int(data.categories[row])
            shape = pen.ellipse if kind % 2 else pen.rectangle
            shape((x1, y1, x2 - 1, y2 - 1), fill=THINGS[data.meta.labels.objects[kind]])
        picture.save(folder / name)
    return folder


def proposals(data: Dataset, seed: int) -> Predictions:
    """Of each picture its true boxes, moved by a few pixels, and as many anywhere."""
    rng = np.random.default_rng(seed + 2)
    near = data.boxes.reshape(len(data), EACH, 4) + rng.normal(0, 2, (len(data), EACH, 4))
    corner = rng.uniform(0, [WIDTH - SIDES[1], HEIGHT - SIDES[1]], (len(data), EACH, 2))
    anywhere = np.concatenate([corner, corner + rng.uniform(*SIDES, corner.shape)], axis=2)
    boxes = np.concatenate([near, anywhere], axis=1).clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).reshape(-1, 4)
    held = {name: getattr(data, name) for name in ("key", "file_name", "width", "height")}
    columns = no_pairs(len(data)) | {"boxes": boxes, "categories": np.full(len(boxes), -1, np.int32)}
    columns |= {"box_scores": np.tile(np.repeat([0.9, 0.1], EACH), len(data)), "score": np.empty(0)}
    return Predictions(meta=data.meta, **held, **columns | {"box_offsets": 2 * data.box_offsets})
