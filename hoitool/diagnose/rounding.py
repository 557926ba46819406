"""Whether printed means can belong together: the mean of all classes, those of groups that make them up, and theirs.

A figure printed with two digits, 29.07, stands for what rounds to it: 29.065 to 29.075, both ends included. Full is the
mean over all classes, so it is the mean of the groups' figures weighted with their numbers of classes; HM is
2us / (u + s). Arithmetic is exact (fractions), an interval in and an interval out; scales and units do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

FIGURE = re.compile(r"(\d{1,15}(?:\.\d{0,15}|,\d{1,15})?|[.,]\d{1,15})\s*%?(?=$|[^\w.-])")


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`, both included."""

    low: Fraction
    high: Fraction

    def meets(self, other: Range) -> bool:
        """Whether a number lies in both."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Printed:
    """A figure as it is printed, and what it stands for."""

    text: str
    range: Range

    @property
    def digits(self) -> int:
        """How many stand after the point."""
        return len(self.text.partition(".")[2])


def printed(text: str) -> Printed | None:
    """The figure that a cell begins with, None where it begins with none. What follows (%, ±, marks) is left out.

    A decimal comma is read as a point.
    """
    found = FIGURE.match(text.strip())
    if found is None:
        return None
    shown = found[1].replace(",", ".")
    half = Fraction(1, 2 * 10 ** len(shown.partition(".")[2]))
    value = Fraction(shown)
    return Printed(shown, Range(value - half, value + half))


def weighted(groups: Mapping[str, Range], counts: Mapping[str, int]) -> Range:
    """What the mean over all classes can be, by the figures of the groups and how many classes each has."""
    total = sum(counts.values())
    low = sum((groups[name].low * count for name, count in counts.items()), Fraction())
    high = sum((groups[name].high * count for name, count in counts.items()), Fraction())
    return Range(low / total, high / total)


def harmonic(first: Range, second: Range) -> Range:
    """What the harmonic mean of two figures can be, 0 where both are 0."""
    return Range(_harmonic(first.low, second.low), _harmonic(first.high, second.high))


def _harmonic(a: Fraction, b: Fraction) -> Fraction:
    a, b = max(a, Fraction()), max(b, Fraction())
    return 2 * a * b / (a + b) if a + b else Fraction()


def counts_that_fit(groups: Sequence[Range], full: Range, total: int) -> tuple[int, int] | None:
    """Which numbers of classes in the first of two groups would fit, the least and the most; None when none would."""
    first, second = groups
    low, high = (
        0,
        total,
    )  # of n: the lowest Full, n * first + (total - n) * second, may not be too high, nor the highest
    for slope, rest in (
        (first.low - second.low, total * (second.low - full.high)),
        (second.high - first.high, total * (full.low - second.high)),
    ):
        if slope > 0:
            high = min(high, floor(-rest / slope))
        elif slope < 0:
            low = max(low, ceil(-rest / slope))
        elif rest > 0:
            return None
    return (low, high) if low <= high else None
