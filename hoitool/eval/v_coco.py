"""The V-COCO protocol: average precision of agents (26 actions) and of roles (25 action-roles), two scenarios.

A detection is a person with a score for each action and, for each role, an object box with a score. Scenario 1 wants
an empty role where the truth has one; scenario 2 accepts any object there. AP has all points (VOC 2010), in float64.
Settings: scenario-1, scenario-2, agent. Splits: full (25 roles; 26 actions) and without-point (24 roles).
The truth must say who is annotated. Boxes: the official detections are inclusive pixel indices; others are converted.
Variants `qpic` and `pvic` are what those systems print while they train: other matching, other classes, 11 points.
Source: Gupta and Malik, 2015; vsrl_eval.py of github.com/s-gupta/v-coco; docs/protocols/v-coco.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import Dataset, Predictions, align, offsets_of, relabel, to_dense, to_final, to_frame
from hoitool.errors import DataError
from hoitool.eval import role_pairs
from hoitool.eval.ledger import Figure, Ledger, Ranked
from hoitool.eval.people import People, people_of
from hoitool.eval.result import Result, Row
from hoitool.eval.roles import Column, Detected, Found, Order, agents, detected, roles
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.signature import choice, signature
from hoitool.eval.weighted import AREA

Array = NDArray[Any]
Matching = Literal["nearest-person", "best-pair", "best-detection"]
SCENARIOS = {"scenario-1": "nothing", "scenario-2": "anything"}
POINT = "point_instr"  # the role that some papers leave out
ORDERS: dict[str, Order] = {"": "given", "_low": "false-first", "_high": "true-first"}  # by the end of a ranking's name


@dataclass(frozen=True)
class RoleRule:
    """Every choice of the protocol. A variant is the official rule with some fields replaced."""

    reproduces: str
    matching: Matching = choice("nearest-person", "what a detection is compared with, and how the winner is chosen")
    min_iou: float = choice(0.5, "overlap of person and of object that matches")
    strict: bool = choice(False, "only a larger overlap matches, not an equal one")
    edges: Edges = choice("inclusive", "a box covers x2 - x1 + 1 pixels (inclusive) or is x2 - x1 wide (continuous)")
    truth_boxes: str = choice("x+w-1, clipped", "true boxes: x + w - 1 clipped to the image, or x + w as they are")
    precision: Literal["float32", "float64"] = choice("float32", "the arithmetic of boxes, overlaps and scores")
    unannotated: str = choice("left-out", "what a detection of an unannotated person becomes")
    empty_roles: str = choice("by-scenario", "what finds an empty role: by scenario, any object, or it is no truth")
    object_classes: bool = choice(False, "the object's class must agree")
    impossible: bool = choice(True, "objects that a verb does not take are scored; otherwise their score becomes 0")
    max_pairs: int | None = choice(None, "only so many best-scored rows of an image count")
    recall_points: int | None = choice(None, "recall points of AP; none: the area under the envelope")
    ties: str = choice("file-order", "equal scores: by image, then file order; bounds are given")
    classes: str = choice("26 agents, 25 and 24 roles", "what the means are over")


OFFICIAL = RoleRule("vsrl_eval.py of V-COCO")
_TRAINING = replace(OFFICIAL, truth_boxes="x+w", unannotated="false-positives", recall_points=11)

VARIANTS: dict[str, RoleRule] = {
    "official": OFFICIAL,
    "qpic": replace(
        _TRAINING,
        reproduces="vcoco_eval.py of QPIC, CDN, GEN-VLKT and HOICLIP: its mAP_all (29) and mAP_thesis (24)",
        matching="best-pair",
        empty_roles="any-object",
        object_classes=True,
        impossible=False,
        max_pairs=100,
        precision="float64",
        classes="29 verbs; 24 roles",
    ),
    "pvic": replace(
        _TRAINING,
        reproduces="test_vcoco of PViC, pocket's association",
        matching="best-detection",
        strict=True,
        edges="continuous",
        empty_roles="no-truth",
        classes="24 roles",
    ),
}
POINT_NOTE = (
    "papers that print 24 roles leave point_instr out: mean24 = (25 * mean25 - AP(point_instr)) / 24. Systems that do "
    "not know point_instr (UPT, PViC) have about 0 there, so their official mean of 25 is 24/25 of what they print"
)


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "official") -> Result:
    """Score predictions of agents and roles, or of verbs, which are turned into them as QPIC's writer does.

    Metrics: mAP, recall (mean of the final recalls), and mAP_low and mAP_high, the bounds over the orders of equal
    scores. A class without truths has no AP and is left out of the means. Raises DataError for truth that is not in a
    label space with roles or does not say who is annotated, and for predictions that do not fit the truth.
    """
    rule, judged = VARIANTS[variant], judge(truth, predictions, variant)
    head = ("v-coco", variant, signature(f"v-coco/{variant}", rule))
    if isinstance(judged, role_pairs.Judged):
        return role_pairs.evaluate(judged, rule, head)
    people, made, table = judged.people, judged.made, judged.classes
    return Result(
        *head,
        rows=tuple(_rows(table)),
        per_class=_per_class(table),
        inputs={
            "truth": told_truth(truth),
            "predictions": told_predictions(judged.predictions, detections=len(made.image)),
            "counts": _counts(people, made),
        },
        notes=tuple(_notes(truth, people, made, table)),
    )


@dataclass(frozen=True)
class Class:
    """The detections of one class in one setting.

    action  whose people are its truths; column: the number of its agents or role among those of `Detected`
    """

    setting: str
    name: str
    action: int
    number: int
    column: Column
    truths: int

    @cached_property
    def found(self) -> dict[Order, Found]:
        """The true positives by the order of equal scores."""
        return dict(self.column.found(self.truths))

    def ap(self, order: Order = "given") -> float:
        """AP; NaN without truths."""
        return self.found[order].curve()[0]


@dataclass(frozen=True)
class Judged:
    """Predictions that were matched with their truth by the official rule.

    predictions  agents and roles, in the truth's order and the inclusive frame; made: the same as detections
    classes      of scenario 1, of scenario 2, of agents
    """

    truth: Dataset
    predictions: Predictions
    people: People
    made: Detected
    classes: list[Class]


def judge(truth: Dataset, predictions: Predictions, variant: str = "official") -> Judged | role_pairs.Judged:
    """Match predictions with their truth, and say which are true positives. Raises what `evaluate` does."""
    rule = VARIANTS[variant]
    if not truth.meta.labels.roles or truth.meta.label_kind != "verbs":
        raise DataError(
            f"{truth!r} holds {truth.meta.label_kind} of {truth.meta.labels.name!r}; V-COCO is scored against true "
            "verbs of a label space with roles (convert --from v-coco)"
        )
    predictions = align(to_final(predictions).with_columns(image_scores=None), truth)
    if rule.matching != "nearest-person":
        return role_pairs.judge(truth, predictions, rule)
    predictions = to_frame(to_dense(relabel(predictions, "agents+roles")[0]), "inclusive")
    people = people_of(truth)
    made = detected(predictions, people)
    return Judged(truth, predictions, people, made, _classes(truth, people, made, rule))


def ledger(truth: Dataset, predictions: Predictions, variant: str = "official") -> Ledger:
    """What the figures are made of.

    The row of a detection is its place in the column of its class (`judge(...).made.columns`); under the variants of
    pairs its place among `judge(...).rows`.
    """
    judged = judge(truth, predictions, variant)
    if isinstance(judged, role_pairs.Judged):
        return role_pairs.ledger(judged, VARIANTS[variant])
    return ledger_from(judged)


def ledger_from(judged: Judged, settings: Sequence[str] = (*SCENARIOS, "agent")) -> Ledger:
    """The ledger of what was judged by the official rule, with some settings only."""
    ranked, figures = {}, []
    for setting in settings:
        held = [c for c in judged.classes if c.setting == setting]
        for end, order in ORDERS.items():
            ranked[f"{setting}{end}"] = _ranked(judged, held, order)
        figures += list(_figures(setting, held))
    return Ledger(judged.truth.key, ranked, tuple(figures))


def _figures(setting: str, held: list[Class]) -> Iterator[Figure]:
    """The figures of `_row`, as means over classes."""
    groups = {"full": np.array([c.truths > 0 for c in held])}
    if setting != "agent" and any(c.name == POINT for c in held):
        groups["without-point"] = groups["full"] & np.array([c.name != POINT for c in held])
    for split, among in groups.items():
        yield Figure(setting, split, "mAP", setting, "ap", among)
        yield Figure(setting, split, "recall", setting, "recall", among)
        yield Figure(setting, split, "mAP_low", f"{setting}_low", "ap", among)
        yield Figure(setting, split, "mAP_high", f"{setting}_high", "ap", among)


def _ranked(judged: Judged, held: list[Class], order: Order) -> Ranked:
    people = judged.people
    ordered = [c.column.ranked(order) for c in held]
    who = [c.column.who[rows] for c, (rows, _) in zip(held, ordered, strict=True)]
    true = [np.flatnonzero(people.does[:, c.action]) for c in held]
    return Ranked(
        names=np.array([c.name for c in held], object),
        starts=offsets_of(np.array([len(rows) for rows, _ in ordered])),
        image=judged.made.image[np.concatenate(who)],
        hit=np.concatenate([hit for _, hit in ordered]),
        score=np.concatenate([c.column.score[rows] for c, (rows, _) in zip(held, ordered, strict=True)]),
        row=np.concatenate([rows for rows, _ in ordered]),
        true_image=people.image[np.concatenate(true)],
        true_class=np.repeat(np.arange(len(held)), [len(rows) for rows in true]),
        formula=AREA,
        bare_recall=np.full(len(held), np.nan),
    )


def _classes(truth: Dataset, people: People, made: Detected, rule: RoleRule) -> list[Class]:
    labels, positives = truth.meta.labels, people.positives
    table = []
    for setting, empty in SCENARIOS.items():
        for r, verb in enumerate(labels.role_verbs.tolist()):
            action, number = int(labels.verb_actions[verb]), len(labels.actions) + r
            column = roles(made, people, number, verb, rule.min_iou, empty)
            table.append(Class(setting, labels.verbs[verb], action, number, column, int(positives[action])))
    for action, name in enumerate(labels.actions):
        column = agents(made, people, action, rule.min_iou)
        table.append(Class("agent", f"{name}_agent", action, action, column, int(positives[action])))
    return table


def _rows(table: list[Class]) -> list[Row]:
    rows = []
    for setting in (*SCENARIOS, "agent"):
        held = [c for c in table if c.setting == setting]
        rows.append(_row(setting, "full", held))
        if setting != "agent" and any(c.name == POINT for c in held):
            rows.append(_row(setting, "without-point", [c for c in held if c.name != POINT]))
    return rows


def _row(setting: str, split: str, held: list[Class]) -> Row:
    """The means over the classes that have truths."""
    scored = [c for c in held if c.found["given"].truths]
    metrics = {
        "mAP": _mean([c.ap() for c in scored]),
        "recall": _mean([c.found["given"].curve()[1] for c in scored]),
        "mAP_low": _mean([c.ap("false-first") for c in scored]),
        "mAP_high": _mean([c.ap("true-first") for c in scored]),
    }
    return Row(setting, split, len(scored), metrics)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _per_class(table: list[Class]) -> dict[str, Array]:
    given = [c.found["given"] for c in table]
    return {
        "setting": np.array([c.setting for c in table], object),
        "class": np.array([c.name for c in table], object),
        "truths": np.array([f.truths for f in given]),
        "detections": np.array([f.detections for f in given]),
        "true_positives": np.array([len(f.ranks) for f in given]),
        "ap": np.array([f.curve()[0] for f in given]),
        "recall": np.array([f.curve()[1] for f in given]),
        "ap_low": np.array([c.ap("false-first") for c in table]),
        "ap_high": np.array([c.ap("true-first") for c in table]),
    }


def _notes(truth: Dataset, people: People, made: Detected, table: list[Class]) -> list[str]:
    notes = [POINT_NOTE] if any(c.name == POINT for c in table) else []
    if not len(made.image):
        notes.append("there are no predictions, so every figure is 0")
    lacking = [c.name for c in table if not c.found["given"].truths and c.setting != "scenario-2"]
    if lacking:
        notes.append(
            f"{len(lacking)} classes have no truths here and are left out of the means ({', '.join(lacking[:4])}"
            f"{', ...' if len(lacking) > 4 else ''}): the official code gives no figure then"
        )
    silent = [
        c.name
        for c in table
        if c.found["given"].truths and not c.found["given"].detections and c.setting != "scenario-2"
    ]
    if silent and len(made.image):
        notes.append(
            f"{len(silent)} classes have no counted detection, and AP 0 ({', '.join(silent[:4])}"
            f"{', ...' if len(silent) > 4 else ''}): the official code stops there"
        )
    if people.dropped:
        notes.append(
            f"{people.dropped} annotated people have no proper box (no area, a pixel wide, or to be ignored): "
            "what they do is not among the truths, as in the official code"
        )
    alone = int((made.person < 0).sum())
    if alone:
        notes.append(f"{alone} detections are in images without any person, and count as false positives")
    return notes


def _counts(people: People, made: Detected) -> dict[str, int]:
    tied = made.person >= 0
    left_out = int((~people.annotated[made.person[tied]]).sum()) if tied.any() else 0
    return {
        "people": len(people.rows),
        "annotated_people": int(people.annotated.sum()),
        "detections_left_out": left_out,
    }
