"""list_action of HICO's MATLAB files: the interactions as rows of text, and the label space that they name.

A struct array with one row per interaction: nname (object), vname (verb), vname_ing, syn, def, synset, add_def. An
object spelled `-` is none. Text that a label space does not hold travels in the metadata, so that it comes back.
Source: Chao et al., ICCV 2015 and WACV 2018; hoitool/convert/pages/hico-det.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset
from hoitool.errors import DataError
from hoitool.labels import NOTHING, LabelSpace, build, load_labels

Array = NDArray[Any]
ACTION_FIELDS = ("nname", "vname", "vname_ing", "syn", "def", "synset", "add_def")
NAMES = 3  # fields at the beginning that name things; the others may be lists of texts


def action_rows(structs: Array, where: str) -> list[list[Any]]:
    """list_action as rows of text, in the order of ACTION_FIELDS; a cell array of strings becomes a list.

    Raises DataError, naming the place below `where`, for a missing field and for a name that is no text.
    """
    missing = [field for field in ACTION_FIELDS if field not in (structs.dtype.names or ())]
    if missing:
        raise DataError(f"{where} has no field {missing[0]!r}, expected {', '.join(ACTION_FIELDS)}")
    rows = [[text(row[field]) for field in ACTION_FIELDS] for row in structs.ravel()]
    for i, row in enumerate(rows):
        for field, name in zip(ACTION_FIELDS[:NAMES], row, strict=False):
            if not isinstance(name, str):
                raise DataError(f"{where}({i + 1}).{field} is a cell array, expected text")
    return rows


def text(cell: Array) -> Any:
    """A MATLAB string, or a list of them for a cell array."""
    if cell.dtype.kind == "O":
        return [text(inner) for inner in cell.ravel()]
    return str(cell.ravel()[0]) if cell.size else ""


def label_space(rows: list[list[Any]], name: str, source: str, counts: Array | None = None) -> LabelSpace:
    """HICO's when the actions are its 600, else one made of them; `counts` (K,) are its training pairs, if known."""
    hico = load_labels("hico")
    if [f"{row[1]} {row[0]}" for row in rows] == [hico.interaction_name(i) for i in range(len(hico))]:
        return hico
    counts = np.full(len(rows), -1) if counts is None else counts
    known = {name: int(coco) for name, coco in zip(hico.objects, hico.coco_ids, strict=True)}
    ing = {row[1]: row[2] for row in rows}
    objects = sorted({"person", *(row[0] for row in rows)} - {NOTHING})
    return build(
        name=name,
        source=source,
        objects=[(name, known.get(name, -1)) for name in objects],
        verbs=[(name, ing[name]) for name in sorted(ing)],
        interactions=[(row[1], row[0], int(count)) for row, count in zip(rows, counts, strict=True)],
    )


def kept_text(rows: list[list[Any]]) -> dict[str, list[Any]]:
    """The rows as they travel in a format's `meta.extras`, under the name list_action."""
    return {str(i): row for i, row in enumerate(rows)}


def action_structs(data: Dataset, *formats: str) -> Array:
    """list_action (K, 1) of a dataset's label space, with the text that one of these formats' extras kept."""
    labels = data.meta.labels
    kept = [data.meta.extras.get(name, {}).get("list_action") for name in formats]
    held: dict[str, list[Any]] = next((rows for rows in kept if rows), {})
    made = np.empty((len(labels), 1), [(name, object) for name in ACTION_FIELDS])
    for i in range(len(labels)):
        verb, obj = int(labels.interaction_verbs[i]), int(labels.interaction_objects[i])
        noun = labels.objects[obj] if obj >= 0 else NOTHING
        plain = [noun, labels.verbs[verb], labels.verbs_ing[verb], "", "", "", ""]
        made[i, 0] = tuple(cells(t) if isinstance(t, list) else t for t in held.get(str(i), plain))
    return made


def cells(values: Sequence[Any] | Array) -> Array:
    """A MATLAB cell array of strings."""
    made = np.empty(len(values), object)
    made[:] = list(values)
    return made
