"""Every error has one cause: counts add up to the evaluation, causes equal an oracle's, repairs a new evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import KITS, as_predictions, predictions_of, truth_of, v_coco_detector, v_coco_scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.causes import cause_of, reachable

from hoitool.data import Predictions, select_pairs
from hoitool.demo.detector import KINDS, imperfect
from hoitool.diagnose.causes import CASES, diagnose, with_split
from hoitool.diagnose.diagnosis import CAUSES, MISSES, REPAIRS
from hoitool.errors import UsageError
from hoitool.eval import score, variants
from hoitool.labels import load_labels
from hoitool.splits import resolve

HICO = load_labels("hico")
FALSE, MISSED = list(CAUSES), list(MISSES)
# verbs and objects that meet in several classes, so that every cause occurs
LABELS = [HICO.interaction_index(v, o) for v in ("ride", "hold", "wash") for o in ("bicycle", "horse", "motorcycle")]
corner = st.sampled_from([0.0, 2.0, 6.0, 30.0, 33.0])
side = st.sampled_from([9.0, 14.0, 19.0, 29.0])
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
label = st.sampled_from(LABELS)
true_rows = st.lists(st.tuples(st.integers(0, 1), box, box, label), max_size=8)
found_rows = st.lists(
    st.tuples(st.integers(0, 1), box, box, label, st.sampled_from([0.25, 0.5, 0.75, 0.9])), max_size=20
)


def rows_of(data) -> list[tuple]:
    """(image, human, object, label) of every pair."""
    human, obj = data.boxes[data.pair_boxes("subject")], data.boxes[data.pair_boxes("object")]
    return list(zip(data.image_of("pair").tolist(), human.tolist(), obj.tolist(), data.label.tolist(), strict=True))


def adds_up(found, result) -> None:
    """What holds of every diagnosis and the result of the same predictions."""
    held, column = found.classes, found.setting.replace("-", "_")
    told = result.per_class
    if found.protocol == "hico-det":
        mine = {name: told[f"{name}_{column}"] for name in ("detections", "true_positives", "AP", "recall")}
        mine["truths"] = told["truths"]
    else:
        rows = told["setting"] == found.setting
        names = {"AP": "ap"} | {name: name for name in ("detections", "true_positives", "recall", "truths")}
        mine = {name: told[of][rows] for name, of in names.items()}
    np.testing.assert_array_equal(held.detections, mine["detections"])
    np.testing.assert_array_equal(held.truths, mine["truths"])
    np.testing.assert_array_equal(held.true_positives, mine["true_positives"])
    np.testing.assert_allclose(held.ap, mine["AP"], atol=1e-12)
    np.testing.assert_allclose(held.recall, mine["recall"], atol=1e-12)
    np.testing.assert_array_equal(held.true_positives + found.false_counts.sum(axis=1), mine["detections"])
    np.testing.assert_array_equal(held.true_positives + found.missed_counts.sum(axis=1), mine["truths"])
    np.testing.assert_array_equal(held.reachable, held.true_positives + found.missed_counts[:, 1])
    scored = held.truths > 0
    for repair in REPAIRS:
        assert (found.repaired[repair][scored] >= held.ap[scored] - 1e-12).all(), repair
    np.testing.assert_array_less(held.ap[scored] - 1e-12, held.ceiling[scored] + 1e-12)
    assert found.calibration.count.sum() == held.detections.sum()
    for row, splits in zip(found.rows(), result.select(found.setting).rows, strict=True):
        assert (row["name"], row["classes"]) == (splits.split, splits.classes)
        assert row["mAP"] == pytest.approx(splits.metrics["mAP"], nan_ok=True, abs=1e-12)


@pytest.mark.parametrize("variant", variants("hico-det"))
@settings(deadline=None, max_examples=8)
@given(rows=true_rows, found=found_rows)
def test_causes_and_truths_add_up_in_every_variant_of_hico_det(variant, rows, found):
    truth, predictions = truth_of(rows, images=2), predictions_of(found, images=2)
    result = score(truth, predictions, "hico-det", variant)
    for setting in result.settings:
        adds_up(diagnose(truth, predictions, "hico-det", variant, setting), result)


@settings(deadline=None, max_examples=70)
@given(true_rows, found_rows)
def test_every_cause_equals_the_literal_oracle(rows, found):
    truth, predictions = truth_of(rows, images=2), predictions_of(found, images=2)
    made = diagnose(truth, predictions)
    truths, given_rows = rows_of(truth), rows_of(made.predictions)
    verb, obj = HICO.interaction_verbs, HICO.interaction_objects
    false = made.false_positives
    told = {p: (FALSE[c], t) for p, c, t in zip(false.pair, false.cause, false.closest, strict=True)}
    for pair, row in enumerate(given_rows):
        assert cause_of(row, pair not in told, truths, verb, obj)[0] == told.get(pair, (None,))[0]
        if pair in told:
            assert cause_of(row, False, truths, verb, obj) == told[pair]
    for pair, cause in zip(made.missed.pair, made.missed.cause, strict=True):
        assert MISSED[cause] == ("ranked-too-low" if reachable(pair, truths, given_rows) else "no-proposal")


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([2, 12, 40]), st.booleans())
def test_causes_and_truths_add_up_in_v_coco(seed, moved, empty):
    rng = np.random.default_rng(seed)
    truth = v_coco_scenes(4, seed)
    predictions = v_coco_detector(truth, seed)
    predictions = predictions.with_columns(boxes=predictions.boxes + rng.normal(0, moved, predictions.boxes.shape))
    if empty:
        gone = rng.random(len(predictions.object)) < 0.3
        predictions = predictions.with_columns(object=np.where(gone, -1, predictions.object).astype(np.int32))
    result = score(truth, predictions, "v-coco")
    for setting in result.settings:
        found = diagnose(truth, predictions, setting=setting)
        adds_up(found, result)


@pytest.fixture(scope="module")
def made(small, detected):
    """The small test set, and the diagnosis of a detector whose boxes are worse, without equal scores."""
    rng = np.random.default_rng(5)
    moved = detected.boxes + rng.normal(0, 2, detected.boxes.shape)
    again = rng.integers(0, np.repeat(detected.counts("pair"), detected.counts("pair")))  # any object of the image
    start = np.repeat(detected.pair_offsets[:-1], detected.counts("pair"))
    other = np.where(rng.random(len(again)) < 0.2, detected.object[start + again], detected.object).astype(np.int32)
    scores = rng.permutation(len(again)) / 1000 + 0.1
    return small.test, diagnose(small.test, detected.with_columns(boxes=moved, object=other, score=scores))


class TestRepairs:
    """A repair's AP is that of predictions in which it was done."""

    @pytest.mark.parametrize("cause", FALSE)
    def test_of_false_positives(self, made, cause):
        truth, found = made
        false, labels = found.false_positives, found.truth.need("label")
        taken = set(range(len(labels))) - set(found.missed.pair.tolist())
        kept, turned = np.ones(len(found.predictions.subject), bool), []
        for row in false.of(cause):
            kept[false.pair[row]] = False
            target = int(false.closest[row])
            wrong = cause in ("duplicate", "background") or target in taken
            if wrong or (cause == "wrong-pair" and labels[target] != false.label[row]):
                continue
            taken.add(target)
            turned.append((target, float(false.score[row])))
        self.equals(truth, found, kept, turned, cause)

    @pytest.mark.parametrize("cause", MISSED)
    def test_of_missed_pairs(self, made, cause):
        truth, found = made
        every = np.ones(len(found.predictions.subject), bool)
        targets = found.missed.pair[found.missed.of(cause)]
        self.equals(truth, found, every, [(int(t), 10.0 + i) for i, t in enumerate(targets)], cause)

    def equals(self, truth, found, kept, turned, repair):
        """Score the kept predictions with perfect detections of some truths, at a score each."""
        left = select_pairs(found.predictions, kept)
        perfect = as_predictions(truth)
        rows = [*turned, *((None, p) for p in range(len(left.subject)))]
        sides = []
        for side_of in ("subject", "object"):
            theirs, ours = perfect.boxes[perfect.pair_boxes(side_of)], left.boxes[left.pair_boxes(side_of)]
            sides.append(np.array([ours[p] if t is None else theirs[t] for t, p in rows]).reshape(-1, 4))
        image = [left.image_of("pair")[p] if t is None else perfect.image_of("pair")[t] for t, p in rows]
        told = [left.label[p] if t is None else perfect.label[t] for t, p in rows]
        scores = [left.score[p] if t is None else p for t, p in rows]
        order = np.argsort(image, kind="stable")
        columns = [np.array(c)[order] for c in (image, *sides, told, scores)]
        again = Predictions.from_pairs(*columns, images=truth.key, labels=truth.meta.labels, subset="test")
        np.testing.assert_allclose(found.repaired[repair], score(truth, again).per_class["AP_default"], atol=1e-12)

    def test_all_of_them_leave_nothing_to_gain(self, made):
        _, found = made
        held = found.classes
        precise = found.repaired["all-false-positives"]
        np.testing.assert_array_less(held.ap - 1e-12, precise + 1e-12)
        whole = held.truths > 0
        assert (found.missed_counts.sum(axis=1)[whole] == held.truths[whole] - held.true_positives[whole]).all()
        alone = (found.false_counts.sum(axis=1) == 0) & whole
        assert found.repaired["all-missed"][alone] == pytest.approx(1)
        complete = (found.missed_counts.sum(axis=1) == 0) & whole
        assert precise[complete] == pytest.approx(1)


