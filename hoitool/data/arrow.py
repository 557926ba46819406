"""NumPy columns to Arrow and back, without a copy where the layouts agree.

Arrays pass as buffers: `pyarrow.array` and `Array.to_numpy` would import pandas, and start-up is part of the speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hoitool.errors import DataError

Array = NDArray[Any]
ARROW = {
    "float64": pa.float64(),
    "float32": pa.float32(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "int8": pa.int8(),
    "bool": pa.bool_(),
    "str": pa.string(),
}


def to_arrow(values: Array) -> Any:
    """A flat NumPy column (n,), or rows of a fixed width (n, w), as an Arrow array."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(to_arrow(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
    if values.dtype.kind in "OU":
        return _strings(values.tolist())
    if values.dtype.kind == "b":
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    if values.dtype.name not in ARROW:
        raise DataError(f"a column of {values.dtype}, expected one of {', '.join(ARROW)}")
    return pa.Array.from_buffers(
        ARROW[values.dtype.name], len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def to_lists(values: Any, offsets: Array) -> Any:
    """Flat Arrow rows and their offsets (I + 1,) as a list array of I rows."""
    if len(offsets) and offsets[-1] > np.iinfo(np.int32).max:
        raise DataError("more than 2**31 rows in one file: write it in shards")
    return pa.ListArray.from_arrays(to_arrow(offsets.astype(np.int32)), values)


def one_chunk(column: Any) -> Any:
    """A chunked Arrow column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def from_lists(lists: Any, name: str) -> tuple[Any, Array]:
    """The flat values and offsets (I + 1,) of a list array, starting at zero. DataError where a list is null."""
    if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
        raise DataError(f"column {name!r} is {lists.type}, expected a list for each image")
    if lists.null_count:
        raise DataError(f"column {name!r} holds nulls, expected an empty list")
    offsets = _numpy(lists.offsets).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    return lists.values.slice(first, last - first), offsets - first


def from_arrow(values: Any, name: str, dtypes: Sequence[str], width: int | None) -> Array:
    """A flat Arrow array as a NumPy column of one of `dtypes`. Raises DataError for nulls and other types."""
    if values.null_count:
        at = values.is_valid().to_pylist().index(False)
        raise DataError(f"column {name!r} holds nulls, the first at position {at}")
    if width is not None:
        return _rows(values, name, dtypes, width)
    if dtypes[0] == "str":
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            raise DataError(f"column {name!r} is {values.type}, expected string")
        made = np.empty(len(values), object)
        made[:] = values.to_pylist()
        return made
    wanted = [ARROW[dtype] for dtype in dtypes]
    if values.type not in wanted:
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            raise DataError(f"column {name!r} is {values.type}, expected {' or '.join(dtypes)}")
        try:
            values = values.cast(wanted[0])
        except pa.ArrowInvalid as error:
            raise DataError(f"column {name!r} is {values.type}, expected {dtypes[0]} ({error})") from error
    return _numpy(values)


def _numpy(values: Any) -> Array:
    """A flat Arrow array without nulls as a NumPy view of its buffer (bits become a copy)."""
    data, first = values.buffers()[1], values.offset
    if data is None:
        return np.empty(0, bool if values.type == pa.bool_() else values.type.to_pandas_dtype())
    if values.type == pa.bool_():
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little", count=first + len(values))
        return bits[first:].astype(bool)
    return np.frombuffer(data, values.type.to_pandas_dtype(), count=first + len(values))[first:]


def _rows(values: Any, name: str, dtypes: Sequence[str], width: int) -> Array:
    """Rows of a fixed width (n, w); a width of 0 takes whatever the file has."""
    kind = values.type
    if pa.types.is_fixed_size_list(kind):
        found, flat = kind.list_size, values.flatten()
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = np.unique(np.diff(_numpy(values.offsets)))
        if len(lengths) > 1:
            raise DataError(f"column {name!r} has rows of {lengths[0]} to {lengths[-1]} values, expected one length")
        found, flat = int(lengths[0]) if len(lengths) else width, values.flatten()
    else:
        raise DataError(f"column {name!r} is {kind}, expected lists of {width or 'some'} numbers")
    if width and found != width:
        raise DataError(f"column {name!r} has {found} values a row, expected {width}")
    return from_arrow(flat, name, dtypes, None).reshape(len(values), found)


def _strings(values: list[str]) -> Any:
    encoded = [value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
