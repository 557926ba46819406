"""hoitool eval: the score of predictions under a named protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json

if TYPE_CHECKING:
    from hoitool.eval import Result


def evaluate(
    predictions: Annotated[
        Path | None, typer.Argument(help="Predictions in any format; default: the newest run in runs/.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Annotations; default: the matching file in data/.")] = None,
    protocol: Annotated[str, typer.Option(help="What to score by; see `hoitool explain`.")] = "hico-det",
    variant: Annotated[str | None, typer.Option(help="Variant of the protocol; default: the official one.")] = None,
    setting: Annotated[str, typer.Option(help="default, known-object, or all.")] = "all",
    split: Annotated[str, typer.Option(help="Classes to show: full, rare, non-rare, or all.")] = "all",
    subset: Annotated[str | None, typer.Option(help="Images of the truth: train, test, ...")] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help="Format of the predictions; default: recognised.")
    ] = None,
    per_class: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures of every class (.csv or .parquet).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Write result.json, per-class.csv, table.md and table.tex."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score predictions exactly as a published protocol does."""
    from hoitool import workspace
    from hoitool.convert.inputs import gather
    from hoitool.eval import choose_variant, score
    from hoitool.progress import working

    variant = choose_variant(protocol, variant)
    if per_class is not None:
        from hoitool.report.per_class import check_suffix, write_per_class

        check_suffix(per_class)
    with working("scoring"):
        inputs = gather(predictions, truth, subset, source_format)
        result = score(inputs.truth, inputs.predictions, protocol, variant)
        result = result.traced(truth=inputs.truth_path, predictions=inputs.predictions_path)
    for line in inputs.notes:
        say(line)
    shown = result.select(setting, split)
    if per_class is not None:
        write_per_class(result, per_class)
    run = workspace.run_folder(inputs.predictions_path)
    if out is not None:
        from hoitool.report.save import save

        save(result, out, run.name if run else inputs.predictions_path.stem)
    if as_json:
        show_json(shown.to_json())
        for note in result.notes:
            say(f"note: {note}")
    else:
        from hoitool.report.terminal import result_report

        show(result_report(shown))
    if out is None and run is not None:
        _keep(result, run, variant == choose_variant(protocol))


def _keep(result: Result, run: Path, official: bool) -> None:
    """Leave the result in the run's folder, a variant's under its own name; where that cannot be, only say so."""
    from hoitool.errors import HoitoolError
    from hoitool.files import write_text

    try:
        write_text(run / ("result.json" if official else f"result-{result.variant}.json"), result.to_json() + "\n")
    except HoitoolError as error:
        say(f"note: {error}")
