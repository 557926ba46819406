"""The official V-COCO detections: what a dict becomes, files of others, back again, and what is wrong in a file."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from builders import v_coco_dicts, v_coco_predictions, v_coco_truth
from meaning import meaning

from hoitool.convert import PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.data import validate
from hoitool.errors import DataError, MissingData
from hoitool.labels import load_labels

PICKLE = PREDICTION_FORMATS["v-coco-pickle"]
LABELS = load_labels("v-coco")
NAN = float("nan")
AT = {name: i for i, name in enumerate(LABELS.agents_and_roles)}


@pytest.fixture
def truth():
    """The small V-COCO of the builders."""
    return v_coco_truth()


@pytest.fixture
def held(truth, tmp_path):
    """Reads a list of dicts."""

    def through(rows, protocol: int = 2):
        path = tmp_path / "detections.pkl"
        path.write_bytes(pickle.dumps(rows, protocol))
        return read(path, truth=truth)

    return through


def one(**keys):
    """A detection in the first image."""
    return {"image_id": 1, "person_box": [10.0, 20.0, 109.0, 219.0], **keys}


def test_a_dict_becomes_a_subject_with_a_candidate_for_each_distinct_object_box(held):
    a, b = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.5]
    row = one(hold_agent=0.9, hold_obj=[*a, 0.1], look_obj=[*b, 0.2], hit_instr=[*a, 0.3], hit_obj=[0, 0, 0, 0, 0.4])
    (made,) = held([row]).parts
    validate(made)
    assert made.meta.label_kind == "agents+roles"
    assert made.meta.box_frame == "inclusive"
    assert made.boxes.tolist() == [row["person_box"], a, b]
    assert made.categories.tolist() == [LABELS.person, -1, -1]
    assert made.subject.tolist() == [0, 0, 0]
    assert made.object.tolist() == [1, 2, -1]
    scores = {
        (pair, name): made.scores[pair, AT[name]]
        for pair in range(3)
        for name in AT
        if made.scores[pair, AT[name]] >= 0
    }
    assert scores == {
        (0, "hold_agent"): 0.9,
        (0, "hold_obj"): 0.1,
        (0, "hit_instr"): 0.3,
        (1, "look_obj"): 0.2,
        (2, "hit_obj"): 0.4,
    }


@pytest.mark.parametrize(
    ("corners", "becomes"),
    [
        ([0, 0, 0.1, 0.1], [0, 0, 0.1, 0.1]),
        ([0, 0, 0, 0], None),
        ([0.0, -0.0, 0.0, 0.0], None),
        ([NAN] * 4, None),
        ([1, NAN, 3, 4], [-1, -1, -2, -2]),
        ([1, 2, float("inf"), 4], [-1, -1, -2, -2]),
        ([5, 5, 1, 1], [5, 5, 1, 1]),
        ([-3, 0, 0, 0], [-3, 0, 0, 0]),
    ],
)
def test_what_an_object_box_becomes(held, corners, becomes):
    (made,) = held([one(hold_obj=[*corners, 0.5])]).parts
    if becomes is None:
        assert made.object.tolist() == [-1]
    else:
        assert made.object.tolist() == [1]
        assert made.boxes[1].tolist() == becomes
    assert made.scores[0, AT["hold_obj"]] == 0.5


def test_a_box_with_a_nan_corner_is_told(held):
    assert any(
        "1 object boxes have a NaN or infinite corner" in n for n in held([one(hold_obj=[1, NAN, 3, 4, 0.5])]).notes
    )


@pytest.mark.parametrize("box", [None, [NAN] * 4, [1, 2, 3, NAN]])
def test_a_person_box_that_is_none_overlaps_nobody_and_is_told(held, box):
    found = held([one(hold_agent=0.5) | {"person_box": box}])
    assert found.parts[0].boxes.tolist() == [[-1, -1, -2, -2]]
    assert any("1 person boxes are None or not finite" in note for note in found.notes)


def test_missing_keys_and_nan_scores_are_not_predicted_and_keys_are_counted(held):
    found = held([one(hold_agent=0.5, hold_obj=[1, 2, 3, 4, NAN])])
    (made,) = found.parts
    assert np.isnan(made.scores).sum() == 50
    assert made.object.tolist() == [-1]
    assert any("49 keys are missing, which counts as not predicted" in note for note in found.notes)
    assert not any("missing" in note for note in held([one(**dict.fromkeys(list(AT)[:26], 0.1)) | roles()]).notes)


def roles():
    return {name: [1, 2, 3, 4, 0.5] for name in list(AT)[26:]}


def test_extra_keys_are_told(held):
    assert any("left out: extra, other" in note for note in held([one(hold_agent=1, extra=2, other=[1])]).notes)


def test_images_outside_the_split_are_dropped_and_counted(held):
    found = held([one(hold_agent=1) | {"image_id": number} for number in (7, 3, 1, 9, 1)])
    assert found.dropped == {"detections in images that the truth does not have": 2}
    assert np.diff(found.parts[0].pair_offsets).tolist() == [2, 0, 1]
    assert not held([one(hold_agent=1)]).dropped


def test_detections_are_by_image_in_the_truth_s_order_and_keep_theirs(held):
    rows = [one(hold_agent=s) | {"image_id": number} for number, s in ((2, 0.1), (1, 0.2), (2, 0.3), (1, 0.4))]
    assert held(rows).parts[0].scores[:, 0].tolist() == [0.2, 0.4, 0.1, 0.3]


@pytest.mark.parametrize("number", [2, 2.0, np.int64(2), np.float32(2), np.array(2)], ids=repr)
def test_image_ids_are_numbers_of_any_kind(held, number):
    assert np.diff(held([one(hold_agent=1) | {"image_id": number}]).parts[0].pair_offsets).tolist() == [0, 1, 0]


@pytest.mark.parametrize("form", [tuple, np.array, lambda v: np.array(v, np.float32), list])
def test_boxes_and_scores_are_lists_tuples_or_arrays(held, form):
    row = one(hold_agent=np.float32(0.5), hold_obj=form([1, 2, 3, 4, 0.5])) | {"person_box": form([1, 2, 30, 40])}
    (made,) = held([row, one(hold_agent=1, hold_obj=[1, 2, 3, 4, 0.25])]).parts
    assert made.boxes[:2].tolist() == [[1, 2, 30, 40], [1, 2, 3, 4]]
    assert made.scores[0, AT["hold_obj"]] == 0.5


WRONG = {
    "a text id": (one(hold_agent=1) | {"image_id": "1"}, r"image_id of detection 1 is '1', expected a number"),
    "half an id": (one(hold_agent=1) | {"image_id": 1.5}, r"image_id of detection 1 is no integer"),
    "NaN as id": (one(hold_agent=1) | {"image_id": NAN}, r"image_id of detection 1 is no"),
    "no id": ({"person_box": [1, 2, 3, 4], "hold_agent": 1}, r"detection 1 has no key 'image_id'"),
    "no person": ({"image_id": 1, "hold_agent": 1}, r"detection 1 has no key 'person_box'"),
    "4 numbers": (
        one(hold_obj=[1, 2, 3, 4]),
        r"hold_obj of detection 1 is a list \[1, 2, 3, 4\], expected x1 y1 x2 y2 score",
    ),
    "6 numbers": (
        one(surf_instr=[1, 2, 3, 4, 5, 6]),
        r"surf_instr of detection 1 is a list .*expected x1 y1 x2 y2 score",
    ),
    "no role": (one(hold_obj=None), r"hold_obj of detection 1 is None, expected x1 y1 x2 y2 score"),
    "a role of text": (one(hold_obj="abcde"), r"hold_obj of detection 1 is 'abcde'"),
    "a list as score": (one(hold_agent=[1, 2]), r"hold_agent of detection 1 is a list \[1, 2\], expected a number"),
    "None as score": (one(hold_agent=None), r"hold_agent of detection 1 is None, expected a number"),
    "a dict as score": (one(hold_agent={}), r"hold_agent of detection 1 is a dict \{\}"),
    "text as score": (one(hold_agent="high"), r"hold_agent of detection 1 is 'high'"),
    "a huge score": (one(hold_agent=10**400), r"hold_agent of detection 1 is"),
    "a person of 5": (
        one() | {"person_box": [1, 2, 3, 4, 5]},
        r"person_box of detection 1 is a list .*expected x1 y1 x2 y2",
    ),
    "text in a box": (one() | {"person_box": [1, 2, 3, "x"]}, r"person_box of detection 1 is a list"),
    "a nested box": (one(hold_obj=[[1, 2], [3, 4], [5, 6]]), r"hold_obj of detection 1 is a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_names_detection_and_key(held, name):
    row, told = WRONG[name]
    with pytest.raises(DataError, match=told) as caught:
        held([one(hold_agent=1, hold_obj=[1, 2, 3, 4, 0.5]), row])
    assert "\n" not in str(caught.value)
    assert "detections.pkl" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "holds a dict, expected a list of dicts"),
        ([[1, 2]], r"holds a list with a list \[1, 2\], expected a list of dicts"),
        (5, "holds a int, expected a list of dicts"),
        ([{"boxes": 1, "labels": 2}], "detections have the keys boxes, labels, expected hold_agent"),
    ],
)
def test_a_pickle_of_something_else(held, value, told):
    with pytest.raises(DataError, match=told):
        held(value)


def test_no_detections_are_none(held, truth):
    found = held([])
    assert (len(found.parts[0]), len(found.parts[0].subject), len(found.parts[0].boxes)) == (len(truth), 0, 0)
    validate(found.parts[0])


def test_without_a_truth_of_a_label_space_with_roles_nothing_is_read(held, small, tmp_path):
    held([])
    with pytest.raises(MissingData, match="give the annotations"):
        PICKLE.read(tmp_path / "detections.pkl")
    with pytest.raises(DataError, match="label space 'demo' of the truth has no roles"):
        PICKLE.read(tmp_path / "detections.pkl", small.test)


class Attack:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_a_pickle_that_wants_to_run_is_refused_on_the_command_line(truth, tmp_path, hoitool):
    from hoitool.data import write

    write(truth, tmp_path / "truth.parquet")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([one(hold_agent=Attack(tmp_path / "executed"))]))
    assert sniff(tmp_path / "x.pkl") == "v-coco-pickle"
    done = hoitool("eval", tmp_path / "x.pkl", "--truth", tmp_path / "truth.parquet", "--protocol", "v-coco")
    assert done.code == 1
    assert done.out == ""
    assert "posix.system, which is not loaded" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "executed").exists()


# writing


def test_what_is_written_comes_back_and_is_plain(truth, tmp_path):
    found = fit([v_coco_predictions(truth)], PICKLE.HOLDS).parts[0]
    PICKLE.write([found], tmp_path / "out.pkl")
    back = load(tmp_path / "out.pkl", truth=truth)
    assert meaning(back) == meaning(found)
    rows = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert rows == v_coco_dicts(truth)
    assert type(rows[0]["hold_agent"]) is float
    assert type(rows[0]["image_id"]) is int
    assert type(rows[0]["hold_obj"]) is list


def test_an_empty_role_is_written_as_four_zeros(truth, tmp_path):
    PICKLE.write([fit([v_coco_predictions(truth)], PICKLE.HOLDS).parts[0]], tmp_path / "out.pkl")
    rows = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert rows[0]["look_obj"] == [0, 0, 0, 0, 0.9]
    assert rows[2]["eat_instr"] == [0, 0, 0, 0, 0.9]
    assert "surf_agent" not in rows[0]


# the shared files


NAMES = ["clean", "clean_numpy", "empty_nan", "empty_tiny", "empty_zero", "missing", "missing_as_nan",
         "missing_as_template", "missing_as_zero", "missing_cachetemplate", "nan_inverted", "ties"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_shared_files_are_read_and_written_back(shared, name, tmp_path):
    folder = shared("oracles/v-coco/mini")
    truth = load(folder)
    found = read(folder / f"dets_{name}.pkl", truth=truth)
    (made,) = found.parts
    validate(made)
    assert sum(found.dropped.values()) == (20 if name == "clean_numpy" else 0)  # of image 999999
    PICKLE.write([made], tmp_path / "again.pkl")
    again = load(tmp_path / "again.pkl", truth=truth)
    for column, values in made.columns().items():
        np.testing.assert_array_equal(values, again.need(column), column)


def test_arrays_and_lists_say_the_same(shared):
    folder = shared("oracles/v-coco/mini")
    truth = load(folder)
    plain, arrays = (load(folder / f"dets_{name}.pkl", truth=truth) for name in ("clean", "clean_numpy"))
    np.testing.assert_allclose(plain.boxes, arrays.boxes, rtol=1e-6)
    np.testing.assert_array_equal(plain.object, arrays.object)


def test_upt_s_cache_class_is_the_dict_it_is(shared):
    folder = shared("oracles/v-coco/mini")
    truth = load(folder)
    plain, cached = (read(folder / f"dets_{name}.pkl", truth=truth) for name in ("missing", "missing_cachetemplate"))
    for column, values in plain.parts[0].columns().items():
        np.testing.assert_array_equal(values, cached.parts[0].need(column), column)
    assert [n for n in plain.notes if "missing" in n] == [n for n in cached.notes if "missing" in n] != []


def test_every_distinct_object_box_gives_one_candidate(shared):
    folder = shared("oracles/v-coco/mini")
    truth = load(folder)
    made = load(folder / "dets_clean.pkl", truth=truth)
    rows = pickle.loads((folder / "dets_clean.pkl").read_bytes())
    expected = 0
    for row in rows:
        boxes = {tuple(np.nan_to_num(row[name][:4])) for name in list(AT)[26:] if row[name][4] == row[name][4]}
        expected += max(1, len(boxes))
    assert len(made.subject) == expected
    assert len(np.unique(made.pair_boxes("subject"))) == len(rows)
