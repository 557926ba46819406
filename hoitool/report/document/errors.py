"""The section of a report on errors: how many have which cause, what each costs, how far scores can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoitool.diagnose.diagnosis import CAUSES, MISSES, REPAIRS, Diagnosis
from hoitool.report.document import charts
from hoitool.report.document.parts import Cell, Chart, Column, Part, Section, Table
from hoitool.report.layout import percent, title

TOGETHER = {"all-false-positives": "all false positives", "all-missed": "all missed pairs"}


@dataclass(frozen=True)
class Diagnosed:
    """A method and why it fails."""

    name: str
    found: Diagnosis


def errors(methods: Sequence[Diagnosed]) -> Section | None:
    """Causes and costs of the errors of one method or several; None where nothing was diagnosed."""
    if not methods:
        return None
    lines = [sentence(method) for method in methods]
    lines.append(
        "Every false positive and every missed pair has one cause, the first that holds, in the order of the table. "
        "A gain is what the mAP would be more if all errors of a cause were repaired; gains do not add up."
    )
    lines += dict.fromkeys(f"Note: {note}." for method in methods for note in method.found.notes)
    parts: list[Part] = [_counts_chart(methods), _gains_chart(methods), _causes(methods), _ceilings(methods)]
    parts += [chart for chart in [_calibration(methods)] if chart is not None]
    return Section("errors", "Why it fails", tuple(lines), tuple(parts))


def sentence(method: Diagnosed) -> str:
    """What a diagnosis says in one sentence: the most frequent cause, and the one that costs most."""
    found = method.found
    counts = dict(zip(CAUSES, found.false_counts.sum(axis=0).tolist(), strict=True))
    full = found.of("split")[0]
    gains = {repair: found.gain(repair, full) for repair in (*CAUSES, *MISSES)}
    worst = max(gains, key=lambda repair: _zero(gains[repair]))
    most = max(counts, key=lambda cause: counts[cause])
    total = sum(counts.values())
    share = f"{percent(counts[most] / total, 0)} % of them {told(most)}" if total else "no cause to name"
    gain = f"repairing '{told(worst)}' would gain most, {percent(gains[worst])} points of mAP"
    return (
        f"{method.name} ({title(found.setting)}): {total:,} false positives, {share}, and {len(found.missed):,} missed "
        f"pairs; {gain if _zero(gains[worst]) > 0 else 'no repair would gain any mAP'}."
    )


def told(name: str) -> str:
    """A cause or repair as it is read."""
    return TOGETHER.get(name, name.replace("-", " "))


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _counts_chart(methods: Sequence[Diagnosed]) -> Chart:
    """How many false positives and missed pairs have each cause."""
    rows = [(told(cause), [_counts(method.found)[cause] for method in methods]) for cause in (*CAUSES, *MISSES)]
    columns = (Column("Cause"), *(Column(method.name, "count") for method in methods))
    data = Table("causes-chart-data", "Errors by cause", columns, tuple((name, *values) for name, values in rows))
    drawing = charts.bars([(name, [float(v) for v in values]) for name, values in rows], lambda value: f"{value:,.0f}")
    summary = "How many false positives, and in the last two rows how many missed pairs, have each cause."
    return Chart("Errors by cause", summary, drawing, _legend(methods), data)


def _counts(found: Diagnosis) -> dict[str, int]:
    false, missed = found.false_counts.sum(axis=0), found.missed_counts.sum(axis=0)
    return dict(zip((*CAUSES, *MISSES), [*false.tolist(), *missed.tolist()], strict=True))


def _gains_chart(methods: Sequence[Diagnosed]) -> Chart:
    """What the mAP over all classes gains by each repair."""
    rows = [
        (told(repair), [method.found.gain(repair, method.found.of("split")[0]) for method in methods])
        for repair in REPAIRS
    ]
    columns = (Column("Repaired"), *(Column(f"{method.name} (points)", "difference") for method in methods))
    data = Table("gains-chart-data", "mAP gained by repair", columns, tuple((name, *values) for name, values in rows))
    drawing = charts.bars(rows, lambda value: f"{100 * value:+.2f}")
    summary = "What the mAP would gain, in points, if all errors of a cause were repaired."
    return Chart("mAP gained by repair", summary, drawing, _legend(methods), data)


def _legend(methods: Sequence[Diagnosed]) -> tuple[str, ...]:
    return tuple(method.name for method in methods) if len(methods) > 1 else ()


def _causes(methods: Sequence[Diagnosed]) -> Table:
    """Causes in their order with what they mean, their counts, and their gain on every split."""
    splits = [group.name for group in methods[0].found.of("split")]
    heads = [Column("Cause"), Column("Means")]
    for method in methods:
        of = f", {method.name}" if len(methods) > 1 else ""
        heads.append(Column(f"Errors{of}", "count"))
        heads += [Column(f"Gain, {title(split)}{of} (points)", "difference") for split in splits]
    rows = []
    for cause, means in {**CAUSES, **MISSES}.items():
        cells: list[Cell] = [told(cause), means]
        for method in methods:
            gains = {group.name: method.found.gain(cause, group) for group in method.found.of("split")}
            cells += [_counts(method.found)[cause], *(gains.get(split) for split in splits)]
        rows.append(tuple(cells))
    return Table("causes", "Causes of false positives and of missed pairs", tuple(heads), tuple(rows))


def _ceilings(methods: Sequence[Diagnosed]) -> Table:
    """What the detector's pairs allow: the recall of pairs whatever their label, and the mAP of perfect labels."""
    heads = (
        "Method",
        "Split",
        "Truths",
        "Found",
        "Recall of pairs, any label (%)",
        "mAP of perfect labels (%)",
        "mAP (%)",
    )
    kinds = ("text", "text", "count", "count", "percent", "percent", "percent")
    names = ("truths", "true_positives", "ceiling_recall", "ceiling_mAP", "mAP")
    rows = [
        (method.name, title(row["name"]), *(row[name] for name in names))
        for method in methods
        for row in method.found.rows("split")
    ]
    columns = tuple(Column(head, kind) for head, kind in zip(heads, kinds, strict=True))  # type: ignore[arg-type]
    return Table("ceilings", "What the predicted pairs allow, if only their labels were right", columns, tuple(rows))


