"""Compare systems on the same images: paired bootstrap intervals of differences, and a permutation test of them.

A resample draws the same images for all systems, so that what makes images hard falls out of the difference; its
interval comes about as that of a figure. The p-value is two-sided: the share of permutations
(hoitool/diagnose/permutation.py) whose difference is as large. Both are about other images of the same kind, not about
another training of the same system. p-values are corrected by Holm's method: that of a figure for the systems that are
compared with the first, that of a class for all classes with truths of its setting and those systems.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.bootstrap import Draws, Sampling, drawn, draws_of, interval, interval_of_difference
from hoitool.diagnose.class_changes import class_p_values, columns
from hoitool.diagnose.comparison import ClassChanges, Compared, Comparison, Difference, Interval
from hoitool.diagnose.permutation import blocks_of, both_ways, mixed, swaps
from hoitool.diagnose.significance import as_large, holm, p_values
from hoitool.errors import DataError, UsageError
from hoitool.eval import Result, Row
from hoitool.eval.ledger import Key, Ledger, Weighable
from hoitool.progress import progress

Array = NDArray[Any]
BOUNDS = ("_low", "_high")  # ends of the metrics that bound others where the order of equal scores is open
NONE: Interval = (math.nan, math.nan)
NO_RANKING = (
    "the figures of {protocol!r} are no means over rankings of classes, so there are no permutations of them: its "
    "interval alone says whether a difference is noise"
)


@dataclass(frozen=True)
class Entry:
    """A system that takes part: its name, its result and the ledger of the same protocol, truth and predictions."""

    name: str
    result: Result
    ledger: Weighable


def compare(entries: Sequence[Entry], sampling: Sampling | None = None, notes: Sequence[str] = ()) -> Comparison:
    """Compare systems with the first: the figures of its result's rows that the ledgers hold, bounds left out.

    Where ledgers do not rank detections by class, no permutations are drawn (p is NaN) and no classes compared.
    Raises UsageError for fewer than two systems, of one name, or under different rules, DataError when they were not
    scored on the same images and truths.
    """
    sampling = sampling or Sampling()
    _require_comparable(entries)
    first = entries[0].result
    systems = [System.of(entry, sampling) for entry in entries]
    others = [Against.of(systems[0], system, sampling) for system in systems[1:]]
    figures = [_compared(row, key, systems, others, sampling.level) for row, key in _keys(first, systems[0])]
    if not isinstance(entries[0].ledger, Ledger):
        notes = (*notes, NO_RANKING.format(protocol=first.protocol))
    return Comparison(
        first.protocol,
        first.variant,
        first.signature,
        systems=tuple(entry.name for entry in entries),
        figures=tuple(figures),
        changes=tuple(_changes(systems[0], others, sampling)),
        sampling=_told(sampling, entries[0].ledger),
        inputs={
            "truth": first.inputs.get("truth", {}),
            "predictions": {entry.name: entry.result.inputs.get("predictions", {}) for entry in entries},
        },
        notes=tuple(notes),
    )


def _told(sampling: Sampling, ledger: Weighable) -> dict[str, Any]:
    """How a comparison came about."""
    permutations = sampling.resamples if isinstance(ledger, Ledger) else 0
    more = {"permutations": permutations, "correction": "holm", "images": len(ledger.images)}
    return sampling.told() | more


def _keys(result: Result, system: System) -> Iterator[tuple[Row, Key]]:
    """The figures to compare, in the order of the result's rows."""
    for row in result.rows:
        for metric in row.metrics:
            key = (row.setting, row.split, metric)
            if key in system.observed.figures and not metric.endswith(BOUNDS):
                yield row, key


@dataclass(frozen=True)
class System:
    """A system: its name, what its figures are made of, these figures, and what they are in each resample."""

    name: str
    ledger: Weighable
    observed: Draws
    drawn: Draws

    @classmethod
    def of(cls, entry: Entry, sampling: Sampling) -> System:
        """The figures of an entry, as they are and resampled."""
        ledger = _without_bounds(entry.ledger, entry.result.settings)
        once = draws_of(ledger, np.ones((len(ledger.images), 1), np.uint16))
        return cls(entry.name, ledger, once, drawn(ledger, sampling, entry.name))


@dataclass(frozen=True)
class Against:
    """A system against the first: differences as they are, of resamples, and of permutations (None: cannot be drawn).

    mixture  both systems, from which further permutations give more
    """

    system: System
    observed: Draws
    drawn: Draws
    permuted: Draws | None
    mixture: Ledger | None
    sampling: Sampling

    @classmethod
    def of(cls, first: System, system: System, sampling: Sampling) -> Against:
        """A system against the first one."""
        held = cls(system, system.observed - first.observed, system.drawn - first.drawn, None, None, sampling)
        if not isinstance(first.ledger, Ledger) or not isinstance(system.ledger, Ledger):
            return held
        mixture = mixed(first.ledger, system.ledger)
        blocks = blocks_of(sampling.resamples)
        parts = []
        for block in progress(held.swaps(0, blocks), f"swapping {first.name} and {system.name}", blocks):
            kept, given = (draws_of(mixture, weighted) for weighted in both_ways(block))
            parts.append(given - kept)
        return replace(held, permuted=Draws.joined(parts), mixture=mixture)

    def swaps(self, start: int, stop: int | None = None) -> Iterator[Array]:
        """Blocks of permutations, those from `start` to `stop`: for every setting the same ones."""
        return islice(swaps(len(self.system.ledger.images), self.sampling.seed, self.sampling.resamples), start, stop)


