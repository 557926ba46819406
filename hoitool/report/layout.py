"""The two-group layout in which papers print figures: settings side by side, splits as columns of each, per cent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hoitool.eval import Result, Row

TITLES = {
    "default": "Default",
    "known-object": "Known Object",
    "known-object-boxes": "Known Object (boxes)",
    "full": "Full",
    "rare": "Rare",
    "non-rare": "Non-Rare",
    "common": "Common",
    "frequent": "Frequent",
    "base": "Base",
    "novel": "Novel",
    "few@1": "Few@1",
    "few@5": "Few@5",
    "few@10": "Few@10",
    "unseen": "Unseen",
    "seen": "Seen",
    "hm": "HM",
    "scenario-1": "Scenario 1",
    "scenario-2": "Scenario 2",
    "agent": "Agent",
    "pairs": "Pairs",
    "without-point": "Without point",
    "image-to-text": "Image to text",
    "text-to-image": "Text to image",
    "text-to-text": "Text to text",
    "image-to-image": "Image to image",
    "both": "Both",
    "five-fold": "Five folds",
    "sts": "STS",
    "sis": "SIS",
    "sits": "SITS",
    "graph-constraint": "Graph constraint",
    "no-graph-constraint": "No graph constraint",
}
RANKS = ("medR", "meanR")  # metrics that are no fractions
BOUNDS = ("_low", "_high")  # how the metrics end that bound others over the orders of equal scores


@dataclass(frozen=True)
class Groups:
    """`heads`: each setting's title and its columns' titles; `rows`: a name and one figure per column.

    intervals  for each row, per column, '' where a figure has none
    """

    heads: list[tuple[str, list[str]]]
    rows: list[tuple[str, list[str]]]
    intervals: list[list[str]]

    def cells(self, template: str) -> list[tuple[str, list[str]]]:
        """The rows with figures that have an interval as the template puts both, such as '{} {}'."""
        return [
            (name, [template.format(*each) if each[1] else each[0] for each in zip(figures, intervals, strict=True)])
            for (name, figures), intervals in zip(self.rows, self.intervals, strict=True)
        ]


def main_metrics(result: Result) -> tuple[str, ...]:
    """What papers print of a result: its mAP, all figures but bounds where that is not its headline."""
    names = dict.fromkeys(name for row in result.rows for name in row.metrics)
    if result.headline == "mAP":
        return ("mAP",)
    return tuple(name for name in names if not name.endswith(BOUNDS))


def two_groups(result: Result, name: str, metrics: tuple[str, ...] = ()) -> Groups:
    """One row per metric (default: the main ones), one column per setting and split. `name`: of a lone row."""
    shown = metrics or main_metrics(result)
    heads: list[tuple[str, list[str]]] = []
    columns: list[Row] = []
    for setting in result.settings:
        rows = result.select(setting).rows
        heads.append((title(setting), [title(row.split) for row in rows]))
        columns.extend(rows)
    figures = [
        (
            name if metric == "mAP" or len(shown) == 1 else f"{name} ({metric})",
            [figure(metric, row.metrics.get(metric, math.nan)) for row in columns],
        )
        for metric in shown
    ]
    return Groups(heads, figures, [[interval(metric, row) for row in columns] for metric in shown])


def title(name: str) -> str:
    """How a setting or split is printed; a group of a split with the split's name."""
    split, colon, group = name.rpartition(":")
    return f"{split} {title(group)}" if colon else TITLES.get(name, name)


def percent(value: float, digits: int = 2) -> str:
    """A fraction in per cent, a dash where there is none."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}"


def figure(metric: str, value: float) -> str:
    """A metric's value: a rank as it is, everything else in per cent; a dash where there is none."""
    return percent(value / 100 if metric in RANKS else value)


def interval(metric: str, row: Row) -> str:
    """The interval of a row's figure as [low, high], in the unit of the figure; '' where it has none."""
    if metric not in row.intervals:
        return ""
    return f"[{', '.join(figure(metric, end) for end in row.intervals[metric])}]"


def sampled(result: Result) -> list[str]:
    """A sentence on how the intervals were made, none where there are none."""
    if result.sampling is None:
        return []
    held = result.sampling
    return [
        f"[low, high] are {100 * held['level']:g} % intervals from {held['resamples']:,} resamples of the images, "
        f"seed {held['seed']}"
    ]
