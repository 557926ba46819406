"""What a comparison is: the figures of several systems on the same images, and what is left of their differences.

The first system is the one that the others are compared with. A difference is that of another system less that of the
first, a fraction like the figures. It lies inside the noise unless its paired bootstrap interval leaves zero out and
its corrected p-value is below 1 - level: then the images that happened to be drawn do not account for it.
How intervals and p-values come about: hoitool/diagnose/compare.py; docs/compare.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A figure of `system` less that of the first: interval, p-value as it is and corrected, and the verdict."""

    system: str
    value: float
    interval: Interval
    p: float
    corrected: float
    noise: bool


@dataclass(frozen=True)
class Compared:
    """One figure of every system, each with its interval, and the difference of each but the first."""

    setting: str
    split: str
    metric: str
    classes: int
    values: tuple[float, ...]
    intervals: tuple[Interval, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class ClassChanges:
    """How the classes of a setting changed from the first system to another, from the largest gain to the largest loss.

    `columns`, one value per class: class (name), truths, first and other (AP), difference, low, high, p, corrected,
    noise; detections in numbers: gained and lost (true positives, summed over images in which there are more or fewer),
    false_first and false_other (false positives). A class without truths has no figures (NaN) and stands last.
    """

    setting: str
    system: str
    columns: dict[str, Array]

    @property
    def up(self) -> int:
        """How many classes gained more than noise."""
        return int((~self.columns["noise"] & (self.columns["difference"] > 0)).sum())

    @property
    def down(self) -> int:
        """How many classes lost more than noise."""
        return int((~self.columns["noise"] & (self.columns["difference"] < 0)).sum())


@dataclass(frozen=True)
class Comparison:
    """See the module. `sampling` says how it was drawn: resamples, permutations, seed, level, images, method, rule."""

    protocol: str
    variant: str
    signature: str
    systems: tuple[str, ...]
    figures: tuple[Compared, ...]
    changes: tuple[ClassChanges, ...]
    sampling: dict[str, Any]
    inputs: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> list[str]:
        """The settings that are compared, in order."""
        return list(dict.fromkeys(figure.setting for figure in self.figures))

    def figure(self, setting: str, split: str, metric: str = "mAP") -> Compared:
        """One figure. Raises KeyError when there is none."""
        for each in self.figures:
            if (each.setting, each.split, each.metric) == (setting, split, metric):
                return each
        raise KeyError((setting, split, metric))

    def sentences(self) -> list[str]:
        """What the comparison says, in plain words: one for each setting and system, by the first split's headline."""
        return [told for setting in self.settings for told in self._of_setting(setting)]

    def _of_setting(self, setting: str) -> Iterator[str]:
        figure = next(figure for figure in self.figures if figure.setting == setting)
        for difference in figure.differences:
            moved = next((c for c in self.changes if (c.setting, c.system) == (setting, difference.system)), None)
            head = f"{difference.system}: {figure.metric} ({setting}, {figure.split})"
            if math.isnan(difference.value):
                yield f"{head} cannot be compared with that of {self.systems[0]}: one of them has no figure."
                continue
            if difference.value == 0 == difference.interval[0] == difference.interval[1]:
                yield f"{head} equals that of {self.systems[0]}, on every resample too: no difference{_classes(moved)}"
                continue
            told = f"{_against(difference, self.systems[0])} ({_sure(difference, self.sampling['level'])})"
            yield f"{head} {told}. {_verdict(difference)}{_classes(moved)}"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values, figures as fractions; what does not exist is null."""
        return {
            "kind": "comparison",
            "schema": 1,
            "protocol": self.protocol,
            "variant": self.variant,
            "signature": self.signature,
            "systems": list(self.systems),
            "sentences": self.sentences(),
            "figures": [_figure_json(figure) for figure in self.figures],
            "classes": [
                {"setting": c.setting, "system": c.system, "columns": _plain({**c.columns})} for c in self.changes
            ],
            "sampling": self.sampling,
            "inputs": self.inputs,
            "notes": list(self.notes),
        }


def _against(difference: Difference, first: str) -> str:
    points = 100 * abs(difference.value)
    return f"is {points:.2f} points {'above' if difference.value >= 0 else 'below'} that of {first}"


def _sure(difference: Difference, level: float) -> str:
    """The interval in points, and the p-value where it has one."""
    low, high = (100 * end for end in difference.interval)
    p = "" if math.isnan(difference.corrected) else f", p = {told_p(difference.corrected)}"
    return f"{100 * level:g} % interval {low:+.2f} to {high:+.2f}{p}"


def _verdict(difference: Difference) -> str:
    low, high = difference.interval
    if not difference.noise:
        return "The difference is larger than the noise of the images"
    if low > 0 or high < 0:
        return "Its interval leaves zero out, but swapping images gives one as large too often: it is taken as noise"
    return "The difference lies inside the noise: other images of the same kind may well turn it around"


def _classes(changes: ClassChanges | None) -> str:
    if changes is None:
        return "."
    counted = len(changes.columns["class"])
    return f"; of {counted} classes {changes.up} rose and {changes.down} fell by more than noise."


def told_p(value: float) -> str:
    """A p-value as people read it, a dash where none was drawn."""
    return "-" if math.isnan(value) else f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def _figure_json(figure: Compared) -> dict[str, Any]:
    return {
        "setting": figure.setting,
        "split": figure.split,
        "metric": figure.metric,
        "classes": figure.classes,
        "values": _plain(figure.values),
        "intervals": _plain(figure.intervals),
        "differences": [
            {
                "system": d.system,
                "difference": _plain(d.value),
                "interval": _plain(d.interval),
                "p": _plain(d.p),
                "p_corrected": _plain(d.corrected),
                "inside_noise": d.noise,
            }
            for d in figure.differences
        ],
    }


def _plain(value: Any) -> Any:
    """Values as JSON has them: lists, and null for NaN."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
