"""V-COCO's causes by hand: a perfect detector, and one more detection that is wrong in one way."""

from __future__ import annotations

import numpy as np
import pytest
from builders import BOXES, DOING, v_coco_dicts, v_coco_read, v_coco_truth

from hoitool.convert import load
from hoitool.diagnose.causes import diagnose
from hoitool.diagnose.diagnosis import CAUSES, MISSES
from hoitool.eval import score
from hoitool.labels import load_labels

LABELS = load_labels("v-coco")
FIRST, CUP = [10.5, 20.25, 109.6, 219.62], [60.0, 80.0, 99.3, 119.7]  # somebody who holds a cup, in image 1
HALF, LITTLE = [10.5, 20.25, 49.6, 219.62], [60.0, 80.0, 74.3, 119.7]  # about 0.4 of each
CUTS, POINTS, KNIFE = [5.0, 5.0, 124.0, 244.0], [200.0, 5.0, 309.0, 234.0], [100.0, 100.0, 129.0, 109.0]  # image 2
FAR, EMPTY = [500.0, 400.0, 540.0, 440.0], [0.0, 0.0, 0.0, 0.0]
SCORE = 0.5


def one_more(image, person, scenario="scenario-1", truth=None, **said):
    """The diagnosis of perfect detections with one more, and its class's only false positive."""
    truth = truth or v_coco_truth()
    row = {"image_id": image, "person_box": person} | said
    found = diagnose(truth, v_coco_read([*v_coco_dicts(truth), row], truth), setting=scenario)
    false = found.false_positives
    rows = [(list(CAUSES)[c], int(t)) for c, t in zip(false.cause, false.closest, strict=True)]
    return found, rows


def pair_of(truth, box, verb) -> int:
    """The row of what the person in a box does."""
    rows = (truth.pair_boxes("subject") == box) & (truth.label == LABELS.verb_index(verb))
    return int(np.flatnonzero(rows)[0])


ROLES = {
    "duplicate": (1, FIRST, "hold_obj", CUP, (0, "hold_obj")),
    "human-box": (1, HALF, "hold_obj", CUP, (0, "hold_obj")),
    "object-box": (1, FIRST, "hold_obj", LITTLE, (0, "hold_obj")),
    "object-box without an object": (1, FIRST, "hold_obj", EMPTY, (0, "hold_obj")),
    "object-box of an empty role": (1, FIRST, "look_obj", FAR, (0, "look_obj")),
    "object-box elsewhere": (1, FIRST, "hold_obj", FAR, (0, "hold_obj")),
    "verb-only": (1, FIRST, "carry_obj", CUP, (0, "hold_obj")),
    "wrong-pair": (2, POINTS, "cut_instr", KNIFE, (4, "cut_instr")),
    "background": (1, FIRST, "kick_obj", FAR, None),
    "background where nobody is": (3, FIRST, "hold_obj", FAR, None),
}


@pytest.mark.parametrize("cause", ROLES)
def test_each_cause_of_a_role(cause):
    truth = v_coco_truth()
    image, person, role, obj, closest = ROLES[cause]
    found, rows = one_more(image, person, **{role: [*obj, SCORE]})
    assert rows == [(cause.split()[0], -1 if closest is None else pair_of(truth, *closest))]
    false = found.false_positives
    assert found.classes.name[false.label[0]] == role
    assert found.predictions.boxes[found.predictions.pair_boxes("subject")[false.pair[0]]].tolist() == person
    assert found.truth.key[false.image[0]] == f"{image}.jpg"
    assert not len(found.missed)


def test_scenario_2_takes_any_object_of_an_empty_role():
    assert one_more(1, FIRST, "scenario-2", look_obj=[*FAR, SCORE])[1][0][0] == "duplicate"


def test_people_whom_nobody_annotated_are_no_errors():
    assert one_more(1, [300.0, 10.0, 379.0, 169.0], hold_obj=[*CUP, SCORE])[1] == []


def test_each_cause_of_an_agent():
    truth = v_coco_truth()
    assert one_more(1, FIRST, "agent", stand_agent=SCORE)[1] == [("duplicate", pair_of(truth, 0, "stand"))]
    assert one_more(1, HALF, "agent", stand_agent=SCORE)[1] == [("human-box", pair_of(truth, 0, "stand"))]
    cause, closest = one_more(1, FIRST, "agent", run_agent=SCORE)[1][0]
    assert cause == "verb-only"
    assert truth.pair_boxes("subject")[closest] == 0
    assert one_more(1, FAR, "agent", stand_agent=SCORE)[1] == [("background", -1)]


def test_an_annotated_person_who_does_nothing_is_a_verb_too_many():
    boxes = (*BOXES, (2, (100.0, 100.0, 50.0, 100.0), "person", "annotated"))
    truth = v_coco_truth(boxes, DOING)
    found, rows = one_more(3, [100.0, 100.0, 149.0, 199.0], "agent", truth, run_agent=SCORE)
    assert rows == [("verb-only", -1)]
    assert found.classes.truths.sum() == 7
    assert found.gain("verb-only", found.groups[0]) == 0


def test_missed_pairs_are_without_a_proposal_or_without_their_label():
    truth = v_coco_truth()
    rows = [row for row in v_coco_dicts(truth) if row["image_id"] != 2]
    for row in rows:
        row.pop("hold_obj", None)
    rows.append({"image_id": 1, "person_box": FIRST, "carry_obj": [*CUP, SCORE]})
    found = diagnose(truth, v_coco_read(rows, truth))
    told = {int(pair): list(MISSES)[cause] for pair, cause in zip(found.missed.pair, found.missed.cause, strict=True)}
    held = pair_of(truth, 0, "hold_obj")
    assert told.pop(held) == "ranked-too-low"
    assert set(told.values()) == {"no-proposal"}
    assert all(truth.image_of("pair")[pair] == 1 for pair in told)
    assert found.missed.closest[found.missed.pair == held][0] >= 0


@pytest.mark.parametrize("name", ["clean", "ties", "nan_inverted", "missing"])
def test_causes_add_up_to_what_the_official_code_counted(shared, name):
    truth = load(shared("oracles/v-coco/mini"))
    predictions = load(shared(f"oracles/v-coco/mini/dets_{name}.pkl"), truth=truth)
    result = score(truth, predictions, "v-coco")
    for setting in result.settings:
        found, rows = diagnose(truth, predictions, setting=setting), result.per_class["setting"] == setting
        counted = {of: result.per_class[of][rows].sum() for of in ("detections", "true_positives", "truths")}
        assert len(found.false_positives) == counted["detections"] - counted["true_positives"]
        assert len(found.missed) == counted["truths"] - counted["true_positives"]
        np.testing.assert_allclose(found.classes.ap, result.per_class["ap"][rows], atol=1e-12)
