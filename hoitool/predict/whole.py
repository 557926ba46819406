"""DEFR's `hoitool predict`: a model and sources that a user names, into predictions, pictures and pseudo-labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.data import Dataset, Predictions, iter_shards, write
from hoitool.embed.pictures import Album
from hoitool.errors import DataError, UsageError
from hoitool.files import refuse_overwrite, sha256
from hoitool.lookup import unknown_name
from hoitool.models.card import FILE, Card, labelled
from hoitool.predict.boxes import Boxes
from hoitool.predict.detectors.detector import load_detector
from hoitool.predict.detectors.finding import boxes_in, file_name
from hoitool.predict.draw import draw_all
from hoitool.predict.job import POWERS, Done, predict
from hoitool.predict.opened import Opened, card_folder
from hoitool.predict.pseudo_labels import PICTURES, as_dataset, cut
from hoitool.predict.recognition import Pace
from hoitool.predict.sources import images_for

Say = Callable[[str], None]
DEFAULTS: dict[str, Any] = {"task": "recognition", "mask": "as-written", "mask_layers": 1} | dict.fromkeys(POWERS, 1.0)
PAIRS = ("boxes", "detector", "detector_weights")
TASKS = ("recognition", "detection")


@dataclass(frozen=True)
class Asked:
    """What a user asks for; None takes what the model's card says, or the workspace's place.

    how         task, mask, mask_layers, human_power, object_power, interaction_power, where they are given
    boxes, detector, detector_weights   where the boxes of pairs come from: a file, or a detector (predict/detectors/)
    vocabulary  a store of texts: the classes of a detector of objects, in place of its own; attributes: one of words
                that each of them is found with
    pictures, subset   of a dataset: the folder of its pictures, which subset
    out         file of predictions; draw: also pictures, beside it
    pseudo      file of a dataset of the labels that are sure: of probability `threshold` or more
    """

    how: dict[str, Any] = field(default_factory=dict)
    boxes: Path | None = None
    detector: str | None = None
    detector_weights: Path | None = None
    vocabulary: Path | None = None
    attributes: Path | None = None
    pictures: Path | None = None
    subset: str | None = None
    pace: Pace = field(default_factory=Pace)
    device: str = "auto"
    out: Path | None = None
    draw: bool = False
    pseudo: Path | None = None
    threshold: float = 0.5
    overwrite: bool = False


@dataclass(frozen=True)
class Made:
    """What was written: predictions, the folder of pictures, the dataset of pseudo-labels and what it holds."""

    done: Done
    task: str
    model: str
    drawn: Path | None = None
    pseudo: Path | None = None
    sure: str = ""

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        done = self.done
        return {
            "path": str(done.path),
            "model": self.model,
            "task": self.task,
            "images": done.images,
            "pairs": done.pairs,
            "boxes": done.boxes,
            "left_out": done.broken,
            "drawn": None if self.drawn is None else str(self.drawn),
            "dataset": None if self.pseudo is None else str(self.pseudo),
        }

    def told(self) -> list[str]:
        """Lines for people."""
        done = self.done
        what = f", {done.pairs:,} scored interactions of pairs" if self.task == "detection" else ""
        what += f", {done.boxes:,} boxes" if done.boxes else ""
        lines = [f"wrote {done.path}: {self.task} of {done.images:,} images by {self.model}{what}"]
        lines += [f"drew {self.drawn}"] if self.drawn is not None else []
        return lines + ([f"wrote {self.pseudo}: {self.sure}"] if self.pseudo is not None else [])


def predict_for(model: Opened, path: Path, sources: Sequence[Path], asked: Asked, say: Say) -> Made:
    """Predict for what the sources mean, and write all that is asked for.

    path  where the model lies; say: called with a line for each thing that was chosen
    Raises UsageError, MissingData and DataError, before anything is computed where that can be known.
    """
    card = labelled(model.card)
    wanted = wanted_of(card, asked)
    images, album, notes, unread = images_for(sources, card, asked.pictures, asked.subset, asked.pace.skip_broken)
    for note in notes:
        say(note)
    task = task_of(wanted["task"], images, asked, say)
    out = asked.out or default_out(path, images)
    for name, held in (("vocabulary", asked.vocabulary), ("attributes", asked.attributes)):
        if held is not None:
            raise UsageError(f"--{name} is of a detector of objects; the classes of a recogniser are its own")
    check_out(out, asked)
    if asked.pseudo is not None and task != "recognition":
        raise UsageError("--as-dataset is of labels of whole images: add --task recognition")
    boxes: Path | Boxes | None = asked.boxes
    if task == "detection" and asked.detector is not None:
        boxes = _detected(images, album, asked, out, say)
    done = predict(model, images, album, out, wanted | {"task": task}, asked.pace, boxes)
    done = replace(done, broken=unread | done.broken)
    for reason, count in done.dropped.items():
        say(f"dropped {count:,}: {reason}")
    drawn_in = drawn(done, album, asked) if asked.draw else None
    sure = _write_sure(model, album, done, asked) if asked.pseudo is not None else ""
    return Made(done, task, model.name, drawn_in, asked.pseudo, sure)


def wanted_of(card: Card, asked: Asked) -> dict[str, Any]:
    """How predictions are made, out of what is asked for and the card."""
    wanted = DEFAULTS | card.predict | asked.how
    for name in POWERS:
        if not isinstance(wanted[name], int | float) or not 0 <= wanted[name] < math.inf:
            kind, whose = (UsageError, name) if name in asked.how else (DataError, f"{FILE}: predict.{name}")
            raise kind(f"{whose} is {wanted[name]!r:.40}, expected a finite number of at least 0")
    if wanted["task"] not in TASKS:
        raise unknown_name("task", wanted["task"], TASKS)
    if asked.boxes is not None and asked.detector is not None:
        raise UsageError(f"--boxes {asked.boxes} and --detector {asked.detector} both say which boxes; name one")
    return wanted


def task_of(task: str, images: Dataset, asked: Asked, say: Say) -> str:
    """The task: pictures without any boxes are recognised, where pairs were not asked for."""
    given = [name for name in PAIRS if getattr(asked, name) is not None]
    if task == "recognition" and given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} is of pairs, and whole pictures are recognised here; add --task detection"
        )
    if task == "recognition" or asked.boxes is not None or asked.detector is not None:
        return task
    if len(images.boxes):
        say("took the dataset's own boxes (bring others with --boxes or --detector): figures on them flatter")
        return task
    if asked.how.get("task") == "detection":
        raise UsageError(
            f"{images!r} has no boxes to pair; give them with --boxes FILE, or find them with --detector NAME"
        )
    say("no boxes come with these pictures: they are recognised as a whole (pairs need --boxes or --detector)")
    return "recognition"


def default_out(path: Path, images: Dataset) -> Path:
    """The run's folder, or runs/<name of the weights>; the subset's name, or the dataset's."""
    folder = card_folder(path)
    if folder is None:
        folder = workspace.RUNS / path.stem
    return workspace.predictions_in(folder, images.meta.subset or images.meta.dataset or "images")


