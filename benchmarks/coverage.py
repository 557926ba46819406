"""How often intervals of the image bootstrap hold the figure that is expected: five constructions, on made test sets.

    python benchmarks/coverage.py                       # two minutes
    python benchmarks/coverage.py --images 4000 --classes 300 --sets 100

A population of 40,000 images has classes with a long tail; images are easier or harder and classes are known better or
worse. Test sets are drawn from it; each has its figures and, of its own resamples, their intervals. Expected is the
mean figure of all test sets of that size, and beside it stands the figure of the whole population, which average
precision of few truths exceeds. Printed is the share of test sets whose interval holds the one and the other, how often
it holds its own estimate, and its mean width.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from hoitool.data import offsets_of
from hoitool.diagnose.resample import weights
from hoitool.eval.ledger import Ranked

IMAGES = 40_000
LEVEL = 0.95


@dataclass(frozen=True)
class Population:
    """Detections by class and falling score (N,), and truths (T,)."""

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    hit: np.ndarray
    true_image: np.ndarray
    true_label: np.ndarray


def population(classes: int, rng: np.random.Generator) -> Population:
    """3.4 truths an image; each is found or not, has false ones of its class beside it, and 12 are anywhere."""
    frequency = np.arange(1, classes + 1) ** -1.1
    frequency /= frequency.sum()
    counts = rng.poisson(3.4, IMAGES)
    image = np.repeat(np.arange(IMAGES), counts)
    label = rng.choice(classes, len(image), p=frequency)
    ease, skill = rng.normal(0, 1, IMAGES), rng.normal(0.3, 1, classes)
    found = rng.random(len(image)) < 1 / (1 + np.exp(-skill[label] - 0.8 * ease[image]))
    beside = np.repeat(np.arange(len(image)), rng.poisson(1, len(image)))
    elsewhere = np.repeat(np.arange(IMAGES), rng.poisson(12, IMAGES))
    anything = rng.choice(classes, len(elsewhere), p=0.5 * frequency + 0.5 / classes)
    images = np.concatenate([image[found], image[beside], elsewhere])
    labels = np.concatenate([label[found], label[beside], anything])
    right = 1.2 + 0.5 * ease[image] + 0.5 * skill[label]
    score = rng.normal(np.concatenate([right[found], np.full(len(beside), 0.4), np.full(len(elsewhere), -0.3)]), 1)
    order = np.lexsort((-score, labels))
    hit = order < found.sum()
    return Population(images[order], labels[order], score[order], hit, image, label)


def ranked(held: Population, chosen: np.ndarray, classes: int, formula: str) -> Ranked:
    """The test set of some images."""
    place = np.full(IMAGES, -1)
    place[chosen] = np.arange(len(chosen))
    rows, truths = np.flatnonzero(place[held.image] >= 0), place[held.true_image] >= 0
    return Ranked(
        names=np.arange(classes),
        starts=offsets_of(np.bincount(held.label[rows], minlength=classes)),
        image=place[held.image[rows]],
        hit=held.hit[rows],
        score=held.score[rows],
        row=rows,
        true_image=place[held.true_image[truths]],
        true_class=held.true_label[truths],
        formula=formula,
        bare_recall=np.zeros(classes),
    )


def average_precisions(held: Ranked, block: np.ndarray) -> np.ndarray:
    """(K, B), NaN for classes without truths."""
    made, _ = held.weighted(block)
    made[held.truths == 0] = np.nan
    return made


def constructions(figure: np.ndarray, draws: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Intervals (S,) of figures (S,) from their draws (S, R), by name."""
    low, middle, high = np.nanquantile(draws, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], axis=1)
    centre, spread = np.nanmean(draws, axis=1), 1.96 * np.nanstd(draws, axis=1)
    return {
        "percentile": (low, high),
        "basic": (2 * figure - high, 2 * figure - low),
        "normal": (figure - spread, figure + spread),
        "shifted by the mean": (figure + low - centre, figure + high - centre),
        "shifted by the median": (figure + low - middle, figure + high - middle),
    }


def told(name: str, figure: np.ndarray, draws: np.ndarray, whole: float) -> None:
    """One block of the report: a figure (S,) of all test sets with its draws (S, R); whole: the population's."""
    expected = float(np.nanmean(figure))
    deviation = f"standard deviation {np.nanstd(figure):.4f}, of resamples {np.nanmean(np.nanstd(draws, axis=1)):.4f}"
    print(f"{name}: expected {expected:.4f}, population {whole:.4f}, {deviation}")
    for construction, ends in constructions(figure, draws).items():
        low, high = (np.clip(end, 0, 1) for end in ends)
        shares = [np.mean((low <= value + 1e-12) & (value <= high + 1e-12)) for value in (expected, whole, figure)]
        print(
            f"  {construction:<22} {shares[0]:.3f}  {shares[1]:.3f}  {shares[2]:.3f}  width {np.mean(high - low):.4f}"
        )


def harmonic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """2ab / (a + b)."""
    return 2 * a * b / (a + b)


def main() -> None:
    """Draw the test sets and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--formula", default="start-plus-steps")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    held = population(options.classes, rng)
    whole = average_precisions(
        ranked(held, np.arange(IMAGES), options.classes, options.formula), np.ones((IMAGES, 1), np.uint16)
    )[:, 0]
    figures, draws = [], []
    for number in range(options.sets):
        chosen = rng.choice(IMAGES, options.images, replace=False)
        made = ranked(held, chosen, options.classes, options.formula)
        figures.append(average_precisions(made, np.ones((options.images, 1), np.uint16))[:, 0])
        blocks = [average_precisions(made, block) for block in weights(options.images, options.resamples, number)]
        draws.append(np.concatenate(blocks, axis=1).astype(np.float32))
    figure, drawn = np.array(figures), np.array(draws)  # (S, K) and (S, K, R)
    truths = np.bincount(held.true_label, minlength=options.classes) * options.images / IMAGES
    print(
        f"classes have {truths.min():.1f}, {np.median(truths):.1f} (median) to {truths.max():.0f} truths in a test set"
    )
    print("share of intervals that hold: the expected figure, that of the population, their own estimate")
    rare = np.arange(options.classes) >= 2 * options.classes // 3
    means = {
        name: (np.nanmean(figure[:, of], axis=1), np.nanmean(drawn[:, of], axis=1), float(np.nanmean(whole[of])))
        for name, of in {"mAP full": rare >= 0, "mAP rare": rare, "mAP non-rare": ~rare}.items()
    }
    for name, values in means.items():
        told(name, *values)
    told("harmonic mean", *(harmonic(a, b) for a, b in zip(means["mAP rare"], means["mAP non-rare"], strict=True)))
    for k in (0, options.classes // 10, options.classes // 3, options.classes - 1):
        known = ~np.isnan(figure[:, k])
        told(f"AP of a class with {truths[k]:.0f} truths", figure[known, k], drawn[known, k], float(whole[k]))


if __name__ == "__main__":
    main()
