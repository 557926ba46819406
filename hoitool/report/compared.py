"""A comparison as people see it on a terminal."""

from __future__ import annotations

import math

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from hoitool.diagnose.comparison import ClassChanges, Compared, Comparison, told_p
from hoitool.report.comparison_tables import headline
from hoitool.report.layout import RANKS, figure, title
from hoitool.report.terminal import grid

TOP = 5  # classes at each end


def comparison_report(found: Comparison, top: int = TOP) -> RenderableType:
    """The figures side by side, what they say in plain words, the classes that moved most, and how it was made."""
    lines: list[RenderableType] = [_figures(found)]
    lines += [Text(sentence) for sentence in found.sentences()]
    lines += [_classes(each, found, top) for each in found.changes if top and each.setting == found.settings[0]]
    lines += [Text(f"Note: {note}.", style="yellow") for note in found.notes]
    return Group(*lines, Text(made_by(found), style="dim"), Text(found.signature, style="dim"))


def made_by(found: Comparison) -> str:
    """How a comparison was made, in one sentence."""
    held = found.sampling
    permuted = f", {held['permutations']:,} permutations, p corrected after Holm" if held["permutations"] else ""
    drawn = f"{held['resamples']:,} resamples of {held['images']:,} images (seed {held['seed']})"
    return f"{drawn}, {100 * held['level']:g} % intervals{permuted}."


def _figures(found: Comparison) -> RenderableType:
    """One row for each figure: the systems', and the differences from the first."""
    shown, first = headline(found), found.systems[0]
    several = len({each.metric for each in shown}) > 1
    heads = ["Setting", "Split", *(["Metric"] if several else []), *found.systems]
    for name in found.systems[1:]:
        heads += [f"{name} less {first}", "p", ""]
    rows, before = [], ""
    for each in shown:
        head = [title(each.setting) if each.setting != before else "", title(each.split)]
        before = each.setting
        rows.append([*head, *([each.metric] if several else []), *_cells(each)])
    metric = "" if several else f"{shown[0].metric}, "
    return grid(f"{found.protocol} · {found.variant} ({metric}%)", heads, rows)


def _cells(each: Compared) -> list[str]:
    made = [
        f"{figure(each.metric, value)} [{figure(each.metric, low)}, {figure(each.metric, high)}]"
        for value, (low, high) in zip(each.values, each.intervals, strict=True)
    ]
    for held in each.differences:
        value, low, high = (_signed(each.metric, x) for x in (held.value, *held.interval))
        verdict = "-" if math.isnan(held.value) else "noise" if held.noise else "above" if held.value > 0 else "below"
        made += [f"{value} [{low}, {high}]", told_p(held.corrected), verdict]
    return made


def _signed(metric: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value if metric in RANKS else 100 * value:+.2f}"


def _classes(changes: ClassChanges, found: Comparison, top: int) -> RenderableType:
    """The classes with the largest gains and the largest losses."""
    held, first = changes.columns, found.systems[0]
    some = np.flatnonzero(held["difference"] != 0)
    some = some[~np.isnan(held["difference"][some])]
    ends = [*some[held["difference"][some] > 0][:top], *some[held["difference"][some] < 0][-top:]]
    heads = ["class", "truths", first, changes.system, "difference", "p", "true positives", "false positives", ""]
    rows = [_class(held, int(row)) for row in ends]
    counts = f"{(held['difference'] > 0).sum()} rose, {(held['difference'] < 0).sum()} fell"
    sure = f"{changes.up} and {changes.down} of them by more than noise"
    return grid(f"Classes of {changes.system} ({title(changes.setting)}, AP in %): {counts}; {sure}", heads, rows)


def _class(held: dict[str, np.ndarray], row: int) -> list[str]:
    difference = [_signed("AP", float(held[name][row])) for name in ("difference", "low", "high")]
    return [
        str(held["class"][row]),
        f"{held['truths'][row]:,}",
        figure("AP", float(held["first"][row])),
        figure("AP", float(held["other"][row])),
        f"{difference[0]} [{difference[1]}, {difference[2]}]",
        told_p(float(held["corrected"][row])),
        f"+{held['gained'][row]:,} −{held['lost'][row]:,}",
        f"{held['false_first'][row]:,} → {held['false_other'][row]:,}",
        "noise" if held["noise"][row] else "moved",
    ]
