"""Compare systems on the same images: paired bootstrap intervals of differences, and a permutation test of them.

A resample draws the same images for all systems, so that what makes images hard falls out of the difference; its
interval comes about as that of a figure. The p-value is two-sided: the share of permutations
(hoitool/diagnose/permutation.py) whose difference is as large. Both are about other images of the same kind, not about
another training of the same system. p-values are corrected by Holm's method: that of a figure for the systems that are
compared with the first, that of a class for all classes with truths of its setting and those systems.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.class_changes import class_p_values, columns
from hoitool.diagnose.comparison import ClassChanges, Compared, Difference, Interval
from hoitool.diagnose.permutation import blocks_of, both_ways, mixed, swaps
from hoitool.diagnose.resample import weights
from hoitool.diagnose.sampled import Sampled, Sampling, interval, without_bounds
from hoitool.diagnose.significance import as_large, holm, p_values
from hoitool.errors import DataError, UsageError
from hoitool.eval.ledger import Key, Ledger, Weighable
from hoitool.progress import progress

Array = NDArray[Any]


@dataclass(frozen=True)
class System:
    """A system: its name, what its figures are made of, these figures, and what they are in each resample."""

    name: str
    ledger: Weighable
    observed: Sampled
    drawn: Sampled

    @classmethod
    def of(cls, name: str, ledger: Weighable, sampling: Sampling) -> System:
        """The figures of a ledger, as they are and resampled."""
        images = len(ledger.images)
        blocks = progress(
            weights(images, sampling.resamples, sampling.seed), f"resampling {name}", blocks_of(sampling.resamples)
        )
        drawn = Sampled.joined([Sampled.of(ledger, block) for block in blocks])
        return cls(name, ledger, Sampled.of(ledger, np.ones((images, 1), np.uint16)), drawn)


@dataclass(frozen=True)
class Against:
    """A system against the first: differences as they are, of resamples, and of permutations (None: cannot be drawn).

    mixture  both systems, from which `further` permutations give more
    """

    system: System
    observed: Sampled
    drawn: Sampled
    permuted: Sampled | None
    mixture: Ledger | None
    further: Iterator[Array]

    @classmethod
    def of(cls, first: System, system: System, sampling: Sampling) -> Against:
        """A system against the first one."""
        held = cls(system, system.observed - first.observed, system.drawn - first.drawn, None, None, iter(()))
        if not isinstance(first.ledger, Ledger) or not isinstance(system.ledger, Ledger):
            return held
        mixture = mixed(without_bounds(first.ledger), without_bounds(system.ledger))
        drawn, blocks = (
            swaps(len(first.ledger.images), sampling.seed, sampling.resamples),
            blocks_of(sampling.resamples),
        )
        parts = []
        for swapped in progress(islice(drawn, blocks), f"swapping {first.name} and {system.name}", blocks):
            kept, given = (Sampled.of(mixture, weighted) for weighted in both_ways(swapped))
            parts.append(given - kept)
        return replace(held, permuted=Sampled.joined(parts), mixture=mixture, further=drawn)


def compare_ledgers(
    ledgers: Mapping[str, Weighable], classes: Mapping[tuple[str, str], int], sampling: Sampling
) -> tuple[tuple[Compared, ...], tuple[ClassChanges, ...]]:
    """The figures of systems and how their classes changed, against the first of them.

    ledgers  by the names of the systems, of the same truth under the same protocol
    classes  how many the figures of a setting and split are means of
    Where ledgers rank no detections by class, no permutations are drawn (p is NaN) and no classes compared.
    Raises UsageError for fewer than two systems, DataError when they were not scored on the same images and truths.
    """
    if len(ledgers) < 2:
        raise UsageError(f"{len(ledgers)} system; two or more can be compared")
    _require_same(ledgers)
    systems = [System.of(name, ledger, sampling) for name, ledger in ledgers.items()]
    others = [Against.of(systems[0], system, sampling) for system in systems[1:]]
    figures = tuple(_compared(key, systems, others, classes, sampling.level) for key in systems[0].observed.figures)
    return figures, tuple(_changes(systems[0], others, sampling))


def _require_same(ledgers: Mapping[str, Weighable]) -> None:
    (name, first), *others = ledgers.items()
    for other, held in others:
        if not np.array_equal(first.images, held.images):
            raise DataError(
                f"{other} and {name} were scored on other images, so they cannot be compared image by image"
            )
        if isinstance(first, Ledger) and isinstance(held, Ledger) and not _same_truths(first, held):
            raise DataError(f"{other} and {name} were scored against other truths, so they cannot be compared")


def _same_truths(first: Ledger, other: Ledger) -> bool:
    return [*first.ranked] == [*other.ranked] and all(
        np.array_equal(held.true_class, other.ranked[name].true_class)
        and np.array_equal(held.true_image, other.ranked[name].true_image)
        for name, held in first.ranked.items()
    )


def _compared(
    key: Key, systems: Sequence[System], others: Sequence[Against], classes: Mapping[tuple[str, str], int], level: float
) -> Compared:
    made = [_difference(key, other, level) for other in others]
    corrected = holm(np.array([each.p for each in made])).tolist()
    return Compared(
        *key,
        classes=classes[key[:2]],
        values=tuple(float(system.observed.figures[key][0]) for system in systems),
        intervals=tuple(_interval(key, system.observed, system.drawn, level) for system in systems),
        differences=tuple(
            replace(each, corrected=p, noise=not outside(each.interval, p, level))
            for each, p in zip(made, corrected, strict=True)
        ),
    )


def _difference(key: Key, other: Against, level: float) -> Difference:
    """A difference, not yet corrected and judged."""
    value, p = other.observed.figures[key], math.nan
    if other.permuted is not None and not np.isnan(value[0]):
        permuted = other.permuted.figures[key][None]
        p = float(p_values(as_large(value, permuted), permuted.shape[1])[0])
    return Difference(
        other.system.name, float(value[0]), _interval(key, other.observed, other.drawn, level), p, p, noise=True
    )


def _interval(key: Key, observed: Sampled, drawn: Sampled, level: float) -> Interval:
    low, high = interval(observed.figures[key], drawn.figures[key][None], level)
    return float(low[0]), float(high[0])


def outside(ends: Interval, corrected: float, level: float) -> bool:
    """Whether a difference is more than noise: its interval leaves zero out and its p-value holds, where it has one."""
    return (ends[0] > 0 or ends[1] < 0) and not corrected >= 1 - level


def _changes(first: System, others: Sequence[Against], sampling: Sampling) -> Iterator[ClassChanges]:
    if not isinstance(first.ledger, Ledger):
        return
    for setting, ranked in without_bounds(first.ledger).ranked.items():
        tests = int((ranked.truths > 0).sum()) * len(others)
        p = [_class_p_values(setting, other, math.ceil(tests / (1 - sampling.level))) for other in others]
        corrected = holm(np.concatenate(p)).reshape(len(others), -1)
        for i, other in enumerate(others):
            assert isinstance(other.system.ledger, Ledger)
            ap = tuple(held.observed.classes[setting][:, 0] for held in (first, other.system))
            held = columns(
                ranked,
                other.system.ledger.ranked[setting],
                ap,
                other.drawn.classes[setting],
                p[i],
                corrected[i],
                sampling,
            )
            yield ClassChanges(setting, other.system.name, held)


def _class_p_values(setting: str, other: Against, enough: int) -> Array:
    assert other.permuted is not None
    assert other.mixture is not None
    observed, permuted = other.observed.classes[setting][:, 0], other.permuted.classes[setting]
    further = progress(other.further, f"swapping {other.system.name}'s classes further ({setting})", blocks_of(enough))
    return class_p_values(observed, permuted, other.mixture.ranked[setting], further, enough)
