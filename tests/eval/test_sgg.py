"""Scene graph recall against a literal oracle and cases made by hand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from builders import RELATIONS, relation_detector, relation_predictions, relation_scenes, relations_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.open_images_vrd import overlaps

from hoitool.data import Dataset, Predictions, select_pairs, to_frame
from hoitool.errors import DataError
from hoitool.eval import score

A, B, FAR = (0, 0, 9, 9), (20, 0, 29, 9), (100, 100, 120, 120)


def rows_of(data: Dataset) -> list[tuple]:
    """(image, subject box, class, label, class, object box) of every pair."""
    subject, obj, image = data.pair_boxes("subject"), data.pair_boxes("object"), data.image_of("pair")
    label = data.label if data.label is not None else np.zeros(len(subject), int)
    return [
        (
            int(image[i]),
            *(data.boxes[s].tolist(), int(data.categories[s]), int(label[i])),
            int(data.categories[o]),
            data.boxes[o].tolist(),
        )
        for i, (s, o) in enumerate(zip(subject, obj, strict=True))
    ]


def literal(truth: Dataset, found: Predictions, constraint: bool, k: int, averaged: str) -> tuple[float, float]:
    """R@k and mR@k, one relation after the other."""
    shares, each = [], defaultdict(list)
    total, by_predicate = [], defaultdict(list)
    for image in range(len(truth)):
        ranked = []
        for pair, row in enumerate(rows_of(found)):
            if row[0] != image:
                continue
            scores = found.scores[pair].tolist()
            best = max(range(len(scores)), key=lambda p: scores[p])
            for p, value in enumerate(scores):
                if not constraint or p == best:
                    ranked.append((value, {"sub": row[1], "obj": row[5], "triplet": (row[2], p, row[4])}))
        ranked = [row for _, row in sorted(ranked, key=lambda each: -each[0])][:100][:k]
        held = defaultdict(list)
        for true in (row for row in rows_of(truth) if row[0] == image):
            hit = any(r["triplet"] == (true[2], true[3], true[4]) and overlaps(true, r, False) >= 0.5 for r in ranked)
            held[true[3]].append(hit)
        flags = [hit for hits in held.values() for hit in hits]
        total += flags
        if flags:
            shares.append(np.mean(flags))
        for p, hits in held.items():
            each[p].append(np.mean(hits))
            by_predicate[p] += hits
    if averaged == "relations":
        shares, each = total, by_predicate
    mean = sum(float(np.mean(each[p])) for p in each) / truth.meta.classes
    return float(np.mean(shares)), mean


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from(["scene-graph-benchmark", "micro"]))
def test_every_recall_equals_the_literal_oracle(seed, variant):
    truth = relation_scenes(8, seed)
    found = relation_detector(truth, seed + 1)
    result = score(truth, found, "sgg", variant)
    for row in result.rows:
        for k in (20, 50, 100):
            averaged = "images" if variant == "scene-graph-benchmark" else "relations"
            expected = literal(truth, found, row.setting == "graph-constraint", k, averaged)
            assert (row.metrics[f"R@{k}"], row.metrics[f"mR@{k}"]) == pytest.approx(expected, abs=1e-12)


def two(scores) -> tuple[Dataset, Predictions]:
    """Image 0 with one pair that is `at` and `is`, image 1 with one that is `at`."""
    rows = [(0, A, "Table", "at", "Cup", B), (0, A, "Table", "is", "Cup", B), (1, A, "Cup", "at", "Cup", B)]
    truth = relations_of(rows, 2)
    held = relations_of([rows[0], rows[2]], 2)
    return truth, relation_predictions(held, np.array(scores, float))


def test_the_graph_constraint_allows_one_predicate_of_a_pair():
    result = score(*two([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1]]), "sgg")
    held = {row.setting: row.metrics for row in result.rows}
    assert held["graph-constraint"]["R@20"] == pytest.approx((1 / 2 + 1) / 2)
    assert held["no-graph-constraint"]["R@20"] == 1
    assert held["graph-constraint"]["mR@20"] == pytest.approx((1 + 0 + 0) / 3)
    assert "1 of the 3 predicates have no true relation here and count as 0 in mean recall" in result.notes
    micro = score(*two([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1]]), "sgg", "micro")
    assert micro.mean(setting="graph-constraint", metric="R@20") == pytest.approx(2 / 3)


def test_ranks_beyond_k_do_not_count():
    rows = [(0, FAR, "Box", "at", "Box", FAR)] * 30 + [(0, A, "Table", "at", "Cup", B)]
    truth = relations_of(rows[-1:])
    scores = np.full((31, 3), np.nan)
    scores[:, 0] = np.linspace(1, 0.5, 31)
    (row, _) = score(truth, relation_predictions(relations_of(rows), scores), "sgg").rows
    assert (row.metrics["R@20"], row.metrics["R@50"]) == (0, 1)


def test_without_truth_or_sizes():
    truth = relation_scenes(4)
    found = relation_detector(truth)
    nothing = score(select_pairs(truth, np.zeros(len(truth.subject), bool)), found, "sgg")
    assert nothing.rows[0].metrics["R@100"] == 0
    assert "there are no true relations, so every figure is 0" in nothing.notes
    sized = truth.with_columns(width=np.full(4, 900, np.int32), height=np.full(4, 900, np.int32))
    normal = to_frame(sized, "normalised").with_columns(width=None, height=None)
    with pytest.raises(DataError, match="width"):
        score(normal, found, "sgg")
    assert RELATIONS.person == -1