def _calibration(methods: Sequence[Diagnosed]) -> Chart | None:
    """The share of true positives among detections against their score, where scores lie within 0 and 1."""
    shown = [method for method in methods if not math.isnan(method.found.calibration.error)]
    if not shown:
        return None
    series = []
    rows: list[tuple[Cell, ...]] = []
    for method in shown:
        bins = method.found.calibration
        filled = np.flatnonzero(bins.count)
        score, precision = bins.score[filled].tolist(), bins.precision[filled].tolist()
        series.append(charts.Points(method.name, score, precision))
        ranges = [f"{bins.low[i]:.2f} to {bins.high[i]:.2f}" for i in filled]
        rows += zip([method.name] * len(filled), ranges, bins.count[filled].tolist(), score, precision, strict=True)
    columns = (
        Column("Method"),
        Column("Score"),
        Column("Detections", "count"),
        Column("Mean score", "number"),
        Column("True positives (%)", "percent"),
    )
    data = Table("calibration-data", "Scores and the share of true positives", columns, tuple(rows))
    axes = charts.Axis("mean score", 0, 1), charts.Axis("true positives (share)", 0, 1)
    told = ", ".join(f"{method.name} {percent(method.found.calibration.error)} %" for method in shown)
    summary = (
        f"A score can be read as a probability where the curve is on the diagonal. Expected calibration error: {told}."
    )
    drawing = charts.lines(series, *axes, diagonal=True)
    return Chart("Calibration of the scores", summary, drawing, tuple(m.name for m in shown), data)
