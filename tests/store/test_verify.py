"""What is found when a byte changes, and what broken and foreign files do: one line each, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.making import WHATEVER, environment, layout_of, rows_of, write

from hoitool.errors import CheckFailed, DataError, MissingData, UsageError
from hoitool.store import Manifest, Store, Stream, differences, merge, verify
from hoitool.store.manifest import parse, unlike


def everything(path):
    """All that a store holds, verified, as text."""
    store = Store(path)
    columns = {name: store.column(name).tolist() for name in store.columns}
    held = [store.manifest, store.offsets.tolist(), store.status.tolist(), store.key.tolist(), columns]
    rows = store.read(range(len(store))).tolist()
    verify(path).raise_for()
    return repr([*held, rows])


def flip(path, name, byte=0, by=1):
    """Change a byte of a dataset in its place in the file."""
    with h5py.File(path) as file:
        at = file[name].id.get_offset() + byte
    held = bytearray(path.read_bytes())
    held[at] ^= by
    path.write_bytes(held)


@pytest.mark.parametrize(
    ("name", "byte", "told"),
    [
        ("features", 0, "the rows of 1 entries are not those that were written, the first 'a.jpg'"),
        ("features", 79, "the rows of 1 entries are not those that were written, the first 'c.jpg'"),
        ("key", 1, "its manifest, keys, offsets or columns are not those that were written"),
        ("offsets", 16, "its manifest, keys, offsets or columns"),
        ("boxes", 3, "its manifest, keys, offsets or columns"),
        ("text", 5, "its manifest, keys, offsets or columns"),
        ("grid", 0, "its manifest, keys, offsets or columns"),
        ("digest", 17, "the digests of 1 entries were altered, the first 'bü.jpg'"),
        ("content", 4, "its status or content hash was altered"),
    ],
)
def test_a_changed_byte_is_found_and_named(path, name, byte, told):
    verify(path).raise_for()
    flip(path, name, byte)
    with pytest.raises(CheckFailed) as caught:
        verify(path).raise_for()
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "make it again" in str(caught.value)


@pytest.mark.parametrize(("by", "kind"), [(3, CheckFailed), (1, DataError), (128, DataError)])
def test_a_changed_status_is_found(path, by, kind):
    flip(path, "status", 1, by)
    with pytest.raises(kind):
        everything(path)


def test_a_changed_manifest_is_found(path):
    """In its place the file's own checksum sees it; written anew by HDF5, the content hash does."""
    held = path.read_bytes()
    path.write_bytes(held.replace(b"test:tiny", b"test:tinz"))
    with pytest.raises(DataError, match="small.h5"):
        Store(path)
    path.write_bytes(held)
    with h5py.File(path, "r+") as file:
        file.attrs["hoitool"] = np.bytes_(bytes(file.attrs["hoitool"]).replace(b"test:tiny", b"test:tinz"))
    assert Store(path).manifest.model == "test:tinz"
    with pytest.raises(CheckFailed, match="its manifest, keys, offsets or columns"):
        verify(path).raise_for()


def test_failed_images_are_listed_and_verified(tmp_path):
    layout = layout_of(["a", "b", "c"], [2, 1, 0])
    write(tmp_path / "x.h5", layout, [rows_of(layout)[0], None, None])
    found = verify(tmp_path / "x.h5")
    found.raise_for()
    assert found.failed == Store(tmp_path / "x.h5").failed == ["b", "c"]
    assert np.isnan(Store(tmp_path / "x.h5")["b"]).all()


def test_blocks_are_verified_like_the_whole(tmp_path, monkeypatch):
    layout = layout_of([str(i) for i in range(30)], [i % 5 for i in range(30)])
    write(tmp_path / "x.h5", layout)
    for block in (1, 50, 200):
        monkeypatch.setattr(sys.modules["hoitool.store.verify"], "BLOCK", block)
        verify(tmp_path / "x.h5").raise_for()


@pytest.mark.parametrize("keep", [0, 1, 8, 100, 0.25, 0.5, 0.75, -100, -1])
@pytest.mark.parametrize("name", ["small.h5", "virtual.h5", "stream.h5"])
def test_truncated_files(path, tmp_path, keep, name):
    merge([path], tmp_path / "virtual.h5")
    stream = Stream(tmp_path / "stream.h5", WHATEVER)
    stream.append(layout_of(["a"], [9]), rows_of(layout_of(["a"], [9]))[0])
    stream.finish()
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=name):
        everything(tmp_path / name)


def test_foreign_files(tmp_path):
    (tmp_path / "text.h5").write_text("hello, this is no data\n")
    (tmp_path / "folder.h5").mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["features"] = np.zeros((3, 4))
    with h5py.File(tmp_path / "number.h5", "w") as file:
        file.attrs["hoitool"] = 3
    for name, told in {
        "text": "not an HDF5 file",
        "folder": "not an HDF5 file",
        "other": "has no attribute 'hoitool'",
        "number": "has no attribute 'hoitool'",
    }.items():
        with pytest.raises(DataError, match=rf"{name}.h5: {told}"):
            Store(tmp_path / f"{name}.h5")
    with pytest.raises(MissingData):
        Store(tmp_path / "absent.h5")


