"""`hoitool predict` for ViLD: detections of pictures, of the model's own classes or those of another vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoitool.data import Dataset, Predictions, relabel
from hoitool.embed.pictures import Album
from hoitool.errors import DataError, UsageError
from hoitool.lookup import unknown_name
from hoitool.models.card import Labelled, labelled
from hoitool.models.vild import Vild
from hoitool.models.vild_regions import Thinning
from hoitool.predict.boxes import Boxes, boxes_for
from hoitool.predict.job import Done, about, write_blocks
from hoitool.predict.opened import Opened
from hoitool.predict.recognition import Pace
from hoitool.predict.sources import images_for
from hoitool.predict.vild.detection import Detector, detections, in_blocks
from hoitool.predict.vild.vocabulary import described, of_store, own
from hoitool.predict.whole import Asked, Made, Say, check_out, default_out, drawn
from hoitool.store import Store

OBJECTS, PROPOSALS = "objects", "proposals"  # tasks: boxes with classes, or those that the model looks at, without
# of a card's `predict`
NEEDED: dict[str, tuple[type, ...]] = {
    "base": (list,),
    "novel": (list,),
    "encoder": (dict,),
    "temperature": (int, float),
    "nms": (int, float),
    "min_score": (int, float),
    "most": (int,),
}


def predict_for(model: Opened, path: Path, sources: Sequence[Path], asked: Asked, say: Say) -> Made:
    """Detect objects in what the sources mean, and write all that is asked for: see hoitool/predict/whole.py."""
    card = labelled(model.card)
    task = _task(asked)
    images, album, notes, unread = images_for(sources, card, asked.pictures, asked.subset, asked.pace.skip_broken)
    for note in notes:
        say(note)
    out = asked.out or default_out(path, images)
    check_out(out, asked)
    given = None if asked.boxes is None else boxes_for(images, asked.boxes)
    wanted = card.predict | {"task": task}
    done = detect(model, images, album, out, wanted, asked.pace, given, asked.vocabulary, asked.attributes)
    done = replace(done, broken=unread | done.broken)
    for reason, count in done.dropped.items():
        say(f"dropped {count:,}: {reason}")
    return Made(done, task, model.name, drawn(done, album, asked) if asked.draw else None)


def detect(
    model: Opened,
    images: Dataset,
    album: Album,
    out: Path,
    wanted: Mapping[str, Any],
    pace: Pace,
    given: Boxes | None = None,
    vocabulary: Path | None = None,
    attributes: Path | None = None,
) -> Done:
    """Write the detections of the images of an album; of many images a folder of shards.

    wanted      settings of a recipe's `predict`: nms, min_score, most; task: objects where it is not said, or proposals
    given       boxes that are looked at in place of proposals
    vocabulary  a store of texts in place of the model's own classes; attributes: one of what they are found with
    Raises UsageError for a model that proposes nothing where none are given, DataError naming a file.
    """
    if not len(images):
        raise DataError(f"{images!r} has no images to predict for")
    module, card = model.module, required(labelled(model.card), model.name)
    assert isinstance(module, Vild)
    if module.rpn is None and given is None:
        raise UsageError(f"{model.name} proposes no boxes; give those that it is to look at with --boxes FILE")
    words = own(module, card) if vocabulary is None else of_store(Store(vocabulary), card)
    words = words if attributes is None else described(words, Store(attributes), card)
    rule = Thinning(wanted["nms"], wanted["min_score"], wanted["most"])
    said = {"boxes": "its own"} if given is None else {"boxes": given.name}
    said |= {} if vocabulary is None else {"vocabulary": vocabulary.name}
    said |= {} if attributes is None else {"attributes": attributes.name}
    bare = relabel(images, "objects")[0]
    broken: dict[str, str] = {}
    count = 0

    def counted() -> Iterator[Predictions]:
        nonlocal count
        for block in in_blocks(bare, stream, words.labels, {"predict": about(model, task, **said)}):
            count += len(block.boxes)
            yield block

    task = wanted.get("task", OBJECTS)
    detector = Detector(module, card, words.to(model.device), rule, task == OBJECTS)
    stream = detections(detector, bare, album, pace, None if given is None else given.data, broken)
    write_blocks(counted(), out)
    return Done(out, len(images), 0, broken, {} if given is None else given.dropped, count)


def required(card: Labelled, name: str) -> Labelled:
    """The card. Raises DataError where its `predict` does not say what a detector needs."""
    for key, kinds in NEEDED.items():
        if not isinstance(card.predict.get(key), kinds):
            raise DataError(f"model.json of {name}: predict.{key} is {card.predict.get(key)!r:.60}, not a detector's")
    classes = [*card.predict["base"], *card.predict["novel"]]
    if not all(isinstance(i, int) and 0 <= i < card.meta.classes for i in classes) or len(set(classes)) < len(classes):
        raise DataError(f"model.json of {name}: predict.base and predict.novel are not some of its classes, each once")
    return card


def _task(asked: Asked) -> str:
    """Objects or proposals. Raises UsageError for what is of pairs or of whole pictures."""
    task: str = asked.how.get("task", OBJECTS)
    if task not in (OBJECTS, PROPOSALS):
        raise unknown_name("task of a detector of objects", task, (OBJECTS, PROPOSALS))
    told = [f"--{name.replace('_', '-')}" for name in asked.how if name != "task"]
    told += ["--detector"] if asked.detector is not None else []
    told += ["--as-dataset"] if asked.pseudo is not None else []
    if told:
        raise UsageError(f"{told[0]} is not for a detector of objects, which a model of ViLD is")
    if task == PROPOSALS and any(each is not None for each in (asked.boxes, asked.vocabulary, asked.attributes)):
        raise UsageError(
            "--task proposals writes the model's own boxes without classes; leave --boxes, --vocabulary, --attributes"
        )
    return task
