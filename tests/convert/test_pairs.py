"""The flat table: every spelling that the page allows, and exact messages for what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from hoitool.convert import load
from hoitool.errors import HoitoolError
from hoitool.labels import load_labels

HICO = load_labels("hico")
GOOD = {
    "file_name": np.array(["a.jpg", "a.jpg", "b.jpg"]),
    "human": np.arange(12.0).reshape(3, 4),
    "object": np.arange(12.0).reshape(3, 4) + 100,
    "label": np.array([4, 18, 599]),
    "score": np.array([0.5, 0.25, 1.0]),
}


def saved(tmp_path, **changes):
    """The path of an .npz table with columns replaced, or left out where None."""
    columns = {name: value for name, value in (GOOD | changes).items() if value is not None}
    np.savez(tmp_path / "table.npz", **columns)
    return tmp_path / "table.npz"


def test_an_npz_table(tmp_path):
    made = load(saved(tmp_path))
    assert made.key.tolist() == ["a.jpg", "b.jpg"]
    assert made.boxes[made.pair_boxes("object")].tolist() == GOOD["object"].tolist()
    assert made.label.tolist() == [4, 18, 599]
    assert made.score.tolist() == [0.5, 0.25, 1.0]
    assert made.meta.box_frame == "inclusive"


@pytest.mark.parametrize("verb", [np.array(["ride", "RIDING", "feed"]), np.array([HICO.verb_index("ride")] * 2 + [36])])
@pytest.mark.parametrize(
    "category",
    [
        np.array(["bicycle", "bicycle", "bird"]),
        np.array([HICO.object_index(n) for n in ("bicycle", "bicycle", "bird")]),
    ],
)
def test_labels_by_object_and_verb(tmp_path, verb, category):
    if verb.dtype.kind == "i":
        verb = np.array([HICO.verb_index(name) for name in ("ride", "ride", "feed")])
    made = load(saved(tmp_path, label=None, object_category=category, verb=verb))
    names = [HICO.interaction_name(i) for i in made.label]
    assert names == ["ride bicycle", "ride bicycle", "feed bird"]


def test_a_csv_with_four_columns_a_box(tmp_path):
    (tmp_path / "t.csv").write_text(
        "file_name,human_x1,human_y1,human_x2,human_y2,object_x1,object_y1,object_x2,object_y2,verb,object_category,score\n"
        "a.jpg,0,1,2.5,3,4,5,6,7,ride,bicycle,0.5\n"
    )
    made = load(tmp_path / "t.csv")
    assert made.boxes.tolist() == [[0, 1, 2.5, 3], [4, 5, 6, 7]]
    assert HICO.interaction_name(made.label[0]) == "ride bicycle"


def test_a_csv_with_a_box_in_one_column(tmp_path):
    (tmp_path / "t.csv").write_text('file_name,human,object,label,score\na.jpg,"[0, 1, 2.5, 3]",4 5 6 7,18,0.5\n')
    assert load(tmp_path / "t.csv").boxes.tolist() == [[0, 1, 2.5, 3], [4, 5, 6, 7]]


def test_images_by_index_need_a_truth(tmp_path, small):
    path = saved(tmp_path, file_name=None, image=np.array([2, 2, 0]), label=np.array([0, 1, 2]))
    with pytest.raises(HoitoolError, match="indices, which mean nothing without"):
        load(path)
    made = load(path, truth=small.test)
    assert made.key.tolist() == small.test.key.tolist()
    assert np.diff(made.pair_offsets)[:3].tolist() == [1, 0, 2]
    assert made.label.tolist() == [2, 0, 1]


BAD = {
    "no score": ({"score": None}, "no column 'score'.*this one has file_name, human, object, label"),
    "no image": ({"file_name": None}, "no column 'file_name' or 'image'"),
    "no label": ({"label": None}, "no column 'label', nor 'object_category' and 'verb'"),
    "one-based": ({"label": None, "hoi": GOOD["label"]}, "often 1-based"),
    "no object": ({"object": None}, r"no column 'object' \(4 numbers a row\), nor object_x1"),
    "label too large": ({"label": np.array([0, 600, 1])}, r"label in row 1 is 600, expected 0\.\.599"),
    "label negative": ({"label": np.array([0, 1, -1])}, r"label in row 2 is -1, expected 0\.\.599"),
    "label a fraction": ({"label": np.array([0, 1.5, 1])}, "label is float64, expected integers"),
    "score NaN": ({"score": np.array([0.5, np.nan, 1])}, "score in row 1 is nan, expected a number"),
    "box NaN": ({"human": np.full((3, 4), np.nan)}, "human in row 0 is nan nan nan nan, expected finite numbers"),
    "box infinite": ({"object": GOOD["object"] * [1, np.inf, 1, 1]}, "object in row 0 is 100 inf"),
    "five numbers": ({"human": np.zeros((3, 5))}, r"human has shape \[3, 5\], expected \[3, 4\]"),
    "too few scores": ({"score": np.zeros(2)}, r"score has shape \[2\], expected \[3\]"),
    "scores as text": ({"score": np.array(["a", "b", "c"])}, "score is <U1, expected numbers"),
    "one score for all": ({"score": np.array(0.5)}, "array 'score': a single value"),
    "image numbers as fractions": ({"file_name": np.zeros(3)}, "file_name is float64, expected names"),
    "objects": ({"file_name": np.array(["a", None, "b"], object)}, "array 'file_name': holds Python objects"),
    "unknown verb": (
        {"label": None, "object_category": np.array(["bicycle"] * 3), "verb": np.array(["ride", "rdie", "ride"])},
        "verb in row 1: No verb named 'rdie'. Did you mean 'ride'",
    ),
    "impossible": (
        {
            "label": None,
            "object_category": np.array(["bicycle", "cup", "cup"]),
            "verb": np.array(["ride", "ride", "fill"]),
        },
        "row 1: label space 'hico' has no interaction 'ride' with 'cup'",
    ),
    "category out of range": (
        {"label": None, "object_category": np.array([0, 80, 0]), "verb": np.array([4, 4, 4])},
        r"object_category in row 1 is 80, expected 0\.\.79",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_one_line_with_file_and_row(tmp_path, name):
    changes, message = BAD[name]
    with pytest.raises(HoitoolError, match=message) as caught:
        load(saved(tmp_path, **changes), "pairs")
    assert "table.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_image_is_named(tmp_path, small):
    with pytest.raises(HoitoolError, match=r"image in row 0 is 'a.jpg', which is none of the"):
        load(saved(tmp_path, label=np.zeros(3, int)), truth=small.test)


def test_an_empty_table_is_no_predictions(tmp_path):
    empty = {name: value[:0] for name, value in GOOD.items()}
    made = load(saved(tmp_path, **empty))
    assert len(made) == 0
    assert len(made.subject) == 0


def test_names_that_look_like_numbers_stay_names(tmp_path):
    (tmp_path / "t.csv").write_text(
        "file_name,human,object,label,score\n000001,0 1 2 3,4 5 6 7,18,0.5\n000000,0 1 2 3,4 5 6 7,18,0.25\n"
    )
    assert load(tmp_path / "t.csv").key.tolist() == ["000001", "000000"]
    with pytest.raises(HoitoolError, match="places in the truth's order are called 'image'"):
        load(saved(tmp_path, file_name=np.array([0, 1, 2])))


def test_other_columns_are_ignored(tmp_path):
    import datetime

    import pandas

    frame = pandas.DataFrame({"file_name": ["a"], "label": [18], "score": [0.5], "when": [datetime.date(2026, 1, 1)]})
    for side in ("human", "object"):
        frame[side] = [[0.0, 1.0, 2.0, 3.0]]
    frame.to_parquet(tmp_path / "t.parquet")
    assert len(load(tmp_path / "t.parquet").subject) == 1
    assert len(load(saved(tmp_path, extra=np.array([None, {}, "x"], object))).subject) == 3


def test_tables_without_rows_in_every_suffix(tmp_path):
    (tmp_path / "t.csv").write_text("file_name,human,object,label,score\n")
    assert len(load(tmp_path / "t.csv").subject) == 0


def test_bytes_and_a_byte_order_mark_and_capitals_are_understood(tmp_path):
    assert load(saved(tmp_path, file_name=GOOD["file_name"].astype("S"))).key.tolist() == ["a.jpg", "b.jpg"]
    (tmp_path / "T.CSV").write_text("\ufeffscore,file_name,human,object,label\n0.5,a.jpg,0 1 2 3,4 5 6 7,18\n")
    assert load(tmp_path / "T.CSV").score.tolist() == [0.5]


def test_a_null_is_named_with_file_column_and_place(tmp_path):
    (tmp_path / "t.csv").write_text(
        "file_name,human,object,label,score\na,0 1 2 3,4 5 6 7,18,0.5\na,0 1 2 3,4 5 6 7,18,\n"
    )
    with pytest.raises(HoitoolError, match=r"t\.csv: column 'score' holds nulls, the first at position 1"):
        load(tmp_path / "t.csv")
