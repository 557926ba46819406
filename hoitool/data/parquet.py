"""Datasets and predictions in Parquet: one row per image, in one file or a folder of shards.

The file's metadata holds one JSON object under the key `hoitool`: kind, version, layout, label space and hash,
label_kind, score, box_frame, dataset, subset, sources, extras. A label space that is not packaged is written
once beside the file, as labels-<hash>.json. Specification: hoitool/convert/pages/hoitool.md.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hoitool.data.arrow import from_arrow, from_lists, one_chunk, to_arrow, to_lists
from hoitool.data.check import validate
from hoitool.data.dataset import COLUMNS, Array, Dataset, Predictions
from hoitool.data.meta import FRAMES, KINDS, LABEL_KINDS, SCORE_KINDS, Meta
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import atomic, atomic_folder, reading, require, starts_with
from hoitool.labels import LabelSpace, difference
from hoitool.labels.beside import labels_of_file, write_labels

KEY = b"hoitool"
MAGIC = b"PAR1"  # begins and ends every Parquet file
VERSION = 1
ROW_GROUP = 4096  # images
DENSE_BYTES = 1 << 25  # dense scores in one row group, so that reading them takes little more memory than they do
SHARD = re.compile(r"\d{5}\.parquet")
PLAIN_NAME = re.compile(r"(?!\.)[^/\\\0]*")
# version -> the function that turns (table, metadata) of that version into those of the next one
MIGRATIONS: dict[int, Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]]] = {}

# Parquet column -> its struct fields and the columns behind them
STRUCTS = {
    "pairs": ("pair", {"subject": "subject", "object": "object", "label": "label", "score": "score"}),
    "image_labels": ("image_label", {"label": "image_label", "value": "image_value"}),
    "captions": ("caption", {"id": "caption_id", "text": "caption_text"}),
}
LISTS = ("boxes", "categories", "box_scores", "annotated", "crowd", "box_ids")


def write(data: Dataset, path: Path, shards: int = 1) -> None:
    """Write a dataset or predictions to `path`: one file, or a folder of `shards` files; complete or absent."""
    if shards < 1:
        raise UsageError(f"{path}: {shards} shards, expected at least one")
    if shards == 1:
        write_labels(data.meta.labels, path.parent)
        with atomic(path) as temporary:
            _write_file(data, temporary)
        return
    from hoitool.data.select import select_images

    write_shards((select_images(data, rows) for rows in np.array_split(np.arange(len(data)), shards)), path)


def write_shards(parts: Iterable[Dataset], path: Path) -> None:
    """Write parts of one dataset, each when it comes, as the shards of a folder; complete or absent."""
    with atomic_folder(path) as folder:
        for i, part in enumerate(parts):
            if i == 0:
                write_labels(part.meta.labels, folder)
            _write_file(part, folder / shard_name(i))


def shard_name(number: int) -> str:
    """The file name of a shard, counted from 0."""
    return f"{number:05d}.parquet"


def read(path: Path) -> Dataset:
    """Read a dataset or predictions from a file or a folder of shards, and check it.

    Raises MissingData when the path is not there, DataError for anything that is not a valid hoitool file.
    """
    from hoitool.data.select import concat

    parts = list(iter_shards(path))
    try:
        data = concat(parts)
        validate(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return data


def iter_shards(path: Path) -> Iterator[Dataset]:
    """The shards of a folder one after the other, unchecked; a single file is one shard."""
    for file in shard_files(path):
        with reading(file, "hoitool's Parquet"):
            stream, header = _open(file)
            try:
                yield _from_file(stream, header, file)
            except DataError as error:
                raise DataError(f"{file}: {error}") from error


def shard_files(path: Path) -> list[Path]:
    """The Parquet files behind a path: itself, or the visible ones in a folder, in name order.

    Raises MissingData where there are none, or one of the numbered shards before the last is not there.
    """
    require(path, "a hoitool Parquet file or a folder of shards")
    if path.is_file():
        return [path]
    found = sorted(p for p in path.glob("*.parquet") if not p.name.startswith("."))
    if not found:
        raise MissingData(f"{path}: no .parquet file in this folder")
    numbered = [file for file in found if SHARD.fullmatch(file.name)]
    for file, name in zip(numbered, map(shard_name, range(len(numbered))), strict=True):
        if file.name != name:
            raise MissingData(f"{path / name}: no such file; the shards of this folder run to {numbered[-1].name}")
    return found


def is_ours(path: Path) -> bool:
    """Whether a path is a Parquet file, or a folder of shards, that hoitool wrote."""
    if path.is_dir():
        first = next(iter(sorted(path.glob("[!.]*.parquet"))), None)
        return first is not None and first.is_file() and is_ours(first)
    if not starts_with(path, MAGIC):
        return False
    try:
        return KEY in (pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return False


def require_ended(path: Path) -> None:
    """Raise DataError for a file that begins as Parquet and does not end so: it was cut off, whoever wrote it."""
    if not starts_with(path, MAGIC):
        return
    with path.open("rb") as stream:
        stream.seek(-len(MAGIC), os.SEEK_END)
        if stream.read() != MAGIC:
            size = stream.tell()
            raise DataError(
                f"{path}: the Parquet file is cut off after {size:,} bytes, its end is not there; copy it again"
            )


def read_header(path: Path) -> dict[str, Any]:
    """The metadata of a hoitool file (the first shard of a folder), without reading its columns."""
    file = shard_files(path)[0]
    with reading(file, "Parquet"):
        return _header(pq.read_schema(file), file)


def _write_file(data: Dataset, path: Path) -> None:
    table = _to_table(data)
    coded = [leaf for leaf in _leaves(table.schema) if leaf.endswith((".label", ".subject", ".object"))]
    pq.write_table(
        table,
        path,
        compression="lz4",
        use_dictionary=[*coded, "categories.list.element"],
        row_group_size=_group_size(data),
    )


def _group_size(data: Dataset) -> int:
    """How many images a row group has."""
    if data.scores is None or not len(data):
        return ROW_GROUP
    return max(1, min(ROW_GROUP, DENSE_BYTES * len(data) // max(1, data.scores.nbytes)))


def _leaves(schema: Any) -> list[str]:
    return [
        f"{name}.list.element.{field}"
        for name, (_, inner) in STRUCTS.items()
        for field in inner
        if name in schema.names
    ]


def _to_table(data: Dataset) -> Any:
    arrays: dict[str, Any] = {name: to_arrow(values) for name, values in data.columns("image").items()}
    for name in LISTS:
        values = getattr(data, name)
        if values is not None:
            arrays[name] = to_lists(to_arrow(values), data.box_offsets)
    for name, (group, inner) in STRUCTS.items():
        members = {f: getattr(data, c) for f, c in inner.items() if getattr(data, c) is not None}
        offsets = data.offsets(group)
        if members and offsets is not None:
            struct = pa.StructArray.from_arrays([to_arrow(v) for v in members.values()], list(members))
            arrays[name] = to_lists(struct, offsets)
    if data.scores is not None:
        width = data.scores.shape[1]
        arrays["scores"] = to_lists(to_arrow(data.scores.reshape(-1)), data.pair_offsets * width)
    return pa.table(arrays, metadata={KEY: json.dumps(_to_header(data))})


def _to_header(data: Dataset) -> dict[str, Any]:
    meta = data.meta
    return {
        "kind": data.kind,
        "version": VERSION,
        "layout": "dense" if data.dense else "sparse",
        "labels": meta.labels.summary(),
        "label_kind": meta.label_kind,
        "score": meta.score,
        "box_frame": meta.box_frame,
        "dataset": meta.dataset,
        "subset": meta.subset,
        "sources": meta.sources,
        "extras": meta.extras,
    }


def _open(path: Path) -> tuple[Any, dict[str, Any]]:
    """An open Parquet file of hoitool's, and its checked metadata."""
    with reading(path, "Parquet"):
        if not starts_with(path, MAGIC):
            raise DataError(f"{path}: not a Parquet file")
        file = pq.ParquetFile(path, memory_map=True)
        return file, _header(file.schema_arrow, path)


