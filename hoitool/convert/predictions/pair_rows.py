"""The boxes and pairs of a JSON list of images as flat columns, and what of them means something as predictions.

A row that means nothing (a NaN score, a box that is not there, an id of no class) is left out and counted by reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import integers, nested, numbers
from hoitool.convert.fit import implied_classes, in_pairs
from hoitool.convert.predictions.numbering import NOTHING, UNKNOWN, Ids
from hoitool.data import Meta, Predictions, offsets_of, select_boxes, select_pairs

Array = NDArray[Any]
Dropped = dict[str, int]


@dataclass(frozen=True)
class PairRows:
    """What the file says, before it is known what it means; ids as they stand there.

    box_counts (I,), corners (B, 4), category (B,) or None, box_score (B,) or None where not every box has one
    pair_counts (I,), subject, object, label, score (P,); start (P,): the first box of each pair's image
    """

    box_counts: Array
    corners: Array
    category: Array | None
    box_score: Array | None
    pair_counts: Array
    subject: Array
    object: Array
    label: Array
    score: Array

    @classmethod
    def of(cls, images: list[dict[str, Any]], where: str, classes: bool) -> PairRows:
        """The columns of all images. Raises DataError, naming image, row and field, for a field of another type."""
        boxes, box_image, box_place = nested(images, "predictions", where)
        pairs, pair_image, pair_place = nested(images, "hoi_prediction", where)
        scored = bool(boxes) and all("score" in box for box in boxes)
        return cls(
            box_counts=np.bincount(box_image, minlength=len(images)),
            corners=numbers(boxes, "bbox", box_place, width=4, finite=False),
            category=integers(boxes, "category_id", box_place) if classes else None,
            box_score=numbers(boxes, "score", box_place, finite=False) if scored else None,
            pair_counts=np.bincount(pair_image, minlength=len(images)),
            subject=integers(pairs, "subject_id", pair_place),
            object=integers(pairs, "object_id", pair_place),
            label=integers(pairs, "category_id", pair_place),
            score=numbers(pairs, "score", pair_place, finite=False),
        )

    def flat(self, index: Array) -> tuple[Array, Array]:
        """(P,) the row of each pair's box among all boxes, 0 where there is none, and whether there is one."""
        start = np.repeat(offsets_of(self.box_counts)[:-1], self.pair_counts)
        found = (index >= 0) & (index < np.repeat(self.box_counts, self.pair_counts))
        return np.where(found, start + index, 0), found


def predictions(rows: PairRows, ids: Ids, names: Array, meta: Meta, notes: list[str]) -> tuple[Predictions, Dropped]:
    """Predictions of the rows that mean something, and how many do not, by reason; `notes` gets what else to know."""
    label, box = ids.labels_of(rows.label, meta, notes), _classes(rows, ids, meta, notes)
    (subject, subject_found), (obj, object_found) = rows.flat(rows.subject), rows.flat(rows.object)
    if not len(box):
        box = np.array([UNKNOWN])  # so that a pair may ask for it
    none = (rows.object == -1) | (object_found & (box[obj] == NOTHING))
    reasons = {
        "pairs whose score is not a number": np.isnan(rows.score),
        f"pairs of {meta.label_kind} that label space {meta.labels.name!r} does not have": label == UNKNOWN,
        "pairs whose subject_id or object_id is no box of their image": ~(subject_found & (object_found | none)),
        "pairs with a box that is not finite or has no known class": (box[subject] < 0) | (~none & (box[obj] < 0)),
    }
    kept, dropped = _without(reasons)
    box = box[: len(rows.corners)]
    scores = {} if rows.box_score is None or np.isnan(rows.box_score).any() else {"box_scores": rows.box_score}
    data = Predictions(
        meta=meta,
        key=names,
        boxes=rows.corners,
        categories=box.astype(np.int32),
        **scores,
        subject=rows.subject.astype(np.int32),
        object=np.where(none, -1, rows.object).astype(np.int32),
        label=label.astype(np.int32),
        score=rows.score,
        box_offsets=offsets_of(rows.box_counts),
        pair_offsets=offsets_of(rows.pair_counts),
    )
    data = select_pairs(data, kept)
    if rows.box_score is not None and not scores:
        dropped["scores of boxes, because some are not numbers"] = len(box)
    if ids.objects is None:
        return _with_implied_classes(data, dropped)
    dropped["boxes that are not finite or have no known class"] = int((box == UNKNOWN).sum())
    if (box == NOTHING).any():
        notes.append(f"{(box == NOTHING).sum():,} boxes of the class after the last, which is no object, are left out")
    return select_boxes(data, box >= 0) if (box < 0).any() else data, dropped


def _classes(rows: PairRows, ids: Ids, meta: Meta, notes: list[str]) -> Array:
    """(B,) the class of each box, NOTHING or UNKNOWN; any known one where boxes have none in the file."""
    found = np.zeros(len(rows.corners), np.int64)
    if rows.category is not None:
        found = ids.objects_of(rows.category, meta.labels, notes)
    return np.where((found == NOTHING) | np.isfinite(rows.corners).all(axis=1), found, UNKNOWN)


def _without(reasons: dict[str, Array]) -> tuple[Array, Dropped]:
    """(P,) the rows that no reason drops, and how many each drops first."""
    kept, dropped = ~np.zeros_like(next(iter(reasons.values()))), {}
    for reason, mask in reasons.items():
        dropped[reason] = int((mask & kept).sum())
        kept &= ~mask
    return kept, dropped


def _with_implied_classes(data: Predictions, dropped: Dropped) -> tuple[Predictions, Dropped]:
    """Each pair with two boxes of its own, of the classes that its interaction implies."""
    alone = (data.object < 0) | (data.meta.labels.interaction_objects[data.need("label")] < 0)
    dropped["pairs without an object, or of an interaction that has none"] = int(alone.sum())
    data = select_pairs(data, ~alone)
    dropped["boxes in no pair"] = int((~in_pairs(data)).sum())
    made, _ = implied_classes(data)
    assert isinstance(made, Predictions)
    return made, dropped
