"""Merging shards: the content is that of a store written at once, wherever the folder is moved."""

from __future__ import annotations

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from store.making import WHATEVER, columns_of, layout_of, rows_of, write

from hoitool.data.dataset import offsets_of, strings
from hoitool.errors import CheckFailed, DataError, MissingData, UsageError
from hoitool.store import Layout, Store, Stream, merge, verify

COUNTS = [2, 0, 3, 1, 0, 0, 4]
WHOLE = layout_of([f"{i}.jpg" for i in range(7)], COUNTS)
ROWS = rows_of(WHOLE)


def shards(folder, cuts, manifest=WHATEVER):
    """The whole in shards that end before each of cuts."""
    made = []
    for i, (first, last) in enumerate(zip([0, *cuts], [*cuts, 7], strict=True)):
        made.append(folder / f"shards/s{i}.h5")
        write(made[-1], WHOLE.images(first, last), ROWS[first:last], manifest)
    return made


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 6], [3, 3], [0], [7], [4, 5, 6]])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_merged_shards_are_the_store_written_at_once(tmp_path, copy, cuts, dtype):
    manifest = replace(WHATEVER, dtype=dtype)
    expected = write(tmp_path / "once.h5", WHOLE, ROWS, manifest)
    parts = shards(tmp_path, cuts, manifest)
    assert merge(parts, tmp_path / "merged.h5", copy=copy) == expected
    if copy:
        shutil.rmtree(tmp_path / "shards")
    once, merged = Store(tmp_path / "once.h5"), Store(tmp_path / "merged.h5")
    assert (merged.content, merged.manifest, merged.virtual) == (expected, once.manifest, not copy)
    assert merged.rows(0, 10).tobytes() == once.rows(0, 10).tobytes()
    for order in (range(7), [6, 0, 3, 3, 2]):
        np.testing.assert_array_equal(merged.read(order), once.read(order))
    verify(tmp_path / "merged.h5").raise_for()
    with h5py.File(tmp_path / "merged.h5") as file:
        np.testing.assert_array_equal(file["features"][()], once.rows(0, 10))


