"""Files: complete or absent when written, untrusted when read."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.files import (
    atomic,
    atomic_folder,
    json_object_with,
    load_json,
    load_mat,
    load_npz,
    reading,
    refuse_overwrite,
    require,
    sha256,
    starts_with,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# writing


def test_an_atomic_file_appears_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # one file system, so that the last step is one rename
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), HoitoolError("x")])
def test_an_exception_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == []


def test_an_exception_leaves_the_former_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("former")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "former"
    assert names(tmp_path) == ["a.txt"]


def test_an_operating_system_error_names_the_file_that_was_wanted(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(HoitoolError, match=r"a\.txt: could not be written \(No space left on device\)"), atomic(path):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_a_folder_in_the_way_is_told(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(HoitoolError, match=r"a\.txt: could not be written"):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_a_file_where_a_folder_is_needed_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(HoitoolError, match=r"a\.txt: could not be written"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(HoitoolError, match="shards: could not be written"), atomic_folder(tmp_path / "file" / "shards"):
        pass


def test_written_files_and_folders_get_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_text("x")
    (tmp_path / "usual-folder").mkdir()
    write_text(tmp_path / "mine", "x")
    with atomic_folder(tmp_path / "my-folder"):
        pass
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "my-folder").stat().st_mode == (tmp_path / "usual-folder").stat().st_mode


def test_text_is_utf8_and_replaces_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "former")
    write_text(tmp_path / "a.txt", "naïve\n")
    assert (tmp_path / "a.txt").read_bytes() == b"na\xc3\xafve\n"


def test_an_atomic_folder_replaces_the_former_one_as_a_whole(tmp_path):
    path = tmp_path / "in" / "shards"
    for name in ("a", "b"):
        with atomic_folder(path) as folder:
            (folder / name).write_text(name)
        assert names(path) == [name]
        assert names(path.parent) == ["shards"]


def test_an_exception_leaves_the_former_folder(tmp_path):
    path = tmp_path / "shards"
    for error in (RuntimeError("x"), None):
        if error is None:
            path.mkdir()
            (path / "former").write_text("x")
        with pytest.raises(RuntimeError), atomic_folder(path) as folder:
            (folder / "half").write_text("x")
            raise RuntimeError
        assert names(tmp_path) == ([] if error else ["shards"])
    assert names(path) == ["former"]


def test_a_failing_exchange_leaves_the_former_folder(tmp_path, monkeypatch):
    path, rename = tmp_path / "shards", type(tmp_path).replace
    path.mkdir()
    (path / "former").write_text("x")

    def fails_for_the_new_one(self, target):
        if target == path and not (self / "former").exists():
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", fails_for_the_new_one)
    with pytest.raises(HoitoolError, match=r"shards: could not be written"), atomic_folder(path) as folder:
        (folder / "new").write_text("x")
    assert names(tmp_path) == ["shards"]
    assert names(path) == ["former"]


def test_an_atomic_folder_replaces_a_file_of_that_name(tmp_path):
    path = tmp_path / "test.parquet"
    path.write_text("one file before, shards now")
    with atomic_folder(path) as folder:
        (folder / "00000.parquet").write_text("x")
    assert names(tmp_path) == ["test.parquet"]
    assert names(path) == ["00000.parquet"]


FULL = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from hoitool.data import Predictions, write
from hoitool.errors import HoitoolError

rng = np.random.default_rng(0)
rows = 20_000
data = Predictions.from_pairs(np.arange(rows) // 4, *rng.random((2, rows, 4)), rng.integers(0, 600, rows),
                              rng.random(rows), images=[str(i) for i in range(rows // 4)])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write(data, Path(sys.argv[1]), shards=int(sys.argv[2]))
except HoitoolError as error:
    print(error)
"""


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("former", [False, True])
def test_a_disk_that_fills_leaves_nothing_half_written(tmp_path, shards, former):
    path = tmp_path / "big.parquet"
    if former and shards == 1:
        path.write_text("former")
    elif former:
        path.mkdir()
        (path / "00000.parquet").write_text("former")
    before = sha256(path) if former else None
    child = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(shards)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.startswith(f"{path}: could not be written (")
    assert child.stdout.count("\n") == 1
    assert names(tmp_path) == (["big.parquet"] if former else [])
    assert before is None or sha256(path) == before


