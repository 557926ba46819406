"""VG150 in HDF5: what is read, against a literal reading of the file, and what is refused."""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest
from builders import RELATIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.convert import FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.vg_sgg import BROKEN
from hoitool.convert.vg_sgg_grid import centred, corners
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import score

ARRAYS = {
    "split": [0, 2, 0, 2],
    "img_to_first_box": [0, 2, -1, 3],
    "img_to_last_box": [1, 2, -1, 5],
    "img_to_first_rel": [0, -1, -1, 1],
    "img_to_last_rel": [0, -1, -1, 2],
    "boxes_1024": [[100, 80, 60, 40], [3, 300, 7, 5], [50, 60, 20, 30], [9, 9, 9, 9], [99, 99, 98, 97], [5, 5, 1, 1]],
    "boxes_512": [[1, 1, 1, 1]] * 6,
    "labels": [[1], [2], [2], [1], [2], [1]],
    "relationships": [[1, 0], [3, 5], [4, 3]],
    "predicates": [[2], [1], [2]],
    "attributes": [[0]] * 6,
}
DICTS = {"label_to_idx": {"table": 2, "cup": 1}, "predicate_to_idx": {"under": 2, "on": 1}, "object_count": {}}
IMAGES = [{"image_id": i, "width": 100 * i, "height": 300} for i in (1, 2, 3, 8)]


def wrote(folder, arrays=None, dicts=DICTS, images=IMAGES, name="VG-SGG.h5", **changed):
    """The three files; `changed` arrays replace, None leaves one out."""
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / name, "w") as file:
        for array, values in (ARRAYS | (arrays or {}) | changed).items():
            if values is not None:
                file[array] = np.array(values)
    if dicts is not None:
        (folder / name.replace("SGG", "SGG-dicts").replace(".h5", ".json")).write_text(json.dumps(dicts))
    if images is not None:
        (folder / "image_data.json").write_text(json.dumps(images))
    return folder


def literal(folder):
    """(image id, x1 y1 x2 y2, object) of every box and (image, box row, predicate, box row), as the readers have it."""
    sizes = {row["image_id"]: max(row["width"], row["height"]) for row in IMAGES}
    names = {field: {at: name for name, at in DICTS[field].items()} for field in ("label_to_idx", "predicate_to_idx")}
    boxes, relations = [], []
    with h5py.File(folder / "VG-SGG.h5") as file:
        centres = file["boxes_1024"][:]
        centres[:, :2] = centres[:, :2] - centres[:, 2:] / 2
        centres[:, 2:] = centres[:, :2] + centres[:, 2:]
        for i, image in enumerate(sizes):
            first, last = file["img_to_first_box"][i], file["img_to_last_box"][i]
            for row in range(first, last + 1) if first >= 0 else ():
                box = centres[row] / 1024 * sizes[image]
                boxes.append((str(image), *box.tolist(), names["label_to_idx"][file["labels"][row, 0]]))
            first, last = file["img_to_first_rel"][i], file["img_to_last_rel"][i]
            for row in range(first, last + 1) if first >= 0 else ():
                s, o = (file["relationships"][row] - file["img_to_first_box"][i]).tolist()
                relations.append((str(image), s, names["predicate_to_idx"][file["predicates"][row, 0]], o))
    return boxes, relations


def told(parts):
    """The same of what was read."""
    boxes, relations = [], []
    for data in parts:
        space = data.meta.labels
        for key, box, label in zip(data.key[data.image_of("box")], data.boxes, data.categories, strict=True):
            boxes.append((key, *box.tolist(), space.objects[label]))
        rows = zip(data.key[data.image_of("pair")], data.subject, data.label, data.object, strict=True)
        relations += [(key, s, space.verbs[p], o) for key, s, p, o in rows]
    return sorted(boxes), sorted(relations)