def test_perfect_predictions_have_no_errors(small):
    for protocol in CASES:
        truth = KITS[protocol].truth(small.test)
        found = diagnose(truth, KITS[protocol].perfect(truth), protocol)
        assert not len(found.missed)
        assert all(found.gain(name, group) == pytest.approx(0) for name in REPAIRS for group in found.of("split"))
        assert [row["ceiling_mAP"] for row in found.rows()] == pytest.approx([1] * len(found.of("split")))


def test_no_predictions_miss_everything_for_want_of_proposals(small):
    for protocol in CASES:
        truth = KITS[protocol].truth(small.test)
        found = diagnose(truth, KITS[protocol].nothing(KITS[protocol].perfect(truth)), protocol)
        assert not len(found.false_positives)
        assert (found.missed.cause == 0).all()
        assert (found.missed.closest == -1).all()
        assert found.gain("no-proposal", found.groups[0]) == pytest.approx(1)


def test_the_kinds_of_errors_that_a_detector_was_made_with_are_found(small):
    predictions, kinds = imperfect(small.test, seed=3)
    found = diagnose(small.test, predictions)
    cause = np.full(len(kinds), "correct", object)
    cause[found.false_positives.pair] = np.array(FALSE, object)[found.false_positives.cause]
    made = np.array([name.replace(" ", "-") for name in KINDS], object)[kinds]
    ranked = np.isin(made, ["correct", "duplicate"])  # which of several is the duplicate, the scores decide
    assert cause[~ranked].tolist() == made[~ranked].tolist()
    assert set(cause[ranked]) == {"correct", "duplicate"}


