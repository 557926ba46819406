"""Labels of one kind as labels of another: interactions, verbs, and V-COCO's agents and roles.

interactions <-> verbs    by the label space; a verb with an object that has no interaction there cannot be one
verbs -> agents+roles     dense predictions, as the writers of V-COCO's official format do: docs/protocols/v-coco.md
agents+roles -> verbs     a role's score is its verb's; of the agents only actions without roles are verbs
verbs -> predicates       the same labels: a person is a subject too
predicates -> verbs       of pairs whose subject is a person; the others have no verb
all -> objects            the boxes alone; objects become nothing else
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from hoitool.data.build import no_pairs
from hoitool.data.dataset import Array, Dataset, Predictions, offsets_of, ranges
from hoitool.data.dense import scored_rows, to_final, to_interactions
from hoitool.data.meta import LabelKind
from hoitool.data.select import select_pairs
from hoitool.errors import UsageError

Data = TypeVar("Data", bound=Dataset)
IMAGE_LEVEL = ("image_scores", "image_label", "image_value", "image_label_offsets")
PAIRS = ("subject", "object", "label", "pair_offsets")


def relabel(data: Data, kind: LabelKind) -> tuple[Data, int]:
    """The same data with labels of another kind, and how many pairs have no label of that kind and are left out.

    Labels of whole images go where what they are changes. Raises UsageError where the label space does not have the
    kind, and for objects, and for predictions whose boxes have no scores as objects.
    """
    if data.meta.label_kind == kind:
        return data, 0
    if data.meta.label_kind == "objects":
        raise UsageError(f"{data!r} holds boxes alone, expected pairs with {kind}")
    if kind == "objects":
        return boxes_alone(data), len(data.subject)
    if data.meta.label_kind == "predicates":
        return _of_people(data, kind)
    if kind == "predicates":
        data, gone = relabel(data, "verbs")
        return data.with_columns(replace(data.meta, label_kind=kind), **dict.fromkeys(IMAGE_LEVEL)), gone
    if "agents+roles" in (kind, data.meta.label_kind):
        if not data.meta.labels.roles:
            raise UsageError(f"label space {data.meta.labels.name!r} has no actions and roles")
        if not isinstance(data, Predictions):
            raise UsageError("annotations are labelled with verbs or interactions; agents and roles are predictions'")
        made = agents_and_roles(_as_verbs(data)) if kind == "agents+roles" else verbs_of_roles(data)
        return (made, 0) if kind != "interactions" else relabel(made, kind)  # type: ignore[return-value,arg-type]
    if isinstance(data, Predictions) and data.dense:
        return (to_interactions(data) if kind == "interactions" else _dense_verbs(data)), 0  # type: ignore[return-value]
    return _sparse(data, kind)


def boxes_alone(data: Data) -> Data:
    """The boxes without the pairs. Raises UsageError for predictions whose boxes have no scores of their own."""
    predicted = isinstance(data, Predictions)
    if predicted and data.box_scores is None:
        raise UsageError(f"{data!r}: its boxes have no scores of their own, so they are no detections of objects")
    gone = [] if data.meta.label_kind == "predicates" else [*IMAGE_LEVEL]
    made: dict[str, Any] = {name: values for name, values in no_pairs(len(data)).items() if name in PAIRS}
    made |= {"score": np.empty(0) if predicted else None, "scores": None, "image_scores": None} | dict.fromkeys(gone)
    return data.with_columns(replace(data.meta, label_kind="objects", score="final"), **made)


def _of_people(data: Data, kind: LabelKind) -> tuple[Data, int]:
    """Predicates as labels of people: pairs whose subject is a person, and how many are left out."""
    space = data.meta.labels
    if space.person < 0:
        raise UsageError(f"labels are predicates, expected {kind}: label space {space.name!r} has no 'person'")
    kept = data.categories[data.pair_boxes("subject")] == space.person if len(data.subject) else np.zeros(0, bool)
    people = select_pairs(data.with_columns(replace(data.meta, label_kind="verbs"), **dict.fromkeys(IMAGE_LEVEL)), kept)
    made, gone = relabel(people, kind)
    return made, gone + int((~kept).sum())


def _as_verbs(data: Predictions) -> Predictions:
    return relabel(data, "verbs")[0]


def _dense_verbs(data: Predictions) -> Predictions:
    return _sparse(to_interactions(data), "verbs")[0]


def _sparse(data: Data, kind: LabelKind) -> tuple[Data, int]:
    labels, label = data.meta.labels, data.need("label")
    meta = replace(data.meta, label_kind=kind)
    gone = dict.fromkeys(IMAGE_LEVEL)
    if kind == "verbs":
        return data.with_columns(meta, label=labels.interaction_verbs[label], **gone), 0
    box = data.pair_boxes("object")
    category = np.where(box < 0, -1, data.categories[box]) if len(box) else box
    unknown = (box >= 0) & (category < 0)
    made = np.where(unknown, -1, labels.matrix[category, label])
    kept = made >= 0
    data = select_pairs(data.with_columns(meta, label=made.astype(np.int32), **gone), kept)
    return data, int((~kept).sum())


def agents_and_roles(data: Predictions) -> Predictions:
    """Predictions of verbs as V-COCO's official ones: dense, one subject box for each person-object candidate.

    A verb's score becomes the score of its role and of its action's agent, where an action with two roles takes the
    larger one, at least 0; scores are final. Rows of one (subject, object) are one candidate. Source:
    generate_vcoco_official.py of QPIC, whose line of models writes the official pickle so.
    """
    labels = data.meta.labels
    data = to_final(data)
    pair, verb, score = scored_rows(data)
    candidate, first = _candidates(data, pair)
    verbs = np.full((len(first), len(labels.verbs)), np.nan, score.dtype)
    reverse = np.arange(len(pair))[::-1]  # a verb twice: the earlier row counts
    verbs[candidate[pair[reverse]], verb[reverse]] = score[reverse]
    agents = np.full((len(first), len(labels.actions)), np.nan, score.dtype)
    roles = np.bincount(labels.verb_actions)
    for v, action in enumerate(labels.verb_actions.tolist()):
        least = score.dtype.type(0) if roles[action] > 1 else score.dtype.type(-np.inf)
        held = ~np.isnan(verbs[:, v])
        agents[held, action] = np.fmax(np.fmax(agents[held, action], verbs[held, v]), least)
    image = data.image_of("pair")[first]
    return _own_subjects(data, first, image, np.concatenate([agents, verbs[:, labels.role_verbs]], axis=1))


def _candidates(data: Predictions, pair: Array) -> tuple[Array, Array]:
    """(P,) the candidate of each pair, by first appearance, and (C,) the first pair of each."""
    if data.dense:
        rows = np.arange(len(data.subject))
        return rows, rows
    width = int(data.object.max(initial=-1)) + 2
    key = data.pair_boxes("subject").astype(np.int64) * width + data.object + 1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], first[order]


def _own_subjects(data: Predictions, rows: Array, image: Array, scores: Array) -> Predictions:
    """Candidates (C,), each with a subject box of its own after the image's other boxes where it is shared."""
    subject = data.pair_boxes("subject")[rows]
    _, first = np.unique(subject, return_index=True)
    again = np.ones(len(rows), bool)
    again[first] = False
    copies = np.bincount(image[again], minlength=len(data))
    counts = data.counts("box")
    offsets = offsets_of(counts + copies)
    source = np.empty(int(offsets[-1]), np.int64)
    source[ranges(offsets[:-1], counts)] = np.arange(len(data.boxes))
    source[ranges(offsets[:-1] + counts, copies)] = subject[again]
    index = data.subject[rows].copy()
    index[again] = (ranges(counts, copies)).astype(np.int32)
    columns: dict[str, Any] = {name: values[source] for name, values in data.columns("box").items()}
    return data.with_columns(
        replace(data.meta, label_kind="agents+roles"),
        **columns,
        **dict.fromkeys(IMAGE_LEVEL),
        subject=index,
        object=data.object[rows],
        label=None,
        score=None,
        scores=scores,
        box_offsets=offsets,
        pair_offsets=offsets_of(np.bincount(image, minlength=len(data))),
    )


