"""Scene graph generation: recall, mean recall and zero-shot recall of relation triplets at 20, 50 and 100 of an image.

A true relation is found by a prediction of its triplet (subject class, predicate, object class) whose two boxes both
overlap the true ones enough; one prediction may find several. Settings: `graph-constraint`, the best predicate of each
pair of boxes counts, and `no-graph-constraint`, all do. Which boxes and classes are given (PredCls, SGCls, SGDet) is a
matter of the predictions. Zero-shot recall is that of the true relations whose triplet no training image has. Boxes:
inclusive pixel indices, float32.
Source: Lu et al., ECCV 2016 (recall, zero-shot recall); Tang et al., CVPR 2019 (mean recall); sgg_eval.py of
Scene-Graph-Benchmark (Tang et al., CVPR 2020), which PySGG and others follow; docs/protocols/sgg.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import Dataset, Predictions, align, to_frame
from hoitool.errors import DataError
from hoitool.eval.ledger import Key
from hoitool.eval.matching import Overlap
from hoitool.eval.relations import candidates, first_ranks, relations, require_predicates
from hoitool.eval.result import Result, Row
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.shares import Shares
from hoitool.eval.signature import choice, signature
from hoitool.labels import difference

Array = NDArray[Any]
RECALL_AT = (20, 50, 100)
SETTINGS: dict[str, int | None] = {"graph-constraint": 1, "no-graph-constraint": None}  # predicates of a pair


@dataclass(frozen=True)
class GraphRule:
    """Every choice of the protocol."""

    reproduces: str
    edges: Edges = choice("inclusive", "a box covers x2 - x1 + 1 pixels (inclusive) or is x2 - x1 wide (continuous)")
    min_iou: float = choice(0.5, "overlap of both boxes that finds, or more")
    max_triplets: int = choice(100, "only so many best-scored triplets of an image count")
    averaged: Literal["images", "relations"] = choice(
        "images", "recall is averaged over the images that have such relations, or is of all relations together"
    )


VARIANTS: dict[str, GraphRule] = {
    "scene-graph-benchmark": GraphRule("sgg_eval.py of Scene-Graph-Benchmark and PySGG"),
    "micro": GraphRule("the same, recall over all relations together", averaged="relations"),
}


def evaluate(
    truth: Dataset,
    predictions: Predictions,
    variant: str = "scene-graph-benchmark",
    training: Dataset | None = None,
) -> Result:
    """Score predictions of predicates, dense or sparse, under a variant of the rule.

    Metrics, as fractions: R@20, R@50, R@100; mR@20, mR@50, mR@100, the means of the recalls of all predicates, 0 for
    those without true relations; and where the training data are given zR@20, zR@50, zR@100, the recalls of the true
    relations of unseen triplets, 0 where there are none. Raises DataError when truth or training data are not of
    predicates between boxes with classes, or of different label spaces, when predictions name images or labels that
    the truth does not have, and when boxes need image sizes that are not known.
    """
    rule = VARIANTS[variant]
    truth, predictions, unseen = _prepared(truth, predictions, training, rule)
    notes: list[str] = []
    classes = truth.meta.classes
    truths = np.bincount(truth.need("label"), minlength=classes)
    rows: list[Row] = []
    columns = {"id": np.arange(classes), "predicate": np.array(truth.meta.labels.verbs, object), "truths": truths}
    for setting in SETTINGS:
        held = _recalls(truth, predictions, unseen, rule, setting, notes)
        rows.append(Row(setting, "full", classes, {name: float(each.means().mean()) for name, each in held.items()}))
        suffix = setting.replace("-", "_")
        columns |= {f"R@{k}_{suffix}": held[f"mR@{k}"].means() for k in RECALL_AT}
    if lacking := int((truths == 0).sum()):
        notes.append(f"{lacking} of the {classes} predicates have no true relation here and count as 0 in mean recall")
    notes.append(_told_unseen(unseen))
    inputs = {
        "truth": told_truth(truth),
        "predictions": told_predictions(predictions, pairs=len(predictions.subject)),
    }
    return Result(
        protocol="sgg",
        variant=variant,
        signature=signature(f"sgg/{variant}", rule),
        rows=tuple(rows),
        per_class=columns,
        inputs=inputs if training is None else inputs | {"training": told_truth(training)},
        notes=tuple(notes),
    )


def _prepared(
    truth: Dataset, predictions: Predictions, training: Dataset | None, rule: GraphRule
) -> tuple[Dataset, Predictions, Array | None]:
    """Both in the frame of the rule, in the truth's order; and which true relations are unseen, where that is known."""
    require_predicates(truth, predictions, "scene graph generation")
    truth = to_frame(truth, rule.edges)
    predictions = to_frame(align(predictions, truth).with_columns(image_scores=None), rule.edges)
    return truth, predictions, None if training is None else unseen_triplets(truth, training)


