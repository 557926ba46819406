"""What a file of hoitool holds, as named values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hoitool import data
from hoitool.convert import sniff
from hoitool.convert.cxc import read_table, tables_of
from hoitool.errors import DataError
from hoitool.eval import Result, from_json
from hoitool.files import require, sha256, starts_with
from hoitool.labels import parse

if TYPE_CHECKING:
    from hoitool.store import Store

FAILED_SHOWN = 5


def describe(path: Path) -> dict[str, Any] | Result:
    """Named values of a dataset, predictions, label space, feature store or ratings, or the result that a file holds.

    Raises DataError, naming the format where it is a known one, for a file that hoitool did not write.
    """
    require(path, "a file that hoitool wrote")
    if data.is_ours(path):
        return _data(path)
    if path.suffix == ".json" and path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
        return from_json(text, str(path)) if '"schema"' in text else _labels(path, text)
    if _is_store(path):
        return _store(path)
    if tables := tables_of(path):
        return {"kind": "ratings of Crisscrossed Captions", "tables": len(tables)} | {
            table.name: _ratings(table) for table in tables
        }
    name = sniff(path)
    hint = f"it is in the format {name!r}: see `hoitool convert`" if name else "its format is not known"
    raise DataError(f"{path}: not a file that hoitool wrote; {hint}")


def _ratings(table: Path) -> dict[str, Any]:
    """How many pairs a table rates, of how many things, and how."""
    held = read_table(table)
    told: dict[str, Any] = {"pairs": len(held), "of the dataset itself": int(held.original.sum())}
    told |= {"first": len(np.unique(held.first)), "second": len(np.unique(held.second))}
    if len(held):
        low, mean, high = (float(value) for value in (held.score.min(), held.score.mean(), held.score.max()))
        told |= {"lowest": low, "mean": round(mean, 3), "highest": high}
    return told


def _data(path: Path) -> dict[str, Any]:
    files = data.shard_files(path)
    if path.is_dir() and path.suffix != ".parquet":
        return {"files": len(files)} | {file.name: _short(file) for file in files}
    held = data.read(path)
    header = data.read_header(path)
    columns = {name: _type(values) for name, values in held.columns().items()}
    head = {
        k: header[k] for k in ("kind", "version", "layout", "label_kind", "score", "box_frame", "dataset", "subset")
    }
    labels = {"name": held.meta.labels.name, "hash": held.meta.labels.hash}
    head |= {"files": len(files), "sha256": sha256(path)}
    return head | {
        "labels": labels,
        "statistics": data.statistics(held),
        "columns": columns,
        "sources": held.meta.sources,
    }


def _type(values: Any) -> str:
    name = "string" if values.dtype == object else values.dtype.name
    return f"{name}{list(values.shape[1:]) or ''}"


def _short(file: Path) -> dict[str, Any]:
    header = data.read_header(file)
    return {key: header.get(key, "?") for key in ("kind", "layout", "subset")}


def _is_store(path: Path) -> bool:
    if not starts_with(path, b"\x89HDF"):
        return False
    from hoitool.store.hdf5 import is_store, open_file

    open_file(path).close()  # says what is wrong with one that does not open
    return is_store(path)


def _store(path: Path) -> dict[str, Any]:
    """A feature store, or how far an unfinished one is."""
    from hoitool.store import Store
    from hoitool.store.hdf5 import head

    found = head(path)
    held: dict[str, Any] = {"kind": "features", "of": found.manifest.of, "entries": len(found.status)}
    held |= {"rows": int(found.offsets[-1]), "dim": found.manifest.dim, "dtype": found.manifest.dtype}
    held |= {"bytes": path.stat().st_size}
    if not found.finished:
        state = f"unfinished: {found.made:,} of {len(found.status):,} entries are made"
        return held | {"state": state, "manifest": found.manifest.to_json()}
    store = Store(path)
    failed = store.failed
    held |= {"state": "finished", "content": store.content, "failed": len(failed)}
    if failed:
        held["first failed"] = ", ".join(failed[:FAILED_SHOWN])
    if store.virtual and len(store):
        store.rows(0, 0 if not held["rows"] else 1)  # the shards are there, or their error is
    columns = {name: _type(store.column(name)) for name in store.columns}
    return held | {"manifest": store.manifest.to_json(), "parts": _parts(store), "columns": columns}


def _parts(store: Store) -> dict[str, int]:
    """Part -> how many rows it has."""
    return {name: len(store.places(name)) for name in store.manifest.parts}


def _labels(path: Path, text: str) -> dict[str, Any]:
    space = parse(text, str(path))
    return {
        "kind": "label space",
        "name": space.name,
        "source": space.source,
        "hash": space.hash,
        "interactions": len(space),
        "verbs": len(space.verbs),
        "objects": len(space.objects),
    }
