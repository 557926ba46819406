"""RLIPv2's pseudo-labelled relations: confidences, and the images that their datasets name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import relation_predictions, relations_of

from hoitool.convert import PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.inputs import gather
from hoitool.convert.scene_filters import filters_of
from hoitool.convert.visual_genome import stream
from hoitool.data import to_sparse, write
from hoitool.errors import DataError, UsageError
from hoitool.eval import score

NAME = "RLIPv2_train2017_threshold20_Tagger2.json"


def thing(number, name, box=(0, 0, 10, 10)):
    """An object, as the tagger writes it: its name is a text."""
    return {"object_id": number, **dict(zip("xywh", box, strict=True)), "names": name}


def link(subject, obj, predicate, confidence=None):
    """A relationship with its confidence."""
    held = {"relationship_id": 1, "predicate": predicate, "subject_id": subject, "object_id": obj}
    return held if confidence is None else held | {"confidence": confidence}


COCO = {
    "image_id": 498666,
    "dataset": "coco2017",
    "data_split": "train2017",
    "objects": [
        thing(10000000, "person", (1.5, 2, 30, 40)),
        thing(10000001, "dog", (20, 20, 9, 9)),
        thing(10000002, "cup", (31.5, 42, 5, 5)),
    ],
    "relationships": [
        link(10000000, 10000001, "walking", 0.75),
        link(10000000, 10000001, "near", 0.3),
        link(10000000, 10000002, "near", 0.5),
    ],
}
OBJECTS365 = {"image_id": 420917, "dataset": "o365", "objects": [thing(20000000, "person")], "relationships": []}
PATHS = {"420917": "train/patch8/objects365_v1_00420917.jpg", "5": "train/patch0/objects365_v1_00000005.jpg"}


def wrote(folder, *rows, name=NAME):
    """A file of pseudo-labels."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return folder / name


