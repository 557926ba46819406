"""hoitool report: what results say, as one page to read and send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show_json
from hoitool.commands.names import ALL_PROTOCOLS, SHOWN_SPLITS, SUBSETS, variants


def report(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT|RUN...",
            help="A result.json, a folder with one, a run, or predictions; default: the newest run in runs/.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="File to write; default: report.html.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(metavar="html|md|latex|csv|json", help="Format of the report; default: by the file's name."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Annotations; default: those that the result names, or the file in data/.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="What predictions are scored by; default: by what they hold.", autocompletion=ALL_PROTOCOLS),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the protocol; default: the official one.", autocompletion=variants)
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Images of the truth: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="A split to report on too, where predictions are scored (`hoitool split list`).",
            autocompletion=SHOWN_SPLITS,
        ),
    ] = "all",
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images, to show errors on their pictures.")
    ] = None,
    gallery: Annotated[int, typer.Option(min=0, help="How many pictures of errors to show, with --images.")] = 60,
    ci: Annotated[
        bool, typer.Option("--ci/--no-ci", help="Confidence intervals, and comparison of several results.")
    ] = True,
    resamples: Annotated[int, typer.Option(help="How often the images are drawn again for intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="The seed of these draws.")] = 0,
    level: Annotated[float, typer.Option(help="What an interval holds.")] = 0.95,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a report on one result or several: figures, curves, classes, errors, pictures, and where it all is from."""
    from hoitool.diagnose.bootstrap import Sampling
    from hoitool.embed.pictures import Pictures
    from hoitool.report.document.making import document, target, write
    from hoitool.report.document.sources import Wanted, open_sources

    file, named = target(out, format, overwrite)
    if images is not None:
        Pictures(images)  # the folder is looked for before the work, not after it
    sampling = Sampling(resamples, seed, level) if ci else None
    sources = open_sources(paths or (), Wanted(truth, protocol, variant, subset, split, sampling))
    made = document(sources, sampling, images, gallery)
    write(made, file, named)
    for source in sources:
        for remark in source.remarks:
            say(f"{source.name}: {remark}")
        if source.missing:
            say(f"note: {source.name} was not read again: {source.missing}")
    if as_json:
        show_json({"report": str(file), "format": named, "results": [source.name for source in sources]})
    say(f"wrote {file}")
