"""Open Images VRD against a literal oracle, golden cases made by hand, and what the published code gave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import RELATIONS, as_predictions, relation_detector, relation_predictions, relation_scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.open_images_vrd import figures
from small_relations import drawn, found_of, truth_of

from hoitool.data import Dataset, Meta, Predictions, offsets_of, select_pairs, strings, to_frame, to_sparse, write
from hoitool.errors import DataError
from hoitool.eval import score, variants
from hoitool.eval.open_images_vrd import NOT_COMPARABLE
from hoitool.labels import build

GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "open-images-vrd").glob("*.json"))
VARIANTS = variants("open-images-vrd")
LIKE_PYSGG = {"mAP_rel": "mAP_rel", "wmAP_rel": "wmAP_rel", "mAP_phr": "mAP_phr", "wmAP_phr": "wmAP_phr"} | {
    "R50": "R@50",
    "final_score": "score",
    "w_final_score": "score_wtd",
}
LIKE_RLIPV2 = {
    f"{kind}@100 ({name})": f"{kind}_{name[:3].lower()}" for kind in ("mAP", "wmAP") for name in ("RelD", "PhrD")
}
LIKE_RLIPV2 |= {f"max recall@{k} (RelD)": f"R@{k}" for k in (50, 100)}
LIKE_RLIPV2 |= {"score_wtd (mAP)": "score", "score_wtd (wmAP)": "score_wtd"}
RECORDED = {
    "pysgg": ("pysgg", LIKE_PYSGG),
    "sgtr": ("sgtr", LIKE_PYSGG),
    "rlipv2": ("rlipv2_nms", LIKE_RLIPV2),
    "rlipv2-fixed": ("rlipv2_nms_fixed", LIKE_RLIPV2),
}


def metrics(truth: Dataset, predictions: Predictions, variant: str = "pysgg") -> dict[str, float]:
    (row,) = score(truth, predictions, "open-images-vrd", variant).rows
    return row.metrics


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(VARIANTS), st.integers(1, 12), st.integers(1, 25))
def test_every_figure_equals_the_literal_oracle(seed, variant, relations, pairs):
    truth, found = drawn(seed, 3, relations, pairs)
    came = metrics(truth_of(truth, 3), found_of(found, 3), variant)
    expected = figures(truth, found, 3, 3, variant)
    assert {name: round(value, 9) for name, value in came.items()} == {
        name: pytest.approx(expected[name], abs=1e-9) for name in came
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_caps_of_an_image_are_those_of_the_oracle(variant):
    truth, found = drawn(7, 2, 30, 260)
    came, expected = metrics(truth_of(truth, 2), found_of(found, 2), variant), figures(truth, found, 2, 3, variant)
    assert came["R@50"] < came["R@100"]
    assert came == {name: pytest.approx(expected[name], abs=1e-9) for name in came}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path):
    case = json.loads(path.read_text())
    truth = truth_of(case["truth"], case["images"])
    found = found_of(case["predictions"], case["images"])
    for variant, expected in case["expected"].items():
        came = metrics(truth, found, variant)
        assert {name: came[name] for name in expected} == pytest.approx(expected, abs=1e-12), variant


def test_there_are_golden_cases():
    assert len(GOLDEN) >= 5


class TestPublished:
    """Inputs, and what PySGG, SGTR and RLIPv2 gave for them, run by others."""

    @pytest.mark.parametrize("variant", RECORDED)
    def test_every_figure_of_the_recorded_set(self, shared, variant):
        name, same = RECORDED[variant]
        expected = json.loads(shared(f"oracles/openimages/expected_small_{name}.json").read_text())["result"]
        came = metrics(*recorded(shared("oracles/openimages/inputs_small.npz")), variant)
        assert {ours: came[ours] for ours in same.values()} == pytest.approx(
            {ours: expected[theirs] for theirs, ours in same.items()}, abs=1e-12
        )

    @pytest.mark.parametrize("variant", ["pysgg", "sgtr"])
    def test_the_ap_of_every_predicate(self, shared, variant):
        held = json.loads(shared(f"oracles/openimages/expected_small_{variant}.json").read_text())["per_class"]
        result = score(*recorded(shared("oracles/openimages/inputs_small.npz")), "open-images-vrd", variant)
        assert result.per_class["truths"].tolist() == held["npos"]
        assert result.per_class["detections_rel"].tolist() == held["ndet"]
        for name in ("AP_rel", "AP_phr"):
            wanted = [value or 0.0 for value in held[name]]  # null: no true relations
            np.testing.assert_allclose(result.per_class[name], wanted, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("variant", ["pysgg", "sgtr", "rlipv2"])
    def test_cases_made_by_hand(self, shared, variant):
        name, same = RECORDED[variant]
        cases = json.loads(shared("oracles/openimages/edge/expected_edge.json").read_text())
        for case, by in cases.items():
            came = metrics(*recorded(shared(f"oracles/openimages/edge/{case}.npz")), variant)
            if isinstance(by[name], str):  # it raised
                assert case in ("no_gt_at_all", "no_predictions", "gt_boxes_without_relations")
                continue
            held = {ours: by[name][theirs] for theirs, ours in same.items() if theirs in by[name]}
            assert {ours: came[ours] for ours in held} == pytest.approx(held, abs=1e-11), case


def recorded(path: Path) -> tuple[Dataset, Predictions]:
    """Truth and predictions of a recorded case."""
    held = np.load(path)
    images = int(held["n_images"])
    objects = [(f"object_{i}", -1) for i in range(int(held["n_obj"]))]
    verbs = [(f"predicate_{i}", "") for i in range(int(held["n_prd"]))]
    meta = Meta(build("recorded", "made up", objects, verbs, []), subset="test", label_kind="predicates")
    key = strings([str(i) for i in range(images)])

    def offsets(name: str) -> np.ndarray:
        return offsets_of(np.bincount(held[name], minlength=images))

    def both(name: str) -> np.ndarray:
        sides = [held[f"pr_{side}_{name}"] for side in ("sub", "obj")]
        return np.stack(sides, axis=1).reshape(-1, *sides[0].shape[1:])

    truth = Dataset(
        meta=meta,
        key=key,
        boxes=held["gtb_box"].astype(float).reshape(-1, 4),
        categories=held["gtb_label"],
        subject=held["gtr_sub"],
        object=held["gtr_obj"],
        label=held["gtr_prd"],
        box_offsets=offsets("gtb_img"),
        pair_offsets=offsets("gtr_img"),
    )
    pairs = offsets("pr_img")
    subject = (2 * (np.arange(pairs[-1]) - np.repeat(pairs[:-1], np.diff(pairs)))).astype(np.int32)
    return truth, Predictions(
        meta=replace(meta, score="times-box-scores"),
        key=key,
        boxes=both("box"),
        categories=both("label"),
        box_scores=both("score"),
        subject=subject,
        object=subject + 1,
        scores=held["pr_prd"],
        box_offsets=2 * pairs,
        pair_offsets=pairs,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_sparse_predictions_score_as_the_dense_ones_they_are(variant):
    truth = relation_scenes()
    found = relation_detector(truth)
    assert metrics(truth, to_sparse(found), variant) == metrics(truth, found, variant)


def test_every_result_says_that_the_families_are_not_comparable():
    truth = relation_scenes()
    for variant in VARIANTS:
        result = score(truth, relation_detector(truth), "open-images-vrd", variant)
        assert NOT_COMPARABLE in result.notes
        assert repr(result).startswith(f"<Result open-images-vrd/{variant}: default score_wtd 0.")


def test_classes_are_predicates_or_the_triplets_of_the_truth():
    truth = relation_scenes()
    held = score(truth, relation_detector(truth), "open-images-vrd").per_class
    assert held["predicate"].tolist() == list(RELATIONS.verbs)
    assert held["truths"].sum() == len(truth.subject)
    held = score(truth, relation_detector(truth), "open-images-vrd", "rlipv2").per_class
    named = set(zip(held["subject"], held["predicate"], held["object"], strict=True))
    assert len(named) == len(held["truths"]) == (held["truths"] > 0).sum()


SIZES = {"width": np.full(30, 1000, np.int32), "height": np.full(30, 600, np.int32)}


class TestFrames:
    def test_normalised_boxes_without_sizes_are_refused_by_pixel_variants(self):
        truth = relation_scenes().with_columns(**SIZES)
        found = relation_detector(truth)
        normal = to_frame(truth, "normalised").with_columns(width=None, height=None)
        there = to_frame(found, "normalised").with_columns(width=None, height=None)
        for variant in set(VARIANTS) - {"oid-challenge"}:
            with pytest.raises(DataError, match="width"):
                metrics(normal, there, variant)
        assert metrics(normal, there, "oid-challenge") == pytest.approx(metrics(truth, found, "oid-challenge"))

    def test_frames_are_brought_together(self):
        truth = relation_scenes().with_columns(**SIZES)
        found = relation_detector(truth)
        for variant in VARIANTS:
            other = metrics(to_frame(truth, "normalised"), to_frame(found, "continuous"), variant)
            assert other == pytest.approx(metrics(truth, found, variant))


class TestVerifiedLabels:
    """A truth with labels of images, which are of objects: who counts in oid-challenge."""

    ROWS = ((0, (0, 0, 9, 9), 0, 0, 1, (20, 0, 29, 9)),)
    OTHER = (0, (50, 50, 59, 59), 2, 1, (20, 0, 29, 9), [0.9, 0.1, 0.1])  # Wooden at Cup, before the true one

    @pytest.mark.parametrize(("labels", "ap"), [([], 1.0), ([(2, 1)], 0.5), ([(2, -1)], 0.5), ([(3, 1)], 1.0)], ids=str)
    def test_what_is_not_verified_is_left_out(self, labels, ap):
        truth = truth_of(self.ROWS).with_columns(
            image_label=np.array([label for label, _ in labels], np.int32),
            image_value=np.array([value for _, value in labels], np.int8),
            image_label_offsets=np.array([0, len(labels)]),
        )
        found = found_of([self.OTHER, (*self.ROWS[0][:3], *self.ROWS[0][4:], [0.8, np.nan, np.nan])])
        assert metrics(truth, found, "oid-challenge")["mAP_rel"] == pytest.approx(ap)
        assert metrics(truth, found, "pysgg")["mAP_rel"] == pytest.approx(0.5 / 3)

    def test_without_labels_true_relations_say_what_is_there_and_the_result_says_so(self):
        found = found_of([self.OTHER, (*self.ROWS[0][:3], *self.ROWS[0][4:], [0.8, np.nan, np.nan])])
        result = score(truth_of(self.ROWS), found, "open-images-vrd", "oid-challenge")
        assert result.mean("full", metric="mAP_rel") == 1.0
        assert any("no verified labels of images: predictions of classes in no true" in note for note in result.notes)


def test_pairs_without_an_object_are_counted_and_not_scored():
    truth = relation_scenes()
    found = relation_predictions(truth)
    alone = found.with_columns(object=np.where(np.arange(len(found.object)) < 3, -1, found.object).astype(np.int32))
    result = score(truth, alone, "open-images-vrd")
    assert "3 of the predicted pairs have no object and are not scored" in result.notes
    assert result.rows == score(truth, select_pairs(found, np.arange(len(found.object)) >= 3), "open-images-vrd").rows


def test_what_is_not_of_predicates_is_refused_in_one_line(small, detected):
    truth = relation_scenes()
    with pytest.raises(DataError, match="holds interactions; Open Images VRD is scored against true predicates"):
        score(small.test, detected, "open-images-vrd")
    with pytest.raises(DataError, match="holds interactions, expected predicates"):
        score(truth, as_predictions(small.test), "open-images-vrd")
    with pytest.raises(DataError, match="have relations without an object or a class|has relations without"):
        score(truth.with_columns(object=np.full_like(truth.object, -1)), relation_predictions(truth), "open-images-vrd")
    with pytest.raises(DataError, match="holds predicates"):
        score(small.test, relation_predictions(truth), "hico-det")


def test_files_are_scored_by_it_without_being_asked(tmp_path, hoitool):
    truth = relation_scenes()
    write(truth, tmp_path / "test.parquet")
    write(relation_detector(truth), tmp_path / "found.parquet")
    ran = hoitool("eval", tmp_path / "found.parquet", "--truth", tmp_path / "test.parquet", "--json")
    assert ran.code == 0
    held = json.loads(ran.out)
    assert (held["protocol"], held["variant"]) == ("open-images-vrd", "pysgg")
    assert held["results"][0]["metrics"] == metrics(truth, relation_detector(truth))
    assert NOT_COMPARABLE in held["notes"]