def to_dense(data: Predictions) -> Predictions:
    """Predictions with a row for each (subject, object), which has the scores of all their labels; NaN: none.

    A label given twice counts by its earlier row. Dense predictions stay as they are.
    """
    if data.dense:
        return data
    score = data.need("score")
    candidate, first = _candidates(data, np.arange(len(data.subject)))
    scores = np.full((len(first), data.meta.classes), np.nan, score.dtype)
    reverse = np.arange(len(score))[::-1]  # of rows for one place the last one assigned stays
    scores[candidate[reverse], data.need("label")[reverse]] = score[reverse]
    return data.with_columns(
        subject=data.subject[first],
        object=data.object[first],
        label=None,
        score=None,
        scores=scores,
        pair_offsets=offsets_of(np.bincount(data.image_of("pair")[first], minlength=len(data))),
    )


def verbs_of_roles(data: Predictions) -> Predictions:
    """Agents and roles as dense scores of verbs: roles, and the agents of actions that have none."""
    data = to_dense(data)
    labels, scores = data.meta.labels, data.need("scores")
    column = np.empty(len(labels.verbs), np.int64)
    column[:] = labels.verb_actions
    column[labels.role_verbs] = len(labels.actions) + np.arange(len(labels.role_verbs))
    meta = replace(data.meta, label_kind="verbs")
    return data.with_columns(meta, scores=scores[:, column], **dict.fromkeys(IMAGE_LEVEL))
