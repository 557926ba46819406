"""HICO-DET against a literal oracle, against golden cases made by hand, and against what the official code gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.hico_det import evaluate_class

from hoitool.data import Dataset, Predictions, select_pairs
from hoitool.eval import score
from hoitool.eval.hico_det import true_positives
from hoitool.labels import load_labels

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "hico-det").glob("*.json"))
CLASSES = (0, 1, 17, 599)
# mAP that the evaluators themselves gave; their sorts are unstable, and both sets have ties
RECORDED = {
    "small": {"ppdm": 0.342845, "qpic": 0.343131, "gen-vlkt": 0.342845, "gen-vlkt-nms": 0.358160, "pocket": 0.346470},
    "adversarial": {"ppdm": 0.185176, "qpic": 0.202079, "gen-vlkt": 0.201546, "pocket": 0.165785},
}

# few coordinates, so that ties of overlaps and of scores, and overlaps of exactly a half, are common
coordinate = st.sampled_from([0.0, 1.0, 4.0, 9.0, 10.0, 19.0, 19.5, 30.0])
box = st.tuples(coordinate, coordinate, coordinate, coordinate)
label = st.sampled_from(CLASSES)
true_rows = st.lists(st.tuples(st.integers(0, 2), box, box, label), max_size=12)
scores = st.sampled_from([-0.0, 0.0, 0.25, 0.5, 1.0, 1e-9, 1 + 1e-12, 1 + 2e-12, -3.0])
found_rows = st.lists(st.tuples(st.integers(0, 2), box, box, label, scores), max_size=25)


@settings(deadline=None, max_examples=150)
@given(true_rows, found_rows)
def test_every_class_and_flag_equals_the_literal_oracle(rows, found):
    truth, predictions = truth_of(rows), predictions_of(found)
    result, flags = score(truth, predictions), true_positives(truth, predictions)
    held = _by_image(predictions)
    for c in CLASSES:
        pairs = {}
        for image, human, obj, _ in [row for row in _rows(truth) if row[3] == c]:
            pairs.setdefault(image, []).append((human, obj))
        mine = [i for i, row in enumerate(held) if row[3] == c]
        ap, recall, hits = evaluate_class(pairs, [(*held[i][:3], held[i][4]) for i in mine])
        assert result.per_class["AP_default"][c] == pytest.approx(ap, abs=1e-15)
        assert result.per_class["recall_default"][c] == pytest.approx(recall, nan_ok=True)
        assert flags[mine].tolist() == hits


@settings(deadline=None, max_examples=60)
@given(true_rows, found_rows, st.sets(st.tuples(st.integers(0, 2), label), max_size=6))
def test_known_object_is_default_on_the_images_that_show_the_object(rows, found, held):
    truth, predictions = truth_of(rows, image_labels=list(held)), predictions_of(found)
    labels = truth.meta.labels
    shows = {(image, int(labels.interaction_objects[c])) for image, c in held}
    image = predictions.image_of("pair")
    objects = labels.interaction_objects[predictions.label]
    keep = np.array([pair in shows for pair in zip(image.tolist(), objects.tolist(), strict=True)], bool)
    kept = score(truth, select_pairs(predictions, keep)).per_class
    known = score(truth, predictions).per_class
    assert known["AP_known_object"].tolist() == kept["AP_default"].tolist()
    assert known["detections_known_object"].tolist() == kept["detections_default"].tolist()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path):
    case = json.loads(path.read_text())
    truth = truth_of([tuple(row) for row in case["truth"]], case.get("images", 3))
    predictions = predictions_of([tuple(row) for row in case["predictions"]], case.get("images", 3))
    for expected in case["expected"]:
        result = score(truth, predictions, variant=expected.get("variant"))
        for c, ap in expected["AP"].items():
            assert result.per_class["AP_default"][int(c)] == pytest.approx(ap, abs=1e-12), (path.stem, expected)


def test_there_are_golden_cases():
    assert len(GOLDEN) >= 5


@pytest.mark.parametrize("name", ["small", "adversarial"])
class TestOfficial:
    """Inputs and results of the official MATLAB code, run by others."""

    def test_ap_recall_and_flags_of_the_default_setting(self, shared, name):
        truth, predictions, rows = _oracle(shared, name)
        expected = np.load(shared(f"oracles/hico-det/oracle_{name}_def.npz"))
        made = score(truth, predictions).per_class
        np.testing.assert_allclose(made["AP_default"], expected["AP"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(made["recall_default"], expected["REC"], rtol=0, atol=1e-12)
        assert np.array_equal(true_positives(truth, predictions), expected["tp"][rows] == 1)
        assert made["rare"].tolist() == expected["rare"].tolist()
        assert made["truths"].tolist() == expected["npos"].tolist()

    def test_known_object(self, shared, name):
        truth, predictions, _ = _oracle(shared, name)
        expected = np.load(shared(f"oracles/hico-det/oracle_{name}_ko.npz"))
        made = score(truth, predictions).per_class
        np.testing.assert_allclose(made["AP_known_object"], expected["AP"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(made["recall_known_object"], expected["REC"], rtol=0, atol=1e-12)

    def test_figures_of_the_python_evaluators_lie_within_the_bounds(self, shared, name):
        truth, predictions, _ = _oracle(shared, name)
        for variant, figure in RECORDED[name].items():
            result = score(truth, predictions, variant=variant)
            assert result.mean(metric="mAP_low") <= figure <= result.mean(metric="mAP_high"), variant

    def test_without_ties_the_bounds_meet(self, shared, name):
        truth, predictions, _ = _oracle(shared, name)
        unique = _without_ties(predictions)
        for variant in ("ppdm", "qpic", "gen-vlkt", "gen-vlkt-nms", "pocket"):
            row = score(truth, unique, variant=variant).rows[0].metrics
            assert row["mAP_low"] == row["mAP"] == row["mAP_high"]


def _oracle(shared, name: str) -> tuple[Dataset, Predictions, np.ndarray]:
    """The official test set, a set of detections, and the file row of each detection in the predictions' order."""
    held = np.load(shared("oracles/hico-det/gt_test_flat.npz"))
    rows = held["gt"]
    image, c = rows[:, 0].astype(int), rows[:, 1].astype(int) - 1
    made = Predictions.from_pairs(
        image, rows[:, 2:6] - 1, rows[:, 6:10] - 1, c, np.zeros(len(rows)), images=held["filename"]
    )
    columns = ("key", "boxes", "categories", "subject", "object", "label", "box_offsets", "pair_offsets")
    labels = {
        "image_label": made.label,
        "image_value": np.ones(len(c), np.int8),
        "image_label_offsets": made.pair_offsets,
    }
    truth = Dataset(meta=made.meta, **{n: getattr(made, n) for n in columns}, **labels)
    d = np.load(shared(f"oracles/hico-det/dets_{name}.npz"))
    predictions = Predictions.from_pairs(
        d["image"], d["human"], d["object"], d["hoi"].astype(int) - 1, d["score"], images=d["filename"]
    )
    return truth, predictions, np.argsort(d["image"], kind="stable")


