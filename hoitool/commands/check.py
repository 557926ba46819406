"""hoitool check: what is wrong with data, and a mended copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import FORMATS, SUBSETS


def check(
    dataset: Annotated[Path, typer.Argument(help="Annotations or predictions in any format.")],
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="Look at the image files in this folder.")] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a mended copy, a .parquet file or a folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write all findings (.csv, .json or .jsonl).")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Only this subset: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help="Its format; default: recognised.", autocompletion=FORMATS)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Annotations that predictions belong to: image order and labels.")
    ] = None,
    min_iou: Annotated[float, typer.Option(help="From which overlap boxes and pairs are almost the same.")] = 0.95,
    tolerance: Annotated[
        float | None, typer.Option(help="How far a box may leave its image; default: 0.011 pixels, 0.00001 of 0..1.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many findings of each kind to show.")] = 5,
    show_all: Annotated[bool, typer.Option("--all", help="Show all findings.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as wrong too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Check boxes, pairs, labels, images and counts; exit code 3 when something is wrong."""
    from hoitool.data.quality import Rules
    from hoitool.progress import working
    from hoitool.report.checking import check_path, check_suffix, write_findings
    from hoitool.report.findings import findings_report, fixed_report

    if out is not None:
        check_suffix(out, overwrite)
    with working(f"checking {dataset}"):
        rules = Rules(min_iou, tolerance)
        checked = check_path(dataset, source_format, truth, subset, images, rules, fix, overwrite)
    if as_json:
        show_json(checked.summary(strict))
    else:
        show(findings_report(checked.report, str(dataset), None if show_all else limit))
    for note in (*checked.notes, *checked.report.notes):
        say(f"note: {note}")
    if checked.fixed is not None and not as_json:
        show(fixed_report(checked.fixed))
    if out is not None:
        write_findings(checked, out, strict)
        say(f"wrote {out}")
    if failure := checked.failure(strict):
        raise failure