# by hand: one image with a rider on a bicycle (10), a second person by a horse (20), one class after the other

RIDER, BIKE = (0.0, 0, 99, 99), (10.0, 50, 109, 149)
GROOM, HORSE = (300.0, 0, 399, 99), (310.0, 0, 509, 199)
RIDE, WASH = HICO.interaction_index("ride", "bicycle"), HICO.interaction_index("wash", "horse")
FAR = (600.0, 400, 639, 439)
OFF = (0.0, 0, 99, 39)  # IoU 0.4 with RIDER
BY_HAND = {
    "duplicate": (RIDER, BIKE, RIDE, 0),
    "human-box": (OFF, BIKE, RIDE, 0),
    "object-box": (RIDER, (10.0, 50, 109, 89), RIDE, 0),
    "human-box-elsewhere": (FAR, BIKE, RIDE, 0),
    "object-box-elsewhere": (RIDER, FAR, RIDE, 0),
    "object-class": (RIDER, BIKE, HICO.interaction_index("ride", "motorcycle"), 0),
    "verb-only": (RIDER, BIKE, HICO.interaction_index("repair", "bicycle"), 0),
    "wrong-pair": (GROOM, BIKE, RIDE, 0),
    "background": (FAR, FAR, RIDE, -1),
    "background-of-another": (RIDER, FAR, WASH, -1),
}


