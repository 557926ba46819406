"""The per-class figures of a result as CSV or Parquet, one row per class."""

from __future__ import annotations

import csv
from pathlib import Path

from hoitool.data import is_ours
from hoitool.errors import UsageError
from hoitool.eval import Result
from hoitool.files import atomic


def write_per_class(result: Result, path: Path) -> None:
    """Write the columns of `result.per_class`; the suffix says which format.

    Raises UsageError for another suffix, and for a result that has no figures of classes.
    """
    check_suffix(path)
    if not result.per_class:
        raise UsageError(f"{path}: {result.protocol}/{result.variant} has no figures of single classes")
    with atomic(path) as temporary:
        WRITERS[path.suffix](result, temporary)


def check_suffix(path: Path) -> None:
    """Raise UsageError when the suffix names no format of per-class figures."""
    if path.suffix not in WRITERS:
        raise UsageError(f"{path}: per-class figures are written as {' or '.join(WRITERS)}")
    if is_ours(path):
        raise UsageError(f"{path}: holds a dataset or predictions, which per-class figures do not replace")


def _csv(result: Result, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(result.per_class)
        writer.writerows(zip(*(column.tolist() for column in result.per_class.values()), strict=True))


def _parquet(result: Result, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hoitool.data.arrow import to_arrow

    pq.write_table(pa.table({name: to_arrow(values) for name, values in result.per_class.items()}), path)


WRITERS = {".csv": _csv, ".parquet": _parquet}
