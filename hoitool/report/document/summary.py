"""The first section of a report: the figures with their intervals, in a sentence, a chart and tables; signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hoitool.eval import Row
from hoitool.report.document import charts
from hoitool.report.document.parts import Cell, Chart, Column, Estimate, Kind, Part, Section, Table, interval, written
from hoitool.report.document.sources import Source
from hoitool.report.layout import RANKS, main_metrics, percent, title
from hoitool.report.terminal import METRIC_TITLES, QUERIES

DRAWN = 24  # rows of the chart, at most


def summary(sources: Sequence[Source]) -> Section:
    """The figures of results by one protocol, variant and truth."""
    lines = [_sentence(source) for source in sources]
    lines += dict.fromkeys(sampling for source in sources if (sampling := told_sampling(source)))
    lines += [
        f"{source.name}: only what its file holds is shown, and no curves, intervals or errors are made of its data, "
        f"because {source.missing}."
        for source in sources
        if source.missing
    ]
    lines += dict.fromkeys(f"Note: {note}." for source in sources for note in source.result.notes)
    parts: list[Part] = [*_charts(sources)]
    parts += [_figures(sources[0])] if len(sources) == 1 else _side_by_side(sources)
    parts.append(_signatures(sources))
    return Section("summary", "Summary", tuple(lines), tuple(parts))


def estimate(row: Row, metric: str) -> Estimate:
    """A figure of a row with its interval, where it has one."""
    return Estimate(row.metrics.get(metric, math.nan), *row.intervals.get(metric, (math.nan, math.nan)))


def kind_of(metric: str) -> Kind:
    """How a metric is written: ranks as they are, everything else in per cent."""
    return "number" if metric in RANKS else "percent"


def metric_title(metric: str) -> str:
    """What a metric is called at the head of a column."""
    return METRIC_TITLES.get(metric, metric) + ("" if metric in RANKS else " (%)")


def told_sampling(source: Source) -> str:
    """A sentence that says what the intervals are, nothing where there are none."""
    held = source.result.sampling
    if held is None:
        return ""
    return (
        f"[low, high] is an interval of {100 * held['level']:g} %, from {held['resamples']:,} resamples of the images "
        f"(seed {held['seed']}; {held['method']}; {held['rule']}). It says how far other images of the same kind might "
        "have moved the figure, and nothing of another training of the model."
    )


def _sentence(source: Source) -> str:
    row, metric = source.result.rows[0], source.result.headline
    made = estimate(row, metric)
    unit = "" if metric in RANKS else " %"
    ends = "" if made.certain else f" {interval(made, kind_of(metric))}"
    where = f"{title(row.split)}, {title(row.setting)} ({row.classes:,} {counted(source)})"
    return f"{source.name}: {metric} is {written(made, kind_of(metric))}{unit}{ends} on {where}."


def counted(source: Source) -> str:
    """What the means of a result are over."""
    return "queries" if source.result.protocol in QUERIES else "classes"


def _charts(sources: Sequence[Source]) -> list[Chart]:
    """The headline of every row and method, as dots with their intervals."""
    metric = sources[0].result.headline
    rows = [
        (f"{title(row.setting)}, {title(row.split)}", [_of(source, row, metric) for source in sources])
        for row in sources[0].result.rows
    ]
    if metric in RANKS or len(rows) < 2 or len(rows) * len(sources) > DRAWN:
        return []
    names = tuple(source.name for source in sources)
    columns = (Column("What"), *(Column(f"{metric} (%), {name}", "percent") for name in names))
    data = Table("summary-chart-data", f"{metric} of every row", columns, tuple((name, *held) for name, held in rows))
    known = [(each.value, f"{name}: {which}") for name, held in rows for which, each in zip(names, held, strict=True)]
    low, high = (pick((pair for pair in known if not math.isnan(pair[0])), default=(0.0, "")) for pick in (min, max))
    told = f"{metric} in per cent, from {percent(low[0])} ({low[1]}) to {percent(high[0])} ({high[1]})."
    drawing = charts.estimates(rows, f"{metric} (%)")
    with_intervals = "" if rows[0][1][0].certain else " with intervals"
    return [Chart(f"{metric}{with_intervals}", told, drawing, names if len(names) > 1 else (), data)]


def _of(source: Source, row: Row, metric: str) -> Estimate:
    """A result's figure in the place of a row, NaN where it has none."""
    found = [each for each in source.result.rows if (each.setting, each.split) == (row.setting, row.split)]
    return estimate(found[0], metric) if found else Estimate(math.nan)


def _figures(source: Source) -> Table:
    """All figures of one result: a row for each setting and split."""
    metrics = list(dict.fromkeys(name for row in source.result.rows for name in row.metrics))
    columns = (
        Column("Setting"),
        Column("Split"),
        Column(counted(source).capitalize(), "count"),
        *(Column(metric_title(name), kind_of(name)) for name in metrics),
    )
    rows: list[tuple[Cell, ...]] = [
        (title(row.setting), title(row.split), row.classes, *(estimate(row, name) for name in metrics))
        for row in source.result.rows
    ]
    return Table("figures", f"Figures of {source.name}", columns, tuple(rows))


def _side_by_side(sources: Sequence[Source]) -> list[Table]:
    """The main figures of several results: a table for each metric, a row for each method."""
    places = list(dict.fromkeys((row.setting, row.split) for source in sources for row in source.result.rows))
    made = []
    for metric in main_metrics(sources[0].result):
        columns = (
            Column("Method"),
            *(Column(f"{title(setting)} {title(split)}", kind_of(metric)) for setting, split in places),
        )
        rows: list[tuple[Cell, ...]] = []
        for source in sources:
            held = {(row.setting, row.split): estimate(row, metric) for row in source.result.rows}
            rows.append((source.name, *(held.get(place) for place in places)))
        made.append(Table(f"figures-{metric}", metric_title(metric), columns, tuple(rows)))
    return made


def _signatures(sources: Sequence[Source]) -> Table:
    """Each rule once, with the methods that were scored by it."""
    rules: dict[tuple[str, str, str], list[str]] = {}
    for source in sources:
        held = source.result
        rules.setdefault((held.protocol, held.variant, held.signature), []).append(source.name)
    columns = (Column("Protocol"), Column("Variant"), Column("Methods"), Column("Signature", "code"))
    rows = tuple((protocol, variant, ", ".join(names), rule) for (protocol, variant, rule), names in rules.items())
    return Table("signatures", "Signatures: the rule that was applied, every choice in one line", columns, rows)
