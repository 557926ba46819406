"""What people see on a terminal. Every function returns a rich renderable; the commands print it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hoitool.eval import Result
from hoitool.report.layout import RANKS, figure, interval, sampled, title

COUNTS = ("images", "captions", "pairs", "detections", "image_labels", "scores", "sts_pairs", "sis_pairs", "sits_pairs")
QUERIES = ("retrieval", "cxc")  # protocols whose means are over queries, or rated pairs
SIDE_BY_SIDE = 2  # metrics whose figures and intervals a terminal has room for beside each other
METRIC_TITLES = {
    "mAP": "mAP",
    "recall": "Recall",
    "mAP_low": "mAP, ties worst",
    "mAP_high": "mAP, ties best",
    "medR": "Median rank",
    "meanR": "Mean rank",
}


def result_report(result: Result) -> RenderableType:
    """The figures of a result in per cent, what was scored, the notes and the signature."""
    metrics = list(dict.fromkeys(name for row in result.rows for name in row.metrics))
    long = result.sampling is not None and len(metrics) > SIDE_BY_SIDE
    table = _one_below_the_other(result, metrics) if long else _side_by_side(result, metrics)
    lines: list[RenderableType] = [table, *_scored(result.inputs), *_splits(result)]
    lines += [Text(f"{line}.") for line in sampled(result)]
    lines += [Text(f"Note: {note}.", style="yellow") for note in result.notes]
    lines.append(Text(result.signature, style="dim"))
    return Group(*lines)


def _headed(result: Result) -> Table:
    table = Table(title=f"{result.protocol} · {result.variant}", title_justify="left", header_style="bold")
    table.add_column("Setting")
    table.add_column("Split")
    table.add_column("Queries" if result.protocol in QUERIES else "Classes", justify="right")
    return table


def _side_by_side(result: Result, metrics: list[str]) -> Table:
    """A line for each setting and split, a column for each metric."""
    table = _headed(result)
    for name in metrics:
        table.add_column(_named(name), justify="right")
    for setting in result.settings:
        for i, row in enumerate(result.select(setting).rows):
            figures = [
                Text(figure(name, row.metrics.get(name, math.nan))).append(f" {interval(name, row)}".rstrip(), "dim")
                for name in metrics
            ]
            table.add_row(title(setting) if i == 0 else "", title(row.split), str(row.classes), *figures)
        table.add_section()
    return table


def _one_below_the_other(result: Result, metrics: list[str]) -> Table:
    """A line for each figure and its interval."""
    table = _headed(result)
    table.add_column("Metric")
    table.add_column("Figure", justify="right")
    table.add_column("Interval", justify="right")
    for setting in result.settings:
        for i, row in enumerate(result.select(setting).rows):
            heads = [title(setting) if i == 0 else "", title(row.split), str(row.classes)]
            for name in (name for name in metrics if name in row.metrics):
                table.add_row(*heads, _named(name), figure(name, row.metrics[name]), Text(interval(name, row), "dim"))
                heads = ["", "", ""]
        table.add_section()
    return table


def _named(metric: str) -> str:
    return f"{METRIC_TITLES.get(metric, metric)}{'' if metric in RANKS else ' (%)'}"


def _scored(inputs: Mapping[str, Any]) -> list[Text]:
    lines = [Text(f"{'Store':<12}{_store(held)}") for held in inputs.get("stores", ())]
    for name in ("truth", "predictions"):
        held = inputs.get(name, {})
        if not held and "stores" in inputs:
            continue
        digest = f" sha256 {held['sha256'][:12]}" if "sha256" in held else ""
        counts = [f"{held[k]:,} {k.replace('_', ' ')}" for k in COUNTS if k in held]
        if held.get("swapped_boxes"):
            counts.append(f"{held['swapped_boxes']:,} boxes with swapped corners (scored as they are)")
        where = f"{held['path']}{digest} · " if "path" in held else ""
        lines.append(Text(f"{name.capitalize():<12}{where}{', '.join(counts)}"))
    return lines


def _store(held: Mapping[str, Any]) -> str:
    """A feature store, or the arrays that stand for one, which name no model."""
    if "content" in held:
        return f"{held['path']} · {held['model']}, content {held['content'][:12]}"
    return f"{held['path']} sha256 {held['sha256'][:12]}"


def _splits(result: Result) -> list[Text]:
    """What the splits that are shown mean: rare in which training data, other splits with their hash."""
    held = result.inputs.get("splits", {})
    shown = dict.fromkeys(name.rpartition(":")[0] or name for name in result.splits)
    if "non-rare" in shown:
        shown["rare"] = None
    lines = []
    for name in shown:
        if means := held.get(name, {}).get("means"):
            digest = f" {held[name]['hash'][:12]}" if "hash" in held[name] else ""
            lines.append(Text(f"{title(name):<12}{means}{' · split' + digest if digest else ''}"))
    return lines


def facts(name: str, values: Mapping[str, Any]) -> RenderableType:
    """A two-column table of named values."""
    table = Table(title=name, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in values.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} {v}" for k, v in value.items()) or "-"
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value)) or "-"
        elif isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        table.add_row(key, str(value))
    return table


def grid(name: str, heads: list[str], rows: list[list[str]]) -> RenderableType:
    """A plain table."""
    table = Table(title=name, title_justify="left", header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