def _header(schema: Any, path: Path) -> dict[str, Any]:
    """The checked metadata of a file. Raises DataError for a foreign file, another kind or a newer version."""
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        raise DataError(
            f"{path}: a Parquet file, but not one of hoitool's (no {KEY.decode()!r} metadata); "
            "a flat table of pairs is read with --from pairs"
        )
    header: dict[str, Any] = json.loads(text)
    version = header.get("version")
    if not isinstance(version, int) or (version < VERSION and version not in MIGRATIONS):
        raise DataError(f"{path}: format version {version!r} is not known (this hoitool reads up to {VERSION})")
    if version > VERSION:
        raise DataError(f"{path}: format version {version}, newer than this hoitool reads ({VERSION}); upgrade hoitool")
    return header


def _from_header(header: dict[str, Any], path: Path) -> Meta:
    tables = (header["labels"], header["labels"]["parts"], header["sources"], header["extras"])
    if not all(isinstance(table, dict) for table in tables):
        raise DataError(f"its {KEY.decode()!r} metadata is malformed")
    for name in ("dataset", "subset"):
        if not PLAIN_NAME.fullmatch(str(header[name])):
            raise DataError(f"metadata {name!r} is {header[name]!r}, expected a plain name: it becomes part of a path")
    choices = {
        "kind": KINDS,
        "layout": ("sparse", "dense"),
        "label_kind": LABEL_KINDS,
        "score": SCORE_KINDS,
        "box_frame": FRAMES,
    }
    for name, allowed in choices.items():
        if header.get(name) not in allowed:
            raise DataError(f"metadata {name!r} is {header.get(name)!r}, expected one of {', '.join(allowed)}")
    return Meta(
        labels=_labels(header["labels"], path),
        dataset=str(header.get("dataset", "")),
        subset=str(header.get("subset", "")),
        label_kind=header["label_kind"],
        score=header["score"],
        box_frame=header["box_frame"],
        sources=header["sources"],
        extras=header["extras"],
    )


