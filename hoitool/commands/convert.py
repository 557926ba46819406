"""hoitool convert: annotations and predictions from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import FILTERS, FORMATS, SUBSETS

if TYPE_CHECKING:
    from hoitool.convert.job import Conversion


def convert(
    source: Annotated[
        Path | None, typer.Argument(help="File or folder to read; default: all of raw/ that is recognised.")
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help="Its format; default: recognised.", autocompletion=FORMATS)
    ] = None,
    target_format: Annotated[str, typer.Option("--to", help="Format to write.", autocompletion=FORMATS)] = "hoitool",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File or folder to write; default: in the workspace.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Annotations that predictions belong to: image order and labels.")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Only this subset: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    shards: Annotated[
        int, typer.Option(help="Read as a stream, write a folder of this many files: long scene graphs.")
    ] = 1,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME",
            help="Leave out, counted; names: --explain visual-genome. May repeat.",
            autocompletion=FILTERS,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    list_formats: Annotated[bool, typer.Option("--list", help="List the formats and stop.")] = False,
    explained: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="FORMAT",
            help="Show a format's page, with an example, and stop.",
            autocompletion=FORMATS,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert annotations or predictions; say what was read, and what was dropped and why."""
    if list_formats:
        _list(as_json)
        return
    if explained is not None:
        _explain(explained, as_json)
        return
    from hoitool.convert.job import Options, convert_workspace
    from hoitool.convert.job import convert as run
    from hoitool.progress import working

    options = Options(
        source_format,
        target_format,
        out,
        truth,
        subset,
        overwrite,
        tell=say,
        shards=shards,
        filters=tuple(filters or ()),
    )
    with working(f"converting {source or 'raw/'}"):
        done, unknown, failed = ([run(source, options)], [], []) if source else convert_workspace(options)
    for path in unknown:
        say(f"skipped {path}: no known format")
    if as_json:
        show_json([made.summary() for made in done])
    else:
        for made in done:
            _show(made)
    for path, error in failed[1:]:
        say(f"failed {path}: {error}")
    if failed:
        raise failed[0][1]


def _show(made: Conversion) -> None:
    from hoitool.report.terminal import grid

    columns = ["subset", "kind", "images", "boxes", "pairs", "classes_with_pairs", "image_labels_present"]
    columns += ["captions"] if any("captions" in part for part in made.parts) else []
    rows = [[_cell(part.get(name, "-")) for name in columns] for part in made.parts]
    heads = [name.replace("_", " ") for name in columns]
    show(grid(f"{made.source} ({made.source_format}): read", heads, rows))
    for reason, count in made.dropped.items():
        say(f"dropped {count:,}: {reason}")
    if not made.dropped:
        say("dropped nothing in reading")
    for note in made.notes:
        say(f"note: {note}")
    for path in made.written:
        show(f"wrote {path}")


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _explain(name: str, as_json: bool) -> None:
    from hoitool.convert.page import explained

    told = explained(name)
    if as_json:
        show_json(told)
    else:
        show(told["page"].rstrip("\n"))


def _list(as_json: bool) -> None:
    from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named
    from hoitool.convert.page import kind
    from hoitool.report.terminal import grid

    rows = [[name, kind(name), format_named(name).SUMMARY] for name in [*FORMATS, *PREDICTION_FORMATS]]
    if as_json:
        show_json([dict(zip(("name", "holds", "summary"), row, strict=True)) for row in rows])
    else:
        show(grid("Formats, each read and written", ["name", "holds", "what"], rows))
