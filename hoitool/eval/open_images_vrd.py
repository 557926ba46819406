"""Visual relationship detection on Open Images: recall, and average precision of relations and of phrases.

A prediction is a pair of boxes with classes and a predicate between them; its score is the product of the scores of
both boxes and of the predicate. It is compared with true relations of its image that have the same triplet of subject
class, predicate and object class: as a relation by the smaller of the two boxes' IoUs, as a phrase by the IoU of the
enclosing boxes. Score: 0.2 R@50 + 0.4 AP of relations + 0.4 AP of phrases.
There are three families of this protocol, whose figures are not comparable: that of PySGG and SGTR, that of RLIPv2, and
that of the Open Images challenge. Boxes: inclusive pixel indices (the challenge: continuous or normalised), float32.
Source: Zhang et al., CVPR 2019 (ContrastiveLosses4VRD); Li et al., CVPR 2021 and 2022 (PySGG, SGTR); Yuan et al., ICCV
2023 (RLIPv2); vrd_evaluation.py of TensorFlow's object_detection; docs/protocols/open-images-vrd.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import Dataset, Predictions, align, select_pairs, to_frame
from hoitool.eval.curves import Ranking, area_under_curve, average_precision
from hoitool.eval.ledger import Ranked
from hoitool.eval.matching import Overlap, Pairs
from hoitool.eval.relation_figures import SETTING, RelationLedger, metrics
from hoitool.eval.relations import (
    Triplets,
    candidates,
    first_ranks,
    numbered,
    relations,
    require_predicates,
    suppress_phrases,
    with_objects,
)
from hoitool.eval.result import Result, Row, mean
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.shares import Shares
from hoitool.eval.signature import choice, signature
from hoitool.eval.suppression import PairSuppression, suppress
from hoitool.eval.triplet_counts import Counts, among_true

Array = NDArray[Any]
RECALL_AT = (50, 100)
NOT_COMPARABLE = (
    "figures of the variants pysgg and sgtr, of rlipv2 and of oid-challenge are of different protocols and not "
    "comparable, although papers give them the same names"
)


@dataclass(frozen=True)
class RelationRule:
    """Every choice of the protocol. A variant is the rule of PySGG with some fields replaced."""

    reproduces: str
    edges: Edges = choice("inclusive", "a box covers x2 - x1 + 1 pixels (inclusive) or is x2 - x1 wide (continuous)")
    single_pixel: bool = choice(True, "an intersection one pixel wide or high counts")
    min_iou: float = choice(0.5, "overlap that matches")
    strict: bool = choice(True, "for AP only a larger overlap matches, not an equal one; R@K takes an equal one")
    recall: Literal["found", "true-positives"] = choice(
        "found", "R@K: true relations that one of the first K finds, several by one too; or true positives among them"
    )
    predicates_per_pair: int | None = choice(2, "only so many best predicates of each pair of boxes count")
    max_triplets: int | None = choice(100, "only so many best-scored triplets of an image count")
    min_score: float = choice(1e-5, "only larger scores count")
    suppression: PairSuppression | None = choice(None, "pair NMS within image and triplet, after the cap")
    phrase_suppression: float | None = choice(None, "NMS of phrases above this IoU, after that of pairs")
    phrase_overlaps: Literal["own", "misplaced"] = choice(
        "own", "a phrase is compared by its own overlaps, or by those at its place in the list before it was sorted"
    )
    classes: Literal["predicate", "triplet"] = choice("predicate", "what an AP is of; triplets: those of the truth")
    curve: Literal["area", "area-with-tail", "11-points"] = choice("area", "how an AP comes from precision and recall")
    averaged: Literal["all", "with-truth"] = choice("all", "classes in the plain mean: all, or with true relations")
    ties: Literal["earlier", "later"] = choice("earlier", "which of equal scores comes first in the ranking")
    boxless_images: Literal["false-positives", "dropped"] = choice(
        "false-positives", "what relations predicted on images without any true box become; phrases: false positives"
    )
    unverified: Literal["scored", "dropped"] = choice(
        "scored", "predictions of a class that is not verified in their image, and of none that is verified absent"
    )

    @property
    def uncapped(self) -> bool:
        """Whether every triplet counts, each for its predicate, so that ranks can be counted and nothing is sorted."""
        return self == replace(
            self,
            recall="true-positives",
            predicates_per_pair=None,
            max_triplets=None,
            min_score=-np.inf,
            suppression=None,
            phrase_suppression=None,
            classes="predicate",
            ties="earlier",
            boxless_images="false-positives",
        )

    @property
    def overlap(self) -> Overlap:
        """How this rule compares boxes."""
        return Overlap(self.edges, 0, "float32", self.single_pixel)


PYSGG = RelationRule("oi_evaluation.py of PySGG (BGNN), after ContrastiveLosses4VRD")
RLIPV2 = replace(
    PYSGG,
    reproduces="oi_sgg_eval.py of RLIPv2 with --use_nms_filter, its phrases without the misplaced overlaps",
    single_pixel=False,
    strict=False,
    recall="true-positives",
    predicates_per_pair=None,
    min_score=-np.inf,
    suppression=PairSuppression(threshold=0.7, human_power=1.0, object_power=0.5),
    phrase_suppression=0.5,
    classes="triplet",
    curve="11-points",
    averaged="with-truth",
    boxless_images="dropped",
)

VARIANTS: dict[str, RelationRule] = {
    "pysgg": PYSGG,
    "sgtr": replace(
        PYSGG,
        reproduces="the Open Images evaluation of SGTR, with EVAL_POST_PROC",
        min_score=0.0,
        curve="area-with-tail",
        ties="later",
    ),
    "rlipv2": replace(
        RLIPV2, reproduces="oi_sgg_eval.py of RLIPv2 with --use_nms_filter, as published", phrase_overlaps="misplaced"
    ),
    "rlipv2-fixed": RLIPV2,
    "oid-challenge": replace(
        PYSGG,
        reproduces="vrd_evaluation.py of the Open Images challenge",
        edges="continuous",
        strict=False,
        recall="true-positives",
        predicates_per_pair=None,
        max_triplets=None,
        min_score=-np.inf,
        averaged="with-truth",
        unverified="dropped",
    ),
}


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "pysgg") -> Result:
    """Score predictions of predicates, dense or sparse, under a variant of the rule.

    Metrics, as fractions: score_wtd and score (with wmAP and with mAP), R@50, R@100, wmAP and mAP of relations (_rel)
    and of phrases (_phr). Raises DataError when the truth is not of predicates between boxes with classes, when
    predictions name images or labels that it does not have, and when boxes need image sizes that are not known.
    """
    rule, notes = VARIANTS[variant], [NOT_COMPARABLE]
    truth, predictions, scored = _prepared(truth, predictions, rule, notes)
    counts = None
    if rule.uncapped and scored.dense:
        scored = with_objects(truth, scored, notes)
        counts = Counts.of(scored)
        triplets, true, first = numbered(truth, scored)
        detected = among_true(scored, counts, true, first, len(triplets.classes) * triplets.predicates)
    else:
        triplets, true, detected = _relations(truth, scored, rule, notes)
    found = _found(true, detected, counts, truth, rule)
    figures = _figures(triplets, true, found, rule)
    detections = len(detected) if counts is None else int(figures.detections["rel"].sum())
    return Result(
        protocol="open-images-vrd",
        variant=variant,
        signature=signature(f"open-images-vrd/{variant}", rule),
        rows=(_row(figures, found, rule),),
        per_class=_per_class(figures, triplets, truth, rule),
        inputs={
            "truth": told_truth(truth),
            "predictions": told_predictions(predictions, pairs=len(predictions.subject), detections=detections),
        },
        notes=tuple(notes),
    )


def _prepared(
    truth: Dataset, predictions: Predictions, rule: RelationRule, notes: list[str]
) -> tuple[Dataset, Predictions, Predictions]:
    """Truth and predictions in the frame of the rule and the truth's order, and the predictions that are scored."""
    require_predicates(truth, predictions, "Open Images VRD")
    truth, predictions = _framed(truth, align(predictions, truth).with_columns(image_scores=None), rule)
    return truth, predictions, _verified(truth, predictions, notes) if rule.unverified == "dropped" else predictions


