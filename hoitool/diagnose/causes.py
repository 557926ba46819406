"""Why predictions fail in one setting of a protocol.

>>> from hoitool.diagnose.causes import diagnose
>>> found = diagnose(truth, predictions)
>>> {cause: len(found.false_positives.of(cause)) for cause in CAUSES}
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset, Predictions
from hoitool.diagnose.case import Case
from hoitool.diagnose.diagnosis import MISSES, Classes, Diagnosis, FalsePositives, Group, Missed
from hoitool.diagnose.evidence import Evidence, evidence
from hoitool.diagnose.figures import calibration, frequency
from hoitool.diagnose.repairs import ceiling, repaired, unrepaired
from hoitool.errors import UsageError
from hoitool.eval import choose_variant, natural_protocol, protocol_named
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.signature import signature
from hoitool.lookup import Lookup, unknown_name
from hoitool.splits import RARE, Split

Array = NDArray[Any]

# protocol -> module with cases(truth, predictions, variant, training), what makes the case of every setting
CASES = Lookup(
    "protocol with a diagnosis", {"hico-det": "hoitool.diagnose.hico_det", "v-coco": "hoitool.diagnose.v_coco"}
)


NO_PROPOSAL, RANKED_TOO_LOW = range(len(MISSES))


def diagnose(
    truth: Dataset,
    predictions: Predictions,
    protocol: str | None = None,
    variant: str | None = None,
    setting: str | None = None,
    training: Dataset | None = None,
) -> Diagnosis:
    """The causes of all false positives and missed pairs, and what each of them costs.

    protocol  by default the one that is natural for the predictions; setting: the protocol's first
    training  to count training pairs in, by default the counts that the label space knows
    Raises UsageError for unknown names, for a protocol or variant that has no diagnosis, and for training data of
    another label space; else what the protocol's `evaluate` raises.
    """
    protocol = require_diagnosed(protocol or natural_protocol(predictions))
    variant = choose_variant(protocol, variant)
    if training is not None and training.meta.labels.hash != truth.meta.labels.hash:
        raise UsageError(
            f"training data {training!r} have label space {training.meta.labels.name!r}, "
            f"the truth has {truth.meta.labels.name!r}"
        )
    cases = CASES[protocol].cases(truth, predictions, variant, training)
    setting = setting or next(iter(cases))
    if setting not in cases:
        raise unknown_name("setting", setting, cases)
    rule = signature(f"{protocol}/{variant}", protocol_named(protocol).VARIANTS[variant])
    return _diagnosis(cases[setting](), protocol, variant, rule, setting)


def require_diagnosed(protocol: str) -> str:
    """The protocol's name. Raises UsageError for an unknown one and for one without a diagnosis."""
    protocol_named(protocol)
    if protocol not in CASES:
        raise UsageError(f"protocol {protocol!r} has no diagnosis of causes; {' and '.join(CASES)} have one")
    return protocol


def with_split(found: Diagnosis, split: Split) -> Diagnosis:
    """The diagnosis with the class groups of a split, by the names that a result gives them (rf-uc:unseen, rare).

    Raises UsageError for a split without class groups or of another label space.
    """
    if split.space is None or not split.groups:
        raise UsageError(f"split {split.name!r} chooses training data; it has no classes to report on")
    if split.space.hash != found.truth.meta.labels.hash or found.truth.meta.label_kind != "interactions":
        raise UsageError(
            f"split {split.name!r} is of the interactions of {split.space.name!r}, which the truth has not"
        )
    full = found.groups[0].among
    prefix = "" if split.name == RARE else f"{split.name}:"
    made = [Group("split", f"{prefix}{name}", split.mask(name) & full) for name in split.groups]
    kept = [group for group in found.of("split") if group.name not in {each.name for each in made}]
    return replace(found, groups=(*kept, *made, *(group for group in found.groups if group.kind != "split")))


def _diagnosis(case: Case, protocol: str, variant: str, rule: str, setting: str) -> Diagnosis:
    held = evidence(case)
    missed = np.where(held.reachable, RANKED_TOO_LOW, NO_PROPOSAL)
    missed[held.found | (case.truths.label < 0)] = -1
    classes = _classes(case, held)
    full = case.groups[0].among
    return Diagnosis(
        protocol=protocol,
        variant=variant,
        signature=rule,
        setting=setting,
        truth=case.truth,
        predictions=case.predictions,
        classes=classes,
        false_positives=_false_positives(case, held),
        missed=_missed(case, held, missed),
        repaired=repaired(case, held, missed),
        groups=case.groups,
        calibration=calibration(case.ranked.score, case.ranked.hit),
        frequency=frequency(classes.ap[full], classes.trained[full]),
        inputs={
            "truth": told_truth(case.truth),
            "predictions": told_predictions(case.predictions, detections=len(case.label)),
        },
        notes=(*case.notes, *_left_out(case)),
    )


def _left_out(case: Case) -> list[str]:
    """A sentence on the counted detections of classes that no mean is over."""
    outside = ~case.groups[0].among
    detections = int(np.diff(case.ranked.starts)[outside].sum())
    if not detections:
        return []
    told = f"their counted detections ({detections:,}) stand in the figures of classes only"
    return [f"{int(outside.sum())} classes without a true pair are in no mean; {told}"]


def _classes(case: Case, held: Evidence) -> Classes:
    count, ranked = len(case.ranked.names), case.ranked
    true = np.bincount(case.label[ranked.hit], minlength=count)
    counted = case.truths.label >= 0
    reachable = np.bincount(case.truths.label[held.reachable & counted], minlength=count)
    recall = np.divide(true, ranked.truths, out=ranked.bare_recall.astype(float), where=ranked.truths > 0)
    return Classes(
        name=ranked.names,
        verb=case.verb_names,
        object=case.object_names,
        truths=ranked.truths,
        detections=np.diff(ranked.starts),
        true_positives=true,
        ap=unrepaired(case),
        recall=recall,
        reachable=reachable,
        ceiling=ceiling(case, reachable),
        trained=case.trained,
    )


def _false_positives(case: Case, held: Evidence) -> FalsePositives:
    rows = np.flatnonzero(held.cause >= 0)
    closest = held.closest[rows]
    return FalsePositives(
        image=case.ranked.image[rows],
        pair=case.pair[rows],
        label=case.label[rows],
        score=case.ranked.score[rows],
        cause=held.cause[rows],
        closest=np.where(closest >= 0, case.truths.pair[closest], -1) if len(case.truths) else closest,
    )


def _missed(case: Case, held: Evidence, missed: Array) -> Missed:
    rows = np.flatnonzero(missed >= 0)
    rows = rows[np.argsort(case.truths.label[rows], kind="stable")]
    nearest = held.nearest[rows]
    return Missed(
        image=case.truths.image[rows],
        pair=case.truths.pair[rows],
        label=case.truths.label[rows],
        cause=missed[rows].astype(np.int8),
        closest=np.where(nearest >= 0, case.proposal_pair[nearest], -1) if len(case.proposal_pair) else nearest,
    )
