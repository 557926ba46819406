"""What people see on a terminal. Every function returns a rich renderable; the commands print it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hoitool.eval import Result, Row
from hoitool.report.layout import BOUNDS, RANKS, figure, interval, sampled, title

COUNTS = ("images", "captions", "pairs", "detections", "image_labels", "scores", "sts_pairs", "sis_pairs", "sits_pairs")
QUERIES = ("retrieval", "cxc")  # protocols whose means are over queries, or rated pairs
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
    table = Table(title=f"{result.protocol} · {result.variant}", title_justify="left", header_style="bold")
    table.add_column("Setting")
    table.add_column("Split")
    table.add_column("Queries" if result.protocol in QUERIES else "Classes", justify="right")
    for name in metrics:
        table.add_column(f"{METRIC_TITLES.get(name, name)}{'' if name in RANKS else ' (%)'}", justify="right")
    for setting in result.settings:
        for i, row in enumerate(result.select(setting).rows):
            figures = [_cell(name, row) for name in metrics]
            head = title(setting) if i == 0 else ""
            table.add_row(head, title(row.split), str(row.classes), *figures)
        table.add_section()
    lines: list[RenderableType] = [table, *_scored(result.inputs), *_splits(result)]
    lines += [Text(f"{line}.") for line in sampled(result)]
    lines += [Text(f"Note: {note}.", style="yellow") for note in result.notes]
    lines.append(Text(result.signature, style="dim"))
    return Group(*lines)


def _cell(metric: str, row: Row) -> Text:
    """A figure, and its interval where it has one; bounds are told without."""
    value = Text(figure(metric, row.metrics.get(metric, math.nan)))
    held = "" if metric.endswith(BOUNDS) else interval(metric, row)
    return value.append(f" {held}", style="dim") if held else value


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
