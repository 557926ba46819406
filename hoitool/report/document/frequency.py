"""The section of a report on rare and frequent classes: average precision against the number of training pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hoitool.data.dataset import Array
from hoitool.diagnose.figures import TRAINED
from hoitool.errors import HoitoolError
from hoitool.eval.rank_correlation import spearman
from hoitool.labels import load_labels
from hoitool.report.document import charts
from hoitool.report.document.classes import class_names
from hoitool.report.document.parts import Cell, Chart, Column, Section, Table
from hoitool.report.document.sources import Source

PROTOCOL, AP = "hico-det", "AP_default"  # recognition counts images


def frequency(sources: Sequence[Source]) -> Section | None:
    """AP of every class against its training pairs; None where either is not known."""
    shown = [source for source in sources if (counts := trained(source)) is not None and len(counts)]
    if not shown:
        return None
    counts = trained(shown[0])
    assert counts is not None
    lines = [_sentence(source, counts) for source in shown]
    return Section(
        "frequency", "Rare and frequent classes", tuple(lines), (_chart(shown, counts), _bins(shown, counts))
    )


def _sentence(source: Source, counts: Array) -> str:
    figure = "the rank correlation (Spearman) of AP with the number of training pairs"
    value = spearman(counts, source.result.per_class[AP])
    told = "does not exist, as one of the two is the same for all classes" if math.isnan(value) else f"is {value:.2f}"
    return f"{source.name}: {figure} {told}."


def trained(source: Source) -> Array | None:
    """(K,) training pairs of the classes, None where they, or the figures of the classes, are not known."""
    if source.result.protocol != PROTOCOL or AP not in source.result.per_class:
        return None
    told = source.result.inputs.get("truth", {}).get("labels", {})
    try:
        labels = source.inputs.truth.meta.labels if source.inputs else load_labels(told.get("name", ""))
    except HoitoolError:
        return None
    known = labels.hash == told.get("sha256") and (labels.train_instances >= 0).all()
    return labels.train_instances if known else None


def _chart(sources: Sequence[Source], counts: Array) -> Chart:
    names = [str(name) for name in class_names(sources[0].result.per_class)]
    series = []
    for source in sources:
        ap = source.result.per_class[AP]
        told = [
            f"{name}: {100 * value:.1f} %, {n:,} training pairs"
            for name, value, n in zip(names, ap, counts, strict=True)
        ]
        series.append(charts.Points(source.name, np.maximum(counts, 1).tolist(), ap.tolist(), told))
    most = 10.0 ** np.ceil(np.log10(max(10, counts.max())))
    axes = (
        charts.Axis("training pairs (log scale)", 1, float(most), log=True),
        charts.Axis("AP (%)", 0, 1, percent=True),
    )
    columns = (
        Column("Class"),
        Column("Training pairs", "count"),
        *(Column(f"{s.name}: AP (%)", "percent") for s in sources),
    )
    values = [source.result.per_class[AP].tolist() for source in sources]
    rows = tuple(zip(names, counts.tolist(), *values, strict=True))
    data = Table("frequency-data", "AP of every class and its training pairs", columns, rows)
    summary = "Every point is a class: its average precision (Default) against how many training pairs it has."
    return Chart(
        "AP against training pairs", summary, charts.points(series, *axes), tuple(s.name for s in sources), data
    )


def _bins(sources: Sequence[Source], counts: Array) -> Table:
    """The mean AP of classes with about as many training pairs."""
    rows = []
    for low, next_low in pairwise((*TRAINED, np.inf)):
        among = (counts >= low) & (counts < next_low)
        if among.any():
            name = f"{low:,} or more" if next_low == np.inf else f"{low:,} to {next_low - 1:,}"
            cells: list[Cell] = [float(source.result.per_class[AP][among].mean()) for source in sources]
            rows.append((name, int(among.sum()), *cells))
    columns = (
        Column("Training pairs"),
        Column("Classes", "count"),
        *(Column(f"{s.name}: mean AP (%)", "percent") for s in sources),
    )
    return Table("frequency-bins", "Mean AP by training pairs", columns, tuple(rows))
