"""Every format meets the same set of broken files: one clear error, or data that are consistent; never anything else.

The files are what the format's own writer wrote for small data, broken by tests/broken.py; a format that is registered
later is tested without a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_files
from broken import FOREIGN, broken_bytes, broken_content
from small_files import CASES, Written

from hoitool.convert import read
from hoitool.data import validate
from hoitool.errors import HoitoolError

MOST = 2  # files of a suffix that are broken one after the other


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Written]:
    """Small data written in a format, in the first label space that it takes."""
    return lambda name, suffix: small_files.written(name, suffix, tmp_path / "valid")


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
