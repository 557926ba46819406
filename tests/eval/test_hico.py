"""HICO recognition against a literal oracle, golden cases made by hand, and what the official code and DEFR gave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import as_image_predictions, image_predictions_of, image_truth_of, predictions_of, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import hico as oracle

from hoitool.data import Dataset, Predictions, select_images
from hoitool.errors import DataError
from hoitool.eval import natural_protocol, score
from hoitool.eval.curves import THRESHOLDS
from hoitool.eval.hico_few import few_classes
from hoitool.eval.image_ranking import ranked
from hoitool.labels import LabelSpace, build, load_labels

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "hico").glob("*.json"))
VARIANTS = {"official": oracle.official, "defr": oracle.defr}


def space_of(objects) -> LabelSpace:
    """A label space with a verb of its own for each class, given the object number of each."""
    return build(
        "made-up",
        "a test",
        objects=[("person", -1), *((f"object_{i}", -1) for i in range(max(objects) + 1))],
        verbs=[(f"verb_{i}", f"verbing_{i}") for i in range(len(objects))],
        interactions=[(f"verb_{i}", f"object_{o}", -1) for i, o in enumerate(objects)],
    )


def scored(labels, scores, variant="official", space=None):
    """A result from two matrices (images, classes)."""
    space = space or space_of([0] * len(labels[0]))
    return score(image_truth_of(labels, space), image_predictions_of(scores, space), "hico", variant)


# few values, so that ties are common; NaN and infinities among them
values = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, -3.0, float("inf"), float("-inf"), float("nan")])
tables = st.integers(1, 12).flatmap(
    lambda images: st.tuples(
        *(
            st.lists(st.lists(kind, min_size=2, max_size=2), min_size=images, max_size=images)
            for kind in (st.sampled_from([1, 1, -1, 0, None]), values)
        )
    )
)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=150)
@given(tables)
def test_every_class_equals_the_literal_oracle(variant, drawn):
    labels, scores = drawn
    if not any(-1 in row for row in labels):
        labels[0][0] = -1
    made = scored(labels, np.array(scores), variant).per_class
    for c in range(2):
        mine = [row[c] for row in labels], [row[c] for row in scores]
        for setting, known in (("default", False), ("known_object", True)):
            if known and variant == "official" and -np.inf in mine[1]:
                continue  # the original puts images without the object at -1e10, above minus infinity
            expected = VARIANTS[variant](*mine, known_object=known)
            came = made[f"AP_{setting}"][c]
            assert np.isnan(came) if expected is None else came == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path):
    case = json.loads(path.read_text())
    scores = np.array([[np.nan if v is None else float(v) for v in row] for row in case["scores"]])
    for expected in case["expected"]:
        result = scored(case["labels"], scores, expected["variant"])
        (row,) = result.select(expected["setting"]).rows
        ap = result.per_class[f"AP_{expected['setting'].replace('-', '_')}"]
        wanted = np.array([np.nan if v is None else v for v in expected["AP"]])
        np.testing.assert_allclose(ap, wanted, rtol=0, atol=1e-15, err_msg=str(expected))
        assert row.classes == expected.get("classes", len(wanted))
        for metric in ("mAP", "mAP_low", "mAP_high"):
            if metric in expected:
                assert row.metrics[metric] == pytest.approx(expected[metric], abs=1e-15)


def test_there_are_golden_cases():
    assert len(GOLDEN) >= 5


class TestOfficial:
    """Inputs, and results of the official MATLAB code (under Octave) and of DEFR, run by others."""

    @pytest.mark.parametrize(("variant", "name"), [("official", "octave"), ("defr", "defr")])
    def test_ap_of_every_class_in_both_settings(self, shared, variant, name):
        truth, predictions = _oracle(shared)
        expected = np.load(shared("oracles/hico-recognition/expected_small_per_class.npz"))
        figures = json.loads(shared("oracles/hico-recognition/expected_small.json").read_text())
        result = score(truth, predictions, "hico", variant)
        for setting, short in (("default", "default"), ("known_object", "ko")):
            difference = np.abs(result.per_class[f"AP_{setting}"] - expected[f"{name}_{short}"]).max()
            assert difference <= 1e-15
            mean = result.mean(setting=setting)
            assert mean == pytest.approx(figures[f"mAP_{name}_{short}"], abs=1e-15)
        assert result.per_class["present"].tolist() == expected["npos"].tolist()
        assert result.per_class["negatives_default"].tolist() == expected["nneg"].tolist()

    def test_the_thresholds_are_the_recorded_ones_to_the_last_bit(self, shared):
        held = json.loads(shared("oracles/hico-recognition/expected_small.json").read_text())["thresholds"]
        for mine, theirs in (("start-plus-steps", "octave"), ("symmetric", "torch_linspace")):
            assert [float.fromhex(text) for text in held[theirs]] == list(THRESHOLDS[mine])

    def test_the_few_shot_groups_are_the_recorded_ones(self, shared):
        held = json.loads(shared("oracles/hico-recognition/train_counts.json").read_text())["few_classes_defr"]
        assert {f"few@{k}": sorted(classes) for k, classes in held.items()} == {
            name: list(classes) for name, classes in few_classes(load_labels("hico")).items()
        }


def _oracle(shared) -> tuple[Dataset, Predictions]:
    held = np.load(shared("oracles/hico-recognition/inputs_small.npz"))
    space = space_of(held["object_of_class"].tolist())
    table = np.where(held["label"] == -2, np.nan, held["label"].astype(float))
    return image_truth_of(table, space), image_predictions_of(held["rank"] / 16384, space)


def test_few_shot_groups_are_nested_and_only_of_hicos_label_space():
    groups = few_classes(load_labels("hico"))
    assert {name: len(classes) for name, classes in groups.items()} == {"few@1": 49, "few@5": 125, "few@10": 162}
    assert set(groups["few@1"]) < set(groups["few@5"]) < set(groups["few@10"])
    assert few_classes(space_of([0, 0])) == {}


def test_splits_are_means_over_their_classes_and_named_by_a_hash():
    rng = np.random.default_rng(0)
    labels = rng.choice([1.0, -1.0, 0.0, np.nan], (40, 600), p=[0.1, 0.4, 0.1, 0.4])
    labels[0], labels[1] = 1, -1
    result = score(image_truth_of(labels), image_predictions_of(rng.random((40, 600)).astype(np.float32)), "hico")
    assert result.settings == ["default", "known-object"]
    assert result.splits == ["full", "few@1", "few@5", "few@10"]
    for setting in result.settings:
        ap = result.per_class[f"AP_{setting.replace('-', '_')}"]
        assert result.mean("full", setting) == pytest.approx(ap.mean())
        for name, classes in few_classes(load_labels("hico")).items():
            assert result.mean(name, setting) == pytest.approx(ap[list(classes)].mean())
            assert result.per_class[name.replace("@", "_")].sum() == len(classes)
    assert {name: held["classes"] for name, held in result.inputs["splits"].items()} == {
        "full": 600,
        "few@1": 49,
        "few@5": 125,
        "few@10": 162,
    }


def test_without_absent_labels_there_is_no_known_object_setting(small):
    result = score(small.test, as_image_predictions(small.test, 0.5), "hico")
    assert result.settings == ["default"]
    assert any("labelled -1" in note for note in result.notes)


def test_nan_scores_are_counted_in_a_note():
    result = scored([[1], [-1]], [[np.nan], [1.0]])
    assert any("1 scores are NaN" in note for note in result.notes)


@settings(deadline=None)
@given(st.lists(values, max_size=20))
def test_the_ranking_is_stable_with_nan_first(scores):
    missing = [i for i, value in enumerate(scores) if np.isnan(value)]
    others = [i for i, value in enumerate(scores) if not np.isnan(value)]
    expected = missing + sorted(others, key=lambda i: -scores[i])
    assert ranked(np.array(scores, float)).tolist() == expected


def test_truth_without_image_labels_is_refused():
    truth = truth_of([(0, (0, 0, 9, 9), (5, 5, 20, 20), 3)])
    with pytest.raises(DataError, match=r"no image-level labels of interactions.*anno\.mat"):
        score(truth, image_predictions_of(np.zeros((3, 600))), "hico")


def test_a_label_that_stands_twice_is_refused_by_name():
    truth = image_truth_of([[1, -1], [1, 0]], space_of([0, 0]))
    twice = truth.with_columns(image_label=np.array([0, 1, 1, 1], np.int32))
    with pytest.raises(DataError, match=r"'image-1.jpg'.*more than one label of interaction 1"):
        score(twice, image_predictions_of(np.zeros((2, 2)), truth.meta.labels), "hico")


def test_scores_of_pairs_or_of_verbs_are_refused():
    space = space_of([0, 0])
    truth = image_truth_of([[1, -1], [-1, 1]], space)
    with pytest.raises(DataError, match="--protocol hico-det"):
        score(truth, predictions_of([], 2, space), "hico")
    verbs = image_predictions_of(np.zeros((2, 2)), space)
    with pytest.raises(DataError, match="scores verbs, expected interactions"):
        score(truth, verbs.with_columns(replace(verbs.meta, label_kind="verbs")), "hico")


def test_the_natural_protocol_is_by_what_predictions_hold(detected):
    assert natural_protocol(detected) == "hico-det"
    assert natural_protocol(image_predictions_of(np.zeros((2, 600)))) == "hico"
    both = detected.with_columns(image_scores=np.zeros((len(detected), 30)))
    assert natural_protocol(both) == "hico-det"


def test_pairs_beside_scores_of_images_are_scored_as_before(small, detected):
    both = detected.with_columns(image_scores=np.zeros((len(detected), 30)))
    some = select_images(both, np.diff(both.pair_offsets) > 0)
    assert score(small.test, some).rows == score(small.test, detected).rows
