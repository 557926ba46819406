"""HICO's image-level anno.mat: values kept apart, lists in order, text of the actions, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import image_truth_of
from scipy.io import loadmat, savemat
from strategies import DEMO

import hoitool.convert
from hoitool.convert import FORMATS, load, read, sniff
from hoitool.convert.fit import fit
from hoitool.data import Dataset
from hoitool.errors import DataError, MissingData, UsageError

HICO = FORMATS["hico"]
VALUES = [[1, -1, 0, np.nan], [np.nan, np.nan, np.nan, np.nan], [-1, 1, np.nan, 0]]


def actions(count: int = 4) -> np.ndarray:
    """list_action of made-up interactions, one of them with a synonym cell."""
    fields = ("nname", "vname", "vname_ing", "syn", "def", "synset", "add_def")
    made = np.empty((count, 1), [(name, object) for name in fields])
    for i in range(count):
        synonyms = np.array(["seize", "grab"], object) if i == 1 else ""
        made[i, 0] = (f"thing_{i % 2}", f"do_{i}", f"doing_{i}", synonyms, "a definition", "", "")
    return made


def anno(folder, **changes) -> object:
    """A file anno.mat with a test subset of three images, and what is changed in it."""
    names = np.empty((3, 1), object)
    names[:, 0] = ["b.jpg", "a.jpg", "c.jpg"]
    content = {"list_test": names, "anno_test": np.array(VALUES).T, "list_action": actions()}
    content = {name: value for name, value in (content | changes).items() if value is not None}
    savemat(folder / "anno.mat", content, oned_as="row")
    return folder / "anno.mat"


def test_the_four_values_are_kept_apart(tmp_path):
    (part,) = read(anno(tmp_path)).parts
    assert part.key.tolist() == part.file_name.tolist() == ["b.jpg", "a.jpg", "c.jpg"]
    assert part.image_label_offsets.tolist() == [0, 3, 3, 6]
    assert part.image_label.tolist() == [0, 1, 2, 0, 1, 3]
    assert part.image_value.tolist() == [1, -1, 0, -1, 1, 0]
    assert (len(part.boxes), len(part.subject), part.meta.subset, part.meta.label_kind) == (
        0,
        0,
        "test",
        "interactions",
    )
    assert part.meta.labels.interaction_name(3) == "do_3 thing_1"


@pytest.mark.parametrize("target", ["out", "out/anno.mat"])
def test_it_is_written_back_with_equal_values_lists_and_text(tmp_path, target):
    source = anno(tmp_path)
    assert HICO.write(read(source).parts, tmp_path / target) == [tmp_path / "out" / "anno.mat"]
    first, second = loadmat(source), loadmat(tmp_path / "out" / "anno.mat")
    for name in ("list_test", "list_action"):
        assert first[name].shape == second[name].shape
        assert str(first[name].tolist()) == str(second[name].tolist())
    np.testing.assert_array_equal(first["anno_test"], second["anno_test"], strict=True)


def test_matrices_stored_as_small_integers_are_read(tmp_path):
    (part,) = read(anno(tmp_path, anno_test=np.array([[1, 0, -1]] * 4, np.int8))).parts
    assert part.image_value.tolist() == [1] * 4 + [0] * 4 + [-1] * 4


def test_the_official_file_comes_back(shared, tmp_path):
    source = shared("data/hico-det/anno.mat")
    held = read(source)
    assert [(p.meta.subset, len(p), p.meta.labels.name, p.meta.dataset) for p in held.parts] == [
        ("train", 38118, "hico", "hico"),
        ("test", 9658, "hico", "hico"),
    ]
    HICO.write(held.parts, tmp_path)
    first, second = loadmat(source), loadmat(tmp_path / "anno.mat")
    for subset in ("train", "test"):
        np.testing.assert_array_equal(first[f"anno_{subset}"], second[f"anno_{subset}"])
        names = [[str(cell[0]) for cell in file[f"list_{subset}"].ravel()] for file in (first, second)]
        assert names[0] == names[1]
    assert str(first["list_action"].tolist()) == str(second["list_action"].tolist())


def test_a_folder_with_boxes_is_hico_dets_and_the_file_itself_is_not(small, tmp_path):
    FORMATS["hico-det"].write([small.test], tmp_path / "both")
    assert sniff(tmp_path / "both") == "hico-det"
    assert sniff(tmp_path / "both" / "anno.mat") == "hico"
    (tmp_path / "both" / "anno_bbox.mat").unlink()
    assert sniff(tmp_path / "both") == "hico"
    assert sniff(anno(tmp_path)) == "hico"


def test_from_hico_det_what_is_lost_is_counted(small):
    fitted = fit([small.test], HICO.HOLDS)
    assert fitted.lost == {
        "boxes": len(small.test.boxes),
        "pairs": len(small.test.subject),
        "image sizes": len(small.test),
    }
    assert len(fitted.parts[0].image_label) == len(small.test.image_label)


def test_a_label_that_stands_twice_counts_once_and_is_said(tmp_path):
    truth = image_truth_of([[1, -1], [0, 1]], replace_space())
    twice = truth.with_columns(image_label=np.array([0, 0, 1, 0], np.int32))
    fitted = fit([twice], HICO.HOLDS)
    assert fitted.lost == {"labels that stand twice in an image": 1}
    assert fitted.parts[0].image_label.tolist() == [0, 0, 1]
    assert fitted.parts[0].image_value.tolist() == [-1, 1, 0]


def replace_space():
    return replace(DEMO, interaction_verbs=DEMO.interaction_verbs[:2], interaction_objects=DEMO.interaction_objects[:2])


def test_an_interaction_without_an_object_keeps_having_none(tmp_path):
    alone = replace(DEMO, name="alone", interaction_objects=np.full(len(DEMO), -1, np.int32))
    part = image_truth_of(np.ones((2, len(alone))), alone)
    HICO.write(fit([part], HICO.HOLDS).parts, tmp_path)
    back = load(tmp_path)
    assert (back.meta.labels.interaction_objects == -1).all()
    assert back.meta.labels.interaction_name(0) == alone.interaction_name(0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"anno_test": np.array(VALUES)}, r"anno.mat: anno_test is float64 \[3, 4\], expected numbers \[4, 3\]"),
        ({"anno_test": np.full((4, 3), 7.0)}, r"anno_test\(1, 1\) is 7, expected 1, -1, 0 or NaN$"),
        ({"anno_test": np.array([[1, -2, 1]] * 4)}, r"anno_test\(1, 2\) is -2, .*prepared for training"),
        ({"anno_test": np.full((4, 3), 0.5)}, r"anno_test\(1, 1\) is 0.5"),
        ({"anno_test": "text"}, "anno_test is <U4"),
        ({"anno_test": None}, "no variable 'anno_test', which its other half needs"),
        ({"list_test": None}, "no variable 'list_test'"),
        ({"list_test": None, "anno_test": None}, "neither anno_train nor anno_test"),
        ({"list_test": np.array([["a"], [3.0], ["b"]], object)}, r"list_test\(2\) is no text"),
        ({"list_action": None}, "no variable 'list_action'"),
        ({"list_action": np.zeros(3)}, "list_action has no field .nname."),
        ({"list_test": np.zeros((3, 1))}, "list_test is no cell array, expected one of file names"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, changes, told):
    with pytest.raises(DataError, match=told):
        read(anno(tmp_path, **changes))


def test_other_files_and_subsets_are_refused(tmp_path, small):
    with pytest.raises(MissingData, match="no such file"):
        read(tmp_path / "absent", "hico")
    part = fit([small.test.with_columns(replace(small.test.meta, subset="val"))], HICO.HOLDS).parts[0]
    assert isinstance(part, Dataset)
    with pytest.raises(UsageError, match="train and test only"):
        HICO.write([part], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="cannot hold .* pairs"):
        HICO.write([small.test], tmp_path / "out")


def test_on_the_command_line(small, tmp_path, monkeypatch, hoitool):
    monkeypatch.chdir(tmp_path)
    FORMATS["hico-det"].write([small.test, small.train], tmp_path / "raw")
    done = hoitool("convert", "raw", "--to", "hico", "-o", "images")
    assert done.code == 0, done.err
    assert f"not held by hico, left out: {len(small.test.subject) + len(small.train.subject):,} pairs" in done.err
    done = hoitool("convert", "images", "-o", "data/images")
    assert done.code == 0, done.err
    assert "images (hico): read" in done.out
    assert {path.name for path in (tmp_path / "data" / "images").glob("*.parquet")} == {"train.parquet", "test.parquet"}


def test_a_truncated_file_is_one_clear_line(tmp_path, hoitool):
    whole = anno(tmp_path).read_bytes()
    for part in range(16):
        (tmp_path / "anno.mat").write_bytes(whole[: len(whole) * part // 16])
        done = hoitool("convert", tmp_path / "anno.mat", "--from", "hico", "-o", tmp_path / "out")
        assert (done.code, done.out) == (1, ""), done.err
        assert "anno.mat" in done.err
        assert "internal error" not in done.err
    assert not (tmp_path / "out").exists()


def test_the_example_of_the_page_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(hoitool.convert.__file__).parent / "pages" / "hico.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(block, "hico.md", "exec"), {})
    part = load(tmp_path / "anno.mat")
    assert part.image_value.tolist() == [1, 0, -1, 1]
    assert part.image_label_offsets.tolist() == [0, 2, 4, 4]
