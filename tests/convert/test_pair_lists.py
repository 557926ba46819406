"""The JSON pair lists: their spellings, what their ids mean, what is dropped, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import truth_of

from hoitool.convert import FORMATS as DATASETS
from hoitool.convert import PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.errors import DataError, MissingData
from hoitool.labels import load_labels

HICO, V_COCO = load_labels("hico"), load_labels("v-coco")
PAGES = Path(__file__).parents[2] / "hoitool" / "convert" / "pages"
FORMATS = ("qpic", "gen-vlkt", "ppdm")
PERSON, BICYCLE, RIDE, HOLD = 0, 1, HICO.verb_index("ride"), HICO.verb_index("hold")


def image(name="a.jpg", boxes=((PERSON, 10), (BICYCLE, 50)), pairs=((0, 1, RIDE, 0.9),), named="filename"):
    """An image whose boxes are (class, x1) and pairs (subject, object, verb, score)."""
    made = {} if name is None else {named: name}
    held = [{"bbox": [x, 20.5, x + 100.25, 220], "category_id": category} for category, x in boxes]
    pairs = [dict(zip(("subject_id", "object_id", "category_id", "score"), pair, strict=True)) for pair in pairs]
    return made | {"predictions": held, "hoi_prediction": pairs}


def saved(tmp_path, value, name="x.json"):
    (tmp_path / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return tmp_path / name


def triplets(data):
    """(person's class, object's class, label, score) of each pair, in names."""
    labels = data.meta.labels
    names = (
        labels.verbs if data.meta.label_kind == "verbs" else [labels.interaction_name(i) for i in range(len(labels))]
    )
    classes = [*labels.objects, "nothing"]
    sides = (np.append(data.categories, -1)[data.pair_boxes(side)] for side in ("subject", "object"))
    rows = zip(*sides, data.label, data.score, strict=True)
    return [(classes[s], classes[o], names[label], float(score)) for s, o, label, score in rows]


def test_a_list_of_images(tmp_path):
    held = read(saved(tmp_path, [image(), image("b.jpg", pairs=((0, 1, HOLD, 0.25), (1, 0, RIDE, 1)))]))
    (data,) = held.parts
    assert data.key.tolist() == ["a.jpg", "b.jpg"]
    assert data.boxes[:2].tolist() == [[10, 20.5, 110.25, 220], [50, 20.5, 150.25, 220]]  # as they stand in the file
    assert (data.meta.box_frame, data.meta.label_kind, data.meta.score) == ("continuous", "verbs", "final")
    assert triplets(data) == [
        ("person", "bicycle", "ride", 0.9),
        ("person", "bicycle", "hold", 0.25),
        ("bicycle", "person", "ride", 1.0),
    ]
    assert held.dropped == {}
    assert held.notes[0] == "read with label space 'hico' (--truth gives another)"


def numpy_numbers(value):
    """The same with NumPy's numbers, as the evaluators hold them."""
    if isinstance(value, list):
        return [numpy_numbers(inner) for inner in value]
    if isinstance(value, dict):
        return {key: numpy_numbers(inner) for key, inner in value.items()}
    return np.float64(value) if isinstance(value, float) else np.int64(value) if isinstance(value, int) else value


@pytest.mark.parametrize("legacy", [False, "1.25"])
@pytest.mark.parametrize("name", ["a.jpg", "it's (a) np.float32(1) \\ ü.jpg"])
def test_the_string_inside_json_of_cdn(tmp_path, legacy, name):
    images = [image(name), image("b.jpg", boxes=(), pairs=())]
    plain = load(saved(tmp_path, images), "qpic")
    with np.printoptions(legacy=legacy):
        text = str({"preds": numpy_numbers(images), "gts": [{"filename": name, "annotations": []}]})
    for way, content in enumerate(
        [json.dumps(text), text, json.dumps(json.dumps(images)), json.dumps({"preds": images})]
    ):
        held = read(saved(tmp_path, content, f"{way}.json"))
        assert sniff(tmp_path / f"{way}.json") == "qpic"
        assert held.parts[0].key.tolist() == [name, "b.jpg"]
        assert held.parts[0].boxes.tolist() == plain.boxes.tolist()
        assert triplets(held.parts[0]) == triplets(plain)
        assert any("'gts'" in note for note in held.notes) == (way < 2)


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_want_to_run_code(tmp_path, monkeypatch, hoitool, name):
    monkeypatch.chdir(tmp_path)
    for way, text in enumerate(
        [
            "__import__('os').system('touch ran')",
            "{'preds': [{'filename': __import__('os').system('touch ran'), 'predictions': [], 'hoi_prediction': []}]}",
            str([image()])[:-1] + ", open('ran', 'w')]",
        ]
    ):
        saved(tmp_path, json.dumps(text), f"{way}.json")
        done = hoitool("convert", f"{way}.json", "--from", name, "-o", "out.parquet")
        assert (done.code, done.out) == (1, "")
        assert f"{way}.json: the text inside holds '" in done.err
        assert "nothing in it is run" in done.err
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * (way + 1)


