"""Figures and classes under many weightings of the images, as arrays that can be joined and subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import UsageError
from hoitool.eval.by_split import with_harmonic_means
from hoitool.eval.ledger import RULE, Key, Ledger, Weighable

Array = NDArray[Any]
METHOD = "quantiles of image resamples, moved so that their mean is the figure"
BOUNDS = ("_low", "_high")  # ends of the metrics that bound others where the order of equal scores is open


@dataclass(frozen=True)
class Sampling:
    """How many resamples, and as many permutations, by which seed, and how sure intervals and verdicts are."""

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.resamples < 2 or self.seed < 0 or not 0 < self.level < 1:
            raise UsageError(
                f"{self.resamples} resamples, seed {self.seed}, level {self.level}: expected two or more, no negative "
                "seed, and a level between 0 and 1"
            )

    def told(self, images: int) -> dict[str, Any]:
        """What a comparison says of how it came about."""
        return {
            "resamples": self.resamples,
            "permutations": self.resamples,
            "seed": self.seed,
            "level": self.level,
            "images": images,
            "method": METHOD,
            "rule": RULE,
            "correction": "holm",
        }


@dataclass(frozen=True)
class Sampled:
    """Figures (n,) of n weightings of the images; by setting the AP (K, n) of classes, where the ledger ranks them."""

    figures: dict[Key, Array]
    classes: dict[str, Array]

    @classmethod
    def of(cls, ledger: Weighable, weights: Array) -> Sampled:
        """The figures of a ledger when images count `weights` (I, n) times."""
        if not isinstance(ledger, Ledger):
            return cls({k: v for k, v in ledger.figures_of(weights).items() if not k[2].endswith(BOUNDS)}, {})
        classes = {name: ledger.classes_of(name, weights) for name in ledger.ranked}
        return cls(with_harmonic_means(dict(ledger.means(classes))), {name: ap for name, (ap, _) in classes.items()})

    @classmethod
    def joined(cls, parts: Sequence[Sampled]) -> Sampled:
        """All weightings of several parts."""
        first = parts[0]
        return cls(
            {key: np.concatenate([part.figures[key] for part in parts]) for key in first.figures},
            {name: np.concatenate([part.classes[name] for part in parts], axis=1) for name in first.classes},
        )

    def __sub__(self, other: Sampled) -> Sampled:
        """The differences from another."""
        return Sampled(
            {key: values - other.figures[key] for key, values in self.figures.items()},
            {name: values - other.classes[name] for name, values in self.classes.items()},
        )


def of_settings(ledger: Ledger, settings: Sequence[str]) -> Ledger:
    """A ledger of the figures of some settings without those that bound others, and of the rankings that these need."""
    figures = [each for each in ledger.figures if each.setting in settings and not each.metric.endswith(BOUNDS)]
    names = dict.fromkeys(figure.ranked for figure in figures)
    return replace(ledger, figures=tuple(figures), ranked={name: ledger.ranked[name] for name in names})


def interval(estimate: Array, samples: Array, level: float) -> tuple[Array, Array]:
    """(n,) low and high of figures (n,) by their resamples (n, b): quantiles, moved so that their mean is the figure.

    NaN resamples, of classes that vanished, are left out.
    """
    moved = samples + (estimate - np.nanmean(samples, axis=1))[:, None]
    low, high = np.nanquantile(moved, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low, high