class TestAnnotations:
    """As what pre-training takes them for."""

    def test_they_are_read_and_lose_their_confidences_knowingly(self, tmp_path):
        held = read(wrote(tmp_path, COCO))
        (data,) = held.parts
        assert sniff(tmp_path / NAME) == "visual-genome"
        assert data.meta.labels.objects == ("cup", "dog", "person")
        assert data.meta.labels.verbs == ("near", "walking")
        assert data.boxes[0].tolist() == [1.5, 2, 31.5, 42]
        assert held.dropped == {"confidences of relations, which annotations have no place for": 3}

    def test_images_are_named_as_their_datasets_name_them(self, tmp_path):
        other = OBJECTS365 | {"image_id": 7}
        file = wrote(tmp_path / "rel_annotations", COCO, COCO | {"image_id": 9, "data_split": None}, OBJECTS365, other)
        (tmp_path / "image_id_to_filepath.json").write_text(json.dumps(PATHS))
        data = load(file)
        names = ["000000498666.jpg", "000000000009.jpg", "objects365_v1_00420917.jpg", "7"]
        assert data.key.tolist() == names
        assert data.file_name.tolist() == ["train2017/" + names[0], names[1], PATHS["420917"], "7.jpg"]

    def test_without_paths_images_of_objects365_keep_their_ids(self, tmp_path):
        assert load(wrote(tmp_path / "a", OBJECTS365)).key.tolist() == ["420917"]

    @pytest.mark.parametrize(
        ("paths", "told"),
        [
            ('{"x": "a.jpg"}', r"'x' is 'a.jpg', expected an image's id and its path"),
            ('{"5": 3}', r"'5' is 3, expected an image's id and its path"),
            ('{"5": "a", "5": "b"}', r"the image 5 is named twice"),
            ("[]", r"not readable as paths of images .it does not begin with '{'"),
            ('{"5": "a"', r"the object does not end"),
        ],
    )
    def test_broken_paths_are_refused(self, tmp_path, paths, told):
        file = wrote(tmp_path, OBJECTS365)
        (tmp_path / "image_id_to_filepath.json").write_text(paths)
        with pytest.raises(DataError, match=rf"image_id_to_filepath.json: .*{told}"):
            load(file)

    def test_the_filters_of_pre_training(self, tmp_path):
        file = wrote(tmp_path, COCO | {"relationships": [*COCO["relationships"], link(10000001, 10000000, "by")]})
        held = stream(file, filters_of(["confident=0.5"]))
        (data,) = held.parts(9)
        assert [data.meta.labels.verbs[p] for p in data.label] == ["walking", "near", "by"]  # people drew the last
        assert held.dropped["relations whose confidence is lower than asked for"] == 1
        held = stream(file, filters_of(["overlapping"]))
        (data,) = held.parts(9)
        assert data.object.tolist() == [1, 1, 0]
        assert held.dropped["relations whose two boxes do not overlap"] == 1

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"dataset": 3}, r"\[0\].dataset is 3, expected text"),
            ({"data_split": []}, r"\[0\].data_split is a list \[\], expected text"),
            ({"file_name": 3}, r"\[0\].file_name is 3, expected text"),
            ({"relationships": [link(10000000, 10000001, "a", "x")]}, r"confidence is 'x', expected a finite number"),
            ({"image_id": "HICO_1.jpg"}, r"image_id is 'HICO_1.jpg', expected an integer"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_its_place(self, tmp_path, changed, told):
        with pytest.raises(DataError, match=told):
            load(wrote(tmp_path, COCO | changed), "visual-genome")


class TestPredictions:
    """As scored relations, where that is asked for."""

    def test_confidences_are_scores(self, tmp_path):
        held = read(wrote(tmp_path, COCO, COCO | {"image_id": 1, "relationships": []}), "pseudo-relations")
        (data,) = held.parts
        assert data.kind == "predictions"
        assert (data.score.tolist(), data.counts("pair").tolist()) == ([0.75, 0.3, 0.5], [3, 0])
        assert (held.dropped, held.notes) == ({}, [])

    def test_they_are_scored_against_a_truth(self, tmp_path):
        a, b = (0, 0, 9, 9), (20, 0, 29, 9)
        truth = relations_of([(0, a, "Table", "at", "Cup", b), (0, a, "Cup", "is", "Box", b)], images=2)
        found = relation_predictions(truth)
        PREDICTION_FORMATS["pseudo-relations"].write([to_sparse(found)], tmp_path / "found.json")
        back = load(tmp_path / "found.json", "pseudo-relations", truth)
        assert back.meta.labels == truth.meta.labels
        assert back.key.tolist() == truth.key.tolist()
        assert score(truth, back, "sgg").mean(setting="no-graph-constraint", metric="R@20") == 1

    def test_names_and_images_that_the_truth_lacks_are_refused(self, tmp_path, monkeypatch):
        truth = relations_of([(0, (0, 0, 9, 9), "Table", "at", "Cup", (0, 0, 9, 9))])
        with pytest.raises(DataError, match=r"the object 'cup' is not in the truth's label space"):
            load(wrote(tmp_path, COCO), "pseudo-relations", truth)
        (tmp_path / "data" / "cups").mkdir(parents=True)
        write(truth, tmp_path / "data" / "cups" / "test.parquet")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=r"the truth was taken from data/cups/test.parquet, name another"):
            gather(tmp_path / NAME, format="pseudo-relations")
        named = COCO | {"objects": [thing(1, "Cup")], "relationships": [link(1, 1, "at", 0.5)]}
        with pytest.raises(DataError, match=rf"{NAME}: predictions name image '000000498666.jpg'"):
            load(wrote(tmp_path, named), "pseudo-relations", truth)

    def test_relations_without_a_confidence_are_no_predictions(self, tmp_path):
        rows = COCO | {"relationships": [link(10000000, 10000001, "a", 0.5), link(10000000, 10000001, "b")]}
        with pytest.raises(DataError, match="relation 2 of all has no confidence"):
            load(wrote(tmp_path, rows), "pseudo-relations")

    def test_the_command_says_which_way_they_were_read(self, tmp_path, hoitool):
        file = wrote(tmp_path, COCO)
        done = hoitool("convert", file, "-o", tmp_path / "a.parquet")
        assert done.code == 0, done.err
        assert "confidences of relations" in done.err
        done = hoitool("convert", file, "--from", "pseudo-relations", "-o", tmp_path / "b.parquet")
        assert done.code == 0, done.err
        assert load(tmp_path / "b.parquet").score.tolist() == [0.75, 0.3, 0.5]
        assert load(tmp_path / "a.parquet").kind == "dataset"


def test_scores_that_json_has_no_number_for_are_lost_knowingly(tmp_path):
    truth = relations_of([(0, (0, 0, 9, 9), "Table", "at", "Cup", (0, 0, 9, 9))] * 2)
    found = to_sparse(relation_predictions(truth)).with_columns(score=np.array([np.inf, 0.5]))
    with pytest.raises(DataError, match="cannot hold 1 pairs whose score is no finite number"):
        PREDICTION_FORMATS["pseudo-relations"].write([found], tmp_path / "a.json")
    with pytest.raises(UsageError, match="filter 'confident' is '', expected a number over 0, to 1"):
        filters_of(["confident"])
