"""The official HICO-DET layout: nothing is lost, odd entries come back, packed integers do not wrap."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from hoitool import data
from hoitool.convert import hico_det, load
from hoitool.data import statistics, validate
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError

NONE = np.zeros((0, 0))
ENTRY = [(name, object) for name in ("id", "bboxhuman", "bboxobject", "connection", "invis")]
CORNERS = [(name, object) for name in ("x1", "x2", "y1", "y2")]
BOX, OTHER = (1, 5, 1, 5), (2, 6, 2, 6)  # x1 x2 y1 y2


def number(value: float) -> np.ndarray:
    return np.array([[float(value)]])


def boxes(*rows) -> np.ndarray:
    return np.array([[tuple(number(v) for v in row) for row in rows]], dtype=CORNERS) if rows else NONE


def entry(hoi: int, humans, objects, links, invisible: int = 0) -> tuple:
    return number(hoi), boxes(*humans), boxes(*objects), np.array(links, float) if links else NONE, number(invisible)


def leaves(value, path=""):
    """Every value of a MATLAB variable with its place, in order."""
    if value.dtype.names:
        yield f"{path} shape", value.shape
        for i, row in enumerate(value.ravel()):
            for name in sorted(value.dtype.names):
                yield from leaves(row[name], f"{path}({i + 1}).{name}")
    elif value.dtype == object:
        for i, cell in enumerate(value.ravel()):
            yield from leaves(cell, f"{path}{{{i + 1}}}")
    else:
        yield path, repr(value.astype(float).tolist() if value.size and value.dtype.kind in "iuf" else value.tolist())


def assert_same_mat(a: Path, b: Path) -> int:
    """Both files hold the same variables, to the last leaf; returns how many leaves."""
    mine, theirs = ({k: v for k, v in loadmat(path).items() if k[0] != "_"} for path in (a, b))
    assert mine.keys() == theirs.keys()
    count = 0
    for name in mine:
        for x, y in zip_longest(leaves(mine[name], name), leaves(theirs[name], name)):
            assert x == y
            count += 1
    return count


@pytest.fixture
def official(small, tmp_path) -> Path:
    """A folder in the official layout."""
    hico_det.write([small.train, small.test], tmp_path / "official")
    return tmp_path / "official"


def edit(folder: Path, change) -> Path:
    """Change the variables of both files: change(boxes, labels)."""
    files = [folder / name for name in (hico_det.BOXES, hico_det.LABELS)]
    content = [{k: v for k, v in loadmat(file).items() if k[0] != "_"} for file in files]
    change(*content)
    for file, held in zip(files, content, strict=True):
        savemat(file, held, oned_as="row")
    return folder


def append(struct, image: int, *entries: tuple) -> None:
    """Add hoi entries to an image of bbox_<subset>."""
    held = struct[0, image]["hoi"]
    old = [tuple(row) for row in held.ravel()] if held.dtype.names else []
    new = np.empty((1, len(old) + len(entries)), ENTRY)
    for i, row in enumerate([*old, *entries]):
        new[0, i] = row
    struct[0, image]["hoi"] = new


ODD = {
    "invisible": lambda b, a: (append(b, 0, entry(30, [], [], [], 1)), a.__setitem__((29, 0), 1)),
    "invisible, not in anno.mat": lambda b, a: append(b, 0, entry(30, [], [], [], 1)),
    "invisible, uncertain in anno.mat": lambda b, a: (
        append(b, 0, entry(30, [], [], [], 1)),
        a.__setitem__((29, 0), 0),
    ),
    "invisible with boxes": lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [], 1)),
    "visible without connections": lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [], 0)),
    "box in no connection": lambda b, a: append(b, 0, entry(30, [BOX, OTHER], [OTHER], [[2, 1]])),
    "connections out of order": lambda b, a: append(b, 0, entry(30, [BOX, OTHER], [OTHER], [[2, 1], [1, 1]])),
    "the same connection twice": lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [[1, 1], [1, 1]])),
    "the same interaction twice": lambda b, a: append(
        b, 0, entry(30, [BOX], [OTHER], [[1, 1]]), entry(30, [OTHER], [BOX], [[1, 1]])
    ),
    "pair, absent in anno.mat": lambda b, a: (
        append(b, 0, entry(30, [BOX], [OTHER], [[1, 1]])),
        a.__setitem__((29, 0), -1),
    ),
    "positive without an entry": lambda b, a: a.__setitem__((29, 0), 1),
    "negatives and uncertain": lambda b, a: a.__setitem__((slice(10, 14), 0), [[-1], [0], [-1], [0]][0][0]),
    "a grey image": lambda b, a: b[0, 0]["size"][0, 0].__setitem__("depth", number(1)),
    "no entries": lambda b, a: (
        b[0, 0].__setitem__("hoi", np.empty((1, 0), ENTRY)),
        a.__setitem__((slice(None), 0), np.nan),
    ),
    "fractional boxes": lambda b, a: append(b, 0, entry(30, [(1.25, 5.5, 1, 7.125)], [OTHER], [[1, 1]])),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_entries_come_back(official, tmp_path, name):
    def change(held, images):
        images["anno_train"][29, 0] = np.nan
        ODD[name](held["bbox_train"], images["anno_train"])

    edit(official, change)
    parts = hico_det.read(official).parts
    for part in parts:
        validate(part)
        data.write(part, tmp_path / "data" / f"{part.meta.subset}.parquet")
    from_parquet = [data.read(tmp_path / "data" / f"{subset}.parquet") for subset in ("train", "test")]
    written = hico_det.write(from_parquet, tmp_path / "back")
    for path in written:
        assert assert_same_mat(official / path.name, path) > 400


def test_an_invisible_entry_is_an_image_label_without_a_pair(official):
    def change(held, images):
        held["bbox_train"][0, 0]["hoi"] = NONE
        images["anno_train"][:, 0] = np.nan
        append(held["bbox_train"], 0, entry(30, [], [], [], 1))
        images["anno_train"][[4, 5, 29], 0] = [-1, 0, 1]

    train = hico_det.read(edit(official, change)).parts[0]
    assert train.pair_offsets[1] == 0
    mine = slice(0, train.image_label_offsets[1])
    assert train.image_label[mine].tolist() == [29, 4, 5]
    assert train.image_value[mine].tolist() == [1, -1, 0]


def test_boxes_are_the_official_ones_minus_one(official):
    def change(held, images):
        append(held["bbox_train"], 0, entry(30, [(1, 20, 2, 30)], [(5, 9, 6, 8)], [[1, 1]]))

    train = hico_det.read(edit(official, change)).parts[0]
    pair = train.pair_offsets[1] - 1
    assert train.boxes[train.pair_boxes("subject")[pair]].tolist() == [0, 1, 19, 29]
    assert train.boxes[train.pair_boxes("object")[pair]].tolist() == [4, 5, 8, 7]
    assert train.meta.box_frame == "inclusive"


def test_packed_integers_do_not_wrap(official, tmp_path):
    def packed(value):
        """The smallest unsigned type that holds the values, as MATLAB's own save packs doubles."""
        if value.dtype.names or value.dtype == object:
            for cell in value.ravel():
                for name in value.dtype.names or ():
                    cell[name] = packed(cell[name])
            return value
        if value.dtype.kind != "f" or not value.size or (value != np.floor(value)).any() or value.min() < 0:
            return value
        return value.astype(np.uint8 if value.max() < 256 else np.uint16)

    plain = hico_det.read(official).parts
    edit(official, lambda held, images: [packed(held[name]) for name in ("bbox_train", "bbox_test")])
    assert loadmat(official / hico_det.BOXES)["bbox_train"][0, 0]["size"][0, 0]["width"].dtype == np.uint8
    for a, b in zip(plain, hico_det.read(official).parts, strict=True):
        for name, values in a.columns().items():
            assert np.array_equal(values, b.columns()[name]), name


