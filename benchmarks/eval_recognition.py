"""HICO recognition scoring as a user runs it: the whole `hoitool eval` process, both settings, from file to report.

    python benchmarks/eval_recognition.py
    python benchmarks/eval_recognition.py --truth test.parquet --predictions scores.h5

The made test set has HICO's size (9,658 images, 600 interactions) and a label for every cell: 5.8 million. A class's
positives have higher scores on average than the others.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from process import measure, report

from hoitool import data
from hoitool.convert import format_named
from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, strings
from hoitool.labels import load_labels

IMAGES = 9658
SUFFIXES = (".parquet", ".h5", ".npz")


def make_truth(rng: np.random.Generator) -> Dataset:
    """A label for every image and interaction: few positives with a long tail, some uncertain, the rest absent."""
    labels = load_labels("hico")
    share = np.clip(labels.train_instances / 38_118, 3e-4, 0.2)
    draw = rng.random((IMAGES, len(labels)))
    value = np.where(draw < share, 1, np.where(draw < share * 1.2, 0, -1)).astype(np.int8)
    value[0], value[1] = 1, -1
    names = strings([f"HICO_test2015_{i + 1:08d}.jpg" for i in range(IMAGES)])
    return Dataset(
        meta=Meta(labels, dataset="made", subset="test"),
        key=names,
        file_name=names,
        image_label=np.tile(np.arange(len(labels), dtype=np.int32), IMAGES),
        image_value=value.reshape(-1),
        image_label_offsets=offsets_of(np.full(IMAGES, len(labels))),
        **no_pairs(IMAGES),
    )


def make_predictions(truth: Dataset, rng: np.random.Generator) -> Predictions:
    """A float32 score for every image and interaction."""
    value = truth.need("image_value").reshape(IMAGES, -1)
    scores = (rng.standard_normal(value.shape) + 1.5 * (value == 1)).astype(np.float32)
    columns = no_pairs(IMAGES) | {"score": np.empty(0)}
    return Predictions(meta=truth.meta, key=truth.key, image_scores=scores, **columns)


def main() -> None:
    """Make or take the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as folder:
        files = [options.predictions] if options.predictions else []
        truth_path = options.truth or Path(folder) / "test.parquet"
        if not files:
            rng = np.random.default_rng(0)
            truth = make_truth(rng)
            data.write(truth, truth_path)
            predictions = make_predictions(truth, rng)
            files = [Path(folder) / "predictions.parquet", *(Path(folder) / f"scores{suffix}" for suffix in SUFFIXES)]
            data.write(predictions, files[0])
            for file in files[1:]:
                format_named("recognition").write([predictions], file)
            del truth, predictions
        for file in files:
            for variant in ("official", "defr"):
                command = [hoitool, "eval", str(file), "--truth", str(truth_path), "--protocol", "hico"]
                report(
                    f"hoitool eval {file.name} ({file.stat().st_size / 1e6:.0f} MB), {variant}",
                    measure([*command, "--variant", variant], options.runs),
                    "limit 2.5 s",
                )


if __name__ == "__main__":
    main()
