"""What the commands of `hoitool embed` share: options, and the way from them to a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import DEVICES, ENCODERS, FORMATS, PRECISIONS, SUBSETS, of_these

if TYPE_CHECKING:
    from hoitool.embed.encoder import Encoder
    from hoitool.embed.job import Job
    from hoitool.report.embedding import Made

SHOWN = 20  # images that were left out, on a terminal


@dataclass(frozen=True)
class Choice:
    """Which encoder, and how it computes."""

    model: Annotated[
        str,
        typer.Option(
            metavar="NAME[:VARIANT]",
            help="Encoder: clip, bert, simcse, roberta, minilm, hf:ID, timm:NAME, hashed.",
            autocompletion=ENCODERS,
        ),
    ] = "clip"
    weights: Annotated[
        str | None, typer.Option(metavar="TAG|PATH", help="Its weights; default: the published ones.")
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...", autocompletion=DEVICES)] = "auto"
    precision: Annotated[
        str, typer.Option(help="Of the arithmetic: fp32, bf16 or fp16.", autocompletion=PRECISIONS)
    ] = "fp32"
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model first (torch.compile).")] = False
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the pictures in pixels, squashed; default: as it was trained.")
    ] = None


@dataclass(frozen=True)
class Storing:
    """Where to write and how."""

    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Store to write; default: in features/.")
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Of what is stored: float32 (default for texts) or float16 (for pictures).",
            autocompletion=of_these("float32", "float16"),
        ),
    ] = None
    raw: Annotated[bool, typer.Option("--raw", help="Store rows as the encoder gives them, not normalised.")] = False
    batch_size: Annotated[str, typer.Option(metavar="N|auto", help="Inputs in a batch.")] = "auto"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store, finished or not.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be made, how large it is, and stop.")] = (
        False
    )
    as_json: Json = False


@dataclass(frozen=True)
class Loading:
    """Which pictures, and how they are read."""

    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Folder of the pictures; default: raw/<dataset>/images."),
    ] = None
    subset: Annotated[str | None, typer.Option(help="Only this subset: train, test, ...", autocompletion=SUBSETS)] = (
        None
    )
    source_format: Annotated[
        str | None, typer.Option("--from", help="Format of DATASET; default: recognised.", autocompletion=FORMATS)
    ] = None
    workers: Annotated[int | None, typer.Option(min=1, help="Loading threads; default: one a core, at most 16.")] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a picture that cannot be read; default: list it, exit code 3.")
    ] = False


Data = Annotated[
    Path | None, typer.Argument(metavar="[DATASET]", help="Annotations in any format; default: the one in data/.")
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="How a picture fills the encoder's input: centre-crop, squash or pad; default: its own.",
        autocompletion=of_these("centre-crop", "squash", "pad"),
    ),
]


def encoder_of(kinds: str, choice: Choice, pooling: str | None = None, space: str = "joint") -> Encoder:
    """The encoder that the options name, which must be able to embed these kinds of things."""
    from hoitool import workspace
    from hoitool.embed.encoder import settings
    from hoitool.embed.load import load
    from hoitool.progress import working

    weights, local = choice.weights, workspace.weights_of(choice.model)
    if weights is None and local is not None:
        say(f"took the weights {local} (name others with --weights)")
        weights = str(local)
    chosen = settings(weights, pooling, space, choice.device, choice.precision, choice.compile, choice.image_size)
    with working(f"loading {choice.model}"):
        return load(choice.model, chosen, kinds)


def scenes_of(source: Path | None, loading: Loading) -> Any:
    """The images of a dataset or a folder; says what was taken where none is named."""
    from hoitool.report.embedding_of import scenes

    found = scenes(source, loading.images, loading.subset, loading.source_format)
    if source is None:
        say(f"took {found.name} of data/ (name another as the first argument)")
    return found


def make_store(
    job: Job,
    encoder: Encoder,
    choice: Choice,
    storing: Storing,
    loading: Loading,
    of: Any,
    what: str = "",
    renew: bool = False,
) -> Made:
    """Make a store of words or scenes (`of`), by default under its conventional name; what: what it holds of them."""
    from hoitool import workspace
    from hoitool.embed.load import short_name
    from hoitool.report.embedding import Target, batch_size, make

    out = storing.out or workspace.features_path(of.name + what, short_name(choice.model))
    target = Target(
        out,
        say,
        storing.overwrite,
        storing.dry_run,
        batch_size(storing.batch_size),
        loading.workers,
        loading.strict,
        of.space,
        renew,
    )
    return make(job, target, encoder)


def report(made: list[Made], as_json: bool) -> None:
    """Show what was made; then raise for images that were left out."""
    if as_json:
        show_json([each.summary() for each in made])
    for each in made:
        if each.done is not None:
            left_out(each.done.failed)
        for note in each.notes:
            say(f"note: {note}")
        if not as_json:
            show(each.told())
    for each in made:
        each.raise_for()


def left_out(failed: dict[str, str]) -> None:
    """Say which images have no rows, and why."""
    for key, reason in list(failed.items())[:SHOWN]:
        say(f"left out {key}: {reason}")
    if len(failed) > SHOWN:
        say(f"... and {len(failed) - SHOWN:,} more (all of them with --json)")
