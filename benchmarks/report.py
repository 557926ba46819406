"""A report as a user makes it: the whole `hoitool report` process, from files to one HTML page, and how large that is.

    python benchmarks/report.py                            # one million detections of HICO's size, made here
    python benchmarks/report.py --results 2                # two of them, compared

Pictures are of 640 x 480 noise on shades, which compresses worse than photographs: the size is an upper bound.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from eval_hico import make_predictions, make_truth
from PIL import Image
from process import apart, measure, report

from hoitool import data

SIZE = (640, 480)
PATCH = 8  # pixels of the grain of a picture


def make_files(folder: Path, detections: int, results: int) -> None:
    """The truth with sizes of images, results' detections, and every picture as a link to one of some."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    sizes = {name: np.full(len(truth), side, np.int32) for name, side in zip(("width", "height"), SIZE, strict=True)}
    truth = truth.with_columns(file_name=truth.key, **sizes)
    data.write(truth, folder / "test.parquet")
    for number in range(results):
        data.write(make_predictions(truth, detections, rng), folder / f"detector-{number + 1}.parquet")
    images = folder / "images"
    images.mkdir()
    for i, name in enumerate(truth.key.tolist()):
        if i < 64:
            draw(rng).save(images / name, quality=90)
        else:
            (images / name).hardlink_to(images / truth.key[i % 64])


def draw(rng: np.random.Generator) -> Image.Image:
    """A picture of coarse and fine noise."""
    coarse = Image.fromarray(rng.integers(0, 256, (SIZE[1] // PATCH, SIZE[0] // PATCH, 3), np.uint8))
    fine = rng.normal(0, 12, (SIZE[1], SIZE[0], 3))
    grown = np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(grown + fine, 0, 255).astype(np.uint8))


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--results", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        apart(make_files, place, options.detections, options.results)
        files = [str(place / f"detector-{number + 1}.parquet") for number in range(options.results)]
        out = place / "report.html"
        base = [hoitool, "report", *files, "--truth", str(place / "test.parquet"), "-o", str(out), "--overwrite"]
        pictures = ["--images", str(place / "images")]
        for name, more in (("figures alone", ["--no-ci"]), ("intervals", []), ("intervals, 60 pictures", pictures)):
            costs = measure([*base, *more], options.runs, warmup=0)
            report(f"hoitool report, {name}", costs, f"{out.stat().st_size / 1e6:.1f} MB of HTML")


if __name__ == "__main__":
    main()