@dataclass(frozen=True)
class GraphLedger:
    """What the recalls are the means of, by setting and metric: they can be had again for other weights of images."""

    images: Array
    recalls: dict[tuple[str, str], Shares]

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """By setting, split and metric the figures (B,) where images count weights (I, B) times."""
        return {(setting, "full", name): held.resampled(weights) for (setting, name), held in self.recalls.items()}


def ledger(
    truth: Dataset,
    predictions: Predictions,
    variant: str = "scene-graph-benchmark",
    training: Dataset | None = None,
) -> GraphLedger:
    """What `evaluate` makes its figures of. Raises what it raises."""
    rule = VARIANTS[variant]
    truth, predictions, unseen = _prepared(truth, predictions, training, rule)
    recalls = {
        (setting, name): each
        for setting in SETTINGS
        for name, each in _recalls(truth, predictions, unseen, rule, setting, []).items()
    }
    return GraphLedger(truth.key, recalls)


def unseen_triplets(truth: Dataset, training: Dataset) -> Array:
    """(P,) whether the triplet of each true relation is that of no training relation. DataError where labels differ."""
    if differs := difference(truth.meta.labels, training.meta.labels.summary()):
        raise DataError(f"the training data do not fit the truth: {differs}")
    if training.meta.label_kind != "predicates" or (training.object < 0).any():
        raise DataError(f"{training!r} has no predicates between boxes, expected training data of {truth!r}")
    return ~np.isin(_triplets(truth), _triplets(training))


def _triplets(data: Dataset) -> Array:
    """(P,) a number for subject class, predicate and object class of each pair."""
    classes = data.categories.astype(np.int64)
    objects, predicates = len(data.meta.labels.objects) + 1, data.meta.classes
    subject, obj = classes[data.pair_boxes("subject")], classes[data.pair_boxes("object")]
    made: Array = (subject * objects + obj) * predicates + data.need("label")
    return made


def _told_unseen(unseen: Array | None) -> str:
    if unseen is None:
        return "zero-shot recall is not told, as it is not known which triplets the training data have"
    count = int(unseen.sum())
    return f"{count:,} of the {len(unseen):,} true relations are of triplets that the training data do not have" + (
        "" if count else ", so zero-shot recall is 0"
    )


def _recalls(
    truth: Dataset, predictions: Predictions, unseen: Array | None, rule: GraphRule, setting: str, notes: list[str]
) -> dict[str, Shares]:
    """R@K of all relations, mR@K by predicate, and zR@K of the unseen relations where they are known, by name."""
    said: list[str] = []
    _, true, detected = relations(truth, predictions, SETTINGS[setting], rule.max_triplets, -np.inf, said)
    notes.extend(note for note in said if note not in notes)
    near = candidates(true, detected, Overlap(rule.edges, 0, "float32"))
    rank = first_ranks(true, detected, near, rule.min_iou)
    label, together = truth.need("label"), np.zeros(len(true), np.int64)
    recall, each, zero_shot = {}, {}, {}
    for k in RECALL_AT:
        found = rank < k
        recall[f"R@{k}"] = shares(found, true.image, together, 1, rule.averaged)
        each[f"mR@{k}"] = shares(found, true.image, label, truth.meta.classes, rule.averaged)
        if unseen is not None:
            zero_shot[f"zR@{k}"] = shares(found[unseen], true.image[unseen], together[unseen], 1, rule.averaged)
    return recall | each | zero_shot


def shares(found: Array, image: Array, group: Array, groups: int, averaged: str) -> Shares:
    """What the recall of true relations (n,) in each group is the mean of.

    averaged  relations: of whether each is found; images: of the share found of each image that has some of the group
    """
    if averaged == "relations":
        return Shares(image, group, found, groups)
    keys, place = np.unique(image.astype(np.int64) * groups + group, return_inverse=True)
    share = np.bincount(place, found, len(keys)) / np.bincount(place, minlength=len(keys))
    return Shares(keys // groups, keys % groups, share, groups)
