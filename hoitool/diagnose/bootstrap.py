"""How certain a figure is: what it would have been on other images, by drawing those of the test set again.

Images are drawn with replacement (resample.py) and every figure is made again, of the detections and truths of the
images drawn. An interval holds the middle `level` of these draws, shifted so that their median is the figure itself:
average precision of few truths is larger on resamples than on the data, and the unshifted interval would hide it.
It is about the images only: neither about another training of the same model, nor about other annotators.
Classes whose truths all fall out of a resample are left out of its means; a class without any truth in the data counts
as its protocol says. An interval of a class is over the resamples in which it has truths.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; how often such intervals hold the expected figure
is measured by benchmarks/coverage.py; docs/uncertainty.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.resample import BLOCK, weights
from hoitool.errors import DataError, UsageError
from hoitool.eval import Result, Row
from hoitool.eval.by_split import add_split, harmonic_means
from hoitool.eval.ledger import RULE, Key, Ledger, Weighable
from hoitool.progress import progress
from hoitool.splits import Split

Array = NDArray[Any]
Interval = tuple[float, float]
METHOD = "percentiles of the image bootstrap, shifted so that their median is the figure"
# the values that a metric may have, where they are not 0 to 1
RANGES: dict[str, Interval] = {"medR": (1.0, math.inf), "meanR": (1.0, math.inf), "rsum": (0.0, math.inf)}


@dataclass(frozen=True)
class Sampling:
    """How intervals are made: how many resamples, the seed of their draws, and how much of them an interval holds.

    Raises UsageError for a level that is no fraction, and for fewer resamples than its interval needs.
    """

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(f"level {self.level:g} is no fraction between 0 and 1, such as 0.95")
        least = math.ceil(2 / (1 - self.level) - 1e-9)
        if self.resamples < least:
            raise UsageError(
                f"{self.resamples} resamples are too few for an interval of {self.level:g}: {least} or more"
            )
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative, expected a whole number from 0")

    def told(self) -> dict[str, Any]:
        """What a result says of it."""
        return {"resamples": self.resamples, "seed": self.seed, "level": self.level, "method": METHOD, "rule": RULE}


@dataclass(frozen=True)
class Draws:
    """Every figure, and AP of every class, in each of R resamples.

    figures  (R,) by setting, split and metric
    classes  (K, R) by setting, NaN for classes without truths; empty for a ledger that does not rank classes
    """

    figures: dict[Key, Array]
    classes: dict[str, Array]

    @classmethod
    def joined(cls, parts: Sequence[Draws]) -> Draws:
        """The draws of several parts, one after the other."""
        return cls(_joined([part.figures for part in parts]), _joined([part.classes for part in parts]))

    def __sub__(self, other: Draws) -> Draws:
        """By how much each draw is above that of another."""
        return Draws(
            {key: values - other.figures[key] for key, values in self.figures.items()},
            {name: values - other.classes[name] for name, values in self.classes.items()},
        )


def drawn(ledger: Weighable, sampling: Sampling, of: str = "images") -> Draws:
    """The figures on resamples of the images; NaN where nothing is left of one. Shows progress, on what `of` says.

    Raises DataError where there are no images to draw.
    """
    if not len(ledger.images):
        raise DataError("the truth has no images, so none can be drawn for intervals")
    blocks = weights(len(ledger.images), sampling.resamples, sampling.seed)
    total = math.ceil(sampling.resamples / BLOCK)
    return Draws.joined([draws_of(ledger, block) for block in progress(blocks, f"resampling {of}", total)])


def draws_of(ledger: Weighable, block: Array) -> Draws:
    """The figures when images count the weights of a block (I, R) times."""
    if not isinstance(ledger, Ledger):
        return Draws(ledger.figures_of(block), {})
    classes = {name: ledger.classes_of(name, block) for name in ledger.needed}
    figures = ledger.means_of(classes)
    of_settings = {}
    for setting in dict.fromkeys(figure.setting for figure in ledger.figures):
        of_settings[setting] = classes[setting][0]
        of_settings[setting][ledger.ranked[setting].truths == 0] = np.nan
    return Draws(figures | harmonic_means(figures), of_settings)


def _joined(parts: Sequence[Mapping[Any, Array]]) -> dict[Any, Array]:
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def interval(values: Array, estimate: float, level: float, metric: str = "") -> Interval | None:
    """The interval of an estimate from its values on resamples (R,), within what the metric may be; None without any.

    NaN among the values is left out.
    """
    return _shifted(values, estimate, level, RANGES.get(metric, (0.0, 1.0)))


def interval_of_difference(values: Array, estimate: float, level: float, metric: str = "") -> Interval | None:
    """The interval of a difference of two estimates, as `interval`."""
    least, most = RANGES.get(metric, (0.0, 1.0))
    return _shifted(values, estimate, level, (least - most, most - least))


def _shifted(values: Array, estimate: float, level: float, ends: Interval) -> Interval | None:
    held = values[~np.isnan(values)]
    if not len(held) or math.isnan(estimate):
        return None
    low, middle, high = np.quantile(held, [(1 - level) / 2, 0.5, (1 + level) / 2])
    below, above = float(estimate - (middle - low)), float(estimate + (high - middle))
    return min(estimate, max(ends[0], below)), max(estimate, min(ends[1], above))


def intervals(ledger: Weighable, sampling: Sampling) -> dict[Key, Interval]:
    """The interval of every figure of a ledger that has one, by setting, split and metric."""
    once = ledger.figures_of(np.ones((len(ledger.images), 1), np.uint16))
    draws = drawn(ledger, sampling)
    made = {key: interval(draws.figures[key], float(once[key][0]), sampling.level, key[2]) for key in once}
    return {key: held for key, held in made.items() if held is not None}


def with_intervals(result: Result, ledger: Weighable, sampling: Sampling, splits: Sequence[Split] = ()) -> Result:
    """The result with intervals of its figures, and of AP of its classes where its ledger ranks them.

    ledger  of the same truth and predictions; splits: those that `with_split` gave the result rows of
    """
    if isinstance(ledger, Ledger):
        for split in splits:
            ledger = add_split(ledger, result, split)
    draws = drawn(ledger, sampling)
    rows = tuple(replace(row, intervals=dict(_of_row(row, draws, sampling.level))) for row in result.rows)
    columns = dict(_of_classes(result.per_class, draws, sampling.level))
    return replace(result, rows=rows, per_class=result.per_class | columns, sampling=sampling.told())


def _of_row(row: Row, draws: Draws, level: float) -> Iterator[tuple[str, Interval]]:
    for metric, value in row.metrics.items():
        values = draws.figures.get((row.setting, row.split, metric))
        if values is not None and (held := interval(values, value, level, metric)) is not None:
            yield metric, held


def _of_classes(columns: Mapping[str, Array], draws: Draws, level: float) -> Iterator[tuple[str, Array]]:
    """The ends of the intervals of AP, from a column for each setting, or from one in which settings follow another."""
    if "ap" in columns and draws.classes:
        yield from _ends("ap", columns["ap"], np.concatenate(list(draws.classes.values())), level)
    for name, values in draws.classes.items():
        column = f"AP_{name.replace('-', '_')}"
        if column in columns:
            yield from _ends(column, columns[column], values, level)


def _ends(column: str, figures: Array, values: Array, level: float) -> Iterator[tuple[str, Array]]:
    """Two columns, the ends of the interval of each figure (K,) from its values (K, R), NaN where there is none."""
    made = [interval(each, figure, level) for each, figure in zip(values, figures.tolist(), strict=True)]
    held = np.array([each or (math.nan, math.nan) for each in made]).reshape(-1, 2)
    yield f"{column}_ci_low", held[:, 0]
    yield f"{column}_ci_high", held[:, 1]
