"""Dense predictions (a score for every label of a pair) as sparse ones (a label and a score per row)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hoitool.data.dataset import Array, Predictions, offsets_of, ranges
from hoitool.errors import DataError


def to_interactions(data: Predictions) -> Predictions:
    """Sparse predictions over interactions with final scores, float64 where box scores are multiplied in.

    A dense pair becomes one row for each interaction that its object's class allows, in label order; NaN scores
    (not predicted) give no row. Verb scores give the interactions of those verbs. Sparse interactions stay as
    they are. Raises DataError for a dense pair whose object or object class is unknown, for predicates and objects.
    """
    if data.meta.label_kind == "agents+roles":
        raise DataError(f"{data!r} holds agents and roles, which are scored by --protocol v-coco")
    if data.meta.label_kind == "predicates":
        told = "which are scored by --protocol open-images-vrd"
        raise DataError(f"{data!r} holds predicates between objects of any class, {told}")
    if data.meta.label_kind == "objects":
        raise DataError(f"{data!r} holds boxes alone, which are scored by --protocol open-vocab")
    if data.dense:
        return _expanded(data)
    if data.meta.label_kind == "verbs":
        data = _labelled(data)
    return to_final(data)


def to_final(data: Predictions) -> Predictions:
    """Final scores, sparse or dense: box scores multiplied in, in float64, where they are to be."""
    if data.meta.score == "final":
        return data
    factor = pair_factor(data)
    meta = replace(data.meta, score="final")
    if data.dense:
        return data.with_columns(meta, scores=data.need("scores") * factor[:, None])
    return data.with_columns(meta, score=_product(data.need("score"), factor))


def scored_rows(data: Predictions) -> tuple[Array, Array, Array]:
    """The scored (pair, label) rows of sparse or dense predictions: (n,) pair, label and score. NaN gives no row."""
    if not data.dense:
        return np.arange(len(data.subject)), data.need("label"), data.need("score")
    scores = data.need("scores")
    pair, label = np.nonzero(~np.isnan(scores))
    return pair, label.astype(np.int32), scores[pair, label]


def to_sparse(data: Predictions) -> Predictions:
    """Dense predictions with a row for every score, in label order; NaN gives none. Sparse ones stay as they are."""
    if not data.dense:
        return data
    pair, label, score = scored_rows(data)
    kept = offsets_of(np.bincount(pair, minlength=len(data.subject)))
    return data.with_columns(
        subject=data.subject[pair],
        object=data.object[pair],
        label=label,
        score=score,
        scores=None,
        pair_offsets=kept[data.pair_offsets],
    )


def _expanded(data: Predictions) -> Predictions:
    labels, scores = data.meta.labels, data.need("scores")
    category = _object_classes(data)
    by_object = np.argsort(labels.interaction_objects, kind="stable")
    per_object = np.bincount(labels.interaction_objects + 1, minlength=len(labels.objects) + 1)  # [0]: verbs alone
    category = category + 1
    counts = per_object[category]
    pair = np.repeat(np.arange(len(category)), counts)
    label = by_object[ranges(offsets_of(per_object)[:-1][category], counts)].astype(np.int32)
    score = scores[pair, labels.interaction_verbs[label] if data.meta.label_kind == "verbs" else label]
    predicted = ~np.isnan(score)
    pair, label, score = pair[predicted], label[predicted], score[predicted]
    if data.meta.score == "times-box-scores":
        score = _product(score, pair_factor(data)[pair])
    kept = offsets_of(np.bincount(pair, minlength=len(data.subject)))
    return data.with_columns(
        replace(data.meta, label_kind="interactions", score="final"),
        **_image_level(data),
        subject=data.subject[pair],
        object=data.object[pair],
        label=label,
        score=score,
        scores=None,
        pair_offsets=kept[data.pair_offsets],
    )


def _labelled(data: Predictions) -> Predictions:
    """Sparse verbs as interactions. Raises DataError where the label space has no such interaction."""
    verb = data.need("label")
    label = data.meta.labels.matrix[_object_classes(data), verb]
    if (label < 0).any():
        row = int((label < 0).argmax())
        name = data.meta.labels.verbs[verb[row]]
        raise DataError(f"pair {row}: no interaction {name!r} with that object in {data.meta.labels.name!r}")
    return data.with_columns(replace(data.meta, label_kind="interactions"), **_image_level(data), label=label)


def _image_level(data: Predictions) -> dict[str, None]:
    """The columns about whole images to leave out, because they are about verbs: none where they fit."""
    about_verbs = ("image_scores", "image_label", "image_value", "image_label_offsets")
    return dict.fromkeys(about_verbs) if data.meta.label_kind == "verbs" else {}


def _object_classes(data: Predictions) -> Array:
    """(P,) the object class of each pair; -1 for a pair without an object, where the label space has verbs alone."""
    labels, box = data.meta.labels, data.pair_boxes("object")
    category = np.where(box < 0, -1, data.categories[box]) if len(box) else box
    alone = (labels.interaction_objects < 0).any()
    unknown = (category < 0) & ~((box < 0) & alone)
    if unknown.any():
        row = int(unknown.argmax())
        image = int(np.searchsorted(data.pair_offsets, row, side="right")) - 1
        raise DataError(
            f"image {data.key[image]!r}, pair {row - data.pair_offsets[image]}: the object has no class, "
            "which decides the interactions that its verb scores stand for"
        )
    return category


def _product(score: Array, factor: Array) -> Array:
    """Final scores. Raises DataError where an infinite score meets a box score of zero."""
    with np.errstate(invalid="ignore"):
        made: Array = score * factor
    if np.isnan(made).any():
        row = int(np.isnan(made).argmax())
        raise DataError(f"score {score[row]} times box scores {factor[row]} is not a number")
    return made


def pair_factor(data: Predictions) -> Array:
    """(P,) the product of the two boxes' scores, float64; a missing object counts as 1."""
    scores, box = data.need("box_scores").astype(np.float64), data.pair_boxes("object")
    subject: Array = scores[data.pair_boxes("subject")]
    return subject * np.where(box < 0, 1.0, scores[box])
