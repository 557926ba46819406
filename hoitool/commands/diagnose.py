"""hoitool diagnose: why predictions fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import ALL_PROTOCOLS, FORMATS, SETTINGS, SHOWN_SPLITS, SUBSETS, variants


def diagnose(
    predictions: Annotated[
        Path | None, typer.Argument(help="Predictions in any format; default: the newest run in runs/.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Annotations; default: the matching file in data/.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="hico-det or v-coco; default: by what the predictions hold.", autocompletion=ALL_PROTOCOLS),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the protocol; default: the official one.", autocompletion=variants)
    ] = None,
    setting: Annotated[
        str | None,
        typer.Option(
            help="default, known-object, scenario-1, agent, ...; default: the protocol's first.",
            autocompletion=SETTINGS,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Classes to show: full, rare, ..., all; a split (`hoitool split list`).", autocompletion=SHOWN_SPLITS
        ),
    ] = ("all"),
    counts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Training data to count training pairs and rare classes in; default: the full set."
        ),
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Images of the truth: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    source_format: Annotated[
        str | None,
        typer.Option("--from", help="Format of the predictions; default: recognised.", autocompletion=FORMATS),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many objects and verbs to show, those that lose most.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Write diagnosis.json, tables of classes and errors, PNG and SVG pictures.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say why detections are false and pairs are missed, and what repairing each cause would gain."""
    from hoitool.progress import working
    from hoitool.report.diagnosing import diagnose_files
    from hoitool.report.diagnosis import diagnosis_report, save_diagnosis, selected

    with working("diagnosing"):
        made = diagnose_files(predictions, truth, protocol, variant, setting, split, counts, subset, source_format)
    for line in made.notes:
        say(line)
    shown = selected(made.found, made.shown)
    if as_json:
        show_json(shown.to_json())
    else:
        show(diagnosis_report(shown, top))
    if out is not None:
        for path in save_diagnosis(made.found, out):
            say(f"wrote {path}")
