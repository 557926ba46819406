"""Bad input to the command line: one clear line, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from builders import names

from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.data import Predictions, write


@pytest.fixture
def files(small, detected, tmp_path, monkeypatch):
    """truth.parquet, good predictions in several formats, and the raw annotations, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(small.test, tmp_path / "truth.parquet")
    write(small.train, tmp_path / "train.parquet")
    write(detected, tmp_path / "good.parquet")
    PREDICTION_FORMATS["pairs"].write([detected], tmp_path / "good.npz")
    PREDICTION_FORMATS["pairs"].write([detected], tmp_path / "good.csv")
    PREDICTION_FORMATS["hico-matlab-all"].write([detected], tmp_path / "detections.mat")
    FORMATS["hico-det"].write([small.test], tmp_path / "official")
    return tmp_path


def clear(done, code: int, *told: str) -> None:
    assert done.code == code, (done.code, done.err)
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.startswith("hoitool: ")]
    assert len(lines) == 1, done.err
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    for part in told:
        assert part in lines[0], lines[0]


def test_a_missing_file(files, hoitool):
    clear(hoitool("eval", "absent.parquet", "--truth", "truth.parquet"), 4, "absent.parquet: no such file")
    clear(hoitool("eval", "good.parquet", "--truth", "absent.parquet"), 4, "absent.parquet: no such file")


