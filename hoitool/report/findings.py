"""What a check found, as people see it on a terminal."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hoitool.data.quality import KINDS, Findings, Report
from hoitool.report.checking import Fixed

STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def findings_report(report: Report, title: str, limit: int | None = 5) -> RenderableType:
    """A table of the kinds found, then the first `limit` findings of each kind (None: all)."""
    if not report.findings:
        return Text(f"{title}: nothing found", style="green")
    lines: list[RenderableType] = [kinds_table(report, title)]
    for kind in dict.fromkeys(found.kind for found in report.findings) if limit != 0 else []:
        lines += _examples(kind, [found for found in report.findings if found.kind == kind], limit)
    return Group(*lines)


def _examples(kind: str, held: list[Findings], limit: int | None) -> list[Text]:
    """The first findings of a kind, and how many more there are."""
    total = sum(map(len, held))
    lines = [Text(f"\n{kind}: {KINDS[kind].meaning}", style=STYLES[held[0].severity])]
    records = chain.from_iterable(found.records() for found in held)
    lines += [Text(f"  {line(record)}") for record in islice(records, limit)]
    if limit is not None and total > limit:
        lines.append(Text(f"  and {total - limit:,} more (--all shows them)", style="dim"))
    return lines


def kinds_table(report: Report, title: str) -> Table:
    """One row per kind and subset, the worst first."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for head in ("kind", "severity", "subset"):
        table.add_column(head)
    for head in ("findings", "images"):
        table.add_column(head, justify="right")
    table.add_column("what")
    for row in report.summary():
        images = f"{row['images']:,}" if row["images"] else "-"
        severity = Text(row["severity"], style=STYLES[row["severity"]])
        table.add_row(row["kind"], severity, row["subset"] or "-", f"{row['findings']:,}", images, row["meaning"])
    return table


def line(record: dict[str, Any]) -> str:
    """A finding in one line: subset, image, row and what it is."""
    place = [record["subset"], record["image"]]
    if record["row"] is not None:
        place.append(f"{KINDS[record['kind']].about} {record['row']}")
    return f"{' '.join(filter(None, place))}: {record['text']}"


def fixed_report(fixed: Fixed) -> RenderableType:
    """What was mended, where it is, and what is left in it."""
    lines = [Text(f"{KINDS[kind].mended}: {count:,}") for kind, count in fixed.changes.items()]
    lines = lines or [Text("nothing to mend")]
    lines += [Text(f"wrote {path}") for path in fixed.written]
    left = [f"{count:,} {kind}" for kind, count in fixed.report.by_kind("error", "warning").items()]
    lines.append(Text(f"left in it: {', '.join(left) or 'no errors, no warnings'}"))
    return Group(*lines)