class TestReading:
    """The three files."""

    def test_boxes_and_relations_are_those_of_a_literal_reading(self, tmp_path):
        held = read(wrote(tmp_path / "vg"))
        boxes, relations = literal(tmp_path / "vg")
        assert told(held.parts) == (sorted(boxes), sorted(relations))
        assert sniff(tmp_path / "vg") == sniff(tmp_path / "vg" / "VG-SGG.h5") == "vg-sgg"
        assert held.notes == ["arrays not read: attributes"]

    def test_subsets_images_and_labels(self, tmp_path):
        train, test = read(wrote(tmp_path / "vg")).parts
        assert (train.meta.subset, test.meta.subset) == ("train", "test")
        assert (train.key.tolist(), test.key.tolist()) == (["1", "3"], ["2", "8"])
        assert test.file_name.tolist() == ["2.jpg", "8.jpg"]
        assert (test.width.tolist(), test.height.tolist()) == ([200, 800], [300, 300])
        assert train.meta.labels.objects == ("cup", "table")
        assert train.meta.labels.verbs == ("on", "under")
        assert (train.meta.label_kind, train.meta.box_frame) == ("predicates", "inclusive")
        assert train.boxes[1, 0] == 0  # 3 - 7 / 2 towards zero

    def test_images_that_could_not_be_opened_have_no_row(self, tmp_path):
        broken = [{"image_id": i, "width": 9, "height": 9} for i in BROKEN]
        folder = wrote(tmp_path / "vg", images=[*IMAGES[:1], *broken, *IMAGES[1:]])
        assert [part.key.tolist() for part in read(folder).parts] == [["1", "3"], ["2", "8"]]
        with pytest.raises(DataError, match=r"split has 4 images, image_data.json 3, or 3 without"):
            read(wrote(tmp_path / "vg", images=IMAGES[:3]))

    def test_the_file_with_attributes_has_names_of_its_own(self, tmp_path):
        folder = wrote(tmp_path / "vg", name="VG-SGG-with-attri.h5")
        assert (folder / "VG-SGG-dicts-with-attri.json").is_file()
        assert len(read(folder).parts) == 2
        wrote(folder)
        with pytest.raises(UsageError, match=r"holds VG-SGG-with-attri.h5 and VG-SGG.h5; name one"):
            read(folder, "vg-sgg")

    def test_boxes_of_512_serve_where_there_are_no_others(self, tmp_path):
        (train, _) = read(wrote(tmp_path / "vg", boxes_512=ARRAYS["boxes_1024"], boxes_1024=None)).parts
        assert train.boxes[0].tolist() == pytest.approx(
            [70 / 512 * 300, 60 / 512 * 300, 130 / 512 * 300, 100 / 512 * 300]
        )

    def test_true_relations_are_found_by_the_protocol(self, tmp_path):
        from builders import relation_predictions

        (_, test) = read(wrote(tmp_path / "vg")).parts
        assert score(test, relation_predictions(test), "sgg").mean(setting="graph-constraint", metric="R@20") == 1

    def test_the_command_writes_a_file_for_each_subset(self, tmp_path, hoitool):
        done = hoitool("convert", wrote(tmp_path / "vg"), "-o", tmp_path / "out")
        assert done.code == 0, done.err
        assert sorted(file.name for file in (tmp_path / "out").glob("*.parquet")) == ["test.parquet", "train.parquet"]
        done = hoitool("convert", tmp_path / "out", "--to", "vg-sgg", "-o", tmp_path / "back")
        assert done.code == 0, done.err
        assert told(read(tmp_path / "back").parts) == told(read(tmp_path / "vg").parts)


