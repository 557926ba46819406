"""Recognition scores as HDF5, Parquet and NPZ: who the rows are, what is kept, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import image_predictions_of, image_truth_of, names
from strategies import DEMO

from hoitool.convert import PREDICTION_FORMATS, load, read, sniff
from hoitool.convert.hdf5 import array_in
from hoitool.data import align, write
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import score

RECOGNITION = PREDICTION_FORMATS["recognition"]
SUFFIXES = (".h5", ".hdf5", ".parquet", ".npz")
CLASSES = len(DEMO)
SCORES = np.random.default_rng(0).random((3, CLASSES)).astype(np.float32)


@pytest.fixture
def truth():
    labels = np.where(SCORES > 0.6, 1.0, -1.0)
    labels[0], labels[1] = 1, -1
    return image_truth_of(labels, DEMO)


def save(path, **columns):
    """The arrays in a file of the kind that its suffix says."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".parquet":
        table = {name: list(values) if np.ndim(values) > 1 else values for name, values in columns.items()}
        pq.write_table(pa.table(table), path)
    else:
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                text = values.dtype.kind in "UO"
                file[name] = values.astype(object) if text else values
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["file_name", "key", "image"])
def test_names_say_whose_the_rows_are(tmp_path, truth, suffix, name):
    order = [2, 0, 1]
    path = save(tmp_path / f"x{suffix}", scores=SCORES[order], **{name: names(3)[order].astype(str)})
    assert sniff(path) == "recognition"
    made = load(path, truth=truth)
    assert made.key.tolist() == names(3)[order].tolist()
    assert made.image_scores.dtype == np.float32
    assert (made.meta.subset, made.meta.labels.name, len(made.subject)) == ("test", "demo", 0)
    assert align(made, truth).image_scores.tolist() == SCORES.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_indices_and_no_names_follow_the_truth(tmp_path, truth, suffix):
    by_index = load(save(tmp_path / f"x{suffix}", scores=SCORES, image=np.array([1, 2, 0])), truth=truth)
    assert by_index.key.tolist() == ["image-1.jpg", "image-2.jpg", "image-0.jpg"]
    plain = save(tmp_path / f"y{suffix}", scores=SCORES)
    assert load(plain, truth=truth).key.tolist() == truth.key.tolist()
    with pytest.raises(MissingData, match="names no images.*--truth"):
        read(save(tmp_path / f"z{suffix}", scores=np.zeros((3, 600))))
    with pytest.raises(DataError, match="has 2 rows and names no images.*the truth has 3"):
        read(save(tmp_path / f"w{suffix}", scores=SCORES[:2]), truth=truth)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16"])
def test_numbers_are_kept(tmp_path, truth, suffix, dtype):
    scores = (SCORES * 10).astype(dtype)
    if dtype[0] == "f":
        scores[0, :3] = np.nan, np.inf, -np.inf
    held = load(save(tmp_path / f"x{suffix}", scores=scores, file_name=names(3).astype(str)), truth=truth).image_scores
    assert held.dtype == (dtype if dtype in ("float32", "float64") else held.dtype)
    np.testing.assert_array_equal(held, scores)


def test_a_parquet_with_a_column_for_each_class(tmp_path, truth):
    columns = {str(i): SCORES[:, i] for i in range(CLASSES)}
    pq.write_table(pa.table({"file_name": names(3).tolist()} | columns), tmp_path / "x.parquet")
    pq.write_table(pa.table(columns), tmp_path / "y.parquet")
    for name in ("x", "y"):
        assert sniff(tmp_path / f"{name}.parquet") == "recognition"
        assert load(tmp_path / f"{name}.parquet", truth=truth).image_scores.tolist() == SCORES.tolist()


def test_names_as_bytes_and_as_categories(tmp_path, truth):
    np.savez(tmp_path / "x.npz", scores=SCORES, file_name=names(3).astype("S"))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["scores"], file["file_name"] = SCORES, names(3).astype("S")
    coded = pa.array(names(3).tolist()).dictionary_encode()
    pq.write_table(pa.table({"file_name": coded, "scores": list(SCORES)}), tmp_path / "x.parquet")
    for suffix in (".npz", ".h5", ".parquet"):
        assert load(tmp_path / f"x{suffix}", truth=truth).key.tolist() == truth.key.tolist()


