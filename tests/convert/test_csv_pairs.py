"""The table of people's own annotations: golden rows, label spaces, round trips, and what is refused where."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meaning import meaning
from strategies import DEMO, HICO, datasets

from hoitool.convert import FORMATS, PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.csv_pairs import merge_boxes
from hoitool.convert.csv_rows import KNOWN
from hoitool.convert.fit import fit
from hoitool.data import concat
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels

CSV = FORMATS["csv"]
HEAD = (
    "file_name,subject_x1,subject_y1,subject_x2,subject_y2,object_x1,object_y1,object_x2,object_y2,object_category,verb"
)
RIDE = "a.jpg,1,2,30.5,40,5,6,70,80,bicycle,ride"


def table(folder: Path, *rows: str, head: str = HEAD, name: str = "own.csv") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_row_is_a_pair_and_equal_boxes_are_one(tmp_path):
    made = load(table(tmp_path, RIDE, "b.jpg,,,,,,,,,,", RIDE.replace("ride", "hold"), "a.jpg,9,9,10,10,,,,,,stand"))
    assert made.key.tolist() == ["a.jpg", "b.jpg"]
    assert made.boxes.tolist() == [[1, 2, 30.5, 40], [5, 6, 70, 80], [9, 9, 10, 10]]
    assert made.meta.box_frame == "continuous"
    space = made.meta.labels
    assert space.objects == ("bicycle", "person")
    assert space.verbs == ("hold", "ride", "stand")
    assert [space.interaction_name(i) for i in range(len(space))] == ["hold bicycle", "ride bicycle", "stand"]
    assert [space.interaction_name(i) for i in made.label] == ["ride bicycle", "hold bicycle", "stand"]
    assert made.categories.tolist() == [1, 0, 1]
    assert (made.subject.tolist(), made.object.tolist()) == ([0, 0, 2], [1, 1, -1])
    assert made.pair_offsets.tolist() == [0, 3, 3]
    assert space.coco_ids.tolist() == [2, 1]
    assert space.verbs_ing == ("holding", "riding", "stand")  # HICO does not know stand


def test_a_person_who_is_an_object_too_is_one_box(tmp_path):
    made = load(table(tmp_path, "a.jpg,1,1,5,5,7,7,9,9,person,hug", "a.jpg,7,7,9,9,1,1,5,5,person,hug"))
    assert len(made.boxes) == 2
    assert (made.subject.tolist(), made.object.tolist()) == ([0, 1], [1, 0])


def test_boxes_of_another_class_or_image_are_not_merged(tmp_path):
    made = load(table(tmp_path, "a.jpg,1,1,5,5,1,1,5,5,dog,walk", "b.jpg,1,1,5,5,1,1,5,5,dog,walk"))
    assert made.counts("box").tolist() == [2, 2]


def test_optional_columns_and_subsets(tmp_path):
    head = "subset,width,height,subject_category," + HEAD
    path = table(
        tmp_path, f"train,640,480,dog,{RIDE}", f"test,,,,{RIDE}", f"train,,,,{RIDE.replace('ride', 'hold')}", head=head
    )
    held = read(path)
    train, test = held.parts
    assert [part.meta.subset for part in held.parts] == ["train", "test"]
    assert (train.width.tolist(), train.height.tolist(), test.width.tolist()) == ([640], [480], [0])
    assert [train.meta.labels.objects[i] for i in train.categories] == ["dog", "bicycle", "person"]
    assert train.meta.labels.train_instances.tolist() == [1, 1]
    assert [note.partition(":")[0] for note in held.notes] == ["1 images have no width and height"]
    assert not read(table(tmp_path, f"640,480,{RIDE}", head="width,height," + HEAD)).notes
    assert read(table(tmp_path, f"640,{RIDE}", head="width," + HEAD)).notes == held.notes


def test_other_columns_are_named(tmp_path):
    assert read(table(tmp_path, RIDE + ",x", head=HEAD + ",comment")).notes[0] == "columns not read: comment"


def test_a_pair_whose_object_has_no_box_keeps_its_interaction(tmp_path):
    made = load(table(tmp_path, "a.jpg,1,2,3,4,,,,,bicycle,ride"))
    assert made.object.tolist() == [-1]
    assert made.meta.labels.interaction_name(int(made.label[0])) == "ride bicycle"
    (written, _) = CSV.write([made], tmp_path / "back.csv")
    assert meaning(load(written)) == meaning(made)


def test_an_unknown_class_makes_labels_verbs_and_is_said(tmp_path):
    held = read(table(tmp_path, RIDE.replace("bicycle", "?")))
    assert held.parts[0].meta.label_kind == "verbs"
    assert held.parts[0].categories.tolist() == [0, -1]
    assert held.notes[0] == "labels are verbs: 'own' has no interaction for some of its pairs"


def test_the_label_space_beside_the_file_is_taken(tmp_path):
    load_labels("hico").save(tmp_path / "labels.json")
    made = load(table(tmp_path, RIDE, RIDE.replace("bicycle,ride", "cell phone,talk on")))
    assert made.meta.labels.hash == load_labels("hico").hash
    assert made.label.tolist() == [18, HICO.interaction_index("talk_on", "cell_phone")]
    with pytest.raises(DataError, match=r"own.csv, line 3: verb: No verb named 'rid'. Did you mean 'ride'"):
        load(table(tmp_path, RIDE, RIDE.replace("ride", "rid")))
    with pytest.raises(DataError, match=r"own.csv, line 2: object_category: No object named 'bicicle'"):
        load(table(tmp_path, RIDE.replace("bicycle", "bicicle")))


def test_the_name_of_a_file_is_no_packaged_label_space(tmp_path):
    assert load(table(tmp_path, RIDE, name="hico.csv")).meta.labels.name == "hico-own"


def test_what_hico_det_holds_goes_through_a_table(small, tmp_path):
    parts = fit([small.train, small.test], CSV.HOLDS).parts
    written = CSV.write(parts, tmp_path / "all.csv")
    assert [path.name for path in written] == ["all.csv", "labels.json"]
    back = {part.meta.subset: part for part in read(written[0]).parts}
    for part in parts:
        assert meaning(back[part.meta.subset]) == meaning(part)
        assert back[part.meta.subset].meta.labels.hash == part.meta.labels.hash
        assert back[part.meta.subset].meta.label_kind == "interactions"
    # the frame, exactly: HICO's inclusive corners plus one
    assert parts[0].boxes[0].tolist() == (small.train.boxes[0] + [0, 0, 1, 1]).tolist()


def test_a_folder_holds_a_table(tmp_path, small):
    held = fit([small.test], CSV.HOLDS).parts
    CSV.write(held, tmp_path / "out")
    assert (tmp_path / "out" / "annotations.csv").exists()
    assert sniff(tmp_path / "out") == "csv"
    assert meaning(load(tmp_path / "out")) == meaning(held[0])


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_several_subsets_come_back_from_one_file(data, tmp_path_factory):
    part = data.draw(datasets(labels=DEMO, subsets=True, least_images=2, dataset="", extras={}))
    try:
        parts = fit([part], CSV.HOLDS).parts
    except (DataError, UsageError):  # boxes alone have no pairs
        return
    folder = tmp_path_factory.mktemp("csv")
    CSV.write(parts, folder / "x.csv", True)
    back = {part.meta.subset: part for part in read(folder / "x.csv").parts}
    assert set(back) == {part.meta.subset for part in parts}
    for part in parts:
        assert meaning(back[part.meta.subset])[part.key[0]]["pair"] == meaning(part)[part.key[0]]["pair"]


def test_another_label_space_is_not_replaced_unasked(small, tmp_path):
    load_labels("hico").save(tmp_path / "labels.json")
    held = fit([small.test], CSV.HOLDS).parts
    with pytest.raises(UsageError, match=r"labels.json exists; --overwrite"):
        CSV.write(held, tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()
    CSV.write(held, tmp_path / "x.csv", True)
    assert meaning(load(tmp_path / "x.csv")) == meaning(held[0])


def test_the_header_and_cells_that_are_written(tmp_path):
    made = load(table(tmp_path, RIDE, "b.jpg,,,,,,,,,,"))
    (written, _) = CSV.write(
        [made.with_columns(width=np.array([9, 0], "i4"), height=np.array([8, 0], "i4"))], tmp_path / "w.csv"
    )
    rows = list(csv.reader(written.read_text().splitlines()))
    assert rows == [
        [name for name in KNOWN if name != "subset"],
        ["a.jpg", "9", "8", "1", "2", "30.5", "40", "person", "5", "6", "70", "80", "bicycle", "ride"],
        ["b.jpg", "0", "0", "", "", "", "", "", "", "", "", "", "", ""],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([RIDE, "b.jpg,1,2,x,4,5,6,7,8,dog,walk"], "line 3: subject_x2 is 'x', expected a number"),
        ([RIDE, "", "b.jpg,1,2,nan,4,5,6,7,8,dog,walk"], "line 4: subject_x2 is 'nan', expected a finite number"),
        (['"a\n.jpg",1,2,3,4,,,,,,walk', "b.jpg,1,2,,4,,,,,,walk"], "line 4: subject_x2 is empty, expected a number"),
        (["a.jpg,1,2,3,4,5,6,7,8,,walk"], "line 2: object_category is empty, expected a class"),
        (["a.jpg,1,2,3,4,5,6,7,8,dog,"], "line 2: verb is empty, expected the verb of a row with an object"),
        (["a.jpg,,,,,5,6,7,8,dog,walk"], "line 2: subject_x1 is empty, expected the box of the subject"),
        (["a.jpg,1,2,3,4,,,,,?,walk"], "line 2: object_category is '?', expected a class or nothing"),
        (["a.jpg,1,2,3,4,5,6,7,8,-,walk"], "line 2: object_category is '-', expected the name of a class"),
        (["a.jpg,1,2,3,4,5,6,7,8,dog,-"], "line 2: verb is '-', expected the name of a verb"),
        ([",1,2,3,4,5,6,7,8,dog,walk"], "line 2: file_name is empty, expected the name of an image"),
        (["a.jpg,1,2"], "Row #2: Expected 11 columns, got 3"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line_and_column(tmp_path, rows, told):
    with pytest.raises(DataError) as error:
        read(table(tmp_path, *rows))
    assert str(error.value).startswith(str(tmp_path / "own.csv"))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("column", "first", "second", "told"),
    [
        ("width", "640", "641", "line 3: width is '641', expected 640, which an earlier row has for the image"),
        ("height", "0.5", "", "line 2: height is '0.5', expected whole pixels"),
        ("width", "", "-1", "line 3: width is '-1', expected whole pixels"),
        ("subset", "train", "../x", "line 3: subset is '../x', expected a plain name"),
    ],
)  # fmt: skip
def test_a_bad_size_or_subset_is_named(tmp_path, column, first, second, told):
    with pytest.raises(DataError) as error:
        read(table(tmp_path, f"{first},{RIDE}", f"{second},{RIDE}", head=f"{column},{HEAD}"))
    assert told in str(error.value)


def test_a_bad_header_is_explained(tmp_path):
    with pytest.raises(DataError, match=r"line 1: no column 'file_name'.*separated by commas"):
        read(table(tmp_path, head=HEAD.replace(",", ";")), "csv")
    with pytest.raises(DataError, match="line 1: column 'verb' stands twice"):
        read(table(tmp_path, RIDE + ",x", head=HEAD + ",verb"), "csv")
    with pytest.raises(DataError, match="line 1: no column 'subject_y1'"):
        read(table(tmp_path, head="file_name,verb,subject_x1"))


def test_a_table_of_annotations_and_one_of_predictions_are_told_apart(small, detected, tmp_path):
    assert sniff(table(tmp_path, RIDE)) == "csv"
    PREDICTION_FORMATS["pairs"].write([detected], tmp_path / "detected.csv")
    assert sniff(tmp_path / "detected.csv") == "pairs"


def test_merging_keeps_the_first_of_each_and_its_order():
    boxes = np.array([[1, 1, 2, 2], [0, 0, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2.5]], float)
    kept, became = merge_boxes(np.array([0, 0, 0, 1, 0]), np.array([3, 3, 3, 3, 3]), boxes)
    assert kept.tolist() == [0, 1, 4, 3]
    assert became.tolist() == [0, 1, 0, 3, 2]


def test_parts_of_different_label_spaces_are_refused(tmp_path):
    rows = {name: f"{name},{RIDE.replace('ride', name)}" for name in ("hold", "ride")}
    parts = [load(table(tmp_path, row, head=f"subset,{HEAD}")) for row in rows.values()]
    with pytest.raises(DataError, match="differs from"):
        CSV.write(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_whole_way_on_the_command_line(hoitool, tmp_path):
    path = table(tmp_path, RIDE, "b.jpg,,,,,,,,,,")
    done = hoitool("convert", path, "-o", tmp_path / "data")
    assert done.code == 0, done.err
    assert "dropped nothing" in done.err
    back = hoitool("convert", tmp_path / "data", "--to", "csv", "-o", tmp_path / "back.csv")
    assert back.code == 0, back.err
    assert meaning(load(tmp_path / "back.csv")) == meaning(load(path))


def test_joined_parts_are_the_file(tmp_path):
    held = read(table(tmp_path, f"train,{RIDE}", f"test,{RIDE.replace('a.', 'b.')}", head=f"subset,{HEAD}"))
    assert concat(held.parts).key.tolist() == ["a.jpg", "b.jpg"]