def _relations(
    truth: Dataset, scored: Predictions, rule: RelationRule, notes: list[str]
) -> tuple[Triplets, Pairs, Pairs]:
    """The triplets that occur, the true relations, and the best predicted ones as the rule caps them."""
    return relations(truth, scored, rule.predicates_per_pair, rule.max_triplets, rule.min_score, notes)


def _framed(truth: Dataset, predictions: Predictions, rule: RelationRule) -> tuple[Dataset, Predictions]:
    """Both in the frame of the rule: inclusive pixels; or continuous ones, normalised where one of both is."""
    if rule.edges == "inclusive":
        return to_frame(truth, "inclusive"), to_frame(predictions, "inclusive")
    normalised = "normalised" in (truth.meta.box_frame, predictions.meta.box_frame)
    frame: Literal["normalised", "continuous"] = "normalised" if normalised else "continuous"
    return to_frame(truth, frame), to_frame(predictions, frame)


def _verified(truth: Dataset, predictions: Predictions, notes: list[str]) -> Predictions:
    """The pairs whose classes both are verified in the image, by a label or a true relation, or one of them absent."""
    objects = len(truth.meta.labels.objects)
    present, verified = np.zeros((len(truth), objects + 1), bool), np.zeros((len(truth), objects + 1), bool)
    for side in ("subject", "object"):
        present[truth.image_of("pair"), truth.categories[truth.pair_boxes(side)]] = True
    if truth.image_label is None:
        notes.append(
            "the truth has no verified labels of images: predictions of classes in no true relation of their image are "
            "left out, as the original does"
        )
    else:
        verified[truth.image_of("image_label"), truth.image_label] = True
    absent, known = verified & ~present, verified | present
    image = predictions.image_of("pair")
    subject, obj = (predictions.categories[predictions.pair_boxes(side)] for side in ("subject", "object"))
    kept = absent[image, subject] | absent[image, obj] | (known[image, subject] & known[image, obj])
    return select_pairs(predictions, kept | (predictions.object < 0))


