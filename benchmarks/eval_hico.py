"""HICO-DET scoring as a user runs it: the whole `hoitool eval` process, both settings, from file to printed report.

    python benchmarks/eval_hico.py                            # one million detections, made here
    python benchmarks/eval_hico.py --detections 10000000
    python benchmarks/eval_hico.py --truth test.parquet --predictions detections.parquet

The made test set has HICO's size (9,658 images, 33,405 pairs over its 600 interactions); about a third of the
detections are true pairs with moved boxes, the rest are anywhere.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from process import apart, measure, report

from hoitool import data
from hoitool.convert import format_named
from hoitool.data import Dataset, Meta, Predictions, offsets_of, strings
from hoitool.labels import load_labels

IMAGES, PAIRS = 9658, 33405
MADE = ("predictions.parquet", "pairs.npz", "compressed.npz")


def make_truth(rng: np.random.Generator) -> Dataset:
    """A test set of HICO's size with a long tail of interactions."""
    labels = load_labels("hico")
    weight = labels.train_instances / labels.train_instances.sum()
    label = np.concatenate([np.arange(600), rng.choice(600, PAIRS - 600, p=weight)]).astype(np.int32)
    image = rng.integers(0, IMAGES, PAIRS)
    boxes = _boxes(2 * PAIRS, rng).reshape(PAIRS, 2, 4)
    names = strings([f"HICO_test2015_{i + 1:08d}.jpg" for i in range(IMAGES)])
    order = np.argsort(image, kind="stable")
    offsets = offsets_of(np.bincount(image, minlength=IMAGES))
    subject = (2 * (np.arange(PAIRS) - offsets[image[order]])).astype(np.int32)
    shown = label[order]
    return Dataset(
        meta=Meta(labels, dataset="made", subset="test"),
        key=names,
        boxes=boxes[order].reshape(-1, 4),
        categories=np.stack([np.full(PAIRS, labels.person), labels.interaction_objects[shown]], 1).reshape(-1),
        subject=subject,
        object=subject + np.int32(1),
        label=shown,
        image_label=shown,
        image_value=np.ones(PAIRS, np.int8),
        box_offsets=2 * offsets,
        pair_offsets=offsets,
        image_label_offsets=offsets,
    )


def make_predictions(truth: Dataset, count: int, rng: np.random.Generator) -> Predictions:
    """A third of the rows on true pairs with moved boxes, the rest anywhere; images in order."""
    near = rng.integers(0, PAIRS, count // 3)
    image = np.concatenate([truth.image_of("pair")[near], rng.integers(0, IMAGES, count - len(near))])
    label = np.concatenate([truth.need("label")[near], rng.integers(0, 600, count - len(near))])
    human, obj = _boxes(count, rng), _boxes(count, rng)
    for made, side in ((human, "subject"), (obj, "object")):
        made[: len(near)] = truth.boxes[truth.pair_boxes(side)[near]] + rng.normal(0, 12, (len(near), 4))
    score = rng.random(count)
    order = np.argsort(image, kind="stable")
    rows = (image[order], human[order], obj[order], label[order], score[order])
    return Predictions.from_pairs(*rows, images=truth.key, labels="hico", dataset="made", subset="test")


def _boxes(count: int, rng: np.random.Generator) -> np.ndarray:
    corner = rng.uniform(0, 400, (count, 2))
    return np.hstack([corner, corner + rng.uniform(10, 240, (count, 2))]).round(2)


def make_files(folder: Path, detections: int) -> None:
    """The truth, and the detections in three files."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    data.write(truth, folder / "test.parquet")
    predictions = make_predictions(truth, detections, rng)
    files = [folder / name for name in MADE]
    data.write(predictions, files[0])
    format_named("pairs").write([predictions], files[1])
    with np.load(files[1]) as held:
        np.savez_compressed(files[2], **held)


def main() -> None:
    """Make or take the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    report("hoitool --help", measure([hoitool, "--help"], options.runs), "limit 0.5 s")
    with tempfile.TemporaryDirectory() as folder:
        truth_path = options.truth or Path(folder) / "test.parquet"
        files = [options.predictions] if options.predictions else [Path(folder) / name for name in MADE]
        if not options.predictions:
            apart(make_files, Path(folder), options.detections)
        for file in files:
            command = [hoitool, "eval", str(file), "--truth", str(truth_path)]
            report(
                f"hoitool eval {file.name} ({file.stat().st_size / 1e6:.0f} MB)",
                measure(command, options.runs),
            )


if __name__ == "__main__":
    main()
