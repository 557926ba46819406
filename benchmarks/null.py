"""How often `hoitool compare` calls two systems different that are not: detectors that differ by their seed alone.

    python benchmarks/null.py                 # 400 pairs of detectors
    python benchmarks/null.py --pairs 50

Synthetic scenes, another test set for each pair. A test that keeps its word calls 5 % of such pairs different at 5 %;
the verdict, which asks for the interval and the test together, calls fewer.
"""

from __future__ import annotations

import argparse

import numpy as np

from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.diagnose.bootstrap import Sampling
from hoitool.diagnose.compare import Entry, compare
from hoitool.diagnose.comparison import Comparison
from hoitool.eval import score
from hoitool.eval.ledger import ledger_of


def one(seed: int, resamples: int) -> Comparison:
    """Two detectors on a test set of their own."""
    truth = scenes(seed=seed, scale=0.4).test
    entries = []
    for name, own in (("first", 2 * seed), ("other", 2 * seed + 1)):
        found = imperfect(truth, seed=own)[0]
        result = score(truth, found).select("default")
        entries.append(Entry(name, result, ledger_of(truth, found, "hico-det")))
    return compare(entries, Sampling(resamples))


def main() -> None:
    """Compare the pairs, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=199)
    options = parser.parse_args()
    made = [one(seed, options.resamples) for seed in range(1, options.pairs + 1)]
    for split in ("full", "rare", "non-rare"):
        held = [comparison.figure("default", split).differences[0] for comparison in made]
        p = np.array([difference.p for difference in held])
        outside = np.mean([not difference.interval[0] <= 0 <= difference.interval[1] for difference in held])
        called = np.mean([not difference.noise for difference in held])
        print(
            f"{split:<9} p <= 0.05: {100 * (p <= 0.05).mean():.1f} %, p <= 0.2: {100 * (p <= 0.2).mean():.1f} %, "
            f"zero outside the 95 % interval: {100 * outside:.1f} %, called different: {100 * called:.1f} %"
        )
    moved = sum(comparison.changes[0].up + comparison.changes[0].down for comparison in made)
    with_any = np.mean([comparison.changes[0].up + comparison.changes[0].down > 0 for comparison in made])
    print(f"classes called different: {moved}; in {100 * with_any:.1f} % of the pairs any")


if __name__ == "__main__":
    main()
