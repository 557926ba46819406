"""The cells of a .csv as columns: every error names the file, the line and the column.

Comma-separated UTF-8 with a header; cells may be quoted, and hold line breaks then. An empty cell is a missing value.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hoitool.convert.fields import brief
from hoitool.data.arrow import from_arrow, one_chunk, to_arrow
from hoitool.errors import DataError
from hoitool.files import atomic, reading

Array = NDArray[Any]
LARGEST = 1e300  # beyond it areas overflow


@dataclass(frozen=True)
class Table:
    """The columns of a .csv that a format knows, as text; `ignored` are the names of the others."""

    file: Path
    columns: dict[str, Any]
    rows: int
    ignored: list[str]

    def names(self, name: str, strip: bool = True) -> tuple[list[str], Array]:
        """The distinct texts of a column by first appearance, and (N,) which of them a row has, -1 where empty."""
        if name not in self.columns:
            return [], np.full(self.rows, -1)
        cells = self.columns[name]
        coded = one_chunk(pa.chunked_array([pc.utf8_trim_whitespace(cells) if strip else cells])).dictionary_encode()
        values: list[str] = coded.dictionary.to_pylist()
        codes = from_arrow(coded.indices, name, ("int64",), None)
        place = np.cumsum([value != "" for value in values]) - 1
        place = np.where([value != "" for value in values], place, -1)
        return [value for value in values if value], place[codes] if len(values) else codes

    def filled(self, name: str) -> Array:
        """(N,) which cells of a column hold something."""
        if name not in self.columns:
            return np.zeros(self.rows, bool)
        return from_arrow(pc.not_equal(pc.utf8_trim_whitespace(self.columns[name]), ""), name, ("bool",), None)

    def numbers(self, name: str, finite: bool = True) -> Array:
        """(N,) float64 of a column, NaN where empty. Raises DataError for text and, where `finite`, for infinities."""
        filled = self.filled(name)
        if not filled.any():
            return np.full(self.rows, np.nan)
        cells = pc.utf8_trim_whitespace(self.columns[name])
        cells = pc.if_else(pc.equal(cells, ""), "nan", cells)
        try:
            values = from_arrow(cells.cast(pa.float64()), name, ("float64",), None).copy()
        except pa.ArrowInvalid:
            row = next(i for i, cell in enumerate(cells.to_pylist()) if not _is_number(cell))
            raise self.error(row, name, "a number") from None
        wrong = filled & (~(np.abs(values) <= LARGEST) if finite else np.isnan(values))
        if wrong.any():
            raise self.error(int(wrong.argmax()), name, "a finite number" if finite else "a number")
        return values

    def error(self, row: int, name: str, expected: str) -> DataError:
        """The error for a cell that is not what is expected."""
        cell = self.columns[name][row].as_py() if name in self.columns else ""
        return DataError(f"{self.place(row, name)} is {brief(cell) if cell.strip() else 'empty'}, expected {expected}")

    def place(self, row: int, name: str) -> str:
        """Where a cell stands, for messages."""
        return f"{self.file}, line {_line(self.file, row)}: {name}"


def open_table(file: Path, known: Sequence[str], needed: Sequence[str]) -> Table:
    """The known columns of a .csv as text.

    Raises DataError for a column of `needed` that is missing, one that stands twice, and rows of another length.
    """
    from pyarrow import csv as arrow_csv

    with reading(file, "a table (.csv)"):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
        names = [name.strip() for name in header]
        _check_header(file, names, needed)
        held = [name for name in names if name in known]
        table = arrow_csv.read_csv(
            file,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=held, column_types=dict.fromkeys(held, pa.string()), strings_can_be_null=False
            ),
        )
    columns = {name: one_chunk(table[name]) for name in held}
    return Table(file, columns, table.num_rows, [name for name in names if name not in known])


def _check_header(file: Path, names: list[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        hint = " (columns are separated by commas)" if len(names) == 1 and {";", "\t"} & set(names[0]) else ""
        raise DataError(f"{file}, line 1: no column {missing[0]!r}; it has {', '.join(map(brief, names[:20]))}{hint}")
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file}, line 1: column {name!r} stands twice")


def _line(file: Path, row: int) -> int:
    """The line on which a row of the table ends, counted from 1."""
    with file.open(encoding="utf-8-sig", newline="", errors="replace") as stream:
        lines = csv.reader(stream)
        filled = (lines.line_num for cells in lines if cells)
        return next(itertools.islice(filled, row + 1, None), row + 2)


def _is_number(cell: str) -> bool:
    try:
        float(pa.scalar(cell).cast(pa.float64()).as_py())
    except pa.ArrowInvalid:
        return False
    return True


def write_table(columns: dict[str, Array], file: Path) -> None:
    """Write columns (n,), of strings or numbers, as a .csv: whole or not at all. NaN and "" are empty cells."""
    from pyarrow import csv as arrow_csv

    cells = {}
    for name, values in columns.items():
        empty = values == "" if values.dtype.kind == "O" else np.isnan(values)
        column = to_arrow(values)
        cells[name] = pc.if_else(to_arrow(empty.astype(bool)), pa.scalar(None, column.type), column)
    with atomic(file) as temporary:
        arrow_csv.write_csv(pa.table(cells), temporary)
