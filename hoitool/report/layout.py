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
    "graph-constraint": "Graph constraint",
    "no-graph-constraint": "No graph constraint",
}


@dataclass(frozen=True)
class Groups:
    """`heads`: each setting's title and its columns' titles; `rows`: a name and one value per column (NaN: none)."""

    heads: list[tuple[str, list[str]]]
    rows: list[tuple[str, list[float]]]


def two_groups(result: Result, name: str, metrics: tuple[str, ...] = ()) -> Groups:
    """One row per metric (default: the headline), one column per setting and split. `name`: that of the headline."""
    heads: list[tuple[str, list[str]]] = []
    columns: list[Row] = []
    for setting in result.settings:
        rows = result.select(setting).rows
        heads.append((title(setting), [title(row.split) for row in rows]))
        columns.extend(rows)
    figures = [
        (
            name if metric == result.headline else f"{name} ({metric})",
            [row.metrics.get(metric, math.nan) for row in columns],
        )
        for metric in metrics or (result.headline,)
    ]
    return Groups(heads, figures)


def title(name: str) -> str:
    """How a setting or split is printed; a group of a split with the split's name."""
    split, colon, group = name.rpartition(":")
    return f"{split} {title(group)}" if colon else TITLES.get(name, name)


def percent(value: float, digits: int = 2) -> str:
    """A fraction in per cent, a dash where there is none."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}"
