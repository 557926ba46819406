"""hoitool draw: pictures of what a file holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json

SHOWN = 20  # rows in the table on a terminal
app = typer.Typer(help="Pictures: maps of embeddings.")


class Colour(StrEnum):
    """What points are coloured by."""

    supercategory = "supercategory"
    object = "object"
    verb = "verb"


class Method(StrEnum):
    """How rows come onto a plane."""

    pca = "pca"
    tsne = "tsne"
    both = "both"


@app.command("embeddings")
def embeddings(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A feature store: labels, verbs, regions, images, ...")],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="Picture to write (.png or .svg), repeatable; default: both, by FILE."
        ),
    ] = None,
    colour: Annotated[
        Colour | None,
        typer.Option(metavar="supercategory|object|verb", help="Colour points by; default: the first that is known."),
    ] = None,
    method: Annotated[Method, typer.Option(metavar="pca|tsne|both", help="Which maps to draw.")] = Method.both,
    part: Annotated[
        str | None, typer.Option(metavar="NAME", help="Rows of this part (prompt set, union, ...); default: the first.")
    ] = None,
    neighbours: Annotated[int, typer.Option(min=1, help="How many nearest neighbours to list.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of t-SNE, and of a sample of many rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw the rows of a feature store by PCA and t-SNE; list nearest neighbours; say how isotropic they are."""
    from hoitool.progress import working
    from hoitool.report.embeddings import Wanted, look
    from hoitool.report.terminal import facts, grid
    from hoitool.viz.embeddings import METHODS, SUFFIXES, check_suffix

    pictures = out or [path.with_suffix(suffix) for suffix in SUFFIXES]
    for picture in pictures:
        check_suffix(picture)
    methods = tuple(METHODS) if method is Method.both else (method.value,)
    with working(f"drawing {path}"):
        found = look(path, pictures, Wanted(colour and colour.value, methods, part, neighbours, seed))
    if as_json:
        show_json(found.to_json())
    else:
        show(facts(str(path), found.facts()))
        rows = found.table(SHOWN)
        show(grid("Nearest neighbours (cosine), the nearest first", ["row", "neighbours"], rows))
        if len(rows) < len(found.rows.names):
            show(f"... and {len(found.rows.names) - len(rows):,} more (all of them with --json)")
    for note in found.rows.notes:
        say(f"note: {note}")
    for picture in pictures:
        say(f"wrote {picture}")