def _without_ties(predictions: Predictions) -> Predictions:
    rank = np.empty(len(predictions.subject))
    rank[np.argsort(predictions.score, kind="stable")] = np.arange(len(rank))
    return predictions.with_columns(score=(rank / 2**20).astype(np.float32).astype(np.float64))


def _rows(data: Dataset) -> list[tuple]:
    human, obj = data.boxes[data.pair_boxes("subject")].tolist(), data.boxes[data.pair_boxes("object")].tolist()
    return list(zip(data.image_of("pair").tolist(), human, obj, data.label.tolist(), strict=True))


def _by_image(predictions: Predictions) -> list[tuple]:
    return [(*row, s) for row, s in zip(_rows(predictions), predictions.score.tolist(), strict=True)]


def test_dense_predictions_are_expanded_to_the_interactions_of_the_object():
    labels = load_labels("hico")
    ride = labels.interaction_index("ride", "bicycle")
    truth = truth_of([(0, (0, 0, 9, 9), (5, 5, 20, 20), ride)])
    sparse = predictions_of([(0, (0, 0, 9, 9), (5, 5, 20, 20), ride, 1.0)])
    verbs = np.full((1, 117), 0.1)
    verbs[0, labels.verb_index("ride")] = 0.9
    dense = sparse.with_columns(
        meta=sparse.meta.__class__(labels, label_kind="verbs"), label=None, score=None, scores=verbs
    )
    result = score(truth, dense)
    assert result.per_class["AP_default"][ride] == pytest.approx(1)
    bicycle = labels.object_index("bicycle")
    expected = (labels.interaction_objects == bicycle).astype(int)
    assert result.per_class["detections_default"].tolist() == expected.tolist()
