"""hoitool draw: pictures of what a file holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import ALL_PROTOCOLS, SETTINGS, SHOWN_SPLITS, SUBSETS, of, variants

CURVES, CURVE_FORMS = of("hoitool.report.curves:KINDS"), of("hoitool.viz.figure:FORMS")
SHOWN = 20  # rows in the table on a terminal
app = typer.Typer(help="Pictures: what files say of images, curves of results, maps of embeddings.")


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
    if not image and limit < drawn.images:
        say(f"--limit draws more than {limit}, --image others")


class Width(StrEnum):
    """How wide a figure is."""

    column = "column"
    page = "page"


@app.command("curves")
def curves(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT...",
            help="A result.json, a folder with one, a run, or predictions; default: the newest run.",
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Annotations; default: those that the result names.")
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
    setting: Annotated[
        str, typer.Option(help="default, known-object, ...; default: the first.", autocompletion=SETTINGS)
    ] = "",
    split: Annotated[
        str,
        typer.Option(
            help="Classes in the mean: full, rare, rf-uc, ..., all; default: all of one result, else full.",
            autocompletion=SHOWN_SPLITS,
        ),
    ] = "",
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Also the curve of this class; repeatable.")
    ] = None,
    what: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="precision-recall, classes, frequency or recall, repeatable; default: all.",
            autocompletion=CURVES,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write.")] = Path("curves"),
    forms: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="png|svg|pdf",
            help="Repeatable; default: png and svg.",
            autocompletion=CURVE_FORMS,
        ),
    ] = None,
    width: Annotated[
        Width, typer.Option(metavar="column|page", help="Of a figure: a paper's column or its page; panels: a page.")
    ] = Width.column,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw curves of results: precision over recall, AP against training pairs, recall over detections of an image."""
    from hoitool.report.curves import KINDS, Asked, curves
    from hoitool.report.document.sources import Wanted
    from hoitool.viz.figure import USUAL

    asked = Asked(
        what or KINDS,
        setting,
        split,
        classes or (),
        out,
        forms or USUAL,
        width.value,
        overwrite,
    )
    drawn = curves(paths or (), Wanted(truth, protocol, variant, subset), asked)
    for note in drawn.notes:
        say(f"note: {note}")
    if as_json:
        show_json(drawn.to_json())
    for path in drawn.written:
        say(f"wrote {path}")


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
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw the rows of a feature store by PCA and t-SNE; list nearest neighbours; say how isotropic they are."""
    from hoitool.files import refuse_overwrite
    from hoitool.progress import working
    from hoitool.report.embeddings import Wanted, look
    from hoitool.report.terminal import facts, grid
    from hoitool.viz.embeddings import METHODS, check_suffix
    from hoitool.viz.figure import USUAL

    pictures = out or [path.with_suffix(f".{form}") for form in USUAL]
    for picture in pictures:
        check_suffix(picture)
        refuse_overwrite(picture, overwrite)
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