def test_overwriting_is_refused_unless_asked_for(tmp_path):
    path = tmp_path / "a"
    refuse_overwrite(path, overwrite=False)
    path.write_text("x")
    refuse_overwrite(path, overwrite=True)
    with pytest.raises(UsageError, match="a exists; --overwrite replaces it"):
        refuse_overwrite(path, overwrite=False)


# hashes and first looks


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 10**5)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 10**5).hexdigest()


def test_the_hash_of_a_folder_follows_names_and_bytes_of_what_is_visible(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = sha256(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert sha256(tmp_path) == first
    (tmp_path / "b").write_text("3")
    changed = sha256(tmp_path)
    (tmp_path / "b").rename(tmp_path / "c")
    renamed = sha256(tmp_path)
    (tmp_path / "c").unlink()
    assert len({first, changed, renamed, sha256(tmp_path)}) == 4


def test_require_tells_absent_from_empty(tmp_path):
    with pytest.raises(MissingData, match=r"x: no such file or folder \(a thing expected\)"):
        require(tmp_path / "x", "a thing")
    (tmp_path / "x").touch()
    with pytest.raises(DataError, match=r"x: the file is empty \(a thing expected\)"):
        require(tmp_path / "x", "a thing")
    assert require(tmp_path, "a thing") == tmp_path


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (b'{"images": [], "rows": 1}', True),
        (b'\xef\xbb\xbf \n{"rows": {"images": 1}}', True),
        (b'{"images": []}', False),
        (b'[{"images": [], "rows": 1}]', False),
        (b"", False),
        (b"{", False),
    ],
)
def test_a_json_object_is_known_by_its_words(tmp_path, content, known):
    path = tmp_path / "x.json"
    assert not json_object_with(path, "images", "rows")
    assert not json_object_with(tmp_path, "images", "rows")
    path.write_bytes(content)
    assert json_object_with(path, "images", "rows") is known


def test_starts_with_looks_at_files_only(tmp_path):
    (tmp_path / "a").write_bytes(b"PAR1...")
    assert starts_with(tmp_path / "a", b"PAR1")
    assert not starts_with(tmp_path / "a", b"PAR2")
    assert not starts_with(tmp_path / "a", b"PAR1.......")
    assert not starts_with(tmp_path, b"")
    assert not starts_with(tmp_path / "absent", b"")


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (FileNotFoundError(2, "gone"), MissingData, r"^f: no such file \(a thing expected\)$"),
        (PermissionError(13, "no"), HoitoolError, r"^f: permission denied$"),
        (ValueError("first\nsecond"), DataError, r"^f: not readable as a thing \(first\); it may be truncated"),
        (ValueError("a\0b\x1b[0m é"), DataError, r"\(a\\x00b\\x1b\[0m é\)"),
        (ValueError("\0" * 5000), DataError, r"^f: not readable as a thing \((\\x00){200}\)"),
        (ZeroDivisionError(), DataError, r"^f: not readable as a thing \(ZeroDivisionError\)"),
        (MissingData("my own"), MissingData, r"^my own$"),
        (MemoryError("much"), MemoryError, r"^much$"),
    ],
)
def test_reading_turns_what_a_parser_raises_into_one_line(tmp_path, raised, kind, told):
    from pathlib import Path

    with pytest.raises(kind, match=told) as caught, reading(Path("f"), "a thing"):
        raise raised
    assert type(caught.value) is kind


# .npz


def test_arrays_come_back(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(3), s=np.array(["a", "bc"]))
    held = load_npz(tmp_path / "a.npz", "arrays")
    assert list(held) == ["x", "s"]
    assert held["x"].tolist() == [0, 1, 2]
    assert held["s"].tolist() == ["a", "bc"]


