"""Which cause each false positive has, and what would have found each truth.

A detection is compared with the truths of its image. The truth that speaks first for a cause (LEVELS) is the closest;
of several at one level it is the one with the largest pair overlap, the smaller of the two boxes' IoUs, and of equal
ones the first. So a detection of its class is judged by the truth that the protocol ties it to. docs/diagnose.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import offsets_of, ranges
from hoitool.diagnose.case import Case
from hoitool.diagnose.diagnosis import CAUSES, LOOSE
from hoitool.eval.matching import first_equal, parts

Array = NDArray[Any]
DUPLICATE, HUMAN_BOX, OBJECT_BOX, OBJECT_CLASS, VERB_ONLY, WRONG_PAIR, BACKGROUND = range(len(CAUSES))
# how a truth speaks for a cause: the highest level decides. A matching truth has 2, and more for what agrees
ITS_CLASS, ITS_VERB, ITS_OBJECT, OTHER = 5, 4, 3, 2
CAUSE_OF_LEVEL = {ITS_VERB: OBJECT_CLASS, ITS_OBJECT: VERB_ONLY, OTHER: OBJECT_CLASS}


@dataclass(frozen=True)
class Evidence:
    """Of detections (N,): `cause`, -1 for true positives, and the `closest` truth, -1 for none.

    Of truths (T,): `found` by a true positive; `reachable`: a proposal would find it if it had its class; the
    `nearest` proposal, -1 where none overlaps.
    """

    cause: Array
    closest: Array
    found: Array
    reachable: Array
    nearest: Array


@dataclass(frozen=True)
class _Overlaps:
    """Some proposals with each truth of their image: E combinations, those of row i in begins[i]:begins[i] + size[i].

    rows (n,) proposals, truth and proposal (E,), human and object (E,) overlaps, pair (E,) the smaller, near (E,)
    """

    rows: Array
    begins: Array
    size: Array
    truth: Array
    proposal: Array
    human: Array
    object: Array
    pair: Array
    near: Array


def evidence(case: Case) -> Evidence:
    """Judge all detections and truths of a case."""
    held = Evidence(
        cause=np.where(case.ranked.hit, -1, BACKGROUND).astype(np.int8),
        closest=np.full(len(case.ranked.hit), -1),
        found=np.zeros(len(case.truths), bool),
        reachable=np.zeros(len(case.truths), bool),
        nearest=np.full(len(case.truths), -1),
    )
    first = offsets_of(np.bincount(case.truths.image, minlength=len(case.truth)))
    size = np.diff(first)[case.proposal_image]
    order = np.argsort(case.proposal, kind="stable")
    bounds = np.searchsorted(case.proposal[order], np.arange(len(size) + 1))
    some = np.flatnonzero(size)
    nearest = np.zeros(len(case.truths))
    for part in parts(size[some] * np.maximum(1, np.diff(bounds)[some])):
        rows = some[part]
        there = _overlaps(case, rows, first[case.proposal_image[rows]], size[rows])
        _reach(case, there, held.reachable)
        _approach(there, held.nearest, nearest)
        counts = np.diff(bounds)[rows]
        _judge(case, there, order[ranges(bounds[rows], counts)], np.repeat(np.arange(len(rows)), counts), held)
    return held


def _overlaps(case: Case, rows: Array, first: Array, size: Array) -> _Overlaps:
    truth, proposal = ranges(first, size), np.repeat(rows, size)
    human, obj = case.compare(truth, proposal)
    near = np.ones(len(truth), bool) if case.near is None else case.near(truth, proposal)
    return _Overlaps(rows, np.cumsum(size) - size, size, truth, proposal, human, obj, np.minimum(human, obj), near)


def _reach(case: Case, there: _Overlaps, reachable: Array) -> None:
    """Mark the truths that proposals would find: in each class the one that the protocol ties them to."""
    label = case.truths.label[there.truth]
    new = np.ones(len(label), bool)
    new[1:] = (label[1:] != label[:-1]) | (there.proposal[1:] != there.proposal[:-1])
    tied = np.where(there.near, there.pair, -1)
    best, at = _largest(tied, np.flatnonzero(new))
    reachable[there.truth[at[case.matches(best)]]] = True


def _approach(there: _Overlaps, nearest: Array, overlap: Array) -> None:
    """Bring the nearest proposal of each truth, and its overlap, up to date."""
    closer = np.flatnonzero(there.pair > overlap[there.truth])
    closer = closer[np.lexsort((-there.pair[closer], there.truth[closer]))]
    truth, first = np.unique(there.truth[closer], return_index=True)
    nearest[truth], overlap[truth] = there.proposal[closer[first]], there.pair[closer[first]]


def _judge(case: Case, there: _Overlaps, detections: Array, place: Array, held: Evidence) -> None:
    """Write the causes of detections, which are of the proposals there.rows[place]."""
    if not len(detections):
        return
    size = there.size[place]
    at = ranges(there.begins[place], size)
    begins = np.cumsum(size) - size
    truth, human, obj, pair = there.truth[at], there.human[at], there.object[at], there.pair[at]
    label = np.repeat(case.label[detections], size)
    level = _levels(case, label, truth, pair, there.near[at])
    highest = np.maximum.reduceat(level, begins)
    _, best = _largest(np.where(level == np.repeat(highest, size), pair, -1), begins)
    whole = case.matches(pair[best])
    blamed = np.where(human[best] <= obj[best], HUMAN_BOX, OBJECT_BOX)
    hit = case.ranked.hit[detections]
    cause = np.select(
        [highest == ITS_CLASS, *(highest == each for each in CAUSE_OF_LEVEL)],
        [np.where(whole, DUPLICATE, blamed), *CAUSE_OF_LEVEL.values()],
        BACKGROUND,
    )
    closest = np.where(highest > 0, truth[best], -1)
    _by_one_box(case, (truth, human, obj, there.near[at], label), begins, highest == 0, cause, closest)
    held.found[closest[hit]] = True
    held.cause[detections] = np.where(hit, -1, cause)
    held.closest[detections] = closest


def _levels(case: Case, label: Array, truth: Array, pair: Array, near: Array) -> Array:
    """(E,) at which level each truth speaks for a cause of a detection of a label, 0 where it does not."""
    verb = case.truths.verb[truth] == case.verb[label]
    obj = case.truths.object[truth] == case.object[label]
    matching = (OTHER + obj + 2 * verb).astype(np.int8) * (near & case.matches(pair))
    loose = near & verb & obj & (pair >= pair.dtype.type(LOOSE))
    made: Array = np.where(loose, np.int8(ITS_CLASS), matching)
    return made


def _by_one_box(
    case: Case,
    found: tuple[Array, Array, Array, Array, Array],
    begins: Array,
    undecided: Array,
    cause: Array,
    closest: Array,
) -> None:
    """Judge undecided detections by boxes that are found alone, where the truth has an object at all.

    Both in different truths: a wrong pair; the closest truth is one whose object it has, of its class if there is one.
    One of them, in a truth of its class: the other box is to blame.
    """
    truth, human, obj, near, label = found
    own = case.truths.label[truth] == label
    right = case.matches(obj) & case.truths.thing[truth]
    people = np.logical_or.reduceat(case.matches(human), begins)
    things = np.logical_or.reduceat(right, begins)
    _, best = _largest(np.where(right, obj + 2 * own, -1), begins)
    wrong = undecided & people & things
    cause[wrong], closest[wrong] = WRONG_PAIR, truth[best[wrong]]
    half = own & near & case.truths.thing[truth] & (right | case.matches(human))
    most, best = _largest(np.where(half, np.maximum(human, obj), -1), begins)
    alone = undecided & ~wrong & (most >= 0)
    cause[alone] = np.where(human[best] <= obj[best], HUMAN_BOX, OBJECT_BOX)[alone]
    closest[alone] = truth[best[alone]]


def _largest(values: Array, begins: Array) -> tuple[Array, Array]:
    """The largest value of each segment, which start at `begins`, and the first place where it stands."""
    best = np.maximum.reduceat(values, begins)
    sizes = np.diff(np.append(begins, len(values)))
    return best, first_equal(values, np.repeat(best, sizes), np.repeat(np.arange(len(begins)), sizes))
