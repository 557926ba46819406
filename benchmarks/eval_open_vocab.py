"""Open-vocabulary detection as a user scores it: from Parquet to the printed report, and pycocotools on the same boxes.

    python benchmarks/eval_open_vocab.py [--without-peer]

The made sets have the size of COCO's val2017 (5,000 images, 36,000 boxes of 80 categories, 100 detections an image) and
of LVIS's val (20,000 images, 245,000 boxes of 1,203 categories, 300 detections an image). The peer is given the boxes
as Python objects: COCOeval without reading JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from process import apart, measure, report

from hoitool import data
from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, strings
from hoitool.labels import LabelSpace, build, load_labels

SIZES = {"coco": (5_000, 36_000, 100), "lvis": (20_000, 245_000, 300)}  # images, true boxes, detections an image
CATEGORIES = 1203


def make_truth(name: str, rng: np.random.Generator) -> Dataset:
    """Boxes of classes of which few are frequent; of LVIS also seven absent classes of each image."""
    images, boxes, _ = SIZES[name]
    labels = load_labels("coco") if name == "coco" else _many()
    counts = np.bincount(rng.integers(0, images, boxes), minlength=images)
    low = rng.uniform(0, 500, (boxes, 2))
    columns: dict[str, Any] = no_pairs(images) | {
        "boxes": np.concatenate([low, low + rng.uniform(15, 140, (boxes, 2))], axis=1).round(2),
        "categories": _skewed(rng, len(labels.objects), boxes),
        "box_offsets": offsets_of(counts),
    }
    meta = Meta(labels, dataset=name, subset="test", label_kind="objects", box_frame="continuous")
    if name == "lvis":
        letters = np.array(list("fcr"))[np.minimum(2, np.arange(CATEGORIES) // 405)]
        meta = replace(meta, extras={"lvis": {"frequency": "".join(letters)}})
        columns |= {
            "image_label": rng.integers(0, CATEGORIES, 7 * images).astype(np.int32),
            "image_value": rng.choice(np.array([-1, -1, -1, 0], np.int8), 7 * images),
            "image_label_offsets": 7 * np.arange(images + 1),
        }
    return Dataset(meta=meta, key=strings([f"{i:012d}.jpg" for i in range(images)]), **columns)


def make_predictions(truth: Dataset, many: int, rng: np.random.Generator) -> Predictions:
    """Boxes of each image, most of them moved, some true, a few of another class."""
    images = len(truth)
    image = np.repeat(np.arange(images), many)
    held = truth.counts("box")[image]
    source = truth.box_offsets[image] + rng.integers(0, np.maximum(held, 1))
    source = np.where(held > 0, source, rng.integers(0, len(truth.boxes), len(image)))
    moved = rng.normal(0, 1, (len(image), 4)) * rng.exponential(20, (len(image), 1))
    boxes = (truth.boxes[source] + moved).astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    other = _skewed(rng, len(truth.meta.labels.objects), len(image))
    columns: dict[str, Any] = no_pairs(images) | {
        "boxes": boxes,
        "categories": np.where(rng.random(len(image)) < 0.5, truth.categories[source], other),
        "box_scores": rng.random(len(image), np.float32),
        "box_offsets": many * np.arange(images + 1),
        "score": np.empty(0),
    }
    return Predictions(meta=replace(truth.meta, extras={}), key=truth.key, **columns)


def _many() -> LabelSpace:
    return build("lvis-like", "made up", [(f"category_{i}", -1) for i in range(CATEGORIES)], [], [])


def _skewed(rng: np.random.Generator, classes: int, count: int) -> np.ndarray:
    return (classes * rng.random(count) ** 3).astype(np.int32)


def make_files(folder: Path) -> None:
    """Truths and predictions as Parquet."""
    for i, (name, (_, _, many)) in enumerate(SIZES.items()):
        truth = make_truth(name, np.random.default_rng(i))
        data.write(truth, folder / f"{name}.parquet")
        data.write(make_predictions(truth, many, np.random.default_rng(9)), folder / f"{name}-predictions.parquet")


def peer(folder: Path) -> None:
    """COCOeval on the COCO-like set: 80 categories, all areas, the ten overlaps."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    held = [data.read(folder / f"coco{what}.parquet") for what in ("", "-predictions")]
    made = []
    with contextlib.redirect_stdout(io.StringIO()):
        for part in held:
            made.append(COCO())
            made[-1].dataset = {
                "images": [{"id": i} for i in range(len(part))],
                "categories": [{"id": c} for c in range(80)],
                "annotations": _objects(part),
            }
            made[-1].createIndex()
        run = COCOeval(*made, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()


def _objects(part: Dataset) -> list[dict[str, Any]]:
    corners = part.boxes.astype(float)
    corners[:, 2:] -= corners[:, :2]
    scores = np.ones(len(corners)) if part.box_scores is None else part.box_scores
    columns = (part.image_of("box"), part.categories, corners, scores)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"id": i, "image_id": image, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "score": s}
        for i, (image, c, box, s) in enumerate(rows, 1)
    ]


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer is not None:
        peer(options.peer)
        return
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart(make_files, folder)
        for what, variant in (("coco", "coco"), ("coco", "proposals"), ("lvis", "lvis")):
            found = folder / f"{what}-predictions.parquet"
            command = [hoitool, "eval", str(found), "--truth", str(folder / f"{what}.parquet"), "--variant", variant]
            size = f"{found.stat().st_size / 1e6:.0f} MB"
            report(f"{variant}: scoring, Parquet, {size}", measure(command, options.runs))
        if not options.without_peer:
            report("pycocotools, the COCO-like set", measure([sys.executable, __file__, "--peer", name], 1, 0))


if __name__ == "__main__":
    main()
