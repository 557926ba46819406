"""Scene graph generation: recall and mean recall of relation triplets at 20, 50 and 100 of an image.

A true relation is found by a prediction of its triplet (subject class, predicate, object class) whose two boxes both
overlap the true ones enough; one prediction may find several. Settings: `graph-constraint`, the best predicate of each
pair of boxes counts, and `no-graph-constraint`, all do. Which boxes and classes are given (PredCls, SGCls, SGDet) is a
matter of the predictions. Boxes: inclusive pixel indices, float32.
Source: Lu et al., ECCV 2016 (recall); Tang et al., CVPR 2019 (mean recall); sgg_eval.py of Scene-Graph-Benchmark
(Tang et al., CVPR 2020), which PySGG and others follow; docs/protocols/sgg.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import Dataset, Predictions, align, to_frame
from hoitool.eval.matching import Overlap, Pairs
from hoitool.eval.relations import candidates, first_ranks, relations, require_predicates
from hoitool.eval.result import Result, Row
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.signature import choice, signature

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


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "scene-graph-benchmark") -> Result:
    """Score predictions of predicates, dense or sparse, under a variant of the rule.

    Metrics, as fractions: R@20, R@50, R@100, and mR@20, mR@50, mR@100, the means of the recalls of all predicates, 0
    for those without true relations. Raises DataError when the truth is not of predicates between boxes with classes,
    when predictions name images or labels that it does not have, and when boxes need image sizes that are not known.
    """
    rule = VARIANTS[variant]
    require_predicates(truth, predictions, "scene graph generation")
    truth = to_frame(truth, rule.edges)
    predictions = to_frame(align(predictions, truth).with_columns(image_scores=None), rule.edges)
    notes: list[str] = []
    classes = truth.meta.classes
    truths = np.bincount(truth.need("label"), minlength=classes)
    rows: list[Row] = []
    columns = {"id": np.arange(classes), "predicate": np.array(truth.meta.labels.verbs, object), "truths": truths}
    for setting, of_pair in SETTINGS.items():
        said: list[str] = []
        _, true, detected = relations(truth, predictions, of_pair, rule.max_triplets, -np.inf, said)
        notes.extend(note for note in said if note not in notes)
        recall, each = _recalled(true, detected, truth, rule)
        means = {f"m{name}": float(values.mean()) for name, values in each.items()}
        rows.append(Row(setting, "full", classes, recall | means))
        columns |= {f"{name}_{setting.replace('-', '_')}": values for name, values in each.items()}
    if lacking := int((truths == 0).sum()):
        notes.append(f"{lacking} of the {classes} predicates have no true relation here and count as 0 in mean recall")
    return Result(
        protocol="sgg",
        variant=variant,
        signature=signature(f"sgg/{variant}", rule),
        rows=tuple(rows),
        per_class=columns,
        inputs={
            "truth": told_truth(truth),
            "predictions": told_predictions(predictions, pairs=len(predictions.subject)),
        },
        notes=tuple(notes),
    )


def _recalled(
    true: Pairs, detected: Pairs, truth: Dataset, rule: GraphRule
) -> tuple[dict[str, float], dict[str, Array]]:
    """R@K of all relations, and (L,) those of each predicate, by name."""
    near = candidates(true, detected, Overlap(rule.edges, 0, "float32"))
    rank = first_ranks(true, detected, near, rule.min_iou)
    recall, each = {}, {}
    for k in RECALL_AT:
        together = np.zeros(len(true), np.int64)
        recall[f"R@{k}"] = float(recalls(rank < k, true.image, together, 1, rule.averaged)[0])
        each[f"R@{k}"] = recalls(rank < k, true.image, truth.need("label"), truth.meta.classes, rule.averaged)
    return recall, each


def recalls(found: Array, image: Array, group: Array, groups: int, averaged: str) -> Array:
    """(groups,) the recall of true relations (n,) in each group; 0 for a group without any.

    averaged  relations: found of all; images: the mean over the images that have some of the group
    """
    if averaged == "relations":
        hits, counts = np.bincount(group, found, groups), np.bincount(group, minlength=groups)
        return hits / np.maximum(counts, 1)
    keys, place = np.unique(image.astype(np.int64) * groups + group, return_inverse=True)
    share = np.bincount(place, found, len(keys)) / np.bincount(place, minlength=len(keys))
    of = keys % groups
    made: Array = np.bincount(of, share, groups) / np.maximum(np.bincount(of, minlength=groups), 1)
    return made