def test_gen_vlkt_has_interactions_and_boxes_without_classes(tmp_path):
    boxes = [{"bbox": [0, 0, 10, 10]}, {"bbox": [5, 5, 9, 9]}, {"bbox": [1, 1, 2, 2]}]
    pairs = [
        {"subject_id": 0, "object_id": 1, "category_id": HICO.interaction_index("ride", "bicycle"), "score": 0.9},
        {"subject_id": 0, "object_id": 1, "category_id": HICO.interaction_index("ride", "horse"), "score": 0.8},
        {"subject_id": 0, "object_id": 1, "category_id": 0, "score": 0.7},
    ]
    path = saved(
        tmp_path, json.dumps(str({"preds": [{"filename": "a.jpg", "predictions": boxes, "hoi_prediction": pairs}]}))
    )
    assert sniff(path) == "gen-vlkt"
    held = read(path)
    assert triplets(held.parts[0]) == [
        ("person", "bicycle", "ride bicycle", 0.9),
        ("person", "horse", "ride horse", 0.8),
        ("person", "airplane", "board airplane", 0.7),
    ]
    assert held.parts[0].boxes.tolist() == [[0, 0, 10, 10], [5, 5, 9, 9]] * 3
    assert held.dropped == {"boxes in no pair": 1}


# (COCO id, verb from 1) -> official number, from PPDM's trans_for_eval_hico.py
OFFICIAL = {
    (5, 5): 1,
    (2, 77): 19,
    (16, 58): 31,
    (1, 9): 161,
    (35, 1): 464,
    (33, 117): 515,
    (90, 7): 559,
    (24, 58): 600,
}


def test_ppdm_has_coco_ids_and_verbs_from_1(tmp_path):
    boxes = [(1, 0), *((category, 10) for category, _ in OFFICIAL)]
    pairs = [(0, i, verb, 0.5) for i, (_, verb) in enumerate(OFFICIAL, start=1)]
    path = saved(tmp_path, [image(boxes=boxes, pairs=pairs, named="file_name")])
    assert sniff(path) == "ppdm"
    (data,) = read(path).parts
    assert data.meta.box_frame == "inclusive"
    made = HICO.matrix[data.categories[data.pair_boxes("object")], data.label]
    assert [HICO.official(int(label)) for label in made] == list(OFFICIAL.values())


def test_the_verbs_of_v_coco_have_their_own_order_in_ppdm(tmp_path):
    pairs = [(0, 1, verb, 0.5) for verb in (0, 3, 25, 28)]
    path = saved(tmp_path, [image("COCO_val2014_1.jpg", boxes=((1, 0), (90, 9)), pairs=pairs, named="file_name")])
    (data,) = read(path, "ppdm").parts
    assert data.meta.labels is V_COCO
    assert [V_COCO.verbs[i] for i in data.label] == ["surf_instr", "walk", "hold_obj", "catch_obj"]
    assert V_COCO.objects[data.categories[1]] == "toothbrush"


def test_a_missing_object_of_v_coco(tmp_path):
    """Class 80 is no object, and so is object_id -1."""
    boxes, pairs = ((0, 0), (80, 10), (79, 20)), ((0, 1, 1, 0.9), (0, 2, 0, 0.8), (0, -1, 4, 0.7))
    held = read(saved(tmp_path, [image("COCO_val2014_000000000042.jpg", boxes, pairs)]))
    (data,) = held.parts
    assert triplets(data) == [
        ("person", "nothing", "stand", 0.9),
        ("person", "toothbrush", "hold_obj", 0.8),
        ("person", "nothing", "walk", 0.7),
    ]
    assert len(data.boxes) == 2
    assert held.dropped == {}
    assert "1 boxes of the class after the last, which is no object, are left out" in held.notes