def test_without_anno_mat_the_entries_are_the_labels(official):
    (official / hico_det.LABELS).unlink()
    found = hico_det.read(official / hico_det.BOXES)
    assert any("anno.mat is not there" in note for note in found.notes)
    assert (found.parts[0].image_value == 1).all()


BROKEN = {
    "an interaction that does not exist": (
        lambda b, a: append(b, 0, entry(31, [BOX], [OTHER], [[1, 1]])),
        r"interaction 31, expected 1\.\.30",
    ),
    "a connection to no box": (
        lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [[1, 3]])),
        r"bbox_train\(1\)\.hoi\(\d+\)\.connection: object 3, expected 1\.\.1",
    ),
    "a connection to number zero": (
        lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [[0, 1]])),
        r"connection: human 0, expected 1\.\.1",
    ),
    "connections of three numbers": (
        lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [[1, 1, 1]])),
        r"connection: shape \[1, 3\], expected \[n, 2\]",
    ),
    "a connection that is no number": (
        lambda b, a: append(b, 0, entry(30, [BOX], [OTHER], [[1, np.nan]])),
        r"connection: object nan, expected 1\.\.1",
    ),
    "a size that is no number": (
        lambda b, a: b[0, 0]["size"][0, 0].__setitem__("width", number(np.nan)),
        r"bbox_train\(1\)\.size is nan",
    ),
    "two ids": (
        lambda b, a: append(b, 0, (np.array([[1.0, 2.0]]), NONE, NONE, NONE, number(1))),
        r"bbox_train\(1\)\.hoi\(\d+\)\.id: 2 values, expected one",
    ),
    "another value in anno": (lambda b, a: a.__setitem__((0, 0), 7), "values other than 1, -1, 0 and NaN"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_entries_are_named(official, name):
    change, message = BROKEN[name]
    edit(official, lambda held, images: change(held["bbox_train"], images["anno_train"]))
    with pytest.raises(DataError, match=message):
        hico_det.read(official)


def test_lists_that_disagree_are_named(official):
    def change(held, images):
        images["list_train"][2, 0] = np.array(["other.jpg"])

    with pytest.raises(
        DataError, match=r"list_train\(3\) is 'other.jpg', bbox_train\(3\) is 'demo_train_00000003.jpg'"
    ):
        hico_det.read(edit(official, change))


def test_a_file_without_boxes_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(MissingData, match="no such file"):
        hico_det.read(tmp_path)
    savemat(tmp_path / hico_det.BOXES, {"x": 1})
    with pytest.raises(DataError, match="no variable 'list_action'.*the file holds x"):
        hico_det.read(tmp_path)


def test_a_truncated_file_is_one_clear_error(official):
    file = official / hico_det.BOXES
    whole = file.read_bytes()
    for part in range(1, 16):
        file.write_bytes(whole[: len(whole) * part // 16])
        with pytest.raises(HoitoolError, match="anno_bbox.mat"):
            hico_det.read(official)


def test_only_train_and_test_can_be_written(small, tmp_path):
    from dataclasses import replace

    other = small.test.with_columns(replace(small.test.meta, subset="val"))
    with pytest.raises(UsageError, match="train and test only"):
        hico_det.write([other], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_real_annotations(shared, tmp_path):
    """Published counts; both storage variants give the same; back to the official layout with nothing lost."""
    folder = shared("data/hico-det/anno_bbox.mat").parent
    train, test = hico_det.read(folder).parts
    assert [statistics(part)["images"] for part in (train, test)] == [38118, 9658]
    assert [statistics(part)["pairs"] for part in (train, test)] == [117654, 33405]
    assert train.meta.labels.name == "hico"
    assert statistics(train)["rare_classes"] == 138
    assert np.array_equal(np.bincount(train.label, minlength=600), train.meta.labels.train_instances)
    compact = hico_det.read(shared("data/hico-det/anno_bbox_compact.mat")).parts
    for mine, theirs in zip((train, test), compact, strict=True):
        for name, values in mine.columns().items():
            assert np.array_equal(values, theirs.columns()[name]), name
    del compact
    hico_det.write([test], tmp_path / "back")
    back = load(tmp_path / "back")
    for name, values in test.columns().items():
        assert np.array_equal(values, back.columns()[name]), name
    official, again = (loadmat(p / hico_det.BOXES, variable_names=["bbox_test"]) for p in (folder, tmp_path / "back"))
    for x, y in zip_longest(leaves(official["bbox_test"]), leaves(again["bbox_test"])):
        assert x == y


def test_labels_changed_since_are_written_not_the_recorded_ones(official, tmp_path):
    def change(held, images):
        append(held["bbox_train"], 0, entry(30, [BOX, OTHER], [OTHER], [[2, 1], [1, 1]]))

    train = hico_det.read(edit(official, change)).parts[0]
    mine = np.flatnonzero(train.label[: train.pair_offsets[1]] == 29)
    label = train.label.copy()
    label[mine] = 28
    hico_det.write([train.with_columns(label=label)], tmp_path / "back")
    back = load(tmp_path / "back")
    assert (back.label[: back.pair_offsets[1]] == 28).sum() == (label[: train.pair_offsets[1]] == 28).sum()