def test_without_a_truth_the_classes_are_hicos(tmp_path):
    path = save(tmp_path / "x.npz", scores=np.zeros((2, 600)), file_name=names(2).astype(str))
    assert load(path).meta.labels.name == "hico"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"scores": SCORES.T, "file_name": names(CLASSES)}, rf"scores is \[{CLASSES}, 3\].*transpose it"),
        ({"scores": SCORES[:, 1:]}, rf"scores is \[3, {CLASSES - 1}\], expected a row of {CLASSES} \(interactions of"),
        (
            {"scores": SCORES, "file_name": names(4)[1:]},
            "image in row 2 is 'image-3.jpg', which is none of the 3 images of the truth",
        ),
        ({"scores": SCORES, "image": np.array([0, 1, 3])}, r"image in row 2 is 3, expected 0\.\.2"),
        ({"scores": SCORES, "file_name": np.array([0, 1, 2])}, "file_name is int64, expected names"),
        ({"scores": SCORES, "image": np.array([0, 1, 1])}, "'image-1.jpg' stands twice, in rows 1 and 2"),
        ({"predicted": SCORES}, "holds no 'scores' .*; it holds predicted"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, truth, suffix, columns, told):
    columns = {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}
    path = save(tmp_path / f"x{suffix}", **columns)
    with pytest.raises(DataError, match=told) as refused:
        read(path, "recognition", truth)
    assert str(refused.value).startswith(str(path))


def test_names_of_another_number_than_rows(tmp_path, truth):
    for suffix in (".npz", ".h5"):
        path = save(tmp_path / f"x{suffix}", scores=SCORES, file_name=names(2).astype(str))
        with pytest.raises(DataError, match=r"file_name is \[2\], expected one for each of the 3 rows"):
            read(path, truth=truth)


def test_scores_that_are_text_or_objects_are_refused(tmp_path, truth):
    text = SCORES.astype(str)
    for suffix in (".npz", ".h5", ".parquet"):
        columns = {"scores": text.astype(object) if suffix == ".h5" else text}
        with pytest.raises(DataError, match="expected numbers|expected float64 or float32"):
            read(save(tmp_path / f"x{suffix}", **columns), truth=truth)
    np.savez(tmp_path / "objects.npz", scores=SCORES.astype(object))
    with pytest.raises(DataError, match="Python objects, which are never loaded"):
        read(tmp_path / "objects.npz", truth=truth)


class TestHdf5:
    def test_a_size_that_the_file_does_not_have_is_refused_before_memory_is_taken(self, tmp_path, truth):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("scores", (1 << 40, CLASSES), "f8", chunks=(1024, CLASSES))
        with pytest.raises(DataError, match=r"says it is \[1099511627776, 30\], for which the file has 0 bytes"):
            read(tmp_path / "x.h5", truth=truth)

    def test_links_to_other_files_are_not_followed(self, tmp_path, truth):
        save(tmp_path / "other.h5", scores=SCORES)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["scores"] = h5py.ExternalLink("other.h5", "/scores")
        with pytest.raises(DataError, match="'scores' is no dataset of this file"):
            read(tmp_path / "x.h5", "recognition", truth)

    def test_a_group_an_empty_dataset_and_a_single_number_are_no_scores(self, tmp_path, truth):
        for held, told in ((None, "no dataset"), (h5py.Empty("f4"), "no dataset"), (3.0, r"scores is \[\]")):
            with h5py.File(tmp_path / "x.h5", "w") as file:
                if held is None:
                    file.create_group("scores")
                else:
                    file["scores"] = held
            with pytest.raises(DataError, match=told):
                read(tmp_path / "x.h5", "recognition", truth)

    def test_compressed_scores_are_read(self, tmp_path, truth):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("scores", data=SCORES, compression="gzip", shuffle=True)
        assert load(tmp_path / "x.h5", truth=truth).image_scores.tolist() == SCORES.tolist()


def test_tables_of_pairs_and_hoitools_own_files_are_told_apart(tmp_path, detected):
    pairs = PREDICTION_FORMATS["pairs"]
    for suffix in (".npz", ".parquet"):
        pairs.write([detected], tmp_path / f"pairs{suffix}")
        assert sniff(tmp_path / f"pairs{suffix}") == "pairs"
    with np.load(tmp_path / "pairs.npz") as held:
        np.savez(tmp_path / "both.npz", **held, scores=np.zeros((1, 1)))
    assert sniff(tmp_path / "both.npz") == "pairs"
    write(image_predictions_of(np.zeros((3, 600))), tmp_path / "ours.parquet")
    assert sniff(tmp_path / "ours.parquet") == "hoitool"
    np.savez(tmp_path / "lacking.npz", file_name=np.array(["a"]), label=np.array([1]))
    assert sniff(tmp_path / "lacking.npz") == "pairs"  # whose error says what lacks


