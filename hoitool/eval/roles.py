"""V-COCO's official matching: every detected person is tied to the true person that it overlaps most.

A detection that is tied to somebody unannotated is left out; so is a score of NaN. It is a true positive when its
person does the action, overlaps by enough, the role's object does too, and nobody of a higher score found the same
before. Equal scores keep their order: images in the truth's, then file order. Overlaps and scores are float32,
inclusive pixels. Source: _do_agent_eval and _do_role_eval of vsrl_eval.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import iou
from hoitool.data import Dataset, ranges
from hoitool.errors import DataError
from hoitool.eval.matching import first_equal, parts
from hoitool.eval.people import People

Array = NDArray[Any]
Order = Literal["given", "true-first", "false-first"]
CHUNK = 1 << 16  # rows of dense scores looked at together


@dataclass(frozen=True)
class Detected:
    """Detections, one for each subject box (N,), and the scores of one label after the other.

    image, person (N,): the image, and the true person it is tied to, -1 where the image has none; overlap (N,) with it
    boxes (B, 4) float32; columns: for each label its rows: (n,) detection, box of the object (-1: empty), score;
    pairs: for each label the rows (n,) of the data that these are
    """

    image: Array
    person: Array
    overlap: Array
    boxes: Array
    columns: list[tuple[Array, Array, Array]]
    pairs: list[Array]


@dataclass(frozen=True)
class Found:
    """The true positives of one class: 0-based ranks, ascending; how many detections were counted, how many truths."""

    ranks: Array
    detections: int
    truths: int

    def curve(self) -> tuple[float, float]:
        """All-point AP in float64 (VOC 2010) and the final recall; NaN without truths, 0 without detections."""
        if not self.truths:
            return float("nan"), float("nan")
        if not len(self.ranks):
            return 0.0, 0.0
        found = np.arange(1, len(self.ranks) + 1)
        best = np.maximum.accumulate((found / (self.ranks + 1))[::-1])[::-1]
        recall = np.concatenate([[0.0], found / self.truths])
        return float((np.diff(recall) * best).sum()), len(self.ranks) / self.truths


def detected(data: Dataset, people: People) -> Detected:
    """The detections of aligned predictions of agents and roles. DataError where a subject has a score twice."""
    subject = data.pair_boxes("subject")
    rows, index = np.unique(subject, return_inverse=True)
    boxes = data.boxes.astype(np.float32)
    image = data.image_of("box")[rows]
    person, overlap = _nearest(boxes[rows], image, people)
    columns = _columns(data, index)
    obj = data.pair_boxes("object")
    held = []
    for label, (pair, score) in enumerate(columns):
        who = index[pair]
        if (repeated := _repeated(who)) is not None:
            _name_repeated(data, pair[repeated], label)
        held.append((who, obj[pair], score))
    return Detected(image, person, overlap, boxes, held, [pair for pair, _ in columns])


def _columns(data: Dataset, index: Array) -> list[tuple[Array, Array]]:
    """For each label the pairs that have a score, in order, and the scores in float32."""
    scores, classes = data.need("scores"), data.meta.classes
    gathered: list[list[tuple[Array, Array]]] = [[] for _ in range(classes)]
    for start in range(0, len(scores), CHUNK):
        part = np.ascontiguousarray(scores[start : start + CHUNK].T, np.float32)
        label, pair = np.nonzero(~np.isnan(part))
        values = part[label, pair]
        ends = np.searchsorted(label, np.arange(classes + 1))
        for k in range(classes):
            rows = slice(ends[k], ends[k + 1])
            gathered[k].append(((pair[rows] + start).astype(np.int32), values[rows]))
    empty = (np.empty(0, np.int32), np.empty(0, np.float32))
    return [
        (np.concatenate([p for p, _ in column]), np.concatenate([s for _, s in column])) if column else empty
        for column in gathered
    ]


def _repeated(who: Array) -> int | None:
    """A row whose detection stands in another row too, None when there is none."""
    if (np.diff(who) > 0).all():
        return None
    order = np.argsort(who, kind="stable")
    again = np.flatnonzero(who[order[1:]] == who[order[:-1]])
    return int(order[again[0] + 1]) if len(again) else None


def _name_repeated(data: Dataset, pair: int, label: int) -> None:
    image = int(data.image_of("pair")[pair])
    name = data.meta.labels.agents_and_roles[label]
    raise DataError(
        f"image {data.key[image]!r}, pair {pair - data.pair_offsets[image]}: subject {data.subject[pair]} has a score "
        f"for {name!r} in another pair too; one subject box is one detection, so repeat the box for another one"
    )


def _nearest(boxes: Array, image: Array, people: People) -> tuple[Array, Array]:
    """(N,) the true person with the largest IoU, the first of equal ones, -1 without any; and (N,) that IoU."""
    counts = np.diff(people.offsets)[image]
    person, overlap = np.full(len(boxes), -1), np.zeros(len(boxes), np.float32)
    some = np.flatnonzero(counts)
    for part in parts(counts[some]):
        rows, size = some[part], counts[some[part]]
        among = ranges(people.offsets[image[rows]], size)
        values = iou(people.boxes[people.rows[among]], boxes[np.repeat(rows, size)], "inclusive")
        starts = np.cumsum(size) - size
        best = np.maximum.reduceat(values, starts)
        at = first_equal(values, np.repeat(best, size), np.repeat(np.arange(len(rows)), size))
        person[rows], overlap[rows] = among[at], best
    return person, overlap


@dataclass(frozen=True)
class Column:
    """The detections of one class (n,), in file order.

    who, score  which detection of `Detected` each is, and its score
    counted     whether it counts: its person is not one that nobody annotated
    hits        the rows of the true positives, scores falling
    """

    who: Array
    score: Array
    counted: Array
    hits: Array

    def found(self, truths: int) -> Iterator[tuple[Order, Found]]:
        """The ranks of the true positives, by the order that equal scores take."""
        score, hit = self.score, self.hits
        held = np.sort(score[self.counted])
        above = len(held) - np.searchsorted(held, score[hit], side="right")
        ties = np.searchsorted(held, score[hit], side="right") - np.searchsorted(held, score[hit], side="left") - 1
        among = _before(score[hit])
        given = above + _earlier(score, self.counted, hit, ties) if ties.any() else above
        yield "given", Found(np.sort(given), len(held), truths)
        yield "true-first", Found(above + among, len(held), truths)
        total = _alike(score[hit])
        yield "false-first", Found(above + ties + 1 - total + among, len(held), truths)

    def ranked(self, order: Order) -> tuple[Array, Array]:
        """The counted rows, best first, and whether each is a true positive."""
        hit = np.zeros(len(self.who), bool)
        hit[self.hits] = True
        rows = np.flatnonzero(self.counted)
        second = {"given": rows, "true-first": ~hit[rows], "false-first": hit[rows]}[order]
        rows = rows[np.lexsort((second, -self.score[rows]))]
        return rows, hit[rows]


def agents(made: Detected, people: People, action: int, min_iou: float) -> Column:
    """The detections of an action's agents."""
    who, _, score = made.columns[action]
    return _column(made, people, who, score, _fits(made, people, who, people.does[:, action], min_iou))


