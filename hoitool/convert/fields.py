"""Columns out of lists of JSON objects: every error names the file, the row and the field.

>>> integers(rows, "image_id", "instances.json: annotations")
DataError: instances.json: annotations[12].image_id is 'x', expected an integer
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoitool.data import strings
from hoitool.errors import DataError

Array = NDArray[Any]
Rows = Sequence[dict[str, Any]]
MISSING = object()


def rows_of(value: Any, where: str) -> list[dict[str, Any]]:
    """A list of JSON objects. Raises DataError for anything else."""
    if not isinstance(value, list):
        raise DataError(f"{where} is {brief(value)}, expected a list of objects")
    for i, row in enumerate(value):
        if not isinstance(row, dict):
            raise DataError(f"{where}[{i}] is {brief(row)}, expected an object {{...}}")
    return value


def member(table: dict[str, Any], name: str, where: str, kind: type) -> Any:
    """A member of an object, which must be a `kind` (dict, list, str, int). Raises DataError."""
    if name not in table:
        raise DataError(f"{where}: no field {name!r}; it has {', '.join(map(repr, table)) or 'none'}")
    value = table[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {name} is {brief(value)}, expected {EXPECTED[kind]}")
    return value


def integers(rows: Rows, name: str, where: str, default: int | None = None) -> Array:
    """(n,) int64 of one field. Whole floats and numbers in quotes count; what is missing takes `default`, if given."""
    values = _values(rows, name, where, default)
    return _integers(values, lambda i: f"{place(where, i)}.{name}")


def numbers(
    rows: Rows, name: str, where: str, width: int | None = None, default: float | None = None, finite: bool = True
) -> Array:
    """(n,) or (n, width) float64 of one field. Raises DataError for text, other lengths, and what is not finite.

    finite  False: NaN and infinities are returned, for readers that count and drop them
    """
    values = _values(rows, name, where, default)
    return _numbers(values, width, lambda i: f"{place(where, i)}.{name}", finite)


class Spread(NamedTuple):
    """A field of lists: all entries (m, ...) row after row, how many each row has (n,), and the place of an entry."""

    values: Array
    counts: Array
    at: Callable[[int], str]


def spread_integers(rows: Rows, name: str, where: str, low: int, high: int) -> Spread:
    """The int64 values (m,), each low..high, of a field that is a list of them."""
    values, counts, at = _spread(rows, name, where)
    made = _integers(values, at)
    wrong = (made < low) | (made > high)
    if wrong.any():
        entry = int(wrong.argmax())
        raise DataError(f"{at(entry)} is {made[entry]}, expected {low}..{high}")
    return Spread(made, counts, at)


def spread_numbers(rows: Rows, name: str, where: str, width: int) -> Spread:
    """The float64 values (m, width) of a field that is a list of lists of numbers."""
    values, counts, at = _spread(rows, name, where)
    return Spread(_numbers(values, width, at), counts, at)


def integer_list(table: dict[str, Any], name: str, where: str) -> Array:
    """(n,) int64 of a member of an object that is a list of them."""
    return _integers(member(table, name, where, list), lambda i: f"{where}: {name}[{i}]")


def integer_table(table: dict[str, Any], name: str, where: str, width: int) -> Array:
    """(n, width) int64 of a member of an object that is a list of such lists."""
    rows = member(table, name, where, list)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise DataError(f"{where}: {name}[{i}] is {brief(row)}, expected {width} integers")
    flat = [value for row in rows for value in row]
    return _integers(flat, lambda i: f"{where}: {name}[{i // width}][{i % width}]").reshape(-1, width)


def names(table: dict[str, Any], name: str, where: str) -> list[str]:
    """A member of an object that is a list of different texts."""
    values: list[str] = member(table, name, where, list)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{where}: {name}[{i}] is {brief(value)}, expected text")
    if len(set(values)) < len(values):
        again = next(i for i, value in enumerate(values) if value in values[:i])
        raise DataError(f"{where}: {name}[{again}] is {values[again]!r}, which stands before in it")
    return values


def same_counts(fields: dict[str, Spread], where: str) -> Array:
    """(n,) the number of entries of each row, which several fields must agree about. Raises DataError."""
    (first, expected), *others = fields.items()
    for name, came in others:
        wrong = came.counts != expected.counts
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{place(where, row)}: {came.counts[row]} {name} for {expected.counts[row]} {first}")
    return expected.counts


def texts(rows: Rows, name: str, where: str, default: str | None = None) -> Array:
    """(n,) strings of one field."""
    values = _values(rows, name, where, default)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{place(where, i)}.{name} is {brief(value)}, expected text")
    return strings(values)


def flags(rows: Rows, name: str, where: str, default: bool | None = None) -> Array:
    """(n,) true or false of one field."""
    values = _values(rows, name, where, default)
    for i, value in enumerate(values):
        if not isinstance(value, bool):
            raise DataError(f"{place(where, i)}.{name} is {brief(value)}, expected true or false")
    return np.array(values, bool)


def objects(rows: Rows, name: str, where: str) -> list[dict[str, Any]]:
    """One field, which must be a JSON object in every row."""
    values = _values(rows, name, where, None)
    for i, value in enumerate(values):
        if not isinstance(value, dict):
            raise DataError(f"{place(where, i)}.{name} is {brief(value)}, expected an object {{...}}")
    return values


def lists(rows: Rows, name: str, where: str, default: list[Any] | None = None) -> list[list[Any]]:
    """One field, which must be a list in every row."""
    values = _values(rows, name, where, default)
    for i, value in enumerate(values):
        if not isinstance(value, list):
            raise DataError(f"{place(where, i)}.{name} is {brief(value)}, expected a list")
    return values


def nested(rows: Rows, name: str, where: str) -> tuple[list[dict[str, Any]], Array, Places]:
    """The objects of a field that is a list of objects: all of them in one list, (n,) the row of each, their places."""
    held = lists(rows, name, where)
    flat = [inner for value in held for inner in value]
    owner = np.repeat(np.arange(len(held)), [len(value) for value in held])
    places = Places(where, name, owner)
    for i, inner in enumerate(flat):
        if not isinstance(inner, dict):
            raise DataError(f"{places.at(i)} is {brief(inner)}, expected an object {{...}}")
    return flat, owner, places


class Places(str):
    """`where` for rows that came out of a nested field: `at(i)` and `where[i]` in messages name row and entry."""

    parent: str
    name: str
    owner: Array

    def __new__(cls, where: str, name: str, owner: Array) -> Places:
        made = super().__new__(cls, f"{where}[].{name}")
        made.parent, made.name, made.owner = where, name, owner
        return made

    def at(self, row: int) -> str:
        """The place of a row, such as `file.json[3].annotations[0]`."""
        image = int(self.owner[row])
        inner = row - int(np.searchsorted(self.owner, image))
        return f"{place(self.parent, image)}.{self.name}[{inner}]"


class Chosen(str):
    """`where` for some rows of a list: messages name the place that a row has in the whole list, and a field in it."""

    parent: str
    rows: Array
    field: str

    def __new__(cls, where: str, rows: Array, field: str = "") -> Chosen:
        made = super().__new__(cls, where)
        made.parent, made.rows, made.field = where, rows, field
        return made

    def at(self, row: int) -> str:
        """The place of a row, such as `file.json[3].annotations[0].value`."""
        return place(self.parent, int(self.rows[row])) + (f".{self.field}" if self.field else "")


def place(where: str, row: int) -> str:
    """The place of a row of a list."""
    return where.at(row) if isinstance(where, Places | Chosen) else f"{where}[{row}]"


def unique(ids: Array, where: str, name: str = "id") -> None:
    """Raise DataError, naming both rows, when an id stands twice."""
    if len(np.unique(ids)) == len(ids):
        return
    first: dict[Any, int] = {}
    for i, value in enumerate(ids.tolist()):
        if value in first:
            raise DataError(f"{place(where, i)}.{name} is {value!r}, which {place(where, first[value])} has too")
        first[value] = i


def positions(known: Array, wanted: Array, where: str, name: str, what: str) -> Array:
    """(n,) where each wanted id stands among the known ones. Raises DataError for one that refers to nothing."""
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], wanted)
    found = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros(len(wanted), np.int64)
    wrong = known[found] != wanted if len(order) else np.ones(len(wanted), bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{place(where, row)}.{name} is {wanted[row]}, which no {what} has")
    return found


def within(values: Array, low: int, high: int, where: str, name: str) -> None:
    """Raise DataError for the first value (n,) outside low..high."""
    wrong = (values < low) | (values > high)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{place(where, row)}.{name} is {values[row]}, expected {low}..{high}")


def by_image(image: Array) -> Array:
    """(n,) rows by image, stably: what a flat table needs to become columns and offsets."""
    order: Array = np.argsort(image, kind="stable")
    return order


def brief(value: Any) -> str:
    """A foreign value in a message: short, and on one line."""
    plain = isinstance(value, str | int | float | None)
    text = repr(value) if plain else " ".join(repr(value).split())
    kind = "" if plain else f"a {type(value).__name__} "
    return f"{kind}{text if len(text) <= 40 else text[:37] + '...'}"


EXPECTED: dict[type, str] = {dict: "an object {...}", list: "a list [...]", str: "text", int: "an integer"}


def _values(rows: Rows, name: str, where: str, default: Any) -> list[Any]:
    if default is not None:
        return [row.get(name, default) for row in rows]
    try:
        return [row[name] for row in rows]
    except KeyError:
        at = next(i for i, row in enumerate(rows) if name not in row)
        held = ", ".join(map(repr, list(rows[at])[:12])) or "none"
        raise DataError(f"{place(where, at)}: no field {name!r}; it has {held}") from None


def _spread(rows: Rows, name: str, where: str) -> tuple[list[Any], Array, Callable[[int], str]]:
    """The entries of a field of lists, how many each row has, and the place of an entry: `file.json[3].hoi[0]`."""
    held = lists(rows, name, where)
    counts = np.array([len(value) for value in held], np.int64)
    ends = np.cumsum(counts)

    def at(i: int) -> str:
        row = int(np.searchsorted(ends, i, side="right"))
        return f"{place(where, row)}.{name}[{i - int(ends[row] - counts[row])}]"

    return [inner for value in held for inner in value], counts, at


def _integers(values: list[Any], at: Callable[[int], str]) -> Array:
    """(n,) int64 of values; `at` says where one stands."""
    made = _array(values)
    if made.dtype.kind == "i" or not len(made):
        return made.astype(np.int64)
    return np.array([_integer(value, at(i)) for i, value in enumerate(values)], np.int64)


def _numbers(values: list[Any], width: int | None, at: Callable[[int], str], finite: bool = True) -> Array:
    """(n,) or (n, width) float64 of values; `at` says where one stands."""
    shape = (len(values),) if width is None else (len(values), width)
    if not len(values):
        return np.empty(shape)
    made = _array(values)
    if made.shape == shape and made.dtype.kind in "if" and (not finite or np.isfinite(made).all()):
        return made.astype(np.float64)
    for i, value in enumerate(values):
        _check_number(value, width, at(i), finite)
    return np.array(values, np.float64).reshape(shape)


def _array(values: list[Any]) -> Array:
    try:
        return np.array(values)
    except (ValueError, TypeError, OverflowError):
        return np.array([None], object)


def _integer(value: Any, where: str) -> int:
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("-").isascii() and value.strip().lstrip("-").isdigit() else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{where} is {brief(value)}, expected an integer")
    if abs(value) >= 2**63:
        raise DataError(f"{where} is {brief(value)}, larger than any id")
    return value


def _check_number(value: Any, width: int | None, where: str, finite: bool) -> None:
    if width is not None and (not isinstance(value, list) or len(value) != width):
        raise DataError(f"{where} is {brief(value)}, expected {width} numbers")
    for number in value if width is not None else [value]:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise DataError(f"{where} is {brief(value)}, expected {'numbers' if width else 'a number'}")
        if finite and (not math.isfinite(number) or abs(number) > 1e300):
            raise DataError(f"{where} is {brief(value)}, expected finite numbers")
