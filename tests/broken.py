"""Broken files: everything that can be wrong with a valid file, found by looking into it.

`broken(path)` yields (what was done, bytes): whatever the suffix, truncated and foreign bytes; and for the kinds of
files that it can open, every distinct place in them with values of other types and out of range.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Broken = Iterator[tuple[str, bytes]]
DEEP = "[" * 100_000 + "]" * 100_000
MARK = "@@deep@@"
VALUES: list[Any] = [None, True, "text", "", 7, -1, 0.5, 10**30, -1e300, float("nan"), float("inf"), [], {}, [1], ["x"]]
FOREIGN = {
    "nothing": b"",
    "text": b"hello, this is no data\n",
    "zeros": bytes(1000),
    "a zip": b"PK\x03\x04" + bytes(60),
    "an HDF5 head": b"\x89HDF\r\n\x1a\n" + bytes(90),
    "a Parquet head": b"PAR1" + bytes(50) + b"PAR1",
    "a list": b"[]",
    "an object": b"{}",
    "a list of a number": b"[1]",
    "a list of null": b"[null]",
    "brackets": DEEP.encode(),
    "objects in objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a string": b'["',
    "UTF-16": "[{}]".encode("utf-16"),
    "latin-1": b'[{"\xe9": "\xe9"}]',
    "a number of many digits": b"[" + b"9" * 5000 + b"]",
}


class Runs:
    """A pickle of it would create the file `path` when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def broken_bytes(path: Path, proof: Path) -> Broken:
    """Foreign and truncated content, other encodings, a pickle that would create `proof`."""
    yield from FOREIGN.items()
    whole = path.read_bytes()
    for part in (1, 9, len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4, len(whole) - 1):
        yield f"the first {part} bytes", whole[:part]
    yield "bytes in the middle", whole[: len(whole) // 2] + b"\xff\x00\xfe" + whole[len(whole) // 2 :]
    try:
        text = whole.decode()
    except UnicodeDecodeError:
        text = ""
    if text:
        yield "the text in UTF-16", text.encode("utf-16")
        yield "the text with letters in latin-1", text.replace("e", "\xe9").encode("latin-1", "replace")
        yield "the text twice", whole + whole
    yield "a pickle that runs code", pickle.dumps(Runs(str(proof)))
    yield "a pickle that runs code inside", pickle.dumps([{"image_id": Runs(str(proof))}])


def broken_content(path: Path) -> Broken:
    """The content changed in every distinct place, for the kinds of files that can be opened here."""
    if path.suffix in SUFFIXES:
        yield from SUFFIXES[path.suffix](path)
        return
    head = path.read_bytes()[:8]
    for magic, kind in MAGIC.items():
        if head.lstrip().startswith(magic):
            yield from kind(path)
            return


def _json(path: Path) -> Broken:
    for what, tree in changed(json.loads(path.read_text(encoding="utf-8")), [*VALUES, MARK]):
        yield what, json.dumps(tree).replace(f'"{MARK}"', DEEP).encode()


def _json_lines(path: Path) -> Broken:
    """Lines of JSON, the first of them changed."""
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    for what, tree in changed(json.loads(first), [*VALUES, MARK]):
        yield what, f"{json.dumps(tree)}\n{rest}".replace(f'"{MARK}"', DEEP).encode()


def changed(tree: Any, values: list[Any] = VALUES) -> Iterator[tuple[str, Any]]:
    """The tree without each distinct field, with each replaced by each value, and with entries of lists twice."""
    yield "the top in a list", [tree]
    yield "the top in an object", {"a": tree}
    seen = set()
    for place in list(_places(tree)):
        pattern = tuple("*" if isinstance(key, int) else key for key in place)
        if pattern in seen:
            continue
        seen.add(pattern)
        name = ".".join(map(str, place))
        yield f"{name} removed", _with(tree, place, lambda held, key: held.pop(key))
        for value in values:
            yield f"{name} = {value!r:.20}", _with(tree, place, lambda held, key, value=value: _put(held, key, value))
        if isinstance(_held(tree, place), list):
            yield f"{name} twice", _with(tree, place, lambda held, key: held.append(held[key]))


def _put(held: Any, key: Any, value: Any) -> None:
    held[key] = value


def _places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*at, key)
        yield from _places(value, (*at, key))


