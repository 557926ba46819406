"""hoitool stats: how data are spread over classes, images, objects and verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import FORMATS, SUBSETS


def stats(
    dataset: Annotated[Path, typer.Argument(help="Annotations or predictions in any format.")],
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the figures too (.png).")] = None,
    subset: Annotated[
        str | None, typer.Option(help="Only this subset: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help="Its format; default: recognised.", autocompletion=FORMATS)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Annotations that predictions belong to: image order and labels.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the most and least frequent classes to show.")] = 5,
    as_json: Json = False,
) -> None:
    """Count images, boxes and pairs; show the long tail, pairs per image, and objects with verbs."""
    from hoitool.convert.inputs import read_parts
    from hoitool.data.distribution import distribution
    from hoitool.progress import working
    from hoitool.report.distribution import distribution_report
    from hoitool.viz.distribution import check_suffix, draw

    if png is not None:
        check_suffix(png)
    with working(f"counting {dataset}"):
        parts, notes = read_parts(dataset, source_format, truth, subset)
        held = [distribution(part) for part in parts]
        if png is not None:
            draw(held, png, parts[0].meta.dataset or dataset.name)
    if as_json:
        show_json({"dataset": str(dataset), "parts": [part.to_json() for part in held]})
    else:
        show(distribution_report(held, str(dataset), top))
    for note in notes:
        say(f"note: {note}")
    if png is not None:
        say(f"wrote {png}")
