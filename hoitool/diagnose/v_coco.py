"""V-COCO's cases under the official rule: each detection is compared with the true person it is tied to.

Object boxes overlap by their IoU. Where one of a true role and a detection has an object and the other none the overlap
is LOOSE, so that the object box is to blame; where neither has one it is 1, in scenario 2 wherever the role is empty.
Agents have no objects. An annotated person who does none of the actions is somebody to confuse, not a truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import iou
from hoitool.data import Dataset, Predictions, class_counts, to_frame
from hoitool.diagnose.case import Case, Cases, Truths, groups_of
from hoitool.diagnose.diagnosis import LOOSE
from hoitool.errors import UsageError
from hoitool.eval.people import People
from hoitool.eval.v_coco import SCENARIOS, VARIANTS, Class, Judged, judge, ledger_from

Array = NDArray[Any]
NOBODY = -2  # the object of a role that is not there


def cases(truth: Dataset, predictions: Predictions, variant: str, training: Dataset | None) -> Cases:
    """What makes the case of every setting. Raises UsageError for another variant, and what `evaluate` does."""
    judged = judge(truth, predictions, variant)
    if not isinstance(judged, Judged):
        raise UsageError(f"variant {variant!r} of v-coco has no diagnosis; 'official' has one")
    settings = dict.fromkeys(c.setting for c in judged.classes)
    return {setting: partial(_case, judged, setting, training) for setting in settings}


def _case(judged: Judged, setting: str, training: Dataset | None) -> Case:
    labels, ledger = judged.truth.meta.labels, ledger_from(judged, [setting])
    held = [c for c in judged.classes if c.setting == setting]
    ranked, true = ledger.ranked[setting], _true(judged, held)
    pair = np.concatenate([judged.made.pairs[c.number][ranked.row[ranked.of_class(k)]] for k, c in enumerate(held)])
    actions = np.array([labels.actions[c.action] for c in held], object)
    proposals = np.arange(len(judged.predictions.subject))
    classes = np.arange(len(held))
    given = _Given.of(judged)
    return Case(
        truth=to_frame(judged.truth, "inclusive"),
        predictions=judged.predictions,
        ranked=ranked,
        pair=pair,
        proposal=pair,
        proposal_image=judged.predictions.image_of("pair"),
        proposal_pair=proposals,
        truths=true.truths,
        verb=classes,
        object=np.zeros_like(classes),
        verb_names=actions,
        object_names=np.full(len(held), "", object),
        compare=lambda truths, pairs: _overlaps(judged.people, true, given, setting, truths, pairs),
        near=lambda truths, pairs: true.person[truths] == given.person[pairs],
        threshold=np.float32(VARIANTS["official"].min_iou),
        strict=False,
        groups=groups_of(ledger, setting, actions, None),
        trained=_trained(training, held, judged),
        notes=(),
    )


@dataclass(frozen=True)
class _Given:
    """Predicted pairs (P,): boxes (B, 4), rows of human and object in them, -1 none; the person each is tied to."""

    boxes: Array
    human: Array
    object: Array
    person: Array

    @classmethod
    def of(cls, judged: Judged) -> _Given:
        subject = judged.predictions.pair_boxes("subject")
        who = np.unique(subject, return_inverse=True)[1]
        return cls(judged.made.boxes, subject, judged.predictions.pair_boxes("object"), judged.made.person[who])


@dataclass(frozen=True)
class _True:
    """Truths (T,) with the person each is, and the row of the object's box; -1 an empty role."""

    truths: Truths
    person: Array
    object: Array


def _true(judged: Judged, held: list[Class]) -> _True:
    """The people who do what a class says, class by class; of agents also those who do nothing. By image and class."""
    people, labels = judged.people, judged.truth.meta.labels
    rows = _pair_rows(judged)
    parts = []
    for k, each in enumerate(held):
        person = np.flatnonzero(people.does[:, each.action])
        verbs = np.flatnonzero(labels.verb_actions == each.action)
        verb = verbs[0] if each.setting == "agent" else labels.role_verbs[each.number - len(labels.actions)]
        pair = np.where(rows[person, verb] >= 0, rows[person, verb], rows[person][:, verbs].max(axis=1))
        parts.append((person, np.full(len(person), k), pair, people.target[person, verb]))
    if held[0].setting == "agent":
        idle = np.flatnonzero(people.annotated & ~people.does.any(axis=1))
        nothing = np.full(len(idle), -1)
        parts.append((idle, nothing, nothing, nothing))
    person, label, pair, obj = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((label, people.image[person]))
    person, label, pair, obj = person[order], label[order], pair[order], obj[order]
    thing = (obj >= 0) & (held[0].setting != "agent")
    return _True(Truths(people.image[person], label, label, np.zeros_like(label), pair, thing), person, obj)


def _pair_rows(judged: Judged) -> Array:
    """(people, V) the row of a person's verb in the truth's pairs, -1 where it does it not."""
    people, truth = judged.people, judged.truth
    place = np.full(len(people.boxes), -1)
    place[people.rows] = np.arange(len(people.rows))
    who = place[truth.pair_boxes("subject")]
    rows = np.full((len(people.rows), len(truth.meta.labels.verbs)), -1)
    kept = np.flatnonzero(who >= 0)
    rows[who[kept], truth.need("label")[kept]] = kept
    return rows


def _overlaps(
    people: People, true: _True, given: _Given, setting: str, truths: Array, pairs: Array
) -> tuple[Array, Array]:
    """(n,) overlaps of humans and of objects, float32, of rows of both."""
    human = iou(people.boxes[people.rows[true.person[truths]]], given.boxes[given.human[pairs]], "inclusive")
    if setting not in SCENARIOS:
        return human, np.ones_like(human)
    wanted, there = true.object[truths], given.object[pairs]
    obj = np.full(len(truths), LOOSE, np.float32)
    both = np.flatnonzero((wanted >= 0) & (there >= 0))
    obj[both] = iou(people.boxes[wanted[both]], given.boxes[there[both]], "inclusive")
    obj[(wanted == -1) & ((there < 0) | (SCENARIOS[setting] == "anything"))] = 1
    obj[wanted == NOBODY] = 0
    return human, obj


def _trained(training: Dataset | None, held: list[Class], judged: Judged) -> Array:
    """(K,) training pairs of each class; -1 without training data."""
    if training is None:
        return np.full(len(held), -1)
    labels, counts = judged.truth.meta.labels, class_counts(training)
    first = [int(np.flatnonzero(labels.verb_actions == c.action)[0]) for c in held]
    return np.array([counts[v] for v in first])