@pytest.mark.parametrize("name", ["x.parquet", "x.npz", "x.csv", "x.mat", "x.json", "x.h5", "x"])
@pytest.mark.parametrize(
    "content", [b"", b"hello, this is no data\n", b"PAR1PAR1", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" * 9]
)
def test_an_empty_or_foreign_file(files, hoitool, name, content):
    (files / name).write_bytes(content)
    clear(hoitool("eval", name, "--truth", "truth.parquet"), 1, name)
    clear(hoitool("eval", "good.parquet", "--truth", name), 1, name)
    clear(hoitool("convert", name, "-o", "out"), 1, name)
    clear(hoitool("inspect", name), 1, name)
    assert not (files / "out").exists()


@pytest.mark.parametrize("name", ["good.parquet", "good.npz", "good.csv", "detections.mat"])
def test_truncated_predictions(files, hoitool, name):
    whole = (files / name).read_bytes()
    refused = 0
    for part in range(1, 32):
        (files / f"cut-{name}").write_bytes(whole[: len(whole) * part // 32])
        done = hoitool("eval", f"cut-{name}", "--truth", "truth.parquet", "--from", _format(name))
        assert "Traceback" not in done.err
        assert "internal error" not in done.err, done.err
        refused += done.code == 1
    assert refused >= (1 if name.endswith(".csv") else 31)  # a cut table of text may still be a table


def _format(name: str) -> str:
    return {"good.parquet": "hoitool", "detections.mat": "hico-matlab-all"}.get(name, "pairs")


def test_a_parquet_that_was_cut_off_is_told_so(files, hoitool):
    (files / "cut.parquet").write_bytes((files / "good.parquet").read_bytes()[:-40])
    clear(
        hoitool("eval", "cut.parquet", "--truth", "truth.parquet"),
        1,
        "cut.parquet: the Parquet file is cut off",
        "copy",
    )


@pytest.mark.parametrize("text", [b"file_name;human;object\n", "file_name,human".encode("utf-16"), b"one,two\n1,2\n"])
def test_a_table_of_unknown_columns_is_told_with_its_first_line(files, hoitool, text):
    (files / "mine.csv").write_bytes(text)
    clear(hoitool("convert", "mine.csv", "-o", "out"), 1, "mine.csv: no format has a table that begins", "UTF-8")


def test_an_empty_folder_is_told_as_one(files, hoitool):
    (files / "nothing").mkdir()
    clear(hoitool("convert", "nothing", "-o", "out"), 1, "nothing: the folder is empty")


def test_a_parquet_of_another_kind(files, hoitool):
    import pandas

    pandas.DataFrame({"a": [1, 2]}).to_parquet(files / "table.parquet")
    clear(hoitool("eval", "table.parquet", "--truth", "truth.parquet"), 1, "table.parquet")
    clear(hoitool("eval", "truth.parquet", "--truth", "truth.parquet"), 2, "annotations, expected predictions")
    clear(hoitool("eval", "good.parquet", "--truth", "good.parquet"), 2, "predictions, expected annotations")


def test_a_parquet_of_a_newer_version(files, hoitool, detected, monkeypatch):
    monkeypatch.setattr("hoitool.data.parquet.VERSION", 99)
    write(detected, files / "newer.parquet")
    monkeypatch.undo()
    monkeypatch.chdir(files)
    clear(hoitool("eval", "newer.parquet", "--truth", "truth.parquet"), 1, "version 99", "upgrade hoitool")


def table(files, detected, **changes):
    with np.load(files / "good.npz") as held:
        columns = dict(held)
    np.savez(files / "changed.npz", **(columns | {name: change(columns[name]) for name, change in changes.items()}))


def put(value, row=5):
    def change(column):
        column = column.copy().astype(np.result_type(column.dtype, type(value)) if column.dtype.kind != "U" else "U40")
        column[row] = value
        return column

    return change


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("file_name", "elsewhere.jpg", "image in row 5 is 'elsewhere.jpg', which is none of the"),
        ("label", 30, "label in row 5 is 30, expected 0..29"),
        ("label", -1, "label in row 5 is -1, expected 0..29"),
        ("score", float("nan"), "score in row 5 is nan"),
        ("human", float("nan"), "human in row 5 is nan nan nan nan, expected finite numbers"),
        ("object", float("inf"), "object in row 5 is inf inf inf inf, expected finite numbers"),
    ],
)
def test_a_bad_value_is_named_with_its_row(files, hoitool, detected, column, value, told):
    table(files, detected, **{column: put(value)})
    clear(hoitool("eval", "changed.npz", "--truth", "truth.parquet"), 1, "changed.npz", told)


def test_bad_values_in_parquet_are_named_with_their_image(files, hoitool, detected):
    for name, value, told in (("score", np.nan, "score is NaN"), ("label", 30, "label is 30, expected 0..29")):
        column = getattr(detected, name).copy()
        column[5] = value
        write(detected.with_columns(**{name: column}), files / "bad.parquet")
        image = detected.key[detected.image_of("pair")[5]]
        clear(hoitool("eval", "bad.parquet", "--truth", "truth.parquet"), 1, "bad.parquet", repr(image), told)
    boxes = detected.boxes.copy()
    boxes[7, 2] = np.nan
    write(detected.with_columns(boxes=boxes), files / "bad.parquet")
    clear(hoitool("eval", "bad.parquet", "--truth", "truth.parquet"), 1, "expected finite numbers")


def test_swapped_corners_are_scored_and_counted(files, hoitool, detected):
    boxes = detected.boxes.copy()
    boxes[:3] = boxes[:3][:, [2, 3, 0, 1]]
    write(detected.with_columns(boxes=boxes), files / "swapped.parquet")
    done = hoitool("eval", "swapped.parquet", "--truth", "truth.parquet")
    assert done.code == 0
    assert "3 boxes with swapped corners" in done.out


def test_predictions_for_another_subset(files, hoitool):
    done = hoitool("eval", "good.parquet", "--truth", "train.parquet")
    clear(done, 1, "all", "they are for the subset 'test', the truth is 'train'")
    clear(hoitool("eval", "good.npz", "--truth", "train.parquet"), 1, "is none of the")


def test_no_predictions_at_all_score_zero_with_a_warning(files, hoitool, small):
    empty = (np.empty(0, int), np.empty((0, 4)), np.empty((0, 4)), np.empty(0, int), np.empty(0))
    labels = small.test.meta.labels
    write(Predictions.from_pairs(*empty, images=small.test.key, labels=labels), files / "none.parquet")
    np.savez(
        files / "none.npz", file_name=np.empty(0, "U1"), human=empty[1], object=empty[2], label=empty[3], score=empty[4]
    )
    for name in ("none.parquet", "none.npz"):
        done = hoitool("eval", name, "--truth", "truth.parquet")
        assert done.code == 0, done.err
        assert "there are no predictions, so every figure is 0" in done.out
        assert "0.00" in done.out


def test_duplicate_images(files, hoitool, detected):
    key = detected.key.copy()
    key[4] = key[2]
    write(detected.with_columns(key=key), files / "twice.parquet")
    done = hoitool("eval", "twice.parquet", "--truth", "truth.parquet")
    clear(done, 1, f"image {key[2]!r} stands twice, in rows 2 and 4")


def test_labels_of_another_space(files, hoitool):
    made = Predictions.from_pairs(
        ["a"], np.zeros((1, 4)), np.zeros((1, 4)), [0], [0.5], images=[*names(1).tolist(), "a"]
    )
    write(made, files / "hico.parquet")
    clear(hoitool("eval", "hico.parquet", "--truth", "truth.parquet"), 1, "'hico' differs from 'demo' in its objects")


def test_a_label_space_file_that_is_gone_or_altered(files, hoitool):
    (labels,) = files.glob("labels-*.json")
    labels.write_text(labels.read_text().replace("umbrella", "parasol"))
    clear(hoitool("eval", "good.parquet", "--truth", "truth.parquet"), 1, labels.name, "it was altered")
    labels.unlink()
    clear(hoitool("eval", "good.parquet", "--truth", "truth.parquet"), 4, labels.name)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
from hoitool.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "official", "-o", "out"],
        ["convert", "good.npz", "--truth", "truth.parquet", "-o", "out/x.parquet"],
        ["convert", "good.parquet", "--to", "pairs", "-o", "out/x.npz"],
        ["convert", "good.parquet", "--to", "pairs", "-o", "out/x.csv"],
        ["convert", "good.parquet", "--truth", "truth.parquet", "--to", "hico-matlab-all", "-o", "out/x.mat"],
        ["convert", "truth.parquet", "--to", "hico-det", "-o", "out"],
        ["eval", "good.parquet", "--truth", "truth.parquet", "--per-class", "out/classes.csv"],
    ],
)
def test_a_disk_that_fills_leaves_nothing_half_written(files, arguments):
    done = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, check=False, cwd=files
    )
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in (files / "out").rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written(files, hoitool):
    (files / "out").write_text("a file where a folder is wanted")
    done = hoitool("convert", "official", "-o", "out/data")
    clear(done, 1, "out")


@pytest.mark.parametrize("delay", [0.25, 0.4, 0.5, 0.6, 0.7])
def test_killed_half_way_a_target_is_complete_or_absent_and_running_again_works(files, hoitool, delay):
    """SIGKILL at some moment of a conversion."""
    line = [sys.executable, "-m", "hoitool", "convert", "official", "-o", "out"]
    with subprocess.Popen(line, cwd=files, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
    for path in (files / "out").glob("[!.]*"):
        assert hoitool("inspect", path).code == 0, path
    assert hoitool("convert", "official", "-o", "out", "--overwrite").code == 0
    assert hoitool("eval", "good.parquet", "--truth", "out/test.parquet").code == 0