def roles(made: Detected, people: People, column: int, verb: int, min_iou: float, empty: str) -> Column:
    """The detections of a role. `empty`: what finds a role without an object, 'nothing' or 'anything'."""
    who, obj, score = made.columns[column]
    target = people.target[:, verb]
    fits = _fits(made, people, who, target >= -1, min_iou)
    rows = np.flatnonzero(fits)
    wanted = target[made.person[who[rows]]]
    given = obj[rows]
    right = (wanted < 0) & ((given < 0) | (empty == "anything"))
    both = np.flatnonzero((wanted >= 0) & (given >= 0))
    values = iou(people.boxes[wanted[both]], made.boxes[given[both]], "inclusive")
    right[both] = values >= np.float32(min_iou)
    fits[rows] = right
    return _column(made, people, who, score, fits)


def _fits(made: Detected, people: People, who: Array, does: Array, min_iou: float) -> Array:
    """(n,) whether the person of each row does the action and overlaps by enough."""
    person = made.person[who]
    if not len(does):
        return np.zeros(len(who), bool)
    fits: Array = (person >= 0) & does[np.maximum(person, 0)] & (made.overlap[who] >= np.float32(min_iou))
    return fits


def _column(made: Detected, people: People, who: Array, score: Array, fits: Array) -> Column:
    """Of the fitting rows of a person the one that comes first is true. Rows of unannotated people do not count."""
    person = made.person[who]
    counted = (person < 0) | people.annotated[np.maximum(person, 0)] if len(people.annotated) else person < 0
    rows = np.flatnonzero(fits & counted)
    best = rows[np.argsort(-score[rows], kind="stable")]
    _, first = np.unique(person[best], return_index=True)
    return Column(who, score, counted, best[np.sort(first)])


def _before(score: Array) -> Array:
    """(n,) how many rows before each have its score; scores fall."""
    return np.arange(len(score)) - np.searchsorted(-score, -score, side="left")


def _alike(score: Array) -> Array:
    """(n,) how many rows have each row's score, itself included; scores fall."""
    return np.searchsorted(-score, -score, side="right") - np.searchsorted(-score, -score, side="left")


def _earlier(score: Array, counted: Array, hit: Array, ties: Array) -> Array:
    """(n,) for each hit, how many counted rows with its score stand before it."""
    tied = np.unique(score[hit[ties > 0]])
    rows = np.flatnonzero(counted & np.isin(score, tied))
    order = rows[np.argsort(-score[rows], kind="stable")]
    place = np.full(len(score), 0)
    values = score[order]
    place[order] = np.arange(len(order)) - np.searchsorted(-values, -values, side="left")
    made: Array = place[hit]
    return made
