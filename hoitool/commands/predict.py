"""hoitool predict: scores of images or of human-object pairs, by a trained model or by feature stores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import DETECTORS, DEVICES, LABELS, PRECISIONS, PROMPTS, RECIPES, SUBSETS, of_these
from hoitool.commands.options import expanded
from hoitool.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from hoitool.predict.opened import Opened
    from hoitool.predict.whole import Asked, Made

SHOWN = 20  # pictures that were left out, on a terminal
WORKERS = 8  # at most, unless more are asked for
HOW = ("task", "mask", "mask_layers", "human_power", "object_power", "interaction_power")


@dataclass(frozen=True)
class Model:
    """Which weights, and how they compute."""

    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|YAML", help="What MODEL is, where it is a file of published weights.", autocompletion=RECIPES
        ),
    ] = None
    labels: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="With --recipe: the labels of its outputs; a label space or a dataset.",
            autocompletion=LABELS,
        ),
    ] = "hico"
    best: Annotated[bool, typer.Option("--best", help="Of a run the best weights, not the last.")] = False
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Take what fits of a file of weights, and say what does not.")
    ] = False
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...", autocompletion=DEVICES)] = "auto"
    precision: Annotated[
        str, typer.Option(help="Of the arithmetic: fp32, bf16 or fp16.", autocompletion=PRECISIONS)
    ] = "fp32"


@dataclass(frozen=True)
class Pictures:
    """Which pictures, and how they are read."""

    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Folder of a dataset's pictures; default: raw/<dataset>/images."),
    ] = None
    subset: Annotated[
        str | None, typer.Option(help="Of a dataset that holds several: train, test, ...", autocompletion=SUBSETS)
    ] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 32
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read; default: the cores, at most 8.")] = (
        None
    )
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out pictures that cannot be read (exit code 3); default: stop.")
    ] = False


@dataclass(frozen=True)
class Pairs:
    """What is predicted, and of pairs how."""

    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="recognition or detection (of pairs), objects or proposals; default: its own.",
            autocompletion=of_these("recognition", "detection", "objects", "proposals"),
        ),
    ] = None
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Boxes to pair, or to name: COCO results, predictions; default: DATASET's."),
    ] = None
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Find boxes first: fasterrcnn_resnet50_fpn, detr, hf:ID, ...", autocompletion=DETECTORS
        ),
    ] = None
    detector_weights: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its weights, a file or folder; default: the published ones.")
    ] = None
    vocabulary: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Of an open-vocabulary detector: embedded labels or lines to find."),
    ] = None
    attributes: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Of such a detector: embedded lines to find each class with: red, blue."),
    ] = None
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="as-written|blocking|none|crops",
            help="How a pair is looked at; default: the model's.",
            autocompletion=of_these("as-written", "blocking", "none", "crops"),
        ),
    ] = None
    mask_layers: Annotated[int | None, typer.Option(min=1, help="Last blocks that see the mask.")] = None
    human_power: Annotated[float | None, typer.Option(min=0, help="Exponent of the person's box score.")] = None
    object_power: Annotated[float | None, typer.Option(min=0, help="Exponent of the object's box score.")] = None
    interaction_power: Annotated[float | None, typer.Option(min=0, help="Exponent of the probability.")] = None


@dataclass(frozen=True)
class Writing:
    """What is written, and where."""

    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Where to write (.parquet); default: runs/<model>/predictions-<subset>.parquet.",
        ),
    ] = None
    draw: Annotated[bool, typer.Option("--draw", help="Also draw each picture with what was found, beside FILE.")] = (
        False
    )
    as_dataset: Annotated[
        Path | None,
        typer.Option("--as-dataset", metavar="FILE", help="Also write labels that are sure as a dataset to train on."),
    ] = None
    threshold: Annotated[float | None, typer.Option(help="With --as-dataset: the least probability; default: 0.5.")] = (
        None
    )
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False


@dataclass(frozen=True)
class ZeroShot:
    """Of feature stores."""

    zero_shot: Annotated[
        bool, typer.Option("--zero-shot", help="MODEL and DATA are stores of images and labels: score by their cosine.")
    ] = False
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --zero-shot: the prompt set to take, or all: their average.",
            autocompletion=PROMPTS,
        ),
    ] = None
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="With --zero-shot: leave out images that could not be embedded.")
    ] = False


def _predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A run's folder, one of its checkpoints, or a file of weights.")
    ],
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="A dataset in any format, or folders and files of pictures.")
    ],
    which: Model,
    pictures: Pictures,
    pairs: Pairs,
    writing: Writing,
    stores: ZeroShot,
    as_json: Json = False,
) -> None:
    """Predict for a dataset or any pictures, so that `hoitool eval` can score it and people can look at it."""
    if writing.threshold is not None and writing.as_dataset is None:
        raise UsageError("--threshold is of the labels that --as-dataset FILE writes; it changes no predictions")
    if stores.zero_shot:
        _zero_shot(model, data, stores, writing, as_json)
        return
    from hoitool.predict.systems import PREDICTORS

    trained = _opened(model, which)
    asked = _asked(which, pictures, pairs, writing)
    made = PREDICTORS[trained.card.model].predict_for(trained, model, data, asked, say)
    _report(made, as_json)


def _opened(path: Path, which: Model) -> Opened:
    """The model; of a file of published weights what the recipe says that it is."""
    from hoitool.predict.opened import opened
    from hoitool.progress import working

    with working(f"loading {path}"):
        card = None
        if which.recipe is not None:
            from hoitool.train.recipe import resolve
            from hoitool.train.sources import labels_named
            from hoitool.train.systems import SYSTEMS

            recipe = resolve(which.recipe)
            card = SYSTEMS[recipe.model.name].card_of(recipe, labels_named(which.labels))
        made = opened(path, card, which.best, which.device, which.precision, not which.lenient)
    if not made.match.complete:
        say(f"{path}: {made.match.summary()}")
    return made


def _asked(which: Model, pictures: Pictures, pairs: Pairs, writing: Writing) -> Asked:
    """The options as the library takes them."""
    from hoitool.predict.loading import processors
    from hoitool.predict.recognition import Pace
    from hoitool.predict.whole import Asked

    workers = min(WORKERS, processors()) if pictures.workers is None else pictures.workers
    return Asked(
        how={name: value for name, value in asdict(pairs).items() if name in HOW and value is not None},
        boxes=pairs.boxes,
        detector=pairs.detector,
        detector_weights=pairs.detector_weights,
        vocabulary=pairs.vocabulary,
        attributes=pairs.attributes,
        pictures=pictures.images,
        subset=pictures.subset,
        pace=Pace(pictures.batch_size, workers, pictures.skip_broken),
        device=which.device,
        out=writing.out,
        draw=writing.draw,
        pseudo=writing.as_dataset,
        threshold=Asked.threshold if writing.threshold is None else writing.threshold,
        overwrite=writing.overwrite,
    )


def _report(made: Made, as_json: bool) -> None:
    """What was written; then raise for pictures that were left out."""
    for name, reason in list(made.done.broken.items())[:SHOWN]:
        say(f"left out {name}: {reason}")
    if as_json:
        show_json(made.summary())
    else:
        for line in made.told():
            show(line)
    if made.done.broken:
        raise CheckFailed(f"{len(made.done.broken):,} pictures could not be read and were left out")


def _zero_shot(images: Path, labels: list[Path], stores: ZeroShot, writing: Writing, as_json: bool) -> None:
    from hoitool.predict import zero_shot as way
    from hoitool.progress import working

    if len(labels) != 1:
        raise UsageError("--zero-shot takes two stores: IMAGES LABELS")
    with working("predicting"):
        made = way.zero_shot(images, labels[0], writing.out, stores.prompts, stores.allow_missing, writing.overwrite)
    if made.left_out:
        say(f"left out {len(made.left_out):,} images that could not be embedded, the first {made.left_out[0]!r}")
    if as_json:
        show_json(made.summary())
        return
    show(f"scored {made.images:,} images by {made.meta.classes:,} {made.meta.label_kind} of {made.meta.labels.name}")
    show(f"wrote {made.path}")


predict = expanded(_predict)
