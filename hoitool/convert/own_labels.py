"""Label spaces of people's own data, for formats that spell classes and verbs out.

The label space is labels.json beside the file (as `LabelSpace.save` writes it), else one of the names that occur, in
alphabetical order: objects with 'person', verbs, and as interactions the distinct pairs of a verb and an object.
Labels are interactions; where the label space has none for some pair, such as a verb with a box of unknown class, all
labels of that subset are verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fit import Lost
from hoitool.data import Dataset, select_images
from hoitool.data.meta import LabelKind
from hoitool.errors import DataError, UsageError
from hoitool.files import refuse_overwrite
from hoitool.labels import LABEL_SPACES, NOTHING, LabelSpace, build, difference, load_labels, parse

Array = NDArray[Any]
LABELS = "labels.json"
NONE, UNKNOWN = -1, -2  # in place of an object: the pair names none; it has a box of unknown class


@dataclass(frozen=True)
class Names:
    """A column of names as codes: `values[code]`, and for messages `place(row)`, where a row stands."""

    values: list[str]
    codes: Array  # (n,), negative: no name
    place: Callable[[int], str]


def label_space(
    file: Path, objects: Names, verbs: Names, pair_objects: Array, train: Array
) -> tuple[LabelSpace, Array, Array]:
    """The label space of a file, and the index in it of every name of `objects` and of `verbs`.

    pair_objects  (n,) for every row of `verbs` the code of its object, NONE or UNKNOWN
    train         (n,) which rows are of the subset 'train', and so count as training pairs
    Raises DataError, naming the place, for a name that labels.json does not have.
    """
    for names, what in ((objects, "a class"), (verbs, "a verb")):
        if NOTHING in names.values:
            raise DataError(f"{_first(names, NOTHING)} is {NOTHING!r}, expected the name of {what}")
    beside = file.parent / LABELS
    if beside.is_file():
        space = parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
    else:
        space = _of_names(file, objects.values, verbs, pair_objects, train)
    return (
        space,
        indices(objects, space.objects, space.object_index, beside),
        indices(verbs, space.verbs, space.verb_index, beside),
    )


def _of_names(file: Path, objects: list[str], verbs: Names, pair_objects: Array, train: Array) -> LabelSpace:
    """The label space of the names that occur; what HICO knows of a name (COCO id, -ing form) is taken over."""
    hico = load_labels("hico")
    known = {name: int(coco) for name, coco in zip(hico.objects, hico.coco_ids, strict=True)}
    ing = dict(zip(hico.verbs, hico.verbs_ing, strict=True))
    named = (verbs.codes >= 0) & (pair_objects != UNKNOWN)
    found, where = np.unique(np.stack([verbs.codes, pair_objects])[:, named], axis=1, return_inverse=True)
    counts = np.bincount(where.reshape(-1)[train[named]], minlength=found.shape[1]) if train.any() else None
    spelled = [(verbs.values[v], objects[o] if o >= 0 else NOTHING) for v, o in found.T.tolist()]
    order = sorted(range(len(spelled)), key=spelled.__getitem__)
    return build(
        name=f"{file.stem}-own" if file.stem in LABEL_SPACES else file.stem,
        source=f"the names in {file.name}",
        objects=[(name, known.get(name, -1)) for name in sorted({"person", *objects})],
        verbs=[(name, ing.get(name, name)) for name in sorted(verbs.values)],
        interactions=[(*spelled[i], -1 if counts is None else int(counts[i])) for i in order],
    )


def indices(names: Names, known: Sequence[str], find: Callable[[str], int], beside: Path) -> Array:
    """(n,) the index of every name, spelled exactly so or with other spaces, hyphens and capitals."""
    exact = {name: i for i, name in enumerate(known)}
    made = np.empty(len(names.values), np.int64)
    for code, name in enumerate(names.values):
        try:
            made[code] = exact[name] if name in exact else find(name)
        except UsageError as error:
            raise DataError(f"{_first(names, name)}: {error} (label space of {beside})") from error
    return made


def _first(names: Names, value: str) -> str:
    return names.place(int(np.flatnonzero(names.codes == names.values.index(value))[0]))


def labels_of(space: LabelSpace, verbs: Array, objects: Array) -> tuple[Array, LabelKind]:
    """(P,) labels from verbs and objects (an index, NONE or UNKNOWN): interactions, or verbs where one is not there."""
    label = np.where(objects == UNKNOWN, -1, space.matrix[np.maximum(objects, NONE), verbs])
    if (label >= 0).all():
        return label.astype(np.int32), "interactions"
    return verbs.astype(np.int32), "verbs"


def parts_by_subset(whole: Dataset, subset: Array, objects: Array) -> list[Dataset]:
    """The parts of a file, read with verbs as labels: one per subset, labels as `labels_of` decides.

    subset (I,) names; objects (P,) the object of each pair, an index, NONE or UNKNOWN
    """
    image, parts = whole.image_of("pair"), []
    for name in dict.fromkeys(subset.tolist()):
        mine = subset == name
        part = select_images(whole, mine)
        label, kind = labels_of(whole.meta.labels, part.need("label"), objects[mine[image]])
        parts.append(part.with_columns(replace(whole.meta, subset=name, label_kind=kind), label=label))
    return parts


def verbs_and_objects(data: Dataset) -> tuple[Array, Array]:
    """(P,) the verb of each pair, and its object: its box's class, else the one that its interaction names."""
    space, label = data.meta.labels, data.need("label")
    box = data.pair_boxes("object")
    has_box = box >= 0
    objects = np.full(len(label), NONE, np.int64)
    if data.meta.label_kind == "interactions":
        verbs = space.interaction_verbs[label].astype(np.int64)
        objects[~has_box] = space.interaction_objects[label[~has_box]]
    else:
        verbs = label.astype(np.int64)
    category = data.categories[box[has_box]]
    objects[has_box] = np.where(category < 0, UNKNOWN, category)
    return verbs, objects