@dataclass(frozen=True)
class _Found:
    """What was found: rows of detections (n,) as relations and as phrases, and which are hits.

    recalled  for each K whether each true relation counts as found by the first K
    counts    of all triplets, where the detections are only those that can match
    """

    relations: Pairs
    relation_hit: Array
    phrases: Pairs
    phrase_hit: Array
    recalled: dict[int, Shares]
    counts: Counts | None


def _found(true: Pairs, detected: Pairs, counts: Counts | None, truth: Dataset, rule: RelationRule) -> _Found:
    found = detected
    if rule.suppression is not None:
        found = found.take(suppress(found, rule.suppression, rule.overlap))
    phrases = found
    if rule.phrase_suppression is not None:
        phrases = phrases.take(suppress_phrases(phrases, rule.phrase_suppression, rule.overlap))
    if rule.boxless_images == "dropped":
        found = found.take(np.flatnonzero(truth.counts("box")[found.image] > 0))
    near = candidates(true, found, rule.overlap)
    target = near.nearest(near.relation, rule.min_iou, rule.strict, len(found))
    hit = _first_hits(target, found, rule)
    if rule.recall == "found":
        rank = first_ranks(true, found, near, rule.min_iou)
    else:
        rank = np.full(len(true), np.iinfo(np.int64).max)
        rank[target[hit]] = found.row[hit] if counts is None else counts.ranks_in_images(found.row[hit])
    if rule.phrase_overlaps == "misplaced":
        phrases = phrases.take(_by_triplet(phrases, detected))
    if phrases is not found:
        near = candidates(true, phrases, rule.overlap)
    target = near.nearest(near.phrase, rule.min_iou, rule.strict, len(phrases))
    if rule.phrase_overlaps == "misplaced":
        phrases = phrases.take(np.lexsort((-_scores(phrases), phrases.image)))  # the targets stay where they are
        target[~np.isin(phrases.label, true.label)] = -1
    phrase_hit = _first_hits(target, phrases, rule)
    recalled = {k: Shares.of(true.image, rank < k) for k in RECALL_AT}
    return _Found(found, hit, phrases, phrase_hit, recalled, counts)


