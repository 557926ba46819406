"""hoitool predict: scores for images, of feature stores alone so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.errors import UsageError


def predict(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="With --zero-shot: a feature store of images.")],
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="With --zero-shot: a feature store of labels.")],
    zero_shot: Annotated[
        bool, typer.Option("--zero-shot", help="Score by the cosine of each image's row with each label's.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Where to write (.parquet); default: runs/zero-shot-<model>/predictions-<subset>.parquet.",
        ),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The prompt set of LABELS to take, or all: their average."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out images that could not be embedded.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Predict for images, so that `hoitool eval` can score it."""
    if not zero_shot:
        raise UsageError("say what predicts: --zero-shot IMAGES LABELS")
    from hoitool.predict import zero_shot as way
    from hoitool.progress import working

    with working("predicting"):
        made = way.zero_shot(images, labels, out, prompts, allow_missing, overwrite)
    if made.left_out:
        say(f"left out {len(made.left_out):,} images that could not be embedded, the first {made.left_out[0]!r}")
    if as_json:
        show_json(made.summary())
        return
    show(f"scored {made.images:,} images by {made.meta.classes:,} {made.meta.label_kind} of {made.meta.labels.name}")
    show(f"wrote {made.path}")