@pytest.mark.parametrize(
    ("verbs", "base", "told"),
    [
        ((0, 76), 0, None),
        ((1, 117), 1, r"category_id \(verbs\) count from 1: there is a 117"),
        ((5, 77), 0, r"category_id \(verbs\), 5..77, could count from 0 or from 1; read as counted from 0"),
    ],
)
def test_what_verbs_count_from(tmp_path, verbs, base, told):
    held = read(saved(tmp_path, [image(pairs=[(0, 1, verb, 0.5) for verb in verbs])]))
    assert held.parts[0].label.tolist() == [verb - base for verb in verbs]
    assert [bool(re.search(told or "count", note)) for note in held.notes].count(True) == (told is not None)


def test_verbs_that_count_from_0_and_from_1_at_once_are_dropped(tmp_path):
    held = read(saved(tmp_path, [image(pairs=[(0, 1, verb, 0.5) for verb in (0, 117, 116)])]))
    assert held.parts[0].label.tolist() == [0, 116]
    assert held.dropped == {"pairs of verbs that label space 'hico' does not have": 1}


@pytest.mark.parametrize(
    ("classes", "names", "told"),
    [
        ((0, 1, 79), ("person", "bicycle", "toothbrush"), None),
        ((1, 2, 90), ("person", "bicycle", "toothbrush"), "are COCO category ids, as the ids show"),
        ((1, 2, 3), ("bicycle", "car", "motorcycle"), "(1..3) could be COCO category ids; read as 0-based"),
    ],
)
def test_how_classes_are_numbered(tmp_path, classes, names, told):
    held = read(saved(tmp_path, [image(boxes=[(i, 0) for i in classes], pairs=[(0, 1, 0, 0.5)])]))
    assert tuple(HICO.objects[i] for i in held.parts[0].categories) == names
    assert any("the boxes' category_id" in note for note in held.notes) == (told is not None)
    assert told is None or any(told in note for note in held.notes)


def test_file_name_and_classes_from_0_are_qpics(tmp_path):
    assert sniff(saved(tmp_path, [image(named="file_name")])) == "qpic"


def test_numbers_in_quotes(tmp_path):
    text = json.dumps([image()]).replace('"category_id": 1}', '"category_id": "1\\n"}')
    assert triplets(load(saved(tmp_path, text), "qpic")) == [("person", "bicycle", "ride", 0.9)]


def test_what_is_dropped_is_counted_by_reason(tmp_path):
    boxes = ((0, 0), (1, 10), (200, 20), (2, float("nan")))
    pairs = [
        (0, 1, RIDE, 0.9),
        (0, 1, RIDE, float("nan")),
        (0, 1, 500, 0.8),
        (0, 1, -1, 0.8),
        (0, 4, RIDE, 0.7),
        (-1, 1, RIDE, 0.7),
        (0, -2, RIDE, 0.7),
        (0, 2, RIDE, 0.6),
        (3, 1, RIDE, 0.6),
        (0, 1, HOLD, float("inf")),
    ]
    held = read(saved(tmp_path, [image("b.jpg", boxes=((0, 7),), pairs=()), image("a.jpg", boxes, pairs)]))
    (data,) = held.parts
    assert triplets(data) == [("person", "bicycle", "ride", 0.9), ("person", "bicycle", "hold", float("inf"))]
    assert held.dropped == {
        "pairs whose score is not a number": 1,
        "pairs of verbs that label space 'hico' does not have": 2,
        "pairs whose subject_id or object_id is no box of their image": 3,
        "pairs with a box that is not finite or has no known class": 2,
        "boxes that are not finite or have no known class": 2,
    }
    assert data.box_offsets.tolist() == [0, 1, 3]


def test_scores_of_boxes_come_where_all_have_them(tmp_path):
    made = image()
    made["predictions"][0]["score"] = 0.75
    assert load(saved(tmp_path, [made]), "qpic").box_scores is None
    made["predictions"][1]["score"] = 0.5
    assert load(saved(tmp_path, [made]), "qpic").box_scores.tolist() == [0.75, 0.5]
    made["predictions"][1]["score"] = float("nan")
    held = read(saved(tmp_path, [made]))
    assert held.parts[0].box_scores is None
    assert held.dropped == {"scores of boxes, because some are not numbers": 2}


