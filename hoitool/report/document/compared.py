"""The section of a report that compares runs: differences with their intervals, in words, and which classes moved."""

from __future__ import annotations

import math

from hoitool.diagnose.comparison import ClassChanges, Compared, Comparison
from hoitool.report.document import charts
from hoitool.report.document.parts import Cell, Chart, Column, Estimate, Part, Section, Table
from hoitool.report.layout import title

DRAWN = 24  # rows of the chart, at most


def compared(found: Comparison) -> Section:
    """What a comparison of several systems with the first says."""
    held = found.sampling
    lines = [*found.sentences(), f"All are compared with {found.systems[0]}, on the same images."]
    lines.append(
        f"Intervals of {100 * held['level']:g} % are from {held['resamples']:,} resamples of the images, the same ones "
        f"for all; p-values from {held['permutations']:,} permutations, corrected for how many were looked at (seed "
        f"{held['seed']}; {held['method']}; {held['rule']})."
    )
    lines += [f"Note: {note}." for note in found.notes]
    moved = [each for each in found.changes if each.setting == found.settings[0]]
    parts: list[Part] = [
        *_chart(found),
        _differences(found),
        *(_classes(each, found, i) for i, each in enumerate(moved)),
    ]
    return Section("comparison", "Comparison", tuple(lines), tuple(parts))


def _chart(found: Comparison) -> list[Chart]:
    """The differences of the headline on every split, with their intervals."""
    headline = found.figures[0].metric
    shown = [figure for figure in found.figures if figure.metric == headline][:DRAWN]
    rows = [(_where(each), [Estimate(d.value, *d.interval) for d in each.differences]) for each in shown]
    names = found.systems[1:]
    columns = (Column("What"), *(Column(f"{name} less {found.systems[0]} (points)", "difference") for name in names))
    data = Table("comparison-chart-data", f"Differences of {headline}", columns, tuple((n, *held) for n, held in rows))
    summary = (
        f"How many points of {headline} each is above or below {found.systems[0]}. An interval that holds 0 means that "
        "the choice of images alone may account for the difference."
    )
    drawing = charts.estimates(rows, f"difference of {headline} (points)")
    return [Chart(f"Differences from {found.systems[0]}", summary, drawing, names if len(names) > 1 else (), data)]


def _where(figure: Compared) -> str:
    return f"{title(figure.setting)}, {title(figure.split)}"


def _differences(found: Comparison) -> Table:
    """Every figure of every system, and its difference from the first one's."""
    columns = (
        Column("Setting"),
        Column("Split"),
        Column("Metric"),
        Column(f"{found.systems[0]} (%)", "percent"),
        Column("Against it"),
        Column("Figure (%)", "percent"),
        Column("Difference (points)", "difference"),
        Column("p, corrected", "number"),
        Column("Verdict"),
    )
    rows: list[tuple[Cell, ...]] = []
    for figure in found.figures:
        head = (title(figure.setting), title(figure.split), figure.metric, figure.values[0])
        for value, each in zip(figure.values[1:], figure.differences, strict=True):
            moved = "inside the noise" if each.noise else "higher" if each.value > 0 else "lower"
            verdict = "not known" if math.isnan(each.value) else moved
            rows.append((*head, each.system, value, Estimate(each.value, *each.interval), each.corrected, verdict))
    return Table("differences", "Figures and their differences", columns, tuple(rows))


def _classes(changes: ClassChanges, found: Comparison, number: int) -> Table:
    """Which classes moved, by how much and by how many detections."""
    columns = (
        Column("Class"),
        Column("Truths", "count"),
        Column(f"AP, {found.systems[0]} (%)", "percent"),
        Column(f"AP, {changes.system} (%)", "percent"),
        Column("Difference (points)", "difference"),
        Column("p, corrected", "number"),
        Column("True positives gained", "count"),
        Column("True positives lost", "count"),
        Column(f"False positives, {found.systems[0]}", "count"),
        Column(f"False positives, {changes.system}", "count"),
        Column("Verdict", choices=True),
    )
    held = {name: values.tolist() for name, values in changes.columns.items()}
    differences = map(Estimate, held["difference"], held["low"], held["high"])
    verdicts = [
        "not known" if math.isnan(value) else "inside the noise" if noise else "moved"
        for value, noise in zip(held["difference"], held["noise"], strict=True)
    ]
    names = [str(name).replace("_", " ") for name in held["class"]]
    figures = [held[name] for name in ("truths", "first", "other")]
    counts = [held[name] for name in ("gained", "lost", "false_first", "false_other")]
    rows = zip(names, *figures, differences, held["corrected"], *counts, verdicts, strict=True)
    caption = f"Classes of {changes.system} against {found.systems[0]}, {title(changes.setting)}"
    return Table(f"classes-moved-{number}", caption, columns, tuple(rows), sorts=True)