def test_python_objects_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), s=np.array(["a", None], object))
    with pytest.raises(DataError, match=r"a\.npz, array 's': holds Python objects, which are never loaded"):
        load_npz(tmp_path / "a.npz", "arrays")


def test_an_npz_cut_anywhere_is_one_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(100), y=np.ones(50))
    whole = path.read_bytes()
    for part in range(1, 64):
        path.write_bytes(whole[: len(whole) * part // 64])
        with pytest.raises(DataError, match=r"a\.npz: not readable as arrays"):
            load_npz(path, "arrays")


def test_an_npz_with_a_changed_byte_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match="CRC"):
        load_npz(path, "arrays")


@pytest.mark.parametrize("content", [b"hello\n", b"\x80\x04N.", b"PK\x03\x04"])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: not readable as arrays"):
        load_npz(tmp_path / "a.npz", "arrays")


def test_an_npz_that_says_it_unpacks_to_too_much_is_not_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10**6))
    monkeypatch.setattr("hoitool.files.NPZ_LIMIT", 10**6)
    with pytest.raises(DataError, match="says it unpacks to 0 GiB, more than is read"):
        load_npz(tmp_path / "a.npz", "arrays")


def test_an_array_that_says_it_is_larger_than_its_file_is_refused_before_memory_is_taken(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match=r"a\.npz"):
        load_npz(tmp_path / "a.npz", "arrays")


# .mat


@pytest.fixture
def mat(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.arange(200.0), "names": np.array(["a", "bc"], object)}, do_compression=True)
    return path


def test_wanted_variables_come_and_optional_ones_may_be_absent(mat):
    held = load_mat(mat, "numbers", ["x"], optional=["names", "absent"])
    assert held["x"].tolist() == [list(range(200))]
    assert "names" in held
    assert "absent" not in held
    assert "names" not in load_mat(mat, "numbers", ["x"])


def test_a_missing_variable_is_named_with_those_that_are_there(mat):
    with pytest.raises(DataError, match=r"a\.mat: no variable 'y' \(numbers expected\); the file holds x, names$"):
        load_mat(mat, "numbers", ["x", "y"])


def test_a_mat_cut_anywhere_is_one_error(mat):
    whole = mat.read_bytes()
    for part in range(1, 64):
        mat.write_bytes(whole[: len(whole) * part // 64])
        with pytest.raises(DataError, match=r"a\.mat: "):
            load_mat(mat, "numbers", ["x", "names"])


@pytest.mark.parametrize("userblock", [0, 512])
def test_an_hdf5_file_asks_to_be_saved_again(tmp_path, userblock):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["x"] = [1.0]
    if userblock:  # what MATLAB puts there: text, version 2.0, little-endian
        with path.open("r+b") as stream:
            stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    with pytest.raises(DataError, match=r"a\.mat: an HDF5 \(MATLAB v7\.3\) file; in MATLAB, save it again with -v7"):
        load_mat(path, "numbers", ["x"])


def test_text_is_no_mat(tmp_path):
    (tmp_path / "a.mat").write_text("hello, this is no data\n" * 20)
    with pytest.raises(DataError, match=r"a\.mat: not readable as numbers"):
        load_mat(tmp_path / "a.mat", "numbers", ["x"])


def test_the_garbage_collector_is_on_again_after_reading(mat):
    import gc

    assert gc.isenabled()
    with pytest.raises(DataError):
        load_mat(mat, "numbers", ["y"])
    assert gc.isenabled()


def test_a_member_that_is_not_looked_at_is_emptied_as_it_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"rows": [{"id": 1, "outline": [[1, 2]]}, {"id": 2}], "outline": {"outline": 3}}')
    made = load_json(tmp_path / "a.json", "rows", dict, emptied="outline")
    assert made == {"rows": [{"id": 1, "outline": None}, {"id": 2}], "outline": None}
    assert load_json(tmp_path / "a.json", "rows", dict)["rows"][0]["outline"] == [[1, 2]]