def _without_bounds(ledger: Weighable, settings: Sequence[str]) -> Weighable:
    """A ledger of the figures of some settings, but for those that bound others, and of the rankings they need."""
    if not isinstance(ledger, Ledger):
        return ledger
    figures = [each for each in ledger.figures if each.setting in settings and not each.metric.endswith(BOUNDS)]
    names = dict.fromkeys(figure.ranked for figure in figures)
    return replace(ledger, figures=tuple(figures), ranked={name: ledger.ranked[name] for name in names})


def _require_comparable(entries: Sequence[Entry]) -> None:
    if len(entries) < 2:
        raise UsageError(f"{len(entries)} system; two or more can be compared")
    first = entries[0]
    for other in entries[1:]:
        if other.result.signature != first.result.signature:
            raise UsageError(
                f"{first.name} was scored by {first.result.protocol}/{first.result.variant}, {other.name} by "
                f"{other.result.protocol}/{other.result.variant}; figures by different rules are not compared"
            )
        if not np.array_equal(first.ledger.images, other.ledger.images):
            raise DataError(f"{first.name} and {other.name} were scored on other images: they are compared on the same")
        if not _same_truths(first.ledger, other.ledger):
            raise DataError(f"{first.name} and {other.name} were scored against other truths")
    if len({entry.name for entry in entries}) < len(entries):
        raise UsageError(f"several systems have one name ({', '.join(entry.name for entry in entries)})")


def _same_truths(first: Weighable, other: Weighable) -> bool:
    """Whether the truths of two ledgers are the same, as far as these tell."""
    if not isinstance(first, Ledger) or not isinstance(other, Ledger):
        return True
    return [*first.ranked] == [*other.ranked] and all(
        np.array_equal(held.true_class, other.ranked[name].true_class)
        and np.array_equal(held.true_image, other.ranked[name].true_image)
        for name, held in first.ranked.items()
    )


def _compared(row: Row, key: Key, systems: Sequence[System], others: Sequence[Against], level: float) -> Compared:
    made = [_difference(key, other, level) for other in others]
    corrected = holm(np.array([each.p for each in made])).tolist()
    values = tuple(float(system.observed.figures[key][0]) for system in systems)
    return Compared(
        *key,
        classes=row.classes,
        values=values,
        intervals=tuple(
            interval(s.drawn.figures[key], value, level, key[2]) or NONE
            for s, value in zip(systems, values, strict=True)
        ),
        differences=tuple(
            replace(each, corrected=p, noise=not outside(each.interval, p, level))
            for each, p in zip(made, corrected, strict=True)
        ),
    )


def _difference(key: Key, other: Against, level: float) -> Difference:
    """A difference, not yet corrected and judged."""
    observed, p = other.observed.figures[key], math.nan
    value = float(observed[0])
    if other.permuted is not None and not math.isnan(value):
        permuted = other.permuted.figures[key][None]
        p = float(p_values(as_large(observed, permuted), permuted.shape[1])[0])
    ends = interval_of_difference(other.drawn.figures[key], value, level, key[2]) or NONE
    return Difference(other.system.name, value, ends, p, p, noise=True)


def outside(ends: Interval, corrected: float, level: float) -> bool:
    """Whether a difference is more than noise: its interval leaves zero out and its p-value holds, where it has one."""
    return (ends[0] > 0 or ends[1] < 0) and not corrected >= 1 - level


def _changes(first: System, others: Sequence[Against], sampling: Sampling) -> Iterator[ClassChanges]:
    if not isinstance(first.ledger, Ledger):
        return
    for setting, ranked in first.ledger.ranked.items():
        tests = int((ranked.truths > 0).sum()) * len(others)
        p = [_class_p_values(setting, other, math.ceil(tests / (1 - sampling.level))) for other in others]
        corrected = holm(np.concatenate(p)).reshape(len(others), -1)
        for other, own, all_together in zip(others, p, corrected, strict=True):
            assert isinstance(other.system.ledger, Ledger)
            ap, given = (held.observed.classes[setting][:, 0] for held in (first, other.system))
            rankings = ranked, other.system.ledger.ranked[setting]
            drawn = other.drawn.classes[setting]
            made = columns(rankings, (ap, given), drawn, own, all_together, sampling.level)
            yield ClassChanges(setting, other.system.name, made)


def _class_p_values(setting: str, other: Against, enough: int) -> Array:
    assert other.permuted is not None
    assert other.mixture is not None
    observed, permuted = other.observed.classes[setting][:, 0], other.permuted.classes[setting]
    done, name = blocks_of(other.sampling.resamples), other.system.name
    further = progress(other.swaps(done), f"swapping {name}'s classes further ({setting})", blocks_of(enough))
    return class_p_values(observed, permuted, other.mixture.ranked[setting], further, enough)
