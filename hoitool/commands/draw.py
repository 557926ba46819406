"""hoitool draw: pictures of what a file holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import SUBSETS

SHOWN = 20  # rows in the table on a terminal
app = typer.Typer(help="Pictures: what files say of images, and maps of embeddings.")


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


class Form(StrEnum):
    """What pictures are written as."""

    jpg = "jpg"
    png = "png"
    svg = "svg"
    pdf = "pdf"


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace pictures that exist.")]


@app.command("boxes")
def boxes(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A dataset or predictions in any format.")],
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the pictures; default: raw/<dataset>/images.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw these annotations beside; some predictions need them.")
    ] = None,
    other: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw these predictions of another model beside too.")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Of files that hold several: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="So many labels of a picture at most, the best.")] = 10,
    min_score: Annotated[float | None, typer.Option(help="Only what scores so much or more.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="This image, by key or file name; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many images, the first of FILE, where none is named.")] = 20,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder to write; default: FILE-boxes.")
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", metavar="jpg|png|svg|pdf", help="svg and pdf: boxes and texts as vectors.")
    ] = Form.jpg,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw pairs, objects or labels on their pictures, side by side for the truth and one or two models."""
    from hoitool.progress import working
    from hoitool.report.pictures import Asked, draw_pictures

    least = float("-inf") if min_score is None else min_score
    asked = Asked(images, truth, other, subset, top, least, image or (), limit, out, form.value, overwrite)
    with working(f"drawing {path}"):
        drawn = draw_pictures(path, asked)
    for note in drawn.notes:
        say(f"note: {note}")
    if as_json:
        show_json(drawn.to_json())
    else:
        show(f"drew {len(drawn.written):,} of {drawn.images:,} images into {drawn.folder}")
    if not image and len(drawn.written) < drawn.images:
        say(f"--limit draws more than {limit}, --image others")


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