def _detected(images: Dataset, album: Album, asked: Asked, out: Path, say: Say) -> Boxes:
    """The boxes that a detector finds, which are kept beside the predictions and taken from there the next time."""
    assert asked.detector is not None
    weights = None if asked.detector_weights is None else str(asked.detector_weights)
    detector = load_detector(asked.detector, weights, asked.device)
    subset = images.meta.subset or images.meta.dataset
    path = out.with_name(file_name(f"{asked.detector}-{subset}" if subset else asked.detector))
    made = boxes_in(path, images, album, detector, asked.pace.workers, asked.pace.skip_broken)
    say(f"{'took' if made.held else 'wrote'} the boxes {path}")
    return Boxes(made.data, asked.detector, {path.name: sha256(path)})


def drawn(done: Done, album: Album, asked: Asked) -> Path:
    """The folder of pictures, beside the predictions."""
    folder = done.path.with_suffix("")
    parts = (part for part in iter_shards(done.path) if isinstance(part, Predictions))
    draw_all(parts, album, folder, overwrite=asked.overwrite)
    return folder


def _write_sure(model: Opened, album: Album, done: Done, asked: Asked) -> str:
    """Write the labels that the model is sure of, out of the predictions; how many there are."""
    assert asked.pseudo is not None
    said = {"model": model.name, "weights_sha256": model.sha256, PICTURES: str(album.pictures.folder.resolve())}
    parts = ((part, part.need("image_scores")) for part in iter_shards(done.path))
    made = as_dataset(parts, asked.threshold, said)
    write(made, asked.pseudo)
    labels = len(made.need("image_label"))
    return f"{labels:,} labels of {len(made):,} images, of probability {asked.threshold:g} or more"


def check_out(out: Path, asked: Asked) -> None:
    """Raise UsageError for files that cannot be written where they are asked for."""
    for path in (out, *([asked.pseudo] if asked.pseudo is not None else [])):
        if path.suffix != ".parquet":
            raise UsageError(f"{path}: expected a name that ends in .parquet")
        refuse_overwrite(path, asked.overwrite, "" if asked.out or path != out else "-o")
    if asked.pseudo is not None:
        if asked.pseudo.resolve() == out.resolve():
            raise UsageError(f"{out}: the predictions' name; --as-dataset needs another")
        cut(asked.threshold)