def _with(tree: Any, place: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> Any:
    made = copy.deepcopy(tree)
    change(_held(made, place), place[-1])
    return made


def _held(tree: Any, place: tuple[Any, ...]) -> Any:
    """What a place is in."""
    for key in place[:-1]:
        tree = tree[key]
    return tree


def _csv(path: Path) -> Broken:
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    for column, name in enumerate(rows[0]):
        for value in ("", "text", "-1", "0.5", "1e400", "nan", "inf", "9" * 30, "\x00", "a,b", 'a"b', "../x"):
            made = copy.deepcopy(rows)
            made[1][column] = value
            yield f"{name} = {value[:9]!r}", _table(made)
        yield f"no column {name}", _table([row[:column] + row[column + 1 :] for row in rows])
        yield f"{name} twice", _table([[*row, row[column]] for row in rows])
    yield "a short row", _table([*rows, rows[1][:2]])
    yield "a long row", _table([*rows, [*rows[1], "x"]])
    yield "a row twice", _table([*rows, rows[1]])
    yield "no rows", _table(rows[:1])
    yield "no header", _table(rows[1:])
    yield "semicolons", _table(rows).replace(b",", b";")


def _table(rows: list[list[str]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


def _lines(path: Path) -> Broken:
    lines = path.read_text(encoding="utf-8").splitlines()
    for value in ("x", "", "-1", "0.5", "9" * 30, "\x00", lines[-1]):
        yield f"a line of {value[:9]!r}", "\n".join([*lines[:-1], value, lines[-1]]).encode()
    yield "the last line missing", "\n".join(lines[:-1]).encode()


def _arrays(values: np.ndarray) -> Iterator[tuple[str, Any]]:
    """An array of other types, shapes and ranges."""
    yield "as text", values.astype(str) if values.dtype.kind not in "OS" else np.array(["x"] * len(values))
    yield "as objects", values.astype(object)
    yield "without its last row", values[:-1]
    yield "nothing", values[:0]
    yield "one number", np.array(3)
    yield "in another dimension", values[None]
    yield "flat", values.reshape(-1)
    yield "complex", np.zeros(values.shape, complex)
    yield "true and false", np.zeros(values.shape, bool)
    for number in (np.nan, np.inf, -1.0, 1e30, 0.5):
        yield f"all {number}", np.full(values.shape, number)
    yield "the largest integers", np.full(values.shape, np.iinfo(np.int64).max)


def _npz(path: Path) -> Broken:
    with np.load(path) as held:
        columns = dict(held)
    for name, values in columns.items():
        yield f"no array {name}", _saved({key: value for key, value in columns.items() if key != name})
        for what, made in _arrays(values):
            yield f"{name} {what}", _saved(columns | {name: made})


def _saved(columns: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **columns)
    return stream.getvalue()


def _npy(path: Path) -> Broken:
    for what, made in _arrays(np.load(path)):
        stream = io.BytesIO()
        np.save(stream, made)
        yield f"the array {what}", stream.getvalue()


def _yaml(path: Path) -> Broken:
    import yaml

    for what, tree in changed(yaml.safe_load(path.read_text(encoding="utf-8")), [*VALUES, MARK]):
        yield what, yaml.safe_dump(tree).replace(MARK, DEEP).encode()
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    yield "names of names of names", "\n".join(laughs).encode()
    yield "a name of itself", b"a: &a [*a]\n"
    yield "an object of Python", b"!!python/object/apply:os.getcwd []\n"


def _torch(path: Path) -> Broken:
    import torch

    tree = torch.load(path, weights_only=True)
    others = [*VALUES, torch.zeros(0), torch.full((2, 3), float("nan")), torch.zeros(3, dtype=torch.int64)]
    for what, made in changed(dict(tree), others):
        stream = io.BytesIO()
        torch.save(made, stream)
        yield what, stream.getvalue()


def _safetensors(path: Path) -> Broken:
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    for what, tree in changed(json.loads(whole[8 : 8 + length]), [*VALUES, MARK]):
        head = json.dumps(tree).replace(f'"{MARK}"', DEEP).encode()
        yield what, len(head).to_bytes(8, "little") + head + whole[8 + length :]
    for said in (0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1):
        yield f"a head of {said} bytes", said.to_bytes(8, "little") + whole[8:]


def _mat(path: Path) -> Broken:
    from scipy.io import loadmat

    content = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    for name, value in content.items():
        yield f"no variable {name}", _matlab({key: held for key, held in content.items() if key != name})
        for what, made in _cells(value):
            yield f"{name}{what}", _matlab(content | {name: made})


def _matlab(content: dict[str, Any]) -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, content)
    return stream.getvalue()


CELLS = [
    "text",
    7.0,
    -1.0,
    np.nan,
    1e30,
    np.zeros((0, 0)),
    np.ones((2, 3)),
    np.array([["a", 1.0]], object),
    np.array([[1j]]),
]


def _cells(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """A variable, or the first filled cell or struct in it and each of its fields, replaced."""
    for other in CELLS:
        yield f"{at} = {other!r:.20}", other
    if not isinstance(value, np.ndarray) or not value.size or len(at) > 60:
        return
    if value.dtype.names:
        first = tuple(int(i) for i in np.argwhere(np.ones(value.shape))[0])
        for name in value.dtype.names:
            for what, inner in _cells(value[name][first], f"{at}.{name}"):
                made = copy.deepcopy(value)
                made[name][first] = inner
                yield what, made
            fewer = [other for other in value.dtype.names if other != name]
            if fewer:
                yield f"{at} without {name}", value[fewer].astype([(other, object) for other in fewer])
    elif value.dtype == object:
        filled = [place for place in np.ndindex(value.shape) if np.size(value[place])] or [(0,) * value.ndim]
        for what, inner in _cells(value[filled[0]], f"{at}{{}}"):
            made = value.copy()
            made[filled[0]] = inner
            yield what, made


def _parquet(path: Path) -> Broken:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for i, name in enumerate(table.column_names):
        yield f"no column {name}", _written(table.remove_column(i))
        for what, column in (
            ("as text", pa.array(["x"] * len(table))),
            ("as nulls", pa.nulls(len(table), table.schema.field(i).type)),
            ("as nulls of no type", pa.nulls(len(table))),
            ("as numbers", pa.array([1e30] * len(table))),
            ("as negative numbers", pa.array([-5] * len(table))),
            ("as not a number", pa.array([float("nan")] * len(table))),
            ("as lists", pa.array([[1, 2]] * len(table))),
            ("as lists of lists", pa.array([[[1.0, 2.0]]] * len(table))),
            ("as objects", pa.array([{"a": 1}] * len(table))),
        ):
            yield f"{name} {what}", _written(table.set_column(i, name, column))
    yield "rows twice", _written(pa.concat_tables([table, table]))
    yield "no rows", _written(table.slice(0, 0))
    for key, text in (table.schema.metadata or {}).items():
        yield "no metadata", _written(table.replace_schema_metadata(None))
        for what, tree in changed(json.loads(text), [*VALUES, MARK]):
            made = json.dumps(tree).replace(f'"{MARK}"', DEEP)
            yield f"metadata {what}", _written(table.replace_schema_metadata({key: made}))


def _written(table: Any) -> bytes:
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def _pickle(path: Path) -> Broken:
    with path.open("rb") as stream:
        tree = pickle.load(stream)
    for what, made in changed(
        tree, [*VALUES, b"bytes", {1, 2}, (1, 2), np.array(["x"]), np.full(4, np.nan), np.zeros((2, 2, 2))]
    ):
        yield what, pickle.dumps(made)
    for what, values in _arrays(np.zeros((3, 4))):
        yield f"the top {what}", pickle.dumps(values)


def _hdf5(path: Path) -> Broken:
    import h5py

    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in names:
        for what, made in [("removed", None), *_hdf5_arrays(path, name)]:
            yield f"{name} {what}", _changed_hdf5(path, name, made)


def _hdf5_arrays(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    import h5py

    with h5py.File(path) as file:
        values = file[name][()]
    yield "as text", np.array([b"x"] * max(1, len(np.atleast_1d(values))))
    yield from ((what, made) for what, made in _arrays(np.atleast_1d(values)) if made.dtype.kind not in "UO")


def _changed_hdf5(path: Path, name: str, values: Any) -> bytes:
    import h5py

    stream = io.BytesIO(path.read_bytes())
    with h5py.File(stream, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if values is not None:
            file[name] = values
            file[name].attrs.update(attributes)
    return stream.getvalue()


MAGIC: dict[bytes, Callable[[Path], Broken]] = {
    b"[": _json,
    b"{": _json,
    b"PK": _npz,
    b"MATLAB": _mat,
    b"PAR1": _parquet,
    b"\x80": _pickle,
    b"\x89HDF": _hdf5,
}
SUFFIXES: dict[str, Callable[[Path], Broken]] = {
    ".csv": _csv,
    ".ids": _lines,
    ".txt": _lines,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".npy": _npy,
    ".pt": _torch,
    ".safetensors": _safetensors,
}