NAMES = ["features", "offsets", "key", "status", "digest", "content"]


@pytest.mark.parametrize("name", [*NAMES, "boxes", "text"])
@pytest.mark.parametrize("change", ["gone", "soft", "external", "group", "scalar", "shape", "dtype", "huge", "null"])
def test_datasets_that_are_not_what_they_should_be(path, tmp_path, name, change):
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        if change == "soft":
            file["elsewhere"] = values
        del file[name]
        if change == "soft":
            file[name] = h5py.SoftLink("/elsewhere")
        elif change == "external":
            file[name] = h5py.ExternalLink("other.h5", "/x")
        elif change == "group":
            file.create_group(name)
        elif change == "scalar":
            file[name] = 3
        elif change == "shape":
            file[name] = np.concatenate([values, values])
        elif change == "dtype":
            file[name] = np.zeros(values.shape, "c16")
        elif change == "huge":
            shape = (2**50, *values.shape[1:])
            file.create_dataset(name, shape, values.dtype, chunks=(1, *values.shape[1:]))
        elif change == "null":
            file[name] = h5py.Empty("f4")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = values
    with pytest.raises((DataError, CheckFailed)) as caught:
        everything(path)
    assert "\n" not in str(caught.value)


def test_a_shape_for_which_the_file_has_no_bytes_takes_no_memory(path):
    with h5py.File(path, "r+") as file:
        for name in ("features", "offsets", "key", "status", "digest"):
            shape, dtype = file[name].shape, file[name].dtype
            del file[name]
            shape = (2**40 + (name == "offsets"), *shape[1:])
            file.create_dataset(name, shape, dtype, chunks=(2**10, *shape[1:]))
    with pytest.raises(DataError, match="offsets says it is .* for which the file has no bytes"):
        Store(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*Manifest.__dataclass_fields__, "kind", "version", "unknown"]


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(FIELDS), value=JSON, gone=st.booleans())
def test_any_json_is_a_manifest_or_one_line(name, value, gone):
    held = WHATEVER.to_json() | {name: value}
    if gone:
        del held[name]
    try:
        made = parse(json.dumps(held), "x.h5")
    except DataError as error:
        assert str(error).startswith("x.h5: ")
        assert "\n" not in str(error)
    else:
        assert parse(made.dump(), "x.h5").dump() == made.dump()


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "3", '"x"', '{"kind": "features"}', "[" * 100_000, "1" * 5000]
)
def test_what_is_no_manifest(text):
    with pytest.raises(DataError, match=r"x\.h5: "):
        parse(text, "x.h5")


def test_fields_that_are_empty_come_back_empty():
    empty = Manifest(of="images", model="", dim=1, space="", precision="")
    assert parse(empty.dump(), "") == empty


def test_manifests_are_unlike_where_any_value_differs():
    assert unlike(WHATEVER, WHATEVER) == []
    for change in ({"notes": {"a": 1}}, {"normalised": False}, {"parts": ("box",)}, {"prompts": {"a": "b"}}):
        (told,) = unlike(Manifest(**vars(WHATEVER) | change), WHATEVER)
        assert told.startswith(f"{next(iter(change))} is ")
    held = Manifest(**vars(WHATEVER) | {"notes": {"sizes": (1, 2)}})
    assert unlike(parse(held.dump(), ""), held) == []
    with pytest.raises(UsageError):
        differences(WHATEVER, {"colour": "red"})


FUZZ = """
import random, sys
from pathlib import Path
from hoitool.errors import HoitoolError
from store.test_verify import everything
folder, rng, refused = Path(sys.argv[1]), random.Random(3), 0
for path in (folder / "small.h5", folder / "virtual.h5", folder / "stream.h5"):
    whole, expected = path.read_bytes(), everything(path)
    end = whole.find(b"GCOL") if path.stem == "virtual" else min(len(whole), 20_000)
    for i in range(80):
        held = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(end)
            held[at] = rng.choice([held[at] ^ (1 << rng.randrange(8)), rng.randrange(256)])
        bad = folder / f"bad-{path.name}"
        bad.unlink(missing_ok=True)
        bad.write_bytes(held)
        try:
            assert everything(bad) == expected, (path, i)
        except HoitoolError as error:
            assert "\\n" not in str(error)
            refused += 1
print(refused)
"""


def test_random_bytes_change_nothing_or_are_refused(path, tmp_path):
    """In a process of its own: a crash in HDF5 fails this test alone.

    Left out is the list of a virtual store's shards, which HDF5 follows before it checks it: bytes altered there crash
    HDF5 2.0 itself.
    """
    merge([path], tmp_path / "virtual.h5")
    stream = Stream(tmp_path / "stream.h5", WHATEVER)
    stream.append(layout_of(["a"], [9]), rows_of(layout_of(["a"], [9]))[0])
    stream.finish()
    command = [sys.executable, "-W", "error", "-c", FUZZ, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 80