@pytest.mark.parametrize("cause", BY_HAND)
def test_each_cause_by_hand(cause):
    human, obj, of, closest = BY_HAND[cause]
    name = cause.removesuffix("-elsewhere").removesuffix("-of-another")
    truth = truth_of([(0, RIDER, BIKE, RIDE), (0, GROOM, HORSE, WASH)], images=1)
    found = diagnose(truth, predictions_of([(0, RIDER, BIKE, RIDE, 0.9), (0, human, obj, of, 0.5)], images=1))
    false = found.false_positives
    assert [(FALSE[c], t) for c, t in zip(false.cause, false.closest, strict=True)] == [(name, closest)]
    assert false.score.tolist() == [0.5]
    assert found.missed.pair.tolist() == [1]
    assert found.of("split")[0].among.all()


def test_the_example_of_the_page():
    truth = truth_of([(0, RIDER, BIKE, RIDE)], images=1)
    other = HICO.interaction_index("ride", "motorcycle")
    rows = [(0, OFF, BIKE, RIDE, 0.9), (0, RIDER, BIKE, RIDE, 0.8), (0, RIDER, BIKE, other, 0.7)]
    found = diagnose(truth, predictions_of(rows, images=1), "hico-det")
    assert [FALSE[c] for c in found.false_positives.cause] == ["human-box", "object-class"]
    assert found.classes.ap[RIDE] == pytest.approx(0.5)
    assert found.repaired["human-box"][RIDE] == pytest.approx(1)
    assert found.gain("object-class", found.groups[0]) == 0
    page = (Path(__file__).parents[2] / "docs" / "diagnose.md").read_text()
    assert all(f"| `{name}`" in page for name in (*FALSE, *MISSED))


def test_a_class_wrong_in_verb_and_object_is_an_object_class():
    truth = truth_of([(0, RIDER, BIKE, RIDE)], images=1)
    found = diagnose(truth, predictions_of([(0, RIDER, BIKE, WASH, 0.5)], images=1))
    assert FALSE[found.false_positives.cause[0]] == "object-class"
    assert MISSED[found.missed.cause[0]] == "ranked-too-low"
    assert found.gain("object-class", found.groups[0]) == pytest.approx(1 / 600)
    assert found.missed.closest.tolist() == [0]


def test_groups_are_splits_objects_and_verbs(small, detected):
    found = diagnose(small.test, detected)
    assert [group.name for group in found.of("split")] == ["full", "rare", "non-rare"]
    for kind, names in (("object", found.classes.object), ("verb", found.classes.verb)):
        assert [group.name for group in found.of(kind)] == list(dict.fromkeys(names))
        assert sum(row["detections"] for row in found.rows(kind)) == found.classes.detections.sum()


def test_a_named_split_adds_its_groups():
    truth = truth_of([(0, RIDER, BIKE, RIDE)], images=1)
    found = with_split(diagnose(truth, predictions_of([(0, RIDER, BIKE, RIDE, 0.9)], images=1)), resolve("rf-uc"))
    assert [group.name for group in found.of("split")][3:] == ["rf-uc:unseen", "rf-uc:seen"]
    assert [row["classes"] for row in found.rows()][3:] == [120, 480]
    with pytest.raises(UsageError, match="chooses training data"):
        with_split(found, resolve("10%"))


def test_what_has_no_diagnosis_is_refused(small, detected):
    with pytest.raises(UsageError, match="'open-vocab' has no diagnosis of causes; hico-det and v-coco have one"):
        diagnose(small.test, detected, "open-vocab")
    with pytest.raises(UsageError, match="protocol named 'hico-dte'"):
        diagnose(small.test, detected, "hico-dte")
    with pytest.raises(UsageError, match="setting named 'knwon-object'"):
        diagnose(small.test, detected, setting="knwon-object")
    truth = v_coco_scenes(4)
    with pytest.raises(UsageError, match="variant 'pvic' of v-coco has no diagnosis"):
        diagnose(truth, v_coco_detector(truth), variant="pvic")
    with pytest.raises(UsageError, match="label space"):
        diagnose(truth, v_coco_detector(truth), training=small.train)


def test_detections_of_classes_without_truths_are_counted_in_a_note():
    truth = truth_of([(0, RIDER, BIKE, RIDE)], images=1)
    predictions = predictions_of([(0, RIDER, BIKE, RIDE, 0.9), (0, RIDER, BIKE, WASH, 0.5)], images=1)
    found = diagnose(truth, predictions, variant="with-truth")
    assert any("599 classes without a true pair" in note and "detections (1)" in note for note in found.notes)
    assert next(found.rows())["detections"] == 1
    assert len(found.false_positives) == 1
