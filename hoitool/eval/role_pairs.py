"""V-COCO as systems score it while they train: person-object pairs of verbs, matched as in HICO-DET's evaluators.

Every scored (pair, verb) is a row. It is tied to the true pair of its verb with the largest overlap (the smaller of
person and object) and matches when that suffices; the best-scored row of a true pair is the true positive. A true pair
without an object asks for the person only, or is no truth at all. Detections' boxes are compared as they are.
Source: vcoco_eval.py of QPIC; test_vcoco of PViC with pocket's BoxPairAssociation; docs/protocols/v-coco.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import iou
from hoitool.data import Dataset, Predictions, offsets_of, relabel, scored_rows, select_pairs, to_frame
from hoitool.errors import DataError
from hoitool.eval.curves import ClassCurves, Ranking, evaluate_classes, tied_orders
from hoitool.eval.ledger import Figure, Ledger, Ranked
from hoitool.eval.matching import Pairs, match
from hoitool.eval.result import Result, Row, mean
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.suppression import best_per_image

if TYPE_CHECKING:
    from hoitool.eval.v_coco import RoleRule

Array = NDArray[Any]
SETTING = "pairs"
LEFT_OUT = "point_instr"
THRESHOLDS = {"inclusive": "start-plus-steps", "continuous": "symmetric"}  # numpy.arange and torch.linspace


@dataclass(frozen=True)
class Judged:
    """Predictions of verbs that were matched with their truth.

    true, rows  the true pairs that count, and the scored (pair, verb) rows that the rule considers
    hit         (N,) which of these are true positives
    """

    truth: Dataset
    predictions: Predictions
    true: Pairs
    rows: Pairs
    hit: Array

    @property
    def truths(self) -> Array:
        """(V,) true pairs of each verb."""
        return np.bincount(self.true.label, minlength=len(self.truth.meta.labels.verbs))

    def orders(self) -> dict[str, list[Array]]:
        """For each verb its rows, best first (''), and with false ('_low') and true ('_high') first among equals."""
        assert self.rows.score is not None
        score = self.rows.score
        ranking = Ranking.of(self.rows.label, score, len(self.truths))
        return {"": list(ranking)} | {
            end: list(tied_orders(iter(ranking), self.hit, score, first))
            for end, first in (("_low", False), ("_high", True))
        }


def judge(truth: Dataset, predictions: Predictions, rule: RoleRule) -> Judged:
    """Match aligned predictions of verbs, or of agents and roles, under a rule of pairs."""
    truth = to_frame(truth, "continuous")
    if predictions.meta.box_frame == "normalised":
        predictions = to_frame(predictions, "continuous")
    predictions = relabel(predictions, "verbs")[0]
    if rule.empty_roles == "no-truth":
        truth = select_pairs(truth, (truth.object >= 0) & np.isin(truth.need("label"), _without_point(truth)))
    _require_classes(predictions, rule)
    rows, true = _rows(predictions, truth, rule), Pairs.of(truth)
    compare = _compare(truth, predictions, true, rows, rule)
    threshold = np.dtype(rule.precision).type(rule.min_iou)
    hit = match(true, rows, len(truth.meta.labels.verbs), compare, threshold, rule.strict)
    return Judged(truth, predictions, true, rows, hit)


def evaluate(judged: Judged, rule: RoleRule, head: tuple[str, str, str]) -> Result:
    """The score of matched predictions under a rule of pairs; `head`: protocol, variant, signature.

    Metrics as in hoitool.eval.v_coco.
    """
    labels, truths, rows = judged.truth.meta.labels, judged.truths, judged.rows
    thresholds = THRESHOLDS[rule.edges]
    curves = {
        end: evaluate_classes(iter(order), judged.hit, truths, thresholds, None)
        for end, order in judged.orders().items()
    }
    notes = [] if len(rows) else ["there are no predictions, so every figure is 0"]
    known = _without_point(judged.truth)
    lacking = [labels.verbs[v] for v in known.tolist() if not truths[v]]
    if lacking:
        told = f"{len(lacking)} of the {len(known)} roles have no truths here and count as AP 0, as there"
        notes.append(f"{told} ({', '.join(lacking[:4])}{', ...' if len(lacking) > 4 else ''})")
    return Result(
        *head,
        rows=tuple(_result_rows(_groups(judged, rule), curves)),
        per_class=_per_class(labels.verbs, truths, curves),
        inputs={
            "truth": told_truth(judged.truth),
            "predictions": told_predictions(judged.predictions, detections=len(rows)),
        },
        notes=tuple(notes),
    )


def ledger(judged: Judged, rule: RoleRule) -> Ledger:
    """What the figures are made of; the row of a detection is its place among the judged rows."""
    ranked = {}
    score = judged.rows.score
    assert score is not None
    for end, order in judged.orders().items():
        rows = np.concatenate(order)
        ranked[f"{SETTING}{end}"] = Ranked(
            names=np.array(judged.truth.meta.labels.verbs, object),
            starts=offsets_of(np.array([len(held) for held in order])),
            image=judged.rows.image[rows],
            hit=judged.hit[rows],
            score=score[rows],
            row=rows,
            true_image=judged.true.image,
            true_class=judged.true.label,
            formula=THRESHOLDS[rule.edges],
            bare_recall=np.zeros(len(order)),
        )
    figures = []
    for split, group in _groups(judged, rule).items():
        figures += [Figure(SETTING, split, "mAP", SETTING, "ap", group)]
        figures += [Figure(SETTING, split, "recall", SETTING, "recall", group)]
        figures += [Figure(SETTING, split, f"mAP{end}", f"{SETTING}{end}", "ap", group) for end in ("_low", "_high")]
    return Ledger(judged.truth.key, ranked, tuple(figures))


def _require_classes(predictions: Predictions, rule: RoleRule) -> None:
    """Raise DataError where a rule asks for the classes of objects and none is known, as in the official pickle."""
    obj = predictions.pair_boxes("object")
    obj = obj[obj >= 0]
    if rule.object_classes and len(obj) and (predictions.categories[obj] < 0).all():
        raise DataError(
            f"{predictions!r}: no object has a class, which this variant asks for; the official pickle does not hold "
            "them, so give the system's own detections (qpic, gen-vlkt)"
        )


def _rows(predictions: Predictions, truth: Dataset, rule: RoleRule) -> Pairs:
    """The scored (pair, verb) rows that a rule considers, pair by pair."""
    pair, verb, score = scored_rows(predictions)
    score = score.astype(rule.precision)
    if not rule.impossible:
        obj = predictions.pair_boxes("object")[pair]
        category = np.where(obj < 0, -1, predictions.categories[obj] if len(predictions.categories) else -1)
        table = truth.meta.labels.possible
        possible = np.concatenate([table, np.ones((len(table), 1), bool)], axis=1)  # the last: no known class
        score = np.where(possible[verb, category], score, score.dtype.type(0))
    rows = Pairs(
        image=predictions.image_of("pair")[pair],
        label=verb,
        boxes=predictions.boxes,
        human=predictions.pair_boxes("subject")[pair],
        object=predictions.pair_boxes("object")[pair],
        row=np.arange(len(pair)),
        score=score,
    )
    if rule.empty_roles == "no-truth":  # 24 roles are all that such systems know, and images without pairs are skipped
        known = np.isin(verb, _without_point(truth)) & (np.diff(truth.pair_offsets)[rows.image] > 0)
        rows = rows.take(np.flatnonzero(known))
    return rows if rule.max_pairs is None else rows.take(best_per_image(rows, rule.max_pairs))


def _without_point(truth: Dataset) -> Array:
    labels = truth.meta.labels
    return np.array([v for v in labels.role_verbs.tolist() if labels.verbs[v] != LEFT_OUT], np.int64)


def _compare(
    truth: Dataset, predictions: Predictions, true: Pairs, rows: Pairs, rule: RoleRule
) -> Callable[[Array, Array], Array]:
    """(truths, detections) -> (n,) overlaps, for rows of both."""
    boxes, detected = truth.boxes.astype(rule.precision), predictions.boxes.astype(rule.precision)
    single_pixel = rule.edges == "continuous"

    def overlap(truths: Array, detections: Array) -> Array:
        if not len(boxes) or not len(detected):
            return np.zeros(len(truths), rule.precision)
        value = iou(detected[detections], boxes[truths], rule.edges, single_pixel)
        if rule.object_classes:
            value[predictions.categories[detections] != truth.categories[truths]] = 0
        return value

    def compare(truths: Array, detections: Array) -> Array:
        person = overlap(true.human[truths], rows.human[detections])
        wanted, given = true.object[truths], rows.object[detections]
        both = np.minimum(person, overlap(np.maximum(wanted, 0), np.maximum(given, 0)))
        made: Array = np.where(wanted < 0, person, np.where(given < 0, 0, both))
        return made

    return compare


def _groups(judged: Judged, rule: RoleRule) -> dict[str, Array]:
    """The verbs (V,) that each mean is over."""
    known = np.isin(np.arange(len(judged.truths)), _without_point(judged.truth))
    return {"full": known} if rule.empty_roles == "no-truth" else {"full": judged.truths > 0, "without-point": known}


def _result_rows(groups: dict[str, Array], curves: dict[str, ClassCurves]) -> list[Row]:
    made = []
    for split, group in groups.items():
        metrics = {"mAP": mean(curves[""].ap[group]), "recall": mean(np.nan_to_num(curves[""].recall[group]))}
        metrics |= {f"mAP{end}": mean(curves[end].ap[group]) for end in ("_low", "_high")}
        made.append(Row(SETTING, split, int(group.sum()), metrics))
    return made


def _per_class(verbs: tuple[str, ...], truths: Array, curves: dict[str, ClassCurves]) -> dict[str, Array]:
    given = curves[""]
    return {
        "class": np.array(verbs, object),
        "truths": truths,
        "detections": given.detections,
        "true_positives": given.true_positives,
        "ap": given.ap,
        "recall": given.recall,
        "ap_low": curves["_low"].ap,
        "ap_high": curves["_high"].ap,
    }