def by_names(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as names give them back (for `Holds.also`): a pair's object is its box's class.

    Raises DataError where no image is left: the names of subsets stand beside images.
    """
    unnamed = data.key == ""
    data = select_images(data, ~unnamed) if unnamed.any() else data
    if not len(data):
        raise DataError("there is no image to write")
    space, came = data.meta.labels, data.need("label")
    verbs, objects = verbs_and_objects(data)
    label, kind = labels_of(space, verbs, objects)
    has_box = data.object >= 0
    lost: Lost = {"images without a name": int(unnamed.sum())}
    if data.meta.label_kind == "interactions":
        meant = space.interaction_objects[came]
        lost["interactions whose object is not their box's class"] = int((meant != objects)[has_box].sum())
        if kind == "verbs":
            lost["objects that a label names and that have no box"] = int((meant >= 0)[~has_box].sum())
    return data.with_columns(replace(data.meta, label_kind=kind), label=label), lost


def space_of_names(name: str, file: Path, objects: Sequence[str], predicates: Sequence[str]) -> LabelSpace:
    """The label space of a file that lists its objects and predicates, under a name.

    It is labels.json beside the file, which must have the same names in the same order (DataError), else these.
    """
    beside = file.parent / LABELS
    if not beside.is_file():
        source = f"the names in {file.name}"
        return build(name, source, [(each, -1) for each in objects], [(each, each) for each in predicates], [])
    space = parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
    if (list(space.objects), list(space.verbs)) != (list(objects), list(predicates)):
        raise DataError(f"{beside}: has other objects or verbs than {file.name}; remove the one that is not meant")
    return space


def write_labels(space: LabelSpace, folder: Path, overwrite: bool) -> list[Path]:
    """Write labels.json into a folder, unless it is there already. UsageError where another one may not be replaced."""
    path = folder / LABELS
    if path.is_file():
        try:
            if parse(path.read_text(encoding="utf-8", errors="replace"), str(path)).hash == space.hash:
                return []
        except DataError:
            pass
        refuse_overwrite(path, overwrite)
    space.save(path)
    return [path]


def require_same_labels(parts: Sequence[Dataset]) -> LabelSpace:
    """The label space of all parts. Raises DataError where they differ."""
    space = parts[0].meta.labels
    for part in parts[1:]:
        if differs := difference(space, part.meta.labels.summary()):
            raise DataError(differs)
    return space


def verbs_told(parts: Sequence[Dataset]) -> list[str]:
    """A note where labels are verbs, as the label space does not have every pair's interaction."""
    return [
        f"labels{of} are verbs: {part.meta.labels.name!r} has no interaction for some of its pairs"
        for part in parts
        if part.meta.label_kind == "verbs"
        for of in [f" of {part.meta.subset!r}" if part.meta.subset else ""]
    ]


def taken(index: Array, codes: Array) -> Array:
    """index[codes], where NONE and UNKNOWN stay as they are."""
    values: Array = np.append(index, [UNKNOWN, NONE])[codes]
    return values
