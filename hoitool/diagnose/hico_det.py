"""HICO-DET's case: detections of interactions, compared with all true pairs of their image."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import iou
from hoitool.data import Dataset, Predictions, class_counts
from hoitool.diagnose.case import Case, Cases, Compare, Truths, groups_of, proposals_of
from hoitool.eval.hico_det import VARIANTS, Judged, judge, ledger_from
from hoitool.eval.matching import Overlap, Pairs

Array = NDArray[Any]


def cases(truth: Dataset, predictions: Predictions, variant: str, training: Dataset | None) -> Cases:
    """What makes the case of every setting. Raises what the protocol's `evaluate` does."""
    judged = judge(truth, predictions, variant)
    return {setting: partial(_case, judged, setting, variant, training) for setting in judged.settings}


def _case(judged: Judged, setting: str, variant: str, training: Dataset | None) -> Case:
    labels, rule, ledger = judged.truth.meta.labels, VARIANTS[variant], ledger_from(judged, variant, [setting])
    ranked = ledger.ranked[setting]
    given = Pairs.of(judged.predictions)
    proposal, first = proposals_of(given.human, given.object)
    true, truths = _truths(judged)
    verb_names = np.array(labels.verbs, object)[labels.interaction_verbs]
    object_names = np.array([*labels.objects, ""], object)[labels.interaction_objects]
    return Case(
        truth=judged.truth,
        predictions=judged.predictions,
        ranked=ranked,
        pair=ranked.row,
        proposal=proposal[ranked.row],
        proposal_image=given.image[first],
        proposal_pair=first,
        truths=truths,
        verb=labels.interaction_verbs,
        object=labels.interaction_objects,
        verb_names=verb_names,
        object_names=object_names,
        compare=_compare(true, given.take(first), rule.overlap),
        near=None,
        threshold=np.dtype(rule.precision).type(rule.min_iou),
        strict=rule.strict,
        groups=groups_of(ledger, setting, verb_names, object_names),
        trained=labels.train_instances if training is None else class_counts(training),
        notes=judged.notes,
    )


def _truths(judged: Judged) -> tuple[Pairs, Truths]:
    """The true pairs by image and class, as pairs and as what can be found."""
    true, labels = judged.true, judged.truth.meta.labels
    true = true.take(np.lexsort((true.label, true.image)))
    verb, obj = labels.interaction_verbs[true.label], labels.interaction_objects[true.label]
    return true, Truths(true.image, true.label, verb, obj, true.row, true.object >= 0)


def _compare(true: Pairs, given: Pairs, how: Overlap) -> Compare:
    """What compares in the arithmetic of the rule, as hoitool.eval.matching.pair_overlaps does."""

    def compare(truths: Array, proposals: Array) -> tuple[Array, Array]:
        (human, obj), (true_human, true_obj) = given.corners(proposals, how), true.corners(truths, how)
        return (
            iou(human, true_human, how.edges, how.single_pixel),
            iou(obj, true_obj, how.edges, how.single_pixel),
        )

    return compare
