"""Labels of one kind as labels of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import RELATIONS, truth_of, v_coco_detector, v_coco_predictions, v_coco_scenes, v_coco_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, HICO, V_COCO, either, predictions

from hoitool.data import Meta, Predictions, relabel, scored_rows, to_dense, validate
from hoitool.errors import UsageError

NAN = float("nan")
PERSON, CUP = (0, 0, 9, 9), (5, 5, 8, 8)


def verbs_of(rows, boxes=((*PERSON, 0), (*CUP, 41)), **columns) -> Predictions:
    """Predictions of V-COCO's verbs in one image: (subject, object, verb, score) rows."""
    table = np.array(boxes, float)
    made = [np.array(column) for column in zip(*rows, strict=True)]
    return Predictions(
        meta=Meta(V_COCO, label_kind="verbs"),
        key=np.array(["a.jpg"], object),
        boxes=table[:, :4],
        categories=table[:, 4].astype(np.int32),
        subject=made[0].astype(np.int32),
        object=made[1].astype(np.int32),
        label=np.array([V_COCO.verb_index(name) for name in made[2]], np.int32),
        score=made[3].astype(float),
        box_offsets=np.array([0, len(table)]),
        pair_offsets=np.array([0, len(rows)]),
        **columns,
    )


def told(data: Predictions) -> list[dict[str, float]]:
    """For each pair what it scores, by name."""
    names = data.meta.labels.agents_and_roles if data.meta.label_kind == "agents+roles" else data.meta.labels.verbs
    return [{n: s for n, s in zip(names, row, strict=True) if s == s} for row in data.scores.tolist()]


def test_verbs_of_an_action_become_its_roles_and_its_agent_the_larger_at_least_0():
    rows = [(0, 1, "hold_obj", -0.5), (0, 1, "hit_instr", 0.2), (0, 1, "hit_obj", 0.7), (0, 1, "stand", 0.9)]
    made, gone = relabel(verbs_of([*rows, (0, 1, "cut_obj", -3.0)]), "agents+roles")
    validate(made)
    assert gone == 0
    assert told(made) == [
        {
            "hold_agent": -0.5,
            "hold_obj": -0.5,
            "hit_agent": 0.7,
            "hit_instr": 0.2,
            "hit_obj": 0.7,
            "stand_agent": 0.9,
            "cut_agent": 0.0,
            "cut_obj": -3.0,
        }
    ]


def test_each_candidate_gets_a_subject_box_of_its_own():
    boxes = ((*PERSON, 0), (*CUP, 41), (1, 1, 3, 3, 42))
    rows = [(0, 1, "hold_obj", 0.5), (0, 2, "hold_obj", 0.4), (0, 1, "look_obj", 0.3), (0, -1, "run", 0.2)]
    made, _ = relabel(verbs_of(rows, boxes), "agents+roles")
    validate(made)
    assert made.subject.tolist() == [0, 3, 4]
    assert made.object.tolist() == [1, 2, -1]
    assert made.boxes.tolist() == [list(map(float, b[:4])) for b in boxes] + [list(map(float, PERSON))] * 2
    assert told(made)[0] == {"hold_agent": 0.5, "hold_obj": 0.5, "look_agent": 0.3, "look_obj": 0.3}
    assert told(made)[2] == {"run_agent": 0.2}


def test_a_verb_given_twice_counts_by_its_earlier_row():
    made, _ = relabel(verbs_of([(0, 1, "hold_obj", 0.1), (0, 1, "hold_obj", 0.9)]), "agents+roles")
    assert told(made) == [{"hold_agent": 0.1, "hold_obj": 0.1}]


def test_scores_become_final():
    rows = verbs_of([(0, 1, "hold_obj", 0.5)], box_scores=np.array([0.5, 0.25]))
    rows = rows.with_columns(replace(rows.meta, score="times-box-scores"))
    made, _ = relabel(rows, "agents+roles")
    assert told(made) == [{"hold_agent": 0.0625, "hold_obj": 0.0625}]
    assert made.meta.score == "final"


def test_agents_of_actions_without_roles_are_verbs_and_the_others_are_not():
    found = v_coco_predictions(v_coco_truth())
    made, _ = relabel(found, "verbs")
    assert told(made)[0] == {"hold_obj": 1, "stand": 1}
    assert told(made)[1] == {"look_obj": 0.9}
    validate(made)


def test_from_verbs_and_back_nothing_is_another_score():
    found = v_coco_detector(v_coco_scenes())
    verbs, _ = relabel(found, "verbs")
    again, _ = relabel(relabel(verbs, "agents+roles")[0], "verbs")
    assert told(again) == told(verbs)
    np.testing.assert_array_equal(again.boxes[again.pair_boxes("subject")], verbs.boxes[verbs.pair_boxes("subject")])


@settings(deadline=None, max_examples=60)
@given(predictions(labels=V_COCO, label_kind="verbs", captions=False))
def test_every_candidate_keeps_its_two_boxes_and_its_role_scores(data):
    made, gone = relabel(data, "agents+roles")
    validate(made)
    assert gone == 0
    assert len(np.unique(made.pair_boxes("subject"))) == len(made.subject)
    pair, verb, score = scored_rows(data)
    final = made.meta.score == data.meta.score == "final"
    held = {}
    for p, v, s in zip(pair.tolist(), verb.tolist(), score.tolist(), strict=True):
        candidate = p if data.dense else (int(data.pair_boxes("subject")[p]), int(data.object[p]))
        held.setdefault(candidate, {}).setdefault(V_COCO.verbs[v], s)
    expected = [{n: s for n, s in row.items() if V_COCO.verb_index(n) in V_COCO.role_verbs} for row in held.values()]
    roles = [{n: s for n, s in row.items() if not n.endswith("_agent")} for row in told(made)]
    if final:
        assert [row for row in roles if row] == [row for row in expected if row]


