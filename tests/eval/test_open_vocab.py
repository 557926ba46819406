"""Open-vocabulary detection against pycocotools, literal oracles, what lvis-api gave, and cases made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import DETECTED, OBJECTS, box_detector, box_predictions, box_scenes, lvis_scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import open_vocab as oracle

from hoitool.convert import load
from hoitool.data import Dataset, Predictions, no_pairs, select_boxes, select_images, to_frame
from hoitool.errors import DataError, UsageError
from hoitool.eval import explained, natural_protocol, score
from hoitool.labels import load_labels
from hoitool.labels.open_vocabulary import base_and_novel, table
from hoitool.report.per_class import write_per_class

COUNTED = list(range(6))  # of DETECTED: the last two are in no group
SEEDS = st.integers(0, 10_000)


def crowded(seed: int) -> tuple[Dataset, Predictions]:
    """Many boxes in few places: contested true boxes, crowds, equal scores, equal overlaps, empty classes."""
    rng = np.random.default_rng(seed)
    truth = box_scenes(8, seed)
    boxes = (truth.boxes / 40).round() * 20 + [0, 0, 20, 20]
    truth = truth.with_columns(
        boxes=boxes,
        categories=rng.integers(0, 4, len(boxes)).astype(np.int32),
        crowd=rng.random(len(boxes)) < 0.2,
    )
    found = box_detector(truth, seed)
    near = (found.boxes / 10).round() * 10
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 10)
    scores = rng.integers(1, 9, len(near)) / 8
    classes = np.where(rng.random(len(near)) < 0.8, found.categories, rng.integers(-1, 8, len(near)))
    return truth, found.with_columns(boxes=near, box_scores=scores, categories=classes.astype(np.int32))


@settings(deadline=None, max_examples=40)
@given(SEEDS)
def test_coco_equals_pycocotools(seed):
    truth, found = crowded(seed)
    result = score(truth, found, "open-vocab")
    run = oracle.coco(truth, found, COUNTED)
    precision, recall = run.eval["precision"][:, :, :, 0, 2], run.eval["recall"][:, :, 0, 2]
    told = np.where(precision.max(axis=(0, 1)) < 0, np.nan, precision.mean(axis=(0, 1)))
    np.testing.assert_allclose(result.per_class["AP"], told, atol=1e-12)
    np.testing.assert_allclose(
        result.per_class["AP50"], np.where(np.isnan(told), told, precision[0].mean(0)), atol=1e-12
    )
    for row, classes in zip(result.rows, (COUNTED, [0, 1, 2], [3, 4, 5]), strict=True):
        mine, reached = precision[:, :, classes], recall[:, classes]
        if (mine > -1).any():
            held = (mine[0][mine[0] > -1], mine[mine > -1], mine[5][mine[5] > -1], reached[reached > -1])
            assert [*row.metrics.values()] == pytest.approx([float(np.mean(values)) for values in held], abs=1e-12)
        else:
            assert np.isnan(row.metrics["AP"])


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_all_classes_equal_pycocotools(seed):
    truth, found = crowded(seed)
    (row,) = score(truth, found, "open-vocab", "coco-all").rows
    precision = oracle.coco(truth, found, list(range(8))).eval["precision"][:, :, :, 0, 2]
    if (precision > -1).any():
        assert row.metrics["AP"] == pytest.approx(precision[precision > -1].mean(), abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_recall_of_proposals_equals_pycocotools(seed):
    truth, found = crowded(seed)
    result = score(truth, found, "open-vocab", "proposals")
    for row, classes in zip(result.rows, (COUNTED, [0, 1, 2], [3, 4, 5]), strict=True):
        recall = oracle.coco(truth, found, classes, agnostic=True).eval["recall"][:, 0, 0, :]
        if (recall > -1).all():
            assert [*row.metrics.values()] == pytest.approx(recall.mean(axis=0).tolist(), abs=1e-12)


def test_only_so_many_boxes_of_an_image_count():
    truth = select_images(box_scenes(1, 0), [0])
    many = 1200
    boxes = np.tile(truth.boxes[:1], (many, 1)) + 5 * np.abs(np.arange(many) - 500)[:, None]
    kinds = np.full(many, truth.categories[0], np.int32)
    scores = np.linspace(1, 0.1, many)
    found = box_predictions(truth, boxes=boxes, categories=kinds, box_scores=scores, box_offsets=np.array([0, many]))
    held = [score(truth, found, "open-vocab", name).rows[0].metrics for name in ("coco", "proposals", "voc07")]
    assert held[0]["AR@100"] == 0 < held[1]["AR@1000"] < 1
    assert held[1]["AR@100"] == held[1]["AR@300"] == 0
    assert held[2]["AR"] > 0


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_lvis_equals_a_literal_oracle(seed):
    truth, found = crowded(seed)
    truth = lvis_scenes(truth.with_columns(crowd=None), seed)
    held = score(truth, found, "open-vocab", "lvis").per_class
    for category in range(len(DETECTED.objects)):
        told = [oracle.lvis(truth, found, category, t) for t in oracle.OVERLAPS]
        assert held["AP"][category] == pytest.approx(np.mean(told), abs=1e-12, nan_ok=True)
        assert held["AP50"][category] == pytest.approx(told[0], abs=1e-12, nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_voc_equals_a_literal_oracle(seed):
    truth, found = (to_frame(each, "inclusive") for each in crowded(seed))
    marked = np.flatnonzero(truth.crowd)
    truth = truth.with_columns(replace(truth.meta, extras={"coco": {"ignored": (marked + 1).tolist()}}))
    for variant in ("voc07", "voc10"):
        held = score(truth, found, "open-vocab", variant).per_class["mAP"]
        told = [oracle.voc(truth, found, c, {*marked.tolist()}, variant == "voc07") for c in range(len(held))]
        np.testing.assert_allclose(held, told, atol=1e-12)


def test_lvis_equals_what_lvis_api_gave(shared):
    folder = shared("oracles/open-vocabulary/expected.json").parent
    expected = json.loads((folder / "expected.json").read_text())["lvis"]
    truth = load(folder / "lvis100_gt_boxes.json")
    assert (truth.meta.label_kind, len(truth.meta.labels.objects)) == ("objects", 1230)
    result = score(truth, load(folder / "lvis100_detections.json", truth=truth), "open-vocab", "lvis")
    held = {row.split: row.metrics for row in result.rows}
    came = {name: held["full"][name] for name in ("AP", "AP50", "AP75", "AR@300")}
    came |= {f"AP{split[0]}": held[split]["AP"] for split in ("rare", "common", "frequent")}
    for name, value in came.items():
        assert value == pytest.approx(expected["results"][name], abs=1e-9), name
    ids = (result.per_class["id"] + 1).tolist()
    for number, value in zip(ids, result.per_class["AP"].tolist(), strict=True):
        told = expected["per_category_AP"].get(str(number))
        assert value == pytest.approx(np.nan if told is None or told < 0 else told, abs=1e-9, nan_ok=True)


def test_coco_equals_what_pycocotools_gave(shared, tmp_path):
    folder = shared("oracles/open-vocabulary/expected.json").parent
    expected = json.loads((folder / "expected.json").read_text())["coco_generalised"]
    table = json.loads((folder / "coco100_gt_boxes.json").read_text())
    for row in table["images"]:
        row["file_name"] = f"{row['id']:012d}.jpg"
    (tmp_path / "instances_val.json").write_text(json.dumps(table))
    truth = load(tmp_path / "instances_val.json")
    assert truth.meta.label_kind == "objects"
    found = load(folder / "coco100_detections.json", truth=truth)
    assert natural_protocol(found) == "open-vocab"
    result = score(truth, found, "open-vocab")
    for split, name in (("full", "all"), ("base", "base"), ("novel", "novel")):
        assert result.mean(split) == pytest.approx(expected[f"AP50_{name}"], abs=1e-9)
    assert result.mean(metric="AP") == pytest.approx(expected["stats"][0], abs=1e-9)
    assert result.mean(metric="AR@100") == pytest.approx(expected["stats"][8], abs=1e-9)
    assert [row.classes for row in result.rows[1:]] == [expected["n_base_with_gt"], expected["n_novel_with_gt"]]


def test_the_packaged_groups():
    coco = load_labels("coco")
    groups = base_and_novel(coco)
    assert [int(mask.sum()) for mask in groups.values()] == [48, 17]
    assert not (groups["base"] & groups["novel"]).any()
    for group, mask in groups.items():
        assert sorted(coco.coco_ids[mask].tolist()) == sorted(number for _, number in table()[group])
    hico = load_labels("hico")
    for group, mask in base_and_novel(hico).items():
        assert sorted(hico.coco_ids[mask].tolist()) == sorted(number for _, number in table()[group])
    assert [name for name, _ in OBJECTS[:6]] == [DETECTED.objects[i] for i in COUNTED]


def test_the_detection_that_is_surer_takes_the_box_and_the_other_its_second_choice():
    truth = box_scenes(1, 0)
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 90]], float)
    columns = {"boxes": boxes, "categories": np.zeros(2, np.int32), "box_offsets": np.array([0, 2])}
    truth = truth.with_columns(**columns, box_ids=None)
    both = box_predictions(truth, boxes=boxes[[0, 0]], box_scores=np.array([0.5, 0.9]))
    assert score(truth, both, "open-vocab").mean("base", metric="AP50") == pytest.approx(1)
    assert score(truth, both, "open-vocab", "voc10").mean() == pytest.approx(0.5)  # VOC knows no second choice


@pytest.mark.parametrize(
    ("keys", "known"),
    [
        (["z/000000000001.jpg", "a/000000000002.jpg"], {}),
        (["kitchen_7.jpg", "kitchen_10.jpg"], {}),
        (["z.jpg", "a.jpg"], {"z.jpg": 3, "a.jpg": 20}),
        (["z.jpg", "a.jpg"], {}),  # no ids: their order
    ],
)
def test_ties_between_images_stand_by_their_ids(keys, known):
    truth = box_scenes(2, 3)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], float)
    columns = {"boxes": boxes, "categories": np.zeros(2, np.int32), "box_offsets": np.array([0, 1, 2])}
    meta = replace(truth.meta, extras={"coco": {"image_ids": known}} if known else {})
    truth = truth.with_columns(meta, **columns, key=np.array(keys, object), box_ids=None)
    wrong = boxes + np.array([[0], [500]])
    found = box_predictions(truth, boxes=wrong, box_scores=np.array([0.5, 0.5]))
    assert score(truth, found, "open-vocab").mean("base") == pytest.approx(51 / 101)
    other = score(truth, found.with_columns(boxes=wrong[::-1]), "open-vocab")
    assert other.mean("base") == pytest.approx(51 / 101 / 2)


def test_what_is_not_scored_is_said():
    truth = box_scenes()
    result = score(truth, box_detector(truth), "open-vocab")
    gone = int(np.isin(truth.categories, [6, 7]).sum())
    assert f"{gone} true boxes of classes that are in no group were left out, and detections of them" in result.notes
    few = select_boxes(truth, truth.categories != 3)
    notes = score(few, box_detector(few), "open-vocab").notes
    assert "1 of the 3 novel classes have no true box and do not count" in notes


def test_detections_without_a_class_are_counted():
    truth = box_scenes()
    found = box_predictions(truth, categories=np.full(len(truth.boxes), -1, np.int32))
    told = f"{len(truth.boxes):,} detected boxes have no class and do not count; --variant proposals counts them"
    assert told in score(truth, found, "open-vocab").notes
    assert told not in score(truth, found, "open-vocab", "proposals").notes


def test_a_variant_without_its_groups_is_refused():
    truth = box_scenes()
    found = box_predictions(truth)
    with pytest.raises(UsageError, match="does not say which categories are rare, common or frequent"):
        score(truth, found, "open-vocab", "lvis")
    with pytest.raises(DataError, match="categories of LVIS, which are scored by --variant lvis"):
        score(lvis_scenes(truth), found, "open-vocab")
    strange = truth.with_columns(replace(truth.meta, extras={"lvis": {"frequency": "rcx"}}))
    with pytest.raises(DataError, match=r"'frequency'\] is 'rcx', expected a letter of r, c, f, \? for each of 8"):
        score(strange, found, "open-vocab", "lvis")
    voc = replace(truth.meta.labels, objects=tuple(f"thing {i}" for i in range(8)))
    other = truth.with_columns(replace(truth.meta, labels=voc))
    with pytest.raises(UsageError, match="has none of COCO's 48 base objects"):
        score(other, box_predictions(other), "open-vocab")


def test_predictions_without_scores_of_boxes_are_refused(small, detected):
    with pytest.raises(DataError, match="no scores of boxes"):
        score(small.test, detected, "open-vocab")


def test_boxes_of_pairs_are_scored_too(small, detected):
    """A detector's boxes in a dataset of interactions: pairs are not looked at."""
    found = detected.with_columns(box_scores=np.linspace(0, 1, len(detected.boxes)))
    assert 0 < score(small.test, found, "open-vocab").mean() < 1


def test_proposals_have_no_figures_of_single_classes(tmp_path):
    truth = box_scenes()
    result = score(truth, box_detector(truth), "open-vocab", "proposals")
    with pytest.raises(UsageError, match=r"open-vocab/proposals has no figures of single classes$"):
        write_per_class(result, tmp_path / "c.csv")
    assert not list(tmp_path.iterdir())


def test_no_truth_at_all():
    truth = box_scenes(3)
    nothing = truth.with_columns(
        **{n: v for n, v in no_pairs(3).items() if n in ("boxes", "categories", "box_offsets")}
    )
    nothing = nothing.with_columns(box_ids=None)
    for variant in ("coco", "voc07", "proposals"):
        result = score(nothing, box_predictions(truth), "open-vocab", variant)
        assert all(np.isnan(value) for row in result.rows for value in row.metrics.values())
        assert '"AP50": null' in score(nothing, box_predictions(truth), "open-vocab").to_json()


def test_each_variant_says_what_it_reproduces():
    held = {row["name"]: row["reproduces"] for row in explained("open-vocab")["variants"]}
    assert list(held) == ["coco", "coco-all", "lvis", "voc07", "voc10", "proposals"]
    assert "lvis-api" in held["lvis"]
