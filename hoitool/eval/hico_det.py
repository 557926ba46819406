"""The HICO-DET protocol: mean average precision of human-object pairs over interactions.

A detection (human box, object box, interaction, score) matches a true pair of its image and interaction when the
smaller of the two boxes' IoUs reaches 0.5. AP has 11 recall points; mAP is the plain mean over interactions.
Settings: `default` scores each interaction on all images; `known-object` only on images that show its object,
by the image-level labels; `known-object-boxes` the same by the true pairs, where there are no image-level labels.
Boxes: the inclusive frame, zero-based pixel indices; others are converted. Arithmetic: float64 unless a rule says
otherwise. Source: Chao et al., WACV 2018; eval_one.m and VOCevaldet_bboxpair.m of HO-RCNN; docs/protocols/hico-det.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import (
    Dataset,
    Predictions,
    align,
    offsets_of,
    relabel,
    swapped_boxes,
    to_final,
    to_frame,
    to_interactions,
)
from hoitool.errors import DataError
from hoitool.eval.curves import ClassCurves, Ranking, evaluate_classes, tied_orders
from hoitool.eval.ledger import Figure, Ledger, Ranked, What
from hoitool.eval.matching import Overlap, Pairs, match, pair_overlaps
from hoitool.eval.result import Result, Row, mean, told_group
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.signature import choice, signature
from hoitool.eval.suppression import PairSuppression, best_per_image, suppress

Array = NDArray[Any]
Precision = Literal["float64", "float32"]
Ties = Literal["file-order", "unstable"]
Unannotated = Literal["false-positives", "dropped"]
Averaged = Literal["all", "with-truth"]
KNOWN_OBJECT, KNOWN_OBJECT_BOXES = "known-object", "known-object-boxes"
SETTINGS = ("default", KNOWN_OBJECT, KNOWN_OBJECT_BOXES)
# metric -> the figure of a class that it is the mean of; the last two where ties are undefined
METRICS = {"mAP": "AP", "recall": "recall", "mAP_low": "lowest_AP", "mAP_high": "highest_AP"}
# metric -> the end of the name of the ranking that it comes from, and what of it
RANKED: dict[str, tuple[str, What]] = {
    "mAP": ("", "ap"),
    "recall": ("", "recall"),
    "mAP_low": ("_low", "ap"),
    "mAP_high": ("_high", "ap"),
}


@dataclass(frozen=True)
class PairRule:
    """Every choice of the protocol. A variant is the official rule with some fields replaced."""

    reproduces: str
    min_iou: float = choice(0.5, "pair overlap that matches")
    strict: bool = choice(False, "only a larger overlap matches, not an equal one")
    edges: Edges = choice("inclusive", "a box covers x2 - x1 + 1 pixels (inclusive) or is x2 - x1 wide (continuous)")
    origin: int = choice(1, "added to zero-based corners first, so that sums round as in the one-based original")
    precision: Precision = choice("float64", "the arithmetic of boxes, overlaps and scores")
    single_pixel: bool = choice(True, "an intersection one pixel wide or high counts")
    thresholds: str = choice("start-plus-steps", "how the 11 recall thresholds come about")
    ties: Ties = choice("file-order", "equal scores: by image, then file order; or undefined, with bounds given")
    max_pairs: int | None = choice(None, "only so many best-scored pairs of an image count")
    suppression: PairSuppression | None = choice(None, "pair NMS before scoring")
    unannotated_images: Unannotated = choice("false-positives", "what detections on images without a true pair become")
    averaged: Averaged = choice(
        "all", "interactions in the mean: all (AP 0 without true pairs), or with true pairs only"
    )

    @property
    def overlap(self) -> Overlap:
        """How this rule compares two pairs."""
        return Overlap(self.edges, self.origin, self.precision, self.single_pixel)


OFFICIAL = PairRule("the official MATLAB code of HICO-DET (eval_one.m, VOCevaldet_bboxpair.m)")
_PYTHON = replace(OFFICIAL, single_pixel=False, ties="unstable", averaged="with-truth")
_QPIC_LINE = replace(_PYTHON, precision="float32", max_pairs=100)

VARIANTS: dict[str, PairRule] = {
    "official": OFFICIAL,
    "with-truth": replace(
        OFFICIAL,
        reproduces="the official rule, averaged over interactions with true pairs",
        averaged="with-truth",
    ),
    "ppdm": replace(
        _PYTHON,
        reproduces="hico_eval.py of PPDM",
    ),
    "qpic": replace(
        _QPIC_LINE,
        reproduces="hico_eval.py of QPIC and CDN, boxes in one frame",
        unannotated_images="dropped",
    ),
    "gen-vlkt": replace(
        _QPIC_LINE,
        reproduces="hico_eval_triplet.py of GEN-VLKT and HOICLIP, without pair NMS",
    ),
    "gen-vlkt-nms": replace(
        _QPIC_LINE,
        reproduces="hico_eval_triplet.py of GEN-VLKT and HOICLIP, with its pair NMS",
        suppression=PairSuppression(threshold=0.7, human_power=1.0, object_power=0.5),
    ),
    "pocket": replace(
        OFFICIAL,
        reproduces="BoxPairAssociation and DetectionAPMeter of pocket, as UPT and PViC use them",
        strict=True,
        precision="float32",
        thresholds="symmetric",
        ties="unstable",
    ),
}


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "official") -> Result:
    """Score predictions of interactions (sparse, or dense and expanded) under a variant of the rule.

    Metrics: mAP and recall (mean of each interaction's final recall), as fractions. Raises DataError when the
    predictions name images or labels that the truth does not have, or when the truth holds no interactions.
    """
    rule, judged = VARIANTS[variant], judge(truth, predictions, variant)
    made = {
        end: {
            setting: evaluate_classes(iter(order), judged.hit, judged.truths, rule.thresholds, keep)
            for setting, keep in judged.settings.items()
        }
        for end, order in judged.orders(rule).items()
    }
    truth, notes = judged.truth, list(judged.notes)
    groups = _splits(truth)
    per_class = _per_class(truth, judged.truths, made)
    _note_gaps(judged.truths, rule, notes)
    return Result(
        protocol="hico-det",
        variant=variant,
        signature=signature(f"hico-det/{variant}", rule),
        rows=tuple(rows_of(per_class, groups, variant)),
        per_class=per_class,
        inputs=_inputs(truth, judged.predictions, groups),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Judged:
    """Predictions that were matched with their truth.

    truth, predictions  in the truth's order and the inclusive frame; the predictions sparse interactions
    true, detected      the pairs (T,) and (N,) that the rule looks at, rows of both data by their `row`
    hit                 (N,) whether a detection is a true positive
    settings            each setting with (N,) which detections take part in it, None: all
    notes               what a reader of the figures should know
    """

    truth: Dataset
    predictions: Predictions
    true: Pairs
    detected: Pairs
    hit: Array
    settings: dict[str, Array | None]
    notes: tuple[str, ...]

    @property
    def truths(self) -> Array:
        """(K,) true pairs of each interaction."""
        return np.bincount(self.true.label, minlength=self.truth.meta.classes)

    def orders(self, rule: PairRule) -> dict[str, list[Array]]:
        """For each interaction its detections, best first ('').

        Where a rule leaves the order of equal scores open also with the false ('_low') and the true positives
        ('_high') of them first.
        """
        score = _scores(self.detected)
        ranking = Ranking.of(self.detected.label, score, self.truth.meta.classes)
        orders = {"": list(ranking)}
        if rule.ties == "unstable":
            orders |= {
                end: list(tied_orders(iter(ranking), self.hit, score, first))
                for end, first in (("_low", False), ("_high", True))
            }
        return orders


def judge(truth: Dataset, predictions: Predictions, variant: str = "official") -> Judged:
    """Match predictions with their truth, and say which are true positives. Raises what `evaluate` does."""
    rule = VARIANTS[variant]
    if truth.meta.label_kind != "interactions" or truth.dense:
        raise DataError(f"{truth!r} holds {truth.meta.label_kind}; HICO-DET is scored against true interactions")
    truth, notes = to_frame(truth, "inclusive"), []
    predictions, impossible = _aligned(predictions, truth)
    if impossible:
        told = "a verb that does not go with the class of their object, or no object, and are not scored"
        notes.append(f"{impossible:,} of the predicted pairs have {told}")
    if not len(predictions.subject):
        notes.append("there are no predictions, so every figure is 0")
    true, detected = Pairs.of(truth).with_objects(), _considered(Pairs.of(predictions), truth, rule)
    hit = _matched(true, detected, truth.meta.classes, rule)
    name, shows = _known_object(truth, notes)
    shown = shows[detected.image, truth.meta.labels.interaction_objects[detected.label]]
    return Judged(truth, predictions, true, detected, hit, {"default": None, name: shown}, tuple(notes))


def ledger(truth: Dataset, predictions: Predictions, variant: str = "official") -> Ledger:
    """What the figures are made of; the row of a detection is its pair in `judge(...).predictions`."""
    return ledger_from(judge(truth, predictions, variant), variant)


def ledger_from(judged: Judged, variant: str, settings: Sequence[str] = SETTINGS) -> Ledger:
    """The ledger of what was judged under a variant, with some settings only."""
    rule = VARIANTS[variant]
    orders = judged.orders(rule)
    ranked = {
        f"{setting}{end}": _ranked(judged, order, keep, rule)
        for setting, keep in judged.settings.items()
        if setting in settings
        for end, order in orders.items()
    }
    groups, truths = _splits(judged.truth), judged.truths
    figures = tuple(figures_of({"truths": truths}, groups, variant, list(ranked)))
    return Ledger(judged.truth.key, ranked, figures, judged.notes)


def _ranked(judged: Judged, order: list[Array], keep: Array | None, rule: PairRule) -> Ranked:
    held = order if keep is None else [rows[keep[rows]] for rows in order]
    counts = np.array([len(rows) for rows in held])
    rows, truths = np.concatenate(held), judged.truths
    return Ranked(
        names=np.array([judged.truth.meta.label_name(k) for k in range(len(truths))], object),
        starts=offsets_of(counts),
        image=judged.detected.image[rows],
        hit=judged.hit[rows],
        score=_scores(judged.detected)[rows],
        row=judged.detected.row[rows],
        true_image=judged.true.image,
        true_class=judged.true.label,
        formula=rule.thresholds,
        bare_recall=np.where((counts > 0) & (truths == 0), np.nan, 0.0),
    )


def true_positives(truth: Dataset, predictions: Predictions, variant: str = "official") -> Array:
    """(P,) whether each prediction of an interaction is a true positive, by the truth's images, then in file order.

    Predictions that the variant does not score (caps, pair NMS, dropped images) are False.
    """
    rule = VARIANTS[variant]
    truth = to_frame(truth, "inclusive")
    predictions, _ = _aligned(predictions, truth)
    detected = _considered(Pairs.of(predictions), truth, rule)
    hit = _matched(Pairs.of(truth).with_objects(), detected, truth.meta.classes, rule)
    found = np.zeros(len(predictions.subject), bool)
    found[detected.row[hit]] = True
    return found


def _matched(true: Pairs, detected: Pairs, classes: int, rule: PairRule) -> Array:
    """(N,) whether each detection is a true positive."""
    compare = pair_overlaps(true, detected, rule.overlap)
    return match(true, detected, classes, compare, np.dtype(rule.precision).type(rule.min_iou), rule.strict)


def _aligned(predictions: Predictions, truth: Dataset) -> tuple[Predictions, int]:
    """Sparse interactions in the truth's order and the inclusive frame, without scores of whole images.

    And how many sparse verbs are no interaction with their object, which are left out, as those of dense ones are.
    """
    impossible = 0
    if predictions.image_scores is not None and not len(predictions.subject):
        raise DataError(f"{predictions!r} holds scores of whole images and no pairs: it is scored by --protocol hico")
    if predictions.meta.label_kind == "verbs" and not predictions.dense:
        predictions, impossible = relabel(to_final(predictions), "interactions")
    pairs = to_interactions(predictions).with_columns(image_scores=None)
    return to_frame(align(pairs, truth), "inclusive"), impossible


def _scores(detected: Pairs) -> Array:
    assert detected.score is not None
    return detected.score


def _considered(detected: Pairs, truth: Dataset, rule: PairRule) -> Pairs:
    """The detections that a rule scores, their scores in its precision."""
    detected = replace(detected, score=_scores(detected).astype(rule.precision, copy=False))
    if rule.max_pairs is not None:
        detected = detected.take(best_per_image(detected, rule.max_pairs))
    if rule.suppression is not None:
        detected = detected.take(suppress(detected, rule.suppression, rule.overlap))
    if rule.unannotated_images == "dropped":
        detected = detected.take(np.flatnonzero(np.diff(truth.pair_offsets)[detected.image] > 0))
    return detected


def _known_object(truth: Dataset, notes: list[str]) -> tuple[str, Array]:
    """The known-object setting: its name, and (I, O) which images show which objects."""
    objects = truth.meta.labels.interaction_objects
    shows = np.zeros((len(truth), len(truth.meta.labels.objects) + 1), bool)  # the last: verbs without an object
    if truth.image_label is None or truth.image_value is None:
        notes.append(
            f"the truth has no image-level labels: {KNOWN_OBJECT_BOXES!r} takes the images with a true pair of the "
            f"object, fewer than the official {KNOWN_OBJECT!r}"
        )
        shows[truth.image_of("pair"), objects[truth.need("label")]] = True
        return KNOWN_OBJECT_BOXES, shows
    present = truth.image_value == 1
    shows[truth.image_of("image_label")[present], objects[truth.image_label[present]]] = True
    return KNOWN_OBJECT, shows


def _splits(truth: Dataset) -> dict[str, Array]:
    """Class groups (K,) by name: full, and rare and non-rare where training counts are known."""
    labels = truth.meta.labels
    groups = {"full": np.ones(len(labels), bool)}
    if (labels.train_instances >= 0).all():
        groups |= {"rare": labels.rare, "non-rare": ~labels.rare}
    return groups


def rows_of(per_class: dict[str, Array], groups: dict[str, Array], variant: str) -> Iterator[Row]:
    """The figures of class groups (K,) by name in every setting, from the figures of the classes."""
    for setting in (s for s in SETTINGS if _column("AP", s) in per_class):
        columns = {name: per_class.get(_column(figure, setting)) for name, figure in METRICS.items()}
        for split, group in groups.items():
            among = group if VARIANTS[variant].averaged == "all" else group & (per_class["truths"] > 0)
            metrics = {name: mean(values[among]) for name, values in columns.items() if values is not None}
            yield Row(setting, split, int(among.sum()), metrics)


def figures_of(
    per_class: dict[str, Array], groups: dict[str, Array], variant: str, ranked: Sequence[str]
) -> Iterator[Figure]:
    """The figures of `rows_of`, as means over classes of the rankings of a ledger, named `ranked`."""
    for setting in (s for s in SETTINGS if s in ranked):
        for split, group in groups.items():
            among = group if VARIANTS[variant].averaged == "all" else group & (per_class["truths"] > 0)
            for metric, (end, what) in RANKED.items():
                if f"{setting}{end}" in ranked:
                    yield Figure(setting, split, metric, f"{setting}{end}", what, among)


def _column(figure: str, setting: str) -> str:
    return f"{figure}_{setting.replace('-', '_')}"


def _note_gaps(truths: Array, rule: PairRule, notes: list[str]) -> None:
    without = int((truths == 0).sum())
    if without and rule.averaged == "all":
        notes.append(
            f"{without} of the {len(truths)} interactions have no true pair here, and the official mean counts "
            "each as 0; --variant with-truth leaves them out"
        )


def _per_class(truth: Dataset, truths: Array, curves: dict[str, dict[str, ClassCurves]]) -> dict[str, Array]:
    labels = truth.meta.labels
    ids = np.arange(len(labels))
    columns: dict[str, Array] = {
        "id": ids,
        "official_id": ids + 1,
        "object": np.array(labels.objects, object)[labels.interaction_objects],
        "verb": np.array(labels.verbs, object)[labels.interaction_verbs],
    }
    if (labels.train_instances >= 0).all():
        columns["rare"] = labels.rare
    columns["truths"] = truths
    for setting, made in curves[""].items():
        columns[_column("detections", setting)] = made.detections
        columns[_column("true_positives", setting)] = made.true_positives
        columns[_column("AP", setting)] = made.ap
        columns[_column("recall", setting)] = made.recall
        for end, figure in (("_low", "lowest_AP"), ("_high", "highest_AP")):
            if end in curves:
                columns[_column(figure, setting)] = curves[end][setting].ap
    return columns


def _inputs(truth: Dataset, predictions: Predictions, groups: dict[str, Array]) -> dict[str, Any]:
    labels = truth.meta.labels
    return {
        "truth": told_truth(truth),
        "predictions": told_predictions(
            predictions, detections=len(predictions.subject), swapped_boxes=swapped_boxes(predictions)
        ),
        "splits": {name: told_group(group) for name, group in groups.items()}
        | ({"rare": told_group(groups["rare"]) | {"means": labels.rare_means}} if "rare" in groups else {}),
    }