def _labels(named: dict[str, Any], path: Path) -> LabelSpace:
    """The label space that a file names: packaged, or stored beside it. DataError when it is another one."""
    space = labels_of_file(str(named.get("name")), str(named.get("hash")), path)
    differs = difference(space, named)
    if differs:
        raise DataError(differs)
    return space


def _from_file(file: Any, header: dict[str, Any], path: Path) -> Dataset:
    table = file.read([name for name in file.schema_arrow.names if name != "scores"])
    while header["version"] < VERSION:
        table, header = MIGRATIONS[header["version"]](table, header)
    meta = _from_header(header, path)
    made: dict[str, Any] = {}
    try:
        _image_columns(table, made)
        _box_columns(table, made)
        _struct_columns(table, made)
        if "scores" in file.schema_arrow.names:
            made["scores"] = _dense_scores(file, made, meta.classes)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"columns do not fit the format ({error})") from error
    for name in ("key", "boxes", "categories", "subject", "object"):
        if name not in made:
            raise DataError(f"no column {'pairs' if name in ('subject', 'object') else name!r}")
    return (Predictions if header["kind"] == "predictions" else Dataset)(meta=meta, **made)


def _image_columns(table: Any, made: dict[str, Any]) -> None:
    for name, spec in COLUMNS.items():
        if spec.group == "image" and name in table.column_names:
            made[name] = from_arrow(one_chunk(table[name]), name, spec.dtypes, spec.width)


def _box_columns(table: Any, made: dict[str, Any]) -> None:
    for name in LISTS:
        if name not in table.column_names:
            continue
        values, offsets = from_lists(one_chunk(table[name]), name)
        if not np.array_equal(made.setdefault("box_offsets", offsets), offsets):
            row = int(np.flatnonzero(made["box_offsets"] != offsets)[0]) - 1
            raise DataError(f"column {name!r} has another number of entries than 'boxes' in image {made['key'][row]!r}")
        made[name] = from_arrow(values, name, COLUMNS[name].dtypes, COLUMNS[name].width)


def _struct_columns(table: Any, made: dict[str, Any]) -> None:
    for name, (group, inner) in STRUCTS.items():
        if name not in table.column_names:
            continue
        struct, offsets = from_lists(one_chunk(table[name]), name)
        if not pa.types.is_struct(struct.type):
            raise DataError(f"column {name!r} is a list of {struct.type}, expected a list of structs")
        made[f"{group}_offsets"] = offsets
        held = [struct.type.field(i).name for i in range(struct.type.num_fields)]
        for field, values in zip(held, struct.flatten(), strict=True):
            if field in inner:
                made[inner[field]] = from_arrow(values, f"{name}.{field}", COLUMNS[inner[field]].dtypes, None)


def _dense_scores(file: Any, made: dict[str, Any], classes: int) -> Array:
    """The dense scores (P, L), row group by row group into one array."""
    pairs, offsets = len(made["subject"]), made["pair_offsets"]
    kind = file.schema_arrow.field("scores").type
    dtype = np.float32 if pa.types.is_list(kind) and kind.value_type == pa.float32() else np.float64
    flat = np.empty(0, dtype)
    image = filled = width = 0
    for group in range(file.num_row_groups):
        values, held = _group_scores(file, group)
        mine = offsets[image : image + len(held)] - offsets[image]
        image += len(held) - 1
        if not filled and mine[-1]:
            width = len(values) // int(mine[-1])
            flat = np.empty(pairs * width, dtype)
        if not np.array_equal(held, mine * width):
            raise DataError(
                f"column 'scores' holds {len(values)} values for {int(mine[-1])} pairs, not the same number for each"
            )
        flat[filled : filled + len(values)] = values
        filled += len(values)
    return flat.reshape(pairs, width if pairs else classes)


def _group_scores(file: Any, group: int) -> tuple[Array, Array]:
    """The flat scores and the offsets of one row group."""
    column = one_chunk(file.read_row_group(group, columns=["scores"])["scores"])
    values, offsets = from_lists(column, "scores")
    return from_arrow(values, "scores", COLUMNS["scores"].dtypes, None), offsets
