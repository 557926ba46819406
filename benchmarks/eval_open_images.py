"""Open Images relationships as a user scores them: from Parquet to the printed report, every variant.

    python benchmarks/eval_open_images.py

The made set has the size of the test split that PySGG uses: 5,322 images, 19,580 relations, 302,860 predicted pairs
with scores of all 30 predicates, and classes of 601 objects.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from process import apart, measure, report

from hoitool import data
from hoitool.data import Dataset, Meta, Predictions, offsets_of, strings
from hoitool.eval import variants
from hoitool.labels import build

IMAGES, RELATIONS, PAIRS, OBJECTS, PREDICATES = 5322, 19580, 302860, 601, 30
SIZE = (1024, 768)


def make_truth(rng: np.random.Generator) -> Dataset:
    """Images with some four relations, each between two boxes of its own; few classes and predicates are frequent."""
    labels = build(
        "open-images-like",
        "made up",
        [(f"object_{i}", -1) for i in range(OBJECTS)],
        [(f"predicate_{i}", f"predicate_{i}") for i in range(PREDICATES)],
        [],
    )
    counts = np.bincount(np.sort(rng.integers(0, IMAGES, RELATIONS)), minlength=IMAGES)
    low = rng.uniform(0, 600, (2 * RELATIONS, 2))
    boxes = np.concatenate([low, low + rng.uniform(20, 160, (2 * RELATIONS, 2))], axis=1).round()
    subject = (2 * (np.arange(RELATIONS) - np.repeat(offsets_of(counts)[:-1], counts))).astype(np.int32)
    return Dataset(
        meta=Meta(labels, dataset="open-images", subset="test", label_kind="predicates"),
        key=strings([f"{i:016x}" for i in range(IMAGES)]),
        width=np.full(IMAGES, SIZE[0], np.int32),
        height=np.full(IMAGES, SIZE[1], np.int32),
        boxes=boxes.astype(np.float32),
        categories=_skewed(rng, OBJECTS, 2 * RELATIONS),
        subject=subject,
        object=subject + 1,
        label=_skewed(rng, PREDICATES, RELATIONS),
        box_offsets=offsets_of(2 * counts),
        pair_offsets=offsets_of(counts),
    )


def make_predictions(truth: Dataset, rng: np.random.Generator) -> Predictions:
    """Pairs, each a true relation of its image moved a little, or one of another class, or anywhere; no ties."""
    counts = np.full(IMAGES, PAIRS // IMAGES)
    counts[: PAIRS - counts.sum()] += 1
    image = np.repeat(np.arange(IMAGES), counts)
    held = truth.counts("pair")[image]
    source = truth.pair_offsets[image] + rng.integers(0, np.maximum(held, 1))
    source = np.where(held > 0, source, rng.integers(0, RELATIONS, PAIRS))
    rows = np.stack([2 * source, 2 * source + 1], axis=1).reshape(-1)
    boxes = truth.boxes[rows] + rng.normal(0, 12, (2 * PAIRS, 4)).astype(np.float32)
    boxes[rng.random(2 * PAIRS) < 0.3] += 200
    categories = np.where(rng.random(2 * PAIRS) < 0.8, truth.categories[rows], _skewed(rng, OBJECTS, 2 * PAIRS))
    scores = rng.random((PAIRS, PREDICATES), np.float32) ** 8
    scores[np.arange(PAIRS), truth.label[source]] += rng.random(PAIRS, np.float32)
    subject = (2 * (np.arange(PAIRS) - np.repeat(offsets_of(counts)[:-1], counts))).astype(np.int32)
    return Predictions(
        meta=replace(truth.meta, score="times-box-scores"),
        key=truth.key,
        boxes=boxes,
        categories=categories.astype(np.int32),
        box_scores=rng.random(2 * PAIRS),
        subject=subject,
        object=subject + 1,
        scores=np.minimum(scores, 1),
        box_offsets=offsets_of(2 * counts),
        pair_offsets=offsets_of(counts),
    )


def _skewed(rng: np.random.Generator, classes: int, count: int) -> np.ndarray:
    return (classes * rng.random(count) ** 4).astype(np.int32)


def make_files(folder: Path) -> None:
    """The truth and the predictions as Parquet."""
    truth = make_truth(np.random.default_rng(0))
    data.write(truth, folder / "test.parquet")
    data.write(make_predictions(truth, np.random.default_rng(1)), folder / "predictions.parquet")


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart(make_files, folder)
        found = folder / "predictions.parquet"
        for variant in variants("open-images-vrd"):
            command = [hoitool, "eval", str(found), "--truth", str(folder / "test.parquet"), "--variant", variant]
            size = f"{found.stat().st_size / 1e6:.0f} MB"
            report(f"{variant}: scoring, Parquet, {size}", measure(command, options.runs), "limit 3 s, 1000 MB")


if __name__ == "__main__":
    main()
