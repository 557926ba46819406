"""Labels against the label space and the classes of the boxes.

An interaction names its object: the object box must be of that class, and there is none where it names none. A verb
must take the object's class: by the roles where the label space has them (a verb without a role takes no object; a
role may be empty), else by its interactions. A predicate goes with any subject and object. Boxes of unknown class are
not judged, nor are rows of dense scores.
"""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Array, Dataset
from hoitool.data.quality.finding import Findings, of_rows


def check_labels(data: Dataset) -> list[Findings]:
    """Pairs whose label the label space does not have with their object."""
    if data.label is None or data.meta.label_kind in ("predicates", "objects", "agents+roles"):
        return []
    box = data.pair_boxes("object")
    category = object_categories(data)
    known = (box < 0) | (category >= 0)
    labels = data.meta.labels
    if data.meta.label_kind == "interactions":
        wrong = labels.interaction_objects[data.label] != category
    else:
        wrong = ~verbs_take(data)[data.label, category]
    rows = np.flatnonzero(wrong & known)

    def tell(i: int) -> str:
        row = rows[i]
        name = "no object" if category[row] < 0 else f"the object {labels.objects[category[row]]!r}"
        return f"label {data.meta.label_name(int(data.need('label')[row]))!r} with {name}"

    return of_rows(data, "label-forbidden", rows, tell)


def object_categories(data: Dataset) -> Array:
    """(P,) the class of each pair's object, -1 where it is unknown or there is no object."""
    box = data.pair_boxes("object")
    made: Array = np.where(box < 0, -1, data.categories[box]) if len(data.boxes) else box
    return made


def verbs_take(data: Dataset) -> Array:
    """(V, O + 1): which verbs go with which objects; the last column is no object."""
    labels = data.meta.labels
    takes, alone = labels.possible.copy(), labels.matrix[-1] >= 0
    if labels.roles:
        takes &= np.array([bool(role.name) for role in labels.roles])[:, None]
        alone = np.ones(len(labels.verbs), bool)
    return np.concatenate([takes, alone[:, None]], axis=1)


def check_subjects(data: Dataset) -> list[Findings]:
    """Pairs whose subject has a class, which is not person."""
    labels = data.meta.labels
    if labels.person < 0 or data.meta.label_kind == "predicates":
        return []
    category = data.categories[data.pair_boxes("subject")]
    rows = np.flatnonzero((category >= 0) & (category != labels.person))
    return of_rows(data, "subject-not-person", rows, lambda i: f"the subject is {labels.objects[category[rows[i]]]!r}")