def test_images_without_names_are_in_the_order_of_the_truth(tmp_path):
    path = saved(tmp_path, [image(None), image(None, boxes=(), pairs=())])
    assert sniff(path) == "qpic"
    with pytest.raises(MissingData, match="images have no names; give the annotations they belong to"):
        read(path)
    assert load(path, truth=truth_of([], images=2)).key.tolist() == truth_of([], images=2).key.tolist()
    with pytest.raises(DataError, match="there are 2 of them, expected the 3 of test, in their order"):
        read(path, truth=truth_of([], images=3))


BAD = {
    "no list": ({"a": 1}, r"no field 'preds'; it has 'a'"),
    "an image is a number": ([image(), 7], r"x\.json\[1\] is 7, expected an object"),
    "no boxes": ([{"filename": "a.jpg", "hoi_prediction": []}], r"\[0\]: no field 'predictions'"),
    "boxes are an object": ([image() | {"predictions": {}}], r"\[0\]\.predictions is .*expected a list"),
    "a box is text": ([image() | {"predictions": ["x"]}], r"\[0\]\.predictions\[0\] is 'x', expected an object"),
    "three numbers": (
        [image() | {"predictions": [{"bbox": [1, 2, 3], "category_id": 0}]}],
        r"\[0\]\.bbox is .*4 numbers",
    ),
    "no bbox": ([image() | {"predictions": [{"category_id": 0}]}], r"predictions\[0\]: no field 'bbox'; it has"),
    "a score is text": ([image(), image("b", pairs=[(0, 1, 0, "x")])], r"\[1\]\.hoi_prediction\[0\]\.score is 'x'"),
    "no score": ([image() | {"hoi_prediction": [{"subject_id": 0}]}], r"hoi_prediction\[0\]: no field"),
    "a verb is a fraction": ([image(pairs=[(0, 1, 0.5, 1)])], r"category_id is 0\.5, expected an integer"),
    "a verb is huge": ([image(pairs=[(0, 1, 10**30, 1)])], "larger than any id"),
    "one name is missing": ([image(), image(None)], r"\[1\]: no field 'filename'"),
    "a name is a number": ([image(3)], r"\[0\]\.filename is 3, expected text"),
    "an image twice": ([image(), image("b.jpg"), image()], r"image 'a\.jpg' stands twice, in rows 0 and 2"),
    "text": ("hello", "not readable as predictions"),
    "a string of text": ('"hello"', "the text inside holds 'hello' at its character 0"),
    "truncated": (json.dumps([image()])[:-9], "not readable as predictions"),
    "a truncated string": (json.dumps(str([image()])[:-9]), "the text inside holds that it ends too early"),
    "nothing": ("", "the file is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path, case):
    value, told = BAD[case]
    with pytest.raises(DataError, match=told) as raised:
        read(saved(tmp_path, value), "qpic")
    assert "\n" not in str(raised.value)
    assert "x.json" in str(raised.value)


def test_annotations_and_other_json_are_not_recognised(tmp_path):
    annotated = {"file_name": "a.jpg", "annotations": [{"bbox": [1, 2, 3, 4], "category_id": 1}], "hoi_annotation": []}
    for value in (
        [annotated],
        [],
        {"preds": []},
        {"images": [], "annotations": []},
        [1, 2],
        "x",
        [{"predictions": []}],
    ):
        assert sniff(saved(tmp_path, value)) not in PREDICTION_FORMATS


@pytest.mark.parametrize("name", ["qpic", "ppdm"])
def test_boxes_that_pairs_share_stay_shared(tmp_path, name, detected, small):
    """All pairs of an image between the boxes of its first pair; the other boxes are in none."""
    kind = PREDICTION_FORMATS[name]
    (data,) = fit([detected], kind.HOLDS).parts
    first = data.pair_offsets[data.image_of("pair")]
    shared = data.with_columns(subject=data.subject[first], object=data.object[first])
    kind.write([shared], tmp_path / "x.json")
    assert sniff(tmp_path / "x.json") == name
    back = load(tmp_path / "x.json", name, truth=small.test)
    for column in ("boxes", "categories", "subject", "object", "label", "score", "box_offsets", "pair_offsets"):
        np.testing.assert_array_equal(getattr(back, column), getattr(shared, column), column, strict=True)


@pytest.mark.parametrize("name", FORMATS)
def test_the_example_of_the_page_is_read(tmp_path, name):
    page = (PAGES / f"{name}.md").read_text()
    file, content = re.search(r"File `([^`]+)`:\n\n```json\n(.*?)```", page, flags=re.DOTALL).groups()
    path = saved(tmp_path, content, file)
    assert sniff(path) == name
    held = read(path)
    assert held.dropped == {}
    made = triplets(held.parts[0])
    assert made[0] == ("person", "bicycle", "ride bicycle" if name == "gen-vlkt" else "ride", 0.9)


@pytest.mark.parametrize("name", FORMATS)
def test_scoring_from_the_command_line_gives_the_figures_of_the_predictions(
    tmp_path, monkeypatch, hoitool, name, small, detected
):
    """Written, recognised, read, verbs turned into interactions by the objects' classes, and scored."""
    monkeypatch.chdir(tmp_path)
    PREDICTION_FORMATS["pairs"].write([detected], tmp_path / "p.npz")
    DATASETS["hoitool"].write([small.test], tmp_path / "truth.parquet")
    assert hoitool("convert", "p.npz", "--truth", "truth.parquet", "--to", name, "-o", "p.json").code == 0
    expected = json.loads(hoitool("eval", "p.npz", "--truth", "truth.parquet", "--json").out)
    done = hoitool("eval", "p.json", "--truth", "truth.parquet", "--json")
    made = json.loads(done.out)
    assert done.code == 0
    assert f"read p.json as {name}" in done.err
    for a, b in zip(expected["results"], made["results"], strict=True):
        assert a["metrics"] == pytest.approx(b["metrics"], abs=1e-12)
        assert a["metrics"]["mAP"] > 0.2


@pytest.fixture
def scored(tmp_path, monkeypatch, small):
    """A folder with a truth, and one of its pairs as an image of a list."""
    monkeypatch.chdir(tmp_path)
    DATASETS["hoitool"].write([small.test], tmp_path / "truth.parquet")
    labels, at = small.test.meta.labels, int(small.test.image_of("pair")[0])
    box = small.test.boxes[small.test.pair_boxes("subject")[0]] + [0, 0, 1, 1]
    other = small.test.boxes[small.test.pair_boxes("object")[0]] + [0, 0, 1, 1]
    label = int(small.test.label[0])
    ids = PREDICTION_FORMATS["qpic"].ids.object_ids(labels)
    classes = (ids[labels.person], ids[labels.interaction_objects[label]])
    boxes = [{"bbox": b.tolist(), "category_id": int(c)} for b, c in zip((box, other), classes, strict=True)]
    pair = {"subject_id": 0, "object_id": 1, "category_id": int(labels.interaction_verbs[label]), "score": 0.9}
    return {"filename": small.test.key[at], "predictions": boxes, "hoi_prediction": [pair]}


def test_what_is_dropped_is_told_when_it_is_scored_and_converted(tmp_path, hoitool, scored):
    scored["hoi_prediction"].append(scored["hoi_prediction"][0] | {"score": float("nan")})
    saved(tmp_path, [scored])
    done = hoitool("eval", "x.json", "--truth", "truth.parquet")
    assert done.code == 0
    assert "dropped 1 in reading: pairs whose score is not a number" in done.err
    made = hoitool("convert", "x.json", "--truth", "truth.parquet", "-o", "out.parquet", "--json")
    assert json.loads(made.out)[0]["dropped"] == {"pairs whose score is not a number": 1}


def test_verbs_that_do_not_go_with_their_object_are_not_scored_and_counted(tmp_path, hoitool, scored, small):
    saved(tmp_path, [scored])
    alone = json.loads(hoitool("eval", "x.json", "--truth", "truth.parquet", "--json").out)
    pair = scored["hoi_prediction"][0]
    scored["hoi_prediction"] += [pair | {"object_id": 0}, pair | {"object_id": -1}]  # no verb goes with a person here
    saved(tmp_path, [scored])
    done = hoitool("eval", "x.json", "--truth", "truth.parquet", "--json")
    made = json.loads(done.out)
    assert made["results"] == alone["results"]
    assert made["results"][0]["metrics"]["mAP"] > 0
    (note,) = [note for note in made["notes"] if note not in alone["notes"]]
    assert note.startswith("2 of the predicted pairs have a verb that does not go with the class of their object")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, name, wrapped, detected, small):
    kind = PREDICTION_FORMATS[name]
    kind.write(fit([detected], kind.HOLDS).parts, tmp_path / "x.json")
    whole = (tmp_path / "x.json").read_text().strip()
    whole = json.dumps(str(json.loads(whole))) if wrapped else whole
    for part in range(1, 24):
        with pytest.raises(DataError, match=r"x\.json: (not readable as predictions|the text inside)"):
            read(saved(tmp_path, whole[: len(whole) * part // 24]), name, small.test)