class TestRefusals:
    """Files that are not what they should be."""

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"split": [0, 2, 0, 3]}, r"split has 3, expected 0..2"),
            ({"split": [0, 2, 0]}, r"img_to_first_box has 4 rows, split 3; expected as many"),
            ({"labels": [[1]] * 5}, r"labels has 5 rows, boxes 6"),
            ({"labels": [[3]] * 6}, r"labels has 3, expected 1..2"),
            ({"labels": [[0.5]] * 6}, r"labels is float64\[6, 1\], expected a column of integers"),
            ({"predicates": [[0]] * 3}, r"predicates has 0, expected 1..2"),
            ({"relationships": [[1, 0, 1]] * 3}, r"relationships is int64\[3, 3\], expected 2 columns of integers"),
            (
                {"relationships": [[1, 2], [3, 5], [4, 3]]},
                r"a relationship of image 0 is of boxes \[1, 2\], not its own",
            ),
            (
                {"img_to_last_box": [1, 2, -1, 9]},
                r"img_to_first_box\[3\] is 3 and img_to_last_box\[3\] 9, expected rows",
            ),
            ({"img_to_last_box": [1, 2, 0, 5]}, r"img_to_first_box\[2\] is -1 and"),
            ({"img_to_first_box": [0, 0, -1, 0]}, r"give some of the 6 rows to two images"),
            (
                {"boxes_1024": [[1, 1, 0, 1]] * 6},
                r"boxes_1024\[0\] is \[1, 1, 0, 1\], expected centre, width and height",
            ),
            ({"boxes_1024": [[1.0, float("nan"), 1, 1]] * 6}, r"boxes_1024\[0\] is \[1.0, nan"),
            ({"boxes_1024": [[1, 1, 1]] * 6}, r"boxes_1024 is int64\[6, 3\], expected 4 columns"),
            ({"boxes_1024": None, "boxes_512": None}, r"'boxes_1024' is no dataset"),
        ],
    )
    def test_arrays_that_do_not_fit(self, tmp_path, changed, message):
        with pytest.raises(DataError, match=message) as told:
            read(wrote(tmp_path / "vg", **changed), "vg-sgg")
        assert "VG-SGG.h5" in str(told.value)

    @pytest.mark.parametrize(
        ("dicts", "message"),
        [
            ({"label_to_idx": {"a": 1}}, r"no field 'predicate_to_idx'"),
            (DICTS | {"label_to_idx": {"a": 1, "b": 3}}, r"label_to_idx does not number its 2 names 1..2"),
            (DICTS | {"label_to_idx": {"a": "1"}}, r"label_to_idx has '1', expected numbers"),
            (DICTS | {"predicate_to_idx": []}, r"predicate_to_idx is a list \[\], expected an object"),
        ],
    )
    def test_names_that_do_not_fit(self, tmp_path, dicts, message):
        with pytest.raises(DataError, match=message):
            read(wrote(tmp_path / "vg", dicts=dicts))

    def test_a_background_in_the_names_is_none_of_them(self, tmp_path):
        table = DICTS["label_to_idx"] | {"__background__": 0}
        (train, _) = read(wrote(tmp_path / "vg", dicts=DICTS | {"label_to_idx": table})).parts
        assert train.meta.labels.objects == ("cup", "table")

    def test_what_must_lie_beside(self, tmp_path):
        with pytest.raises(MissingData, match=r"image_data.json: no such file; it says which images"):
            read(wrote(tmp_path / "a", images=None))
        with pytest.raises(MissingData, match=r"VG-SGG-dicts.json: no such file; it names the labels"):
            read(wrote(tmp_path / "b", dicts=None))
        with pytest.raises(DataError, match=r"image '1' has boxes, but image_data.json does not say its size"):
            read(wrote(tmp_path / "c", images=[{"image_id": 1, "width": 0, "height": 0}, *IMAGES[1:]]))
        RELATIONS.save(tmp_path / "c" / "labels.json")
        with pytest.raises(DataError, match=r"labels.json: has other objects or verbs than VG-SGG-dicts.json"):
            read(tmp_path / "c")

    def test_a_file_that_was_cut_off(self, tmp_path):
        file = wrote(tmp_path / "vg") / "VG-SGG.h5"
        file.write_bytes(file.read_bytes()[:-100])
        for path in (file, file.parent):
            with pytest.raises(DataError, match=r"VG-SGG.h5: not readable as HDF5 .*truncated"):
                read(path)


class TestGrid:
    """Boxes to the grid and back."""

    @settings(deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([512, 1024]))
    def test_what_is_on_the_grid_stays(self, seed, grid):
        rng = np.random.default_rng(seed)
        longer = rng.integers(1, 5000, 30).astype(float)
        boxes = rng.uniform(-50, 5000, (30, 4))
        once = corners(centred(boxes, longer, grid), longer, grid)
        assert (corners(centred(once, longer, grid), longer, grid) == once).all()
        assert (once >= 0).all()
        assert (once <= longer[:, None] * (1 + 1e-12)).all()
        assert (once[:, 2:] > once[:, :2]).all()

    @settings(deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_a_box_moves_by_less_than_a_pixel_of_the_grid(self, seed):
        rng = np.random.default_rng(seed)
        low, extent = rng.uniform(0, 500, (30, 2)), rng.uniform(20, 500, (30, 2))
        boxes, longer = np.concatenate([low, low + extent], axis=1), np.full(30, 2048.0)
        assert np.abs(corners(centred(boxes, longer, 1024), longer, 1024) - boxes).max() <= 2 * 2048 / 1024 / 2 + 1e-9


def test_what_is_lost_in_writing_is_counted(small):
    from builders import relations_of

    data = relations_of([(0, (0.5, 0, 9, 9), "Table", "at", "Cup", (0, 0, 10, 10))], images=2)
    size = {"width": np.array([10, 0], np.int32), "height": np.array([8, 0], np.int32)}
    fitted = fit([data.with_columns(**size)], FORMATS["vg-sgg"].HOLDS)
    assert fitted.lost["images of unknown size"] == 1
    assert fitted.lost["places of boxes between those of an image of 1024 pixels"] == 1
    with pytest.raises(DataError, match="there is no image of known size to write"):
        fit([data], FORMATS["vg-sgg"].HOLDS)
    with TemporaryDirectory() as folder, pytest.raises(MissingData, match="no VG-SGG.h5 in this folder"):
        load(folder, "vg-sgg")