def _by_triplet(phrases: Pairs, detected: Pairs) -> Array:
    """(n,) rows of phrases as RLIPv2 lists them after its NMS: an image's triplets by their first detection.

    Within a triplet rows keep their order.
    """
    triplets = 1 + int(detected.label.max(initial=0))
    keys, first = np.unique(detected.image.astype(np.int64) * triplets + detected.label, return_index=True)
    at = first[np.searchsorted(keys, phrases.image.astype(np.int64) * triplets + phrases.label)]
    return np.lexsort((at, phrases.image))


def _first_hits(target: Array, detected: Pairs, rule: RelationRule) -> Array:
    """(N,) which detections are the best-scored of those whose target (-1: none) is the same true relation."""
    rows = np.flatnonzero(target >= 0)
    rows = rows[:: -1 if rule.ties == "later" else 1]
    rows = rows[np.argsort(-_scores(detected)[rows], kind="stable")]
    _, first = np.unique(target[rows], return_index=True)
    hit = np.zeros(len(target), bool)
    hit[rows[first]] = True
    return hit


def _scores(detected: Pairs) -> Array:
    assert detected.score is not None
    return detected.score


@dataclass(frozen=True)
class _Figures:
    """Columns (C,) of the classes: number, true relations, and of relations and phrases detections, hits and AP."""

    number: Array
    truths: Array
    detections: dict[str, Array]
    hits: dict[str, Array]
    ap: dict[str, Array]


def _figures(triplets: Triplets, true: Pairs, found: _Found, rule: RelationRule) -> _Figures:
    by_triplet = rule.classes == "triplet"
    number = _numbers(triplets, true, rule)
    truths = np.bincount(_classes(true.label, triplets, number, by_triplet), minlength=len(number))
    made = _Figures(number, truths, {}, {}, {})
    ranked: Ranks | None = None
    for name, rows, hit in (
        ("rel", found.relations, found.relation_hit),
        ("phr", found.phrases, found.phrase_hit),
    ):
        label = _classes(rows.label, triplets, number, by_triplet)
        if found.counts is not None:
            ranked = found.counts.in_each(), found.counts.ranks_of(rows)
        elif ranked is None or found.phrases is not found.relations:
            ranked = _listed(rows, label, len(number), rule)
        made.detections[name], ranks_of = ranked
        made.hits[name] = np.bincount(label[hit], minlength=len(number))
        made.ap[name] = _precisions(ranks_of(hit), made.detections[name], truths, rule)
    return made


def _numbers(triplets: Triplets, true: Pairs, rule: RelationRule) -> Array:
    """(C,) the classes that an AP is of: the true triplets, or all predicates."""
    return np.unique(true.label) if rule.classes == "triplet" else np.arange(triplets.predicates)


# how many detections each class has (C,), and what gives the ascending ranks of hits (n,) within each class
Ranks = tuple[Array, Callable[[Array], list[Array]]]


def _listed(rows: Pairs, label: Array, classes: int, rule: RelationRule) -> Ranks:
    """The ranks among rows of classes (n,), by sorting them."""
    ranking = _ranking(rows, label, classes, rule)

    def ranks_of(hit: Array) -> list[Array]:
        return [np.flatnonzero(hit[mine]) for mine in ranking]

    return np.diff(ranking.starts), ranks_of


def _ranking(rows: Pairs, label: Array, classes: int, rule: RelationRule) -> Ranking:
    """Rows of classes (n,), of which -1 is none, by class and falling score."""
    counted = np.flatnonzero(label >= 0)[:: -1 if rule.ties == "later" else 1]
    ranking = Ranking.of(label[counted], _scores(rows)[counted], classes)
    return Ranking(counted[ranking.order], ranking.starts)