def test_a_moved_folder_is_read_from_any_current_folder(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    merge(shards(tmp_path / "one", [3]), tmp_path / "one" / "merged.h5")
    (tmp_path / "one").rename(tmp_path / "two")
    for place, name in (
        (tmp_path, "two/merged.h5"),
        (tmp_path / "two", "merged.h5"),
        (tmp_path / "two/shards", "../merged.h5"),
    ):
        monkeypatch.chdir(place)
        verify(Store(name).path).raise_for()
        np.testing.assert_array_equal(Store(name)["6.jpg"], ROWS[6])


def test_a_missing_and_an_altered_shard_are_named(tmp_path):
    parts = shards(tmp_path, [3])
    merge(parts, tmp_path / "merged.h5")
    (tmp_path / "away").mkdir()
    parts[1].rename(tmp_path / "away/s1.h5")
    with pytest.raises(MissingData, match=r"s1.h5: no such file, and .*merged.h5 is a virtual store"):
        Store(tmp_path / "merged.h5")[0]
    write(parts[1], WHOLE.images(3, 7), [row + 1 for row in ROWS[3:]])  # of the same shape
    with pytest.raises(DataError, match=r"s1.h5: is not the shard that merged.h5 was merged from; merge again"):
        Store(tmp_path / "merged.h5")[0]
    (tmp_path / "away/s1.h5").replace(parts[1])
    with h5py.File(parts[1], "r+") as file:
        file["features"][1] += 1
    with pytest.raises(CheckFailed, match=r"the rows of 1 entries .* the first '6.jpg'"):
        verify(tmp_path / "merged.h5").raise_for()
    parts[1].write_bytes(parts[1].read_bytes()[:-50])
    with pytest.raises(DataError, match=r"s1.h5"):
        Store(tmp_path / "merged.h5")[0]


@pytest.mark.parametrize("name", ["../outside.h5", "/tmp/outside.h5", "shards"])
def test_a_virtual_store_reads_nothing_elsewhere(tmp_path, name):
    (parts,) = [shards(tmp_path, [])]
    merge(parts, tmp_path / "merged.h5")
    with h5py.File(tmp_path / "merged.h5", "r+") as file:
        del file["features"]
        layout = h5py.VirtualLayout((10, 4), "<f4")
        layout[:] = h5py.VirtualSource(name, "features", (10, 4))
        file.create_virtual_dataset("features", layout)
    with pytest.raises(DataError):
        Store(tmp_path / "merged.h5")[0]


def test_what_is_no_shard_is_refused(tmp_path):
    first, second = shards(tmp_path, [3])
    target = tmp_path / "merged.h5"
    other, part = tmp_path / "shards/other.h5", WHOLE.images(3, 7)

    def refused(kind, told, *parts, **options):
        with pytest.raises(kind, match=told):
            merge(parts, target, **options)
        assert not target.exists()
        assert {p.name for p in tmp_path.iterdir()} <= {"shards", "below", "virtual.h5"}

    refused(UsageError, "no shards")
    refused(DataError, "the key '0.jpg' stands twice", first, first)
    for change, told in (({"model": "x"}, "model is 'x'"), ({"notes": {"a": 1}}, 'notes is {"a": 1}, expected {}')):
        write(other, part, ROWS[3:], replace(WHATEVER, **change))
        refused(DataError, f"is not a shard of what .*: {told}", first, other)
    for columns in ({}, part.columns | {"scores": part.columns["scores"].astype(np.float32)}):
        write(other, Layout(part.key, part.offsets, columns), ROWS[3:])
        refused(DataError, "it has the columns", first, other)
    with pytest.raises(UsageError, match=r"does not lie beside or below .*; use --copy"):
        merge([first, second], tmp_path / "below/merged.h5")
    merge([first, second], tmp_path / "virtual.h5")
    refused(UsageError, "is a virtual store itself", tmp_path / "virtual.h5")
    with pytest.raises(UsageError, match="--overwrite replaces it"):
        merge([first, second], tmp_path / "virtual.h5")
    with pytest.raises(UsageError, match="is one of the shards"):
        merge([first, second], second, overwrite=True)
    merge([tmp_path / "virtual.h5"], target, copy=True)
    verify(target).raise_for()


def test_streams_are_shards_too(tmp_path):
    expected = write(tmp_path / "once.h5", WHOLE, ROWS)
    for name, (first, last) in {"a.h5": (0, 4), "b.h5": (4, 7)}.items():
        stream = Stream(tmp_path / name, WHATEVER)
        for i in range(first, last):
            stream.append(WHOLE.images(i, i + 1), ROWS[i])
        stream.finish()
    for copy in (False, True):
        assert merge([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / f"{copy}.h5", copy=copy) == expected
        verify(tmp_path / f"{copy}.h5").raise_for()


def test_a_stream_goes_on_and_is_what_would_have_been_written_at_once(tmp_path):
    expected = write(tmp_path / "once.h5", WHOLE, ROWS)
    path = tmp_path / "streamed.h5"
    for first, last in ((0, 2), (2, 3), (3, 7)):
        stream = Stream(path, replace(WHATEVER, notes={}))
        assert stream.blocks == first
        for i in range(first, last):
            stream.append(WHOLE.images(i, i + 1), ROWS[i])
    with pytest.raises(UsageError, match=r"holds blocks of another command: model is 'test:tiny', expected 'x'"):
        Stream(path, replace(WHATEVER, model="x"))
    with pytest.raises(UsageError, match="holds blocks of another command: notes is"):
        Stream(path, replace(WHATEVER, notes={"a": 1}))
    assert stream.finish() == expected
    store = Store(path)
    assert (store.content, store.virtual) == (expected, False)
    np.testing.assert_array_equal(store.read([6, 2]), np.concatenate([ROWS[6], ROWS[2]]))
    with h5py.File(path) as file:
        assert file["features"].maxshape == (None, 4)
    verify(path).raise_for()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["once.h5", "streamed.h5"]


def test_a_stream_without_a_block_and_a_folder_of_something_else(tmp_path):
    with pytest.raises(UsageError, match="no block was written"):
        Stream(tmp_path / "x.h5", WHATEVER).finish()
    (tmp_path / "y.h5.blocks").mkdir()
    (tmp_path / "y.h5.blocks" / "000000004.h5").write_text("")
    with pytest.raises(UsageError, match="holds other files than its first blocks"):
        Stream(tmp_path / "y.h5", WHATEVER)


def test_two_streams_at_once_do_not_mix(tmp_path):
    one, two = Stream(tmp_path / "x.h5", WHATEVER), Stream(tmp_path / "x.h5", WHATEVER)
    one.append(WHOLE.images(0, 1), ROWS[0])
    with pytest.raises(UsageError, match="another process is writing it"):
        two.append(WHOLE.images(0, 1), ROWS[0])


def test_keys_of_blocks_that_stand_twice_are_found(tmp_path):
    stream = Stream(tmp_path / "x.h5", WHATEVER)
    layout = Layout(strings(["a"]), offsets_of([1]), columns_of(1, 1))
    for _ in range(2):
        stream.append(layout, rows_of(layout)[0])
    with pytest.raises(DataError, match="the key 'a' stands twice"):
        stream.finish()
    assert not (tmp_path / "x.h5").exists()
