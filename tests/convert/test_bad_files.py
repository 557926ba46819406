"""Every format meets the same set of broken files: one clear error, or data that are consistent; never anything else.

The files are what the format's own writer wrote for small data, broken by tests/broken.py; a format that is registered
later is tested without a line here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import FOREIGN, broken_bytes, broken_content
from builders import predictions_of, truth_of
from strategies import DEMO, HICO, V_COCO

from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named, read
from hoitool.convert.fit import fit
from hoitool.data import Dataset, offsets_of, strings, validate
from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.labels import LabelSpace

NAMES = [*FORMATS, *PREDICTION_FORMATS]
# a format whose suffix says what kind of file it is has a table WRITERS of them
CASES = [(name, suffix) for name in NAMES for suffix in getattr(format_named(name), "WRITERS", [""])]
MOST = 2  # files of a suffix that are broken one after the other


def small(labels: LabelSpace, predicted: bool) -> Dataset:
    """Three images, the last without pairs; sizes, labels of images, captions; for predictions their scores."""
    held = np.flatnonzero(labels.interaction_objects >= 0)[:3].tolist()
    human, obj = [10.0, 20.0, 110.0, 220.0], [50.0, 120.0, 210.0, 240.0]
    rows: list[Any] = [(0, human, obj, held[0]), (0, human, obj, held[1]), (1, obj, human, held[2])]
    made: Dataset
    if predicted:
        made = predictions_of([(*row, 0.5) for row in rows], labels=labels)
        made = made.with_columns(image_scores=np.full((3, len(labels)), 0.25), box_scores=np.full(len(made.boxes), 0.5))
    else:
        made = truth_of(rows, labels=labels)
        values = {"image_label": np.array(held, np.int32), "image_value": np.ones(3, np.int8)}
        said = {"caption_id": np.arange(7, 10), "caption_text": strings(["a man", "a cup", "nobody"])}
        made = made.with_columns(**values, image_label_offsets=offsets_of([2, 1, 0]))
        made = made.with_columns(**said, caption_offsets=offsets_of([1, 1, 1]))
    return made.with_columns(width=np.full(3, 640, np.int32), height=np.full(3, 480, np.int32))


@dataclass(frozen=True)
class Written:
    """Valid files of a format: the path they were written to, and the truth to read them with."""

    path: Path
    files: list[Path]
    truth: Dataset | None


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Written]:
    """Small data written in a format, in the first label space that it takes."""

    def write(name: str, suffix: str) -> Written:
        predicted = name in PREDICTION_FORMATS
        table = format_named(name)
        path = tmp_path / "valid" / f"data{suffix}"
        for labels in (DEMO, V_COCO, HICO):
            data = small(labels, predicted)
            try:
                parts = [data] if table.HOLDS is None else fit([data], table.HOLDS).parts
                files = table.write(parts, path)
            except (UsageError, DataError):
                shutil.rmtree(tmp_path / "valid", ignore_errors=True)
                continue
            beside = [file for file in (tmp_path / "valid").rglob("*") if file.is_file() and file not in files]
            inside = [file for folder in files if folder.is_dir() for file in sorted(folder.iterdir())]
            every = [file for file in dict.fromkeys([*files, *inside, *beside]) if file.is_file()]
            return Written(path, every, small(labels, False) if predicted else None)
        raise AssertionError(f"{name}: small data could not be written in any label space")

    return write


def outcome(name: str, held: Written, file: Path) -> str:
    """What is wrong with how a broken file was read; nothing where that was an error or data as they should be."""
    try:
        made = read(held.path, name, held.truth)
        for part in made.parts:
            validate(part)
    except HoitoolError as error:
        told = str(error)
        if error.exit_code not in (1, 2, 4):
            return f"exit code {error.exit_code}"
        if "\n" in told or len(told) > 1000:
            return f"not one line: {told!r:.300}"
        if str(held.path) not in told and file.name not in told:
            return f"does not name the file: {told}"
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.200}"
    return ""


def files_to_break(held: Written) -> Iterator[Path]:
    """Some of each kind of files."""
    count: dict[str, int] = {}
    for file in held.files:
        count[file.suffix] = count.get(file.suffix, 0) + 1
        if count[file.suffix] <= MOST:
            yield file


def wrong(name: str, held: Written, breaks: Callable[[Path], Iterator[tuple[str, bytes]]]) -> list[str]:
    """The broken files that were read otherwise than they should be, and how."""
    told = []
    for file in files_to_break(held):
        whole = file.read_bytes()
        for what, content in breaks(file):
            file.write_bytes(content)
            if found := outcome(name, held, file):
                told.append(f"{file.name}, {what}: {found}")
            file.write_bytes(whole)
    assert not outcome(name, held, held.path)
    return told


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_truncated_and_foreign_files_are_refused_in_one_line(written, name, suffix, tmp_path):
    proof = tmp_path / "proof"
    held = written(name, suffix)
    assert read(held.path, name, held.truth).parts
    assert wrong(name, held, lambda file: broken_bytes(file, proof)) == []
    assert not proof.exists(), "a pickle ran code"


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_foreign_content_is_never_read_as_images(written, name, suffix):
    held = written(name, suffix)
    for what, content in FOREIGN.items():
        held.files[0].write_bytes(content)
        try:
            parts = read(held.path, name, held.truth).parts
        except HoitoolError:
            continue
        assert sum(part.counts("box").sum() for part in parts) == 0, what


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_fields_missing_or_of_another_type_or_range_are_refused_in_one_line(written, name, suffix):
    assert wrong(name, written(name, suffix), broken_content) == []


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_a_folder_in_place_of_a_file_and_a_missing_file(written, name, suffix):
    held = written(name, suffix)
    told = []
    for file in files_to_break(held):
        whole = file.read_bytes()
        file.unlink()
        told += [f"{file.name} missing: {found}" for found in [outcome(name, held, file)] if found]
        file.mkdir()
        told += [f"{file.name} a folder: {found}" for found in [outcome(name, held, file)] if found]
        file.rmdir()
        file.write_bytes(whole)
    assert told == []


@pytest.mark.parametrize(("name", "suffix"), CASES)
@pytest.mark.parametrize("content", [b"", b"hello\n", b"[" * 100_000, b'[{"a": NaN}]', b"PAR1PAR1"])
def test_the_command_says_one_line_and_writes_nothing(written, hoitool, name, suffix, content, tmp_path):
    from hoitool.data import write

    held = written(name, suffix)
    held.files[0].write_bytes(content)
    truth = []
    if held.truth is not None:
        write(held.truth, tmp_path / "truth.parquet")
        truth = ["--truth", tmp_path / "truth.parquet"]
    done = hoitool("convert", held.path, "--from", name, "-o", tmp_path / "out", *truth)
    assert done.code in (1, 2, 4), done.err
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.startswith("hoitool: ")]
    assert len(lines) == 1, done.err
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    assert held.files[0].name in lines[0] or str(held.path) in lines[0]
    assert not (tmp_path / "out").exists()
