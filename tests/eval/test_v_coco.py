"""V-COCO: equal to the official code's recorded results, to a literal oracle, and friendly where it stops."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from builders import v_coco_detector, v_coco_predictions, v_coco_scenes, v_coco_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import v_coco as literal

from hoitool.convert import load, read
from hoitool.data import Meta, Predictions, offsets_of, select_images, select_pairs, to_frame
from hoitool.errors import DataError
from hoitool.eval import score

TIE_FREE = ["clean", "clean_numpy", "empty_nan", "empty_tiny", "empty_zero", "missing_as_nan", "nan_inverted"]
SETTING = {"agent": "agent", "scenario-1": "role_scenario_1", "scenario-2": "role_scenario_2"}


def classes(result):
    """(setting, class) -> its figures."""
    table = {name: column.tolist() for name, column in result.per_class.items()}
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {(row["setting"], row["class"]): row for row in rows}


def equal_to(result, expected):
    """Every class has the recorded truths, counted detections, true positives and AP."""
    held = classes(result)
    assert len(held) == 76
    for (setting, name), row in held.items():
        recorded = expected[SETTING[setting]][name.removesuffix("_agent")]
        counts = recorded["npos"], recorded["n_det"], recorded["n_tp"]
        assert (row["truths"], row["detections"], row["true_positives"]) == counts, (setting, name)
        assert row["ap"] == pytest.approx(recorded["ap_all_float64"], abs=1e-12), (setting, name)


@pytest.fixture(scope="module")
def oracle(shared):
    return shared("oracles/v-coco")


@pytest.fixture(scope="module")
def mini(oracle):
    return load(oracle / "mini")


@pytest.mark.parametrize("name", TIE_FREE)
def test_recorded_results_are_reproduced(oracle, mini, name):
    expected = sorted((oracle / "expected" / "mini").glob(f"{name}.np*.json"))[0]
    result = score(mini, load(oracle / "mini" / f"dets_{name}.pkl", truth=mini), "v-coco")
    equal_to(result, json.loads(expected.read_text()))


def arrays_400(oracle, truth):
    """The recorded dense detections of 400 images: 25 scores of roles, then 4 of body motions."""
    held = np.load(oracle / "val400" / "arrays.npz")
    ids = [int(key[-16:-4]) for key in truth.key.tolist()]
    image = np.array([{number: i for i, number in enumerate(ids)}[number] for number in held["image_id"].tolist()])
    order = np.argsort(image, kind="stable")
    labels, rows = truth.meta.labels, len(order)
    scores = np.empty((rows, 29))
    scores[:, labels.role_verbs] = held["score"][order, :25]
    scores[:, np.setdiff1d(np.arange(29), labels.role_verbs)] = held["score"][order, 25:]
    obj, category = held["obj"][order], held["obj_category"][order]
    empty = np.isnan(obj).any(axis=1) | (obj == 0).all(axis=1)
    offsets = offsets_of(np.bincount(image, minlength=len(truth)))
    place = np.arange(rows) - offsets[image[order]]
    categories = np.stack([np.zeros(rows), np.where(category == 80, -1, category)], axis=1)
    return Predictions(
        meta=Meta(labels, subset=truth.meta.subset, label_kind="verbs"),
        key=truth.key,
        boxes=np.stack([held["person"][order], np.nan_to_num(obj)], axis=1).reshape(-1, 4),
        categories=categories.reshape(-1).astype(np.int32),
        subject=(2 * place).astype(np.int32),
        object=np.where(empty, -1, 2 * place + 1).astype(np.int32),
        scores=scores,
        box_offsets=2 * offsets,
        pair_offsets=offsets,
    )


def test_verbs_score_as_the_official_pickle_made_of_them(oracle):
    truth = load(oracle / "val400")
    result = score(truth, arrays_400(oracle, truth), "v-coco")
    expected = json.loads((oracle / "expected" / "val400.np126.json").read_text())
    equal_to(result, expected)
    for setting, name in SETTING.items():
        mean = expected[f"{name}_mean"]
        assert result.mean("full", setting) == pytest.approx(mean["all_float64"], abs=1e-12)
        if setting != "agent":
            without = result.mean("without-point", setting)
            assert without == pytest.approx(mean["without_point_instr_all_float64"], abs=1e-12)


def test_the_training_evaluator_of_the_qpic_line_is_reproduced(oracle):
    truth = load(oracle / "val400")
    result = score(truth, arrays_400(oracle, truth), "v-coco", "qpic")
    recorded = json.loads((oracle / "expected" / "compare_others_val400.json").read_text())["qpic"]
    for name, ap in zip(result.per_class["class"].tolist(), result.per_class["ap"].tolist(), strict=True):
        assert ap == recorded[f"AP_{name}"], name
    assert result.mean("full") == pytest.approx(recorded["mAP_all"], abs=1e-15)
    assert result.mean("without-point") == pytest.approx(recorded["mAP_thesis"], abs=1e-15)


def test_missing_entries_are_not_predicted(oracle):
    truth = load(oracle / "val400")
    result = score(truth, load(oracle / "val400" / "dets_sparse.pkl", truth=truth), "v-coco")
    expected = json.loads((oracle / "expected" / "padding_val400.json").read_text())["NaN | stable_rev"]
    for setting, name in SETTING.items():
        assert result.mean("full", setting) == pytest.approx(expected["mean25"][name], abs=1e-12)


def test_ties_keep_the_file_order_and_are_bounded(oracle, mini):
    result = score(mini, load(oracle / "mini" / "dets_ties.pkl", truth=mini), "v-coco")
    for kind, metric in (("stable", "mAP"), ("fp_first", "mAP_low"), ("tp_first", "mAP_high")):
        recorded = json.loads((oracle / "expected" / "recomputed" / f"mini_ties_{kind}.json").read_text())["mean"]
        for setting, name in SETTING.items():
            assert result.mean("full", setting, metric) == pytest.approx(recorded[name], abs=1e-12)


def test_every_question_of_the_toy_set_is_answered_alike(oracle, tmp_path):
    truth = load(oracle / "toy")
    held = pickle.loads((oracle / "toy" / "toy_cases.pkl").read_bytes())
    expected = json.loads((oracle / "toy" / "toy_expected.json").read_text())
    assert len(held["cases"]) == len(expected) == 34
    for case, recorded in zip(held["cases"], expected, strict=True):
        path = tmp_path / "detections.pkl"
        path.write_bytes(pickle.dumps([*case["detections"], held["filler"]]))
        found = classes(score(truth, read(path, truth=truth).parts[0], "v-coco"))
        for name, values in recorded["expected"].items():
            setting, _, label = name.partition(":")
            key = (
                ("agent", f"{label}_agent")
                if setting == "agent"
                else (setting.replace("role_scenario_", "scenario-"), label)
            )
            assert found[key]["ap"] == pytest.approx(values["ap"], abs=1e-6), (case["name"], name)
            assert found[key]["detections"] == values["counted"] + 1, (case["name"], name)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans())
def test_the_literal_oracle_agrees(seed, ties):
    truth = v_coco_scenes(images=6, seed=seed)
    found = to_frame(v_coco_detector(truth, seed), "inclusive")
    if ties:
        found = found.with_columns(scores=np.round(found.scores * 4) / 4)
    held = classes(score(truth, found, "v-coco"))
    names = truth.meta.labels.agents_and_roles
    for column in range(0, 51, 3):
        for scenario in (1, 2):
            setting = "agent" if column < 26 else f"scenario-{scenario}"
            ap, counted, hits = literal.average_precision(truth, found, column, scenario)
            row = held[setting, names[column]]
            assert (row["detections"], row["true_positives"]) == (counted, hits)
            assert row["ap"] == pytest.approx(ap, abs=1e-12, nan_ok=True)
            assert np.isnan(ap) or row["ap_low"] - 1e-12 <= ap <= row["ap_high"] + 1e-12


class TestWhereTheOfficialCodeStops:
    truth = v_coco_truth()

    def test_classes_without_truths_are_left_out_and_named(self):
        result = score(self.truth, v_coco_predictions(self.truth), "v-coco")
        assert result.select("agent").rows[0].classes == 6
        assert result.mean("full", "agent") == pytest.approx(1)
        assert any("have no truths here and are left out" in note for note in result.notes)

    def test_a_class_without_counted_detections_has_ap_0(self):
        found = v_coco_predictions(self.truth)
        scores = found.scores.copy()
        scores[:, found.meta.labels.agents_and_roles.index("cut_obj")] = np.nan
        result = score(self.truth, found.with_columns(scores=scores), "v-coco")
        assert classes(result)["scenario-1", "cut_obj"]["ap"] == 0
        assert any("no counted detection" in note and "cut_obj" in note for note in result.notes)

    def test_truth_that_does_not_say_who_is_annotated_is_refused_with_the_reason(self):
        bare = self.truth.with_columns(annotated=None)
        with pytest.raises(DataError, match="does not say which people are annotated; V-COCO leaves detections"):
            score(bare, v_coco_predictions(self.truth), "v-coco")

    def test_truth_without_sizes_names_the_image(self):
        bare = self.truth.with_columns(width=np.zeros(3, np.int32))
        with pytest.raises(DataError, match=r"image '1.jpg' has no known size"):
            score(bare, v_coco_predictions(self.truth), "v-coco")

    @pytest.mark.parametrize("marks", [{"no_area": [2]}, {"ignored": [2]}])
    def test_an_object_that_is_no_box_is_named(self, marks):
        marked = self.truth.with_columns(replace(self.truth.meta, extras={"coco": marks}))
        with pytest.raises(DataError, match=r"image '1.jpg': annotation 2 is what somebody does 'hold_obj' with"):
            score(marked, v_coco_predictions(self.truth), "v-coco")

    def test_an_annotated_person_that_is_no_box_is_told(self):
        marked = self.truth.with_columns(replace(self.truth.meta, extras={"coco": {"ignored": [6]}}))
        result = score(marked, v_coco_predictions(self.truth), "v-coco")
        assert any("1 annotated people have no proper box" in note for note in result.notes)

    def test_detections_in_an_image_without_people_are_false_positives(self):
        found = v_coco_predictions(self.truth)
        lonely = select_images(found, [0]).with_columns(key=found.key[[2]])
        result = score(self.truth, lonely, "v-coco")
        assert any("images without any person" in note for note in result.notes)
        assert classes(result)["agent", "hold_agent"]["detections"] == 1
        assert result.mean("full", "agent") == 0

    def test_one_subject_with_two_scores_of_a_thing_is_refused(self):
        found = v_coco_predictions(self.truth)
        scores = found.scores.copy()
        scores[1] = scores[0]
        with pytest.raises(DataError, match=r"pair 1: subject 0 has a score for 'hold_agent' in another pair too"):
            score(self.truth, found.with_columns(scores=scores), "v-coco")

    def test_the_24_and_25_classes_are_explained(self):
        result = score(v_coco_scenes(), v_coco_detector(v_coco_scenes()), "v-coco")
        assert any("mean24 = (25 * mean25 - AP(point_instr)) / 24" in note for note in result.notes)
        rows = {row.split: row for row in result.select("scenario-1").rows}
        point = classes(result)["scenario-1", "point_instr"]["ap"]
        assert rows["without-point"].metrics["mAP"] == pytest.approx((25 * rows["full"].metrics["mAP"] - point) / 24)

    def test_interactions_as_truth_are_refused(self, small):
        with pytest.raises(DataError, match="V-COCO is scored against true verbs"):
            score(small.test, v_coco_predictions(self.truth), "v-coco")


def test_boxes_that_overlap_nothing_and_detections_left_out_are_counted():
    truth = v_coco_scenes()
    result = score(truth, v_coco_detector(truth), "v-coco")
    assert result.inputs["counts"]["annotated_people"] == 80
    assert result.inputs["counts"]["detections_left_out"] >= 0
    nothing = select_pairs(v_coco_detector(truth), np.zeros(len(v_coco_detector(truth).subject), bool))
    assert {row.metrics["mAP"] for row in score(truth, nothing, "v-coco").rows} == {0}
