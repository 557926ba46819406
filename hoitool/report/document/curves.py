"""The section of a report with curves: precision over recall, and recall over how many detections are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoitool.data.dataset import Array
from hoitool.diagnose.curves import COUNTS, GRID, mean_curve, recall_curve
from hoitool.eval.ledger import Ledger
from hoitool.report.document import charts
from hoitool.report.document.parts import Cell, Chart, Column, Section, Table
from hoitool.report.layout import percent, title

WRITTEN = 10  # every so many points of the mean curve are in its table: recall 0, 10, ..., 100 %


@dataclass(frozen=True)
class Recorded:
    """A method and what its score was made of."""

    name: str
    ledger: Ledger


def curves(methods: Sequence[Recorded]) -> Section | None:
    """The mean curves of one method by split, or of several on the first split, in every setting; None for none."""
    if not methods:
        return None
    settings = list(dict.fromkeys(figure.setting for figure in methods[0].ledger.figures))
    made = [_precision(methods, setting) for setting in settings]
    parts = (*(chart for chart in made if chart is not None), _recall(methods, settings[0]))
    lines = (
        "Precision is the best at a recall or beyond, as average precision takes it, in the mean over classes: the "
        "mean of a curve is its mAP, at the protocol's recall points, or at all recalls where it has none.",
    )
    return Section("curves", "Precision and recall", lines, parts)


def _precision(methods: Sequence[Recorded], setting: str) -> Chart | None:
    series = _series(methods, setting)
    if not series:
        return None
    drawn = [charts.Points(name, GRID.tolist(), values.tolist()) for name, values in series.items()]
    axes = charts.Axis("recall (%)", 0, 1, percent=True), charts.Axis("precision (%)", 0, 1, percent=True)
    columns = (Column("Recall (%)", "percent"), *(Column(f"{name}: precision (%)", "percent") for name in series))
    rows = zip(GRID.tolist(), *(values.tolist() for values in series.values()), strict=True)
    caption = f"Mean precision at recall, {title(setting)}"
    data = Table(f"curve-{setting}", caption, columns, tuple(rows)[::WRITTEN])
    half = ", ".join(f"{name} {percent(float(values[len(GRID) // 2]), 1)} %" for name, values in series.items())
    summary = f"Mean precision falls with recall; at a recall of 50 % it is: {half}."
    return Chart(f"Precision over recall, {title(setting)}", summary, charts.lines(drawn, *axes), tuple(series), data)


def _series(methods: Sequence[Recorded], setting: str) -> dict[str, Array]:
    """Mean curves by name: of one method its splits, of several their first split."""
    made: dict[str, Array] = {}
    for method in methods:
        groups = _groups(method.ledger, setting)
        for split, (ranked, among) in list(groups.items())[: charts.SERIES if len(methods) == 1 else 1]:
            name = title(split) if len(methods) == 1 else method.name
            made[name] = mean_curve(method.ledger.ranked[ranked], among)
    return made


def _groups(ledger: Ledger, setting: str) -> dict[str, tuple[str, Array]]:
    """Of each split of a setting the ranking, and the classes that its mAP is the mean of."""
    return {
        figure.split: (figure.ranked, figure.among)
        for figure in ledger.figures
        if (figure.setting, figure.metric) == (setting, "mAP") and figure.among.any()
    }


def _recall(methods: Sequence[Recorded], setting: str) -> Chart:
    """How much of the truth the best detections of an image hold."""
    drawn, columns, values = [], [Column("Detections of an image", "count")], []
    for method in methods:
        ranked, among = next(iter(_groups(method.ledger, setting).values()))
        recall = recall_curve(method.ledger.ranked[ranked], among).tolist()
        drawn.append(charts.Points(method.name, COUNTS, recall))
        columns.append(Column(f"{method.name}: recall (%)", "percent"))
        values.append(recall)
    rows: list[tuple[Cell, ...]] = list(zip(COUNTS, *values, strict=True))
    axes = (
        charts.Axis("detections of an image (log scale)", COUNTS[0], COUNTS[-1], log=True),
        charts.Axis("mean recall (%)", 0, 1, percent=True),
    )
    data = Table("recall-data", "Mean recall by detections of an image", tuple(columns), tuple(rows))
    summary = f"Mean recall over classes when only the best detections of an image are looked at, {title(setting)}."
    legend = tuple(method.name for method in methods) if len(methods) > 1 else ()
    return Chart("Recall over detections of an image", summary, charts.lines(drawn, *axes), legend, data)
