"""The shape of DEFR's table on the demo's long-tailed scenes: where the classifier starts, by loss.

    python benchmarks/defr_table.py
    python benchmarks/defr_table.py --epochs 20 --encoder hashed --seeds 0 1 2 3 4

Each cell trains the recipe `tiny` in a workspace of the demo, from random numbers but for the classifier, once for each
seed, and scores whole test pictures (protocol hico). Figures are mAP in per cent, mean and standard deviation over the
seeds: of all classes, and of those that at most 5 and 10 training images show (few@5, few@10; none is shown by 1). All
cells have the same tower, whose features are as long as the encoder's. The last weights are scored, not the best.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np

from hoitool.convert import load
from hoitool.data import write
from hoitool.data.dataset import Array
from hoitool.data.synthetic import scenes
from hoitool.demo.draw import draw_all
from hoitool.eval import score
from hoitool.train.defr.images import image_labels
from hoitool.train.fit import fit
from hoitool.train.recipe import resolve

WIDTHS = {"minilm": 384, "hashed": 64}  # numbers that an encoder gives
LOSSES = ("bce", "lse-sign")
FEW = (5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", choices=WIDTHS, default="minilm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        groups = workspace()
        print(f"{'classifier':12} {'loss':10}", *(f"{name:>15}" for name in groups), f"{'seconds':>9}")
        for init in ("random", given.encoder):
            for loss in LOSSES:
                start = time.perf_counter()
                made = [cell(init, loss, given.encoder, given.epochs, seed) for seed in given.seeds]
                means = [[figures[mask].mean() for mask in groups.values()] for figures in made]
                spread = zip(np.mean(means, axis=0), np.std(means, axis=0, ddof=len(means) > 1), strict=True)
                told = [f"{100 * mean:8.2f} ± {100 * deviation:4.2f}" for mean, deviation in spread]
                print(f"{init:12} {loss:10}", *told, f"{(time.perf_counter() - start) / len(made):9.1f}", flush=True)


def workspace() -> dict[str, Array]:
    """Make the demo's data and pictures here; returns which classes (K,) each column of the table is over."""
    made = scenes(0)
    for data in (made.train, made.test):
        write(data, Path(f"data/demo/{data.meta.subset}.parquet"))
    draw_all([made.train, made.test], Path("raw/demo/images"), 0)
    _, label, _ = image_labels(made.train)
    counts = np.bincount(label, minlength=made.train.meta.classes)
    return {"full": counts > 0} | {f"few@{most}": (counts > 0) & (counts <= most) for most in FEW}


def cell(init: str, loss: str, encoder: str, epochs: int, seed: int) -> Array:
    """(K,) average precision of each class."""
    language = ["model.classifier.init=language", f"model.classifier.encoder={encoder}"]
    recipe = resolve(
        "tiny",
        [
            f"model.backbone=tiny:{WIDTHS[encoder]}",
            "model.projected=true",
            f"loss.name={loss}",
            f"optimise.epochs={epochs}",
            f"seed={seed}",
            "evaluate.every=0",
            "predict.task=recognition",
            *(language if init != "random" else []),
        ],
    )
    made = fit(recipe, Path(f"runs/{init}-{loss}-{seed}"), lambda line: None)
    assert made.predicted is not None
    result = score(load(Path("data/demo/test.parquet")), load(made.predicted.path), "hico")
    return result.per_class["AP_default"]


if __name__ == "__main__":
    main()