def test_pairs_are_counted_as_lost_and_predictions_without_scores_of_images_refused(tmp_path, detected, small):
    with pytest.raises(UsageError, match="scores of whole images, which these predictions do not have"):
        RECOGNITION.write([detected], tmp_path / "x.npz")
    both = detected.with_columns(image_scores=np.zeros((len(detected), CLASSES)))
    with pytest.raises(DataError, match=r"cannot hold [\d,]+ boxes, [\d,]+ pairs"):
        RECOGNITION.write([both], tmp_path / "x.npz")
    with pytest.raises(UsageError, match=r"end in \.h5, \.hdf5, \.parquet, \.npz"):
        RECOGNITION.write([both], tmp_path / "x.mat")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files_are_one_clear_line(tmp_path, truth, suffix, hoitool):
    write(truth, tmp_path / "truth.parquet")
    RECOGNITION.write([image_predictions_of(SCORES, DEMO)], tmp_path / f"whole{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    for part in range(16):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole[: len(whole) * part // 16])
        done = hoitool("eval", cut, "--truth", tmp_path / "truth.parquet", "--from", "recognition")
        assert (done.code, done.out) == (1, ""), done.err
        assert len([line for line in done.err.splitlines() if line.startswith("hoitool: ")]) == 1
        assert cut.name in done.err
        assert "internal error" not in done.err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scores_from_files_by_the_natural_protocol(tmp_path, truth, suffix, hoitool):
    write(truth, tmp_path / "truth.parquet")
    found = image_predictions_of(SCORES[::-1], DEMO).with_columns(key=truth.key[::-1])
    RECOGNITION.write([found], tmp_path / f"x{suffix}")
    done = hoitool("eval", tmp_path / f"x{suffix}", "--truth", tmp_path / "truth.parquet")
    assert done.code == 0, done.err
    assert "as recognition (say otherwise with --from)" in done.err
    assert "scored by 'hico'" in done.err
    assert "hico · official" in done.out
    expected = score(truth, image_predictions_of(SCORES, DEMO), "hico").mean()
    assert f"{100 * expected:.2f}" in done.out
    done = hoitool("eval", tmp_path / f"x{suffix}", "--truth", tmp_path / "truth.parquet", "--protocol", "hico-det")
    assert (done.code, done.out) == (1, "")
    assert "holds scores of whole images and no pairs: it is scored by --protocol hico" in done.err


def test_an_image_without_scores_is_named(tmp_path, truth, hoitool):
    write(truth, tmp_path / "truth.parquet")
    np.savez(tmp_path / "x.npz", scores=SCORES[:2], file_name=names(2).astype(str))
    for arguments in (["eval"], ["convert", "-o", tmp_path / "out.parquet"]):
        done = hoitool(*arguments, tmp_path / "x.npz", "--truth", tmp_path / "truth.parquet")
        assert done.code == 1
        assert "no scores of the image 'image-2.jpg' (1 of the truth's 3 images are missing)" in done.err


def test_convert_to_hoitool_and_back(tmp_path, truth, hoitool):
    write(truth, tmp_path / "truth.parquet")
    RECOGNITION.write([image_predictions_of(SCORES, DEMO)], tmp_path / "x.h5")
    arguments = ["--truth", tmp_path / "truth.parquet"]
    done = hoitool("convert", tmp_path / "x.h5", *arguments, "-o", tmp_path / "ours.parquet")
    assert done.code == 0, done.err
    done = hoitool("convert", tmp_path / "ours.parquet", "--to", "recognition", "-o", tmp_path / "back.npz")
    assert done.code == 0, done.err
    with np.load(tmp_path / "back.npz") as held:
        assert held["file_name"].tolist() == truth.key.tolist()
        np.testing.assert_array_equal(held["scores"], SCORES, strict=True)


def test_the_example_of_the_page_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(RECOGNITION.__file__).parent.parent / "pages" / "recognition.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(block, "recognition.md", "exec"), {})
    for name in ("scores.h5", "scores.npz"):
        assert load(tmp_path / name).image_scores.shape == (2, 600)


def test_texts_whose_heap_goes_round_for_ever_are_refused(tmp_path, truth):
    """A free place of no size made the HDF5 library look at it again and again (found by fuzzing)."""
    many = np.array([f"image-{i}.jpg" + "x" * (i % 50) for i in range(2000)], object)
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["file_name"] = many
    with h5py.File(tmp_path / "whole.h5") as file:
        assert array_in(file, "file_name").tolist() == many.tolist()
    data = (tmp_path / "whole.h5").read_bytes()
    at = data.index(b"GCOL")
    size = int.from_bytes(data[at + 24 : at + 32], "little")
    free = at + 16 + 16 + -(-size // 8) * 8
    (tmp_path / "bad.h5").write_bytes(data[:free] + bytes(16) + data[free + 16 :])
    told = f"the texts from byte {at} on are damaged"
    with h5py.File(tmp_path / "bad.h5") as file, pytest.raises(DataError, match=told):
        array_in(file, "file_name")