@settings(deadline=None, max_examples=40)
@given(predictions(labels=V_COCO, label_kind="agents+roles", dense=False))
def test_sparse_predictions_become_a_row_for_each_candidate(data):
    made = to_dense(data)
    validate(made)
    expected: dict = {}
    for row in range(len(data.subject)):
        candidate = (int(data.pair_boxes("subject")[row]), int(data.object[row]))
        expected.setdefault(candidate, {}).setdefault(int(data.label[row]), float(data.score[row]))
    assert list(zip(made.pair_boxes("subject").tolist(), made.object.tolist(), strict=True)) == list(expected)
    for held, row in zip(expected.values(), made.scores.tolist(), strict=True):
        assert {label: s for label, s in enumerate(row) if s == s} == held
    assert to_dense(made) is made
    assert told(relabel(data, "verbs")[0]) == told(relabel(made, "verbs")[0])


def test_interactions_are_verbs_and_come_back_where_there_is_one():
    ride = HICO.interaction_index("ride", "bicycle")
    truth = truth_of([(0, PERSON, CUP, ride), (2, PERSON, CUP, 599)])
    verbs, gone = relabel(truth, "verbs")
    assert gone == 0
    assert [HICO.verbs[v] for v in verbs.label] == ["ride", "no_interaction"]
    back, gone = relabel(verbs, "interactions")
    assert gone == 0
    assert back.label.tolist() == [ride, 599]


def test_a_verb_with_an_object_that_has_no_interaction_is_left_out_and_counted():
    truth = v_coco_truth()
    made, gone = relabel(truth, "interactions")
    validate(made)
    assert len(made.subject) == len(truth.subject) - gone
    eat = relabel(v_coco_truth(doing=((4, "eat", (6, None)),)), "interactions")  # nobody eats a knife
    assert eat[1] == 1
    assert [made.meta.labels.interaction_name(i) for i in eat[0].label] == ["eat_instr"]
    unknown = truth.with_columns(categories=np.full(len(truth.boxes), -1, np.int32))
    assert relabel(unknown, "interactions")[1] == int((truth.object >= 0).sum())


def _can_be(data) -> bool:
    """Agents and roles are what predictions score; objects have no pairs."""
    return data.meta.label_kind not in ("agents+roles", "objects") or (
        isinstance(data, Predictions) and data.meta.label_kind != "objects"
    )


@settings(deadline=None, max_examples=60)
@given(either(known_objects=True).filter(_can_be), st.sampled_from(["interactions", "verbs"]))
def test_what_comes_out_is_valid_and_of_the_kind_asked_for(data, kind):
    made, gone = relabel(data, kind)
    validate(made)
    assert made.meta.label_kind == kind
    assert gone >= 0
    if data.meta.label_kind == kind:
        assert made is data


def test_kinds_that_cannot_be():
    truth = v_coco_truth()
    with pytest.raises(UsageError, match="agents and roles are predictions'"):
        relabel(truth, "agents+roles")
    demo = truth_of([(0, PERSON, CUP, 0)], labels=DEMO)
    with pytest.raises(UsageError, match="label space 'demo' has no actions and roles"):
        relabel(demo, "agents+roles")
    relations = wooden_cup()
    with pytest.raises(UsageError, match="label space 'relations' has no 'person'"):
        relabel(relations, "verbs")


def wooden_cup():
    """A cup that is wooden: no person, no interaction."""
    made = truth_of([(0, PERSON, CUP, 0)], labels=DEMO)
    meta = replace(made.meta, labels=RELATIONS, label_kind="predicates")
    return made.with_columns(meta, categories=np.array([1, 2], np.int32), label=np.array([1], np.int32))


def test_predicates_of_people_are_verbs_and_the_others_are_left_out_and_counted():
    truth = truth_of([(0, PERSON, CUP, 0), (0, CUP, PERSON, 1), (1, CUP, PERSON, 2)], labels=DEMO)
    made, gone = relabel(truth, "predicates")
    assert (made.meta.label_kind, gone) == ("predicates", 0)
    assert made.label.tolist() == DEMO.interaction_verbs[truth.label].tolist()
    categories = made.categories.copy()
    categories[made.pair_boxes("subject")[1]] = DEMO.object_index("dog")
    for kind in ("verbs", "interactions"):
        back, gone = relabel(made.with_columns(categories=categories), kind)
        validate(back)
        assert gone == 1
        assert back.label.tolist() == relabel(truth, kind)[0].label[[0, 2]].tolist()


def test_labels_of_whole_images_go_with_the_kind():
    truth = truth_of([(0, PERSON, CUP, 5)], image_labels=[(0, 5)])
    made, _ = relabel(truth, "verbs")
    assert made.image_label is None
    assert made.image_label_offsets is None
    assert relabel(truth, "interactions")[0].image_label is not None
