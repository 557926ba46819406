"""Scene graph recall against a literal oracle and cases made by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from builders import RELATIONS, relation_detector, relation_predictions, relation_scenes, relations_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.open_images_vrd import overlaps

from hoitool.convert.paired import own_boxes
from hoitool.data import Dataset, Predictions, select_pairs, to_frame, to_sparse, write
from hoitool.errors import DataError, UsageError
from hoitool.eval import natural_protocol, score

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


def literal(
    truth: Dataset, found: Predictions, constraint: bool, k: int, averaged: str, training: Dataset
) -> tuple[float, float, float]:
    """R@k, mR@k and zR@k, one relation after the other."""
    seen = {(row[2], row[3], row[4]) for row in rows_of(training)}
    unseen, unseen_shares = [], []
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
        held, new = defaultdict(list), []
        for true in (row for row in rows_of(truth) if row[0] == image):
            hit = any(r["triplet"] == (true[2], true[3], true[4]) and overlaps(true, r, False) >= 0.5 for r in ranked)
            held[true[3]].append(hit)
            new += [hit] if (true[2], true[3], true[4]) not in seen else []
        flags = [hit for hits in held.values() for hit in hits]
        total += flags
        unseen += new
        if flags:
            shares.append(np.mean(flags))
        if new:
            unseen_shares.append(np.mean(new))
        for p, hits in held.items():
            each[p].append(np.mean(hits))
            by_predicate[p] += hits
    if averaged == "relations":
        shares, each, unseen_shares = total, by_predicate, unseen
    mean = sum(float(np.mean(each[p])) for p in each) / truth.meta.classes
    return float(np.mean(shares)), mean, float(np.mean(unseen_shares)) if unseen_shares else 0.0


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from(["scene-graph-benchmark", "micro"]))
def test_every_recall_equals_the_literal_oracle(seed, variant):
    truth = relation_scenes(8, seed)
    found, training = relation_detector(truth, seed + 1), relation_scenes(5, seed + 2)
    result = score(truth, found, "sgg", variant, training)
    for row in result.rows:
        for k in (20, 50, 100):
            averaged = "images" if variant == "scene-graph-benchmark" else "relations"
            expected = literal(truth, found, row.setting == "graph-constraint", k, averaged, training)
            came = tuple(row.metrics[f"{kind}R@{k}"] for kind in ("", "m", "z"))
            assert came == pytest.approx(expected, abs=1e-12)


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


def test_relations_with_boxes_of_their_own_are_told_as_pairs_of_their_own():
    """Then no pair has two predicates, of which the constraint could leave one out."""
    truth, found = two([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1]])
    shared = to_sparse(found)
    apart = own_boxes(shared)
    told = "every predicted relation has two boxes of its own"
    assert not any(note.startswith(told) for data in (found, shared) for note in score(truth, data, "sgg").notes)
    result = score(truth, apart, "sgg")
    assert sum(note.startswith(told) for note in result.notes) == 1
    assert result.mean(setting="graph-constraint", metric="R@20") == 1


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


class TestZeroShot:
    """Recall of triplets that no training image has."""

    ROWS = ((0, A, "Table", "at", "Cup", B), (0, A, "Cup", "is", "Table", B), (1, A, "Cup", "at", "Cup", B))

    def test_only_unseen_triplets_count(self):
        truth = relations_of(self.ROWS, 2)
        found = relation_predictions(relations_of(self.ROWS[:2], 2))
        training = relations_of([(0, FAR, "Table", "at", "Cup", FAR)])
        result = score(truth, found, "sgg", training=training)
        assert result.mean(setting="graph-constraint", metric="zR@20") == pytest.approx((1 + 0) / 2)
        assert result.mean(setting="graph-constraint", metric="R@20") == pytest.approx((1 + 0) / 2)
        assert "2 of the 3 true relations are of triplets that the training data do not have" in result.notes
        assert result.inputs["training"]["pairs"] == 1
        nothing = score(truth, found, "sgg", training=truth)
        assert nothing.mean(setting="no-graph-constraint", metric="zR@100") == 0
        assert any("do not have, so zero-shot recall is 0" in note for note in nothing.notes)

    def test_without_training_data_it_is_not_told(self):
        truth = relations_of(self.ROWS, 2)
        result = score(truth, relation_predictions(truth), "sgg")
        assert not any(name.startswith("zR") for row in result.rows for name in row.metrics)
        assert any(note.startswith("zero-shot recall is not told") for note in result.notes)

    def test_training_data_of_another_kind_or_space_are_refused(self, small):
        truth = relations_of(self.ROWS, 2)
        found = relation_predictions(truth)
        with pytest.raises(DataError, match="the training data do not fit the truth: label space"):
            score(truth, found, "sgg", training=small.train)
        other = truth.with_columns(replace(truth.meta, label_kind="verbs"))
        with pytest.raises(DataError, match="has no predicates between boxes"):
            score(truth, found, "sgg", training=other)
        with pytest.raises(UsageError, match="protocol 'open-images-vrd' does not look at training data; sgg does"):
            score(truth, found, "open-images-vrd", training=truth)

    def test_the_command_finds_or_is_told_the_training_data(self, tmp_path, hoitool, monkeypatch):
        monkeypatch.chdir(tmp_path)
        truth = relations_of(self.ROWS, 2)
        for data, name in ((truth, "test"), (relations_of(self.ROWS[2:], 2), "other")):
            write(data, tmp_path / f"{name}.parquet")
        write(relation_predictions(truth), tmp_path / "found.parquet")
        command = ["eval", "found.parquet", "--truth", "test.parquet", "--protocol", "sgg", "--json"]
        assert "zR@20" not in hoitool(*command).out
        for more in (["--split", "rare"], ["--split", "rare", "--counts", "other.parquet"]):
            assert "protocol 'sgg' does not report on rare classes" in hoitool(*command, *more).err
        refused = hoitool(*command, "--split", "novel").err
        assert "No split of sgg named 'novel'" in refused
        assert "rf-uc" not in refused
        told = hoitool(*command, "--counts", "other.parquet")
        assert (told.code, json.loads(told.out)["results"][0]["metrics"]["zR@20"]) == (0, 1)
        write(relations_of(self.ROWS[:1], 2), tmp_path / "train.parquet")
        found = hoitool(*command)
        assert "took the training data train.parquet (name others with --counts)" in found.err
        assert json.loads(found.out)["inputs"]["training"]["path"] == "train.parquet"
        assert "2 of the 3 true relations" in found.err


def test_predictions_of_visual_genome_are_scored_by_it_without_being_asked():
    truth = relations_of([(0, A, "Table", "at", "Cup", B)])
    for name, protocol in (("vg150", "sgg"), ("visual-genome", "sgg"), ("open-images", "open-images-vrd")):
        found = relation_predictions(truth.with_columns(replace(truth.meta, dataset=name)))
        assert natural_protocol(found) == protocol
