"""Comparing two runs on HICO-DET as a user does: the whole `hoitool compare` process, from files to the printed report.

    python benchmarks/compare.py                              # two runs of a million detections, made here
    python benchmarks/compare.py --detections 100000 --resamples 200

The made test set has HICO's size; the runs are two detectors of the same kind (see eval_hico.py), or with --better one
that finds more, so that many classes move and are permuted on. One setting, and both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from eval_hico import make_predictions, make_truth
from process import apart, measure, report

from hoitool import data
from hoitool.data import Predictions


def make_files(folder: Path, detections: int, better: float) -> None:
    """The truth and two runs; of the second one's detections on true pairs a share gets the highest scores."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    data.write(truth, folder / "test.parquet")
    data.write(make_predictions(truth, detections, rng), folder / "first.parquet")
    second = make_predictions(truth, detections, rng)
    data.write(_surer(truth, second, better, rng), folder / "second.parquet")


def _surer(truth: data.Dataset, predictions: Predictions, share: float, rng: np.random.Generator) -> Predictions:
    from hoitool.eval.hico_det import true_positives

    score = predictions.need("score").copy()
    right = true_positives(truth, predictions) & (rng.random(len(score)) < share)
    score[right] += 1
    return predictions.with_columns(score=score)


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--better", type=float, default=0.0, help="share of true detections made surer")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart(make_files, folder, options.detections, options.better)
        files = [str(folder / f"{run}.parquet") for run in ("first", "second")]
        command = [sys.executable, "-m", "hoitool", "compare", *files, "--truth", str(folder / "test.parquet")]
        for setting in ("default", "all"):
            arguments = ["--setting", setting, "--resamples", str(options.resamples)]
            report(f"hoitool compare, setting {setting}", measure(command + arguments, options.runs, warmup=0))


if __name__ == "__main__":
    main()
