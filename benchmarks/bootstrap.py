"""Confidence intervals as a user asks for them: the whole `hoitool eval --ci` process on HICO-DET, and on one setting.

    python benchmarks/bootstrap.py                            # one million detections, 1,000 resamples
    python benchmarks/bootstrap.py --detections 200000 --resamples 100

The test set is that of eval_hico.py. Besides the process with both settings, the resampling of one setting alone is
timed in a process of its own, and what scoring each resample again takes: the figures of a few images' weights by
making the data again, times the resamples.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from eval_hico import make_files
from process import apart, measure, report

from hoitool.data import Dataset, read, select_images, strings
from hoitool.diagnose.bootstrap import Sampling, drawn
from hoitool.diagnose.resample import weights
from hoitool.eval import score
from hoitool.eval.ledger import Ledger, weighable_of

AGAIN = 5  # resamples that are scored again


def one_setting(folder: Path, resamples: int) -> None:
    """Resample the default setting of the made data."""
    ledger = weighable_of(read(folder / "test.parquet"), read(folder / "predictions.parquet"), "hico-det")
    assert isinstance(ledger, Ledger)
    figures = tuple(figure for figure in ledger.figures if figure.setting == "default")
    ledger = replace(ledger, ranked={"default": ledger.ranked["default"]}, figures=figures)
    drawn(ledger, Sampling(resamples))


def scored_again(folder: Path) -> None:
    """Score a few resamples by making them: the images that were drawn, as often as they were."""
    truth, found = read(folder / "test.parquet"), read(folder / "predictions.parquet")
    block = next(weights(len(truth), AGAIN, 0))
    start = time.perf_counter()
    for b in range(AGAIN):
        rows = np.repeat(np.arange(len(truth)), block[:, b])
        score(_images(truth, rows), _images(found, rows), "hico-det")
    each = (time.perf_counter() - start) / AGAIN
    print(f"{'scoring one resample again, both settings':<44} wall {each:6.2f} s", flush=True)


def _images(data: Dataset, rows: np.ndarray) -> Dataset:
    return select_images(data, rows).with_columns(key=strings([f"{i}.jpg" for i in range(len(rows))]))


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_setting(options.one, options.resamples)
        return
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart(make_files, folder, options.detections)
        count = ["--resamples", str(options.resamples)]
        alone = [sys.executable, __file__, "--one", name, *count]
        report("one setting, read and resampled", measure(alone, options.runs), "limit 60 s, 2,000 MB")
        command = [hoitool, "eval", str(folder / "predictions.parquet"), "--truth", str(folder / "test.parquet")]
        report("hoitool eval", measure(command, options.runs))
        report("hoitool eval --ci, both settings", measure([*command, "--ci", *count], options.runs))
        apart(scored_again, folder)


if __name__ == "__main__":
    main()