def _classes(label: Array, triplets: Triplets, number: Array, by_triplet: bool) -> Array:
    """(n,) the class of triplets, -1 for those that the truth does not have where they are the classes."""
    if not by_triplet:
        return triplets.predicate(label)
    return np.where(np.isin(label, number), np.searchsorted(number, label), -1)


def _precisions(ranks: list[Array], detections: Array, truths: Array, rule: RelationRule) -> Array:
    """(C,) the AP of each class, from the ranks of its hits; detections (C,), truths (C,)."""
    ap = np.zeros(len(truths))
    for c, mine in enumerate(ranks):
        if not len(mine):
            continue
        if rule.curve == "11-points":
            ap[c] = average_precision(mine, int(truths[c]), "start-plus-steps")
        else:
            ap[c] = area_under_curve(mine, int(detections[c]), int(truths[c]), tail=rule.curve == "area-with-tail")
    return ap


def _among(truths: Array, rule: RelationRule) -> Array:
    """(C,) the classes of the plain mean."""
    return truths > 0 if rule.averaged == "with-truth" else np.ones(len(truths), bool)


def _row(figures: _Figures, found: _Found, rule: RelationRule) -> Row:
    among, truths = _among(figures.truths, rule), int(figures.truths.sum())
    recall = {f"R@{k}": float(held.means()[0]) for k, held in found.recalled.items()}
    plain = {name: mean(ap[among]) if among.any() else 0.0 for name, ap in figures.ap.items()}
    weighted = {name: float(ap @ figures.truths) / truths if truths else 0.0 for name, ap in figures.ap.items()}
    return Row(SETTING, "full", int(among.sum()), metrics(recall, weighted, plain))


def ledger(truth: Dataset, predictions: Predictions, variant: str = "pysgg") -> RelationLedger:
    """What `evaluate` makes its figures of; the row of a detection is its rank in its image. Raises what it raises."""
    rule = VARIANTS[variant]
    truth, _, scored = _prepared(truth, predictions, rule, [])
    triplets, true, detected = _relations(truth, scored, rule, [])
    found = _found(true, detected, None, truth, rule)
    number = _numbers(triplets, true, rule)
    ranked = {
        "rel": _ranked(found.relations, found.relation_hit, true, triplets, number, rule),
        "phr": _ranked(found.phrases, found.phrase_hit, true, triplets, number, rule),
    }
    recalled = {f"R@{k}": held for k, held in found.recalled.items()}
    return RelationLedger(truth.key, recalled, ranked, _among(ranked["rel"].truths, rule))


def _ranked(rows: Pairs, hit: Array, true: Pairs, triplets: Triplets, number: Array, rule: RelationRule) -> Ranked:
    by_triplet = rule.classes == "triplet"
    ranking = _ranking(rows, _classes(rows.label, triplets, number, by_triplet), len(number), rule)
    return Ranked(
        names=number,
        starts=ranking.starts,
        image=rows.image[ranking.order],
        hit=hit[ranking.order],
        score=_scores(rows)[ranking.order],
        row=rows.row[ranking.order],
        true_image=true.image,
        true_class=_classes(true.label, triplets, number, by_triplet),
        formula="start-plus-steps" if rule.curve == "11-points" else rule.curve,
        bare_recall=np.zeros(len(number)),
    )


def _per_class(figures: _Figures, triplets: Triplets, truth: Dataset, rule: RelationRule) -> dict[str, Array]:
    labels = truth.meta.labels
    verbs, objects = np.array(labels.verbs, object), np.array(labels.objects, object)
    columns: dict[str, Array] = {"id": np.arange(len(figures.number))}
    if rule.classes == "triplet":
        columns["subject"] = objects[triplets.subject(figures.number)]
        columns["predicate"] = verbs[triplets.predicate(figures.number)]
        columns["object"] = objects[triplets.object(figures.number)]
    else:
        columns["predicate"] = verbs
    columns["truths"] = figures.truths
    for name in figures.ap:
        columns[f"detections_{name}"] = figures.detections[name]
        columns[f"true_positives_{name}"] = figures.hits[name]
        columns[f"AP_{name}"] = figures.ap[name]
    return columns
