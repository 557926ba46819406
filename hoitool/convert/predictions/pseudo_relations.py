"""Scene graphs whose relations have a confidence, as scored relations: RLIPv2's pseudo-labelled COCO and Objects365.

A list over images in the form of Visual Genome (convert/scenes.py); every relationship has a member confidence. Such
files are recognised as annotations, which pre-training takes them for: this format is read where it is named.
Frame: continuous, x, y, x + w, y + h. Label kind: predicates. Boxes are shared by the relations that name their id.
Source: RLIPv2's generate_relations_using_verb_tagger.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert import visual_genome
from hoitool.convert.fields import brief
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.convert.scenes import CONFIDENCES, scenes
from hoitool.data import Dataset, Meta, Predictions, align, select_pairs
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError
from hoitool.files import atomic, refuse_overwrite

Array = NDArray[Any]
SUMMARY = "scene graphs with confidences as scored relations: RLIPv2's pseudo-labelled COCO and Objects365"


def _as_scenes(data: Dataset) -> tuple[Dataset, Lost]:
    """Scored relations whose score JSON has a number for."""
    finite = np.isfinite(data.need("score"))
    made = data if finite.all() else select_pairs(data, finite)
    return made, {"pairs whose score is no finite number": int((~finite).sum())}


HOLDS = Holds(
    "predictions",
    label_kinds=("predicates",),
    box_frame="continuous",
    extents=True,
    optional=frozenset({"width"}),
    lonely_boxes=True,
    unknown_objects=True,
    one_subset=True,
    also=_as_scenes,
)


def sniff(path: Path) -> bool:
    """Never: its files are scene graphs too, and are recognised as those."""
    return False


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The scored relations of a file; with `truth`, in its order, label space and sizes. DataError names the place."""
    held = visual_genome.read(path)
    (data,) = held.parts
    file = visual_genome.file_of(path)
    found = [confidence for scene in scenes(file, Counter()) for confidence in scene.confidences]
    if None in found:
        raise DataError(
            f"{file}: relation {found.index(None) + 1} of all has no confidence; is it {visual_genome.NAME}?"
        )
    columns: dict[str, Any] = data.columns() | {"box_offsets": data.box_offsets, "pair_offsets": data.pair_offsets}
    columns |= {"file_name": None, "box_ids": None, "score": np.array(found, np.float64)}
    made = Predictions(meta=data.meta, **columns)
    try:
        made = made if truth is None else align(_in_labels_of(made, truth), truth)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    return Reading([made], {reason: count for reason, count in held.dropped.items() if reason != CONFIDENCES})


def _in_labels_of(data: Predictions, truth: Dataset) -> Predictions:
    """Predictions whose objects and predicates index the label space of a truth. DataError for a name it lacks."""
    mine, theirs = data.meta.labels, truth.meta.labels
    places = []
    for what, names, known in (("object", mine.objects, theirs.objects), ("predicate", mine.verbs, theirs.verbs)):
        at = {name: i for i, name in enumerate(known)}
        if unknown := [name for name in names if name not in at]:
            raise DataError(f"the {what} {brief(unknown[0])} is not in the truth's label space {theirs.name!r}")
        places.append(np.array([*(at[name] for name in names), -1], np.int32))
    objects, predicates = places
    meta = Meta(theirs, truth.meta.dataset, truth.meta.subset, "predicates", box_frame="continuous")
    return data.with_columns(meta, categories=objects[data.categories], label=predicates[data.need("label")])


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a list of scene graphs with confidences into one .json; an image whose key is not its id has file_name."""
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, "scene graphs with confidences")
    data = data.with_columns(box_ids=np.arange(1, len(data.boxes) + 1, dtype=np.int64))
    rows = visual_genome.graphs(data)
    confidences = iter(data.need("score").tolist())
    for row, number, key in zip(rows, image_ids(data).tolist(), data.key.tolist(), strict=True):
        row |= {} if key == str(number) else {"file_name": key}
        for relation in row["relationships"]:
            relation["confidence"] = next(confidences)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
    return [path]
