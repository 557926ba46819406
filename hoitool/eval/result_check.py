"""What a result's JSON must be, looked at before anything is made of it: each place with the type that it has."""

from __future__ import annotations

from typing import Any

from hoitool.errors import DataError

NUMBER = (int, float, type(None))  # figures that do not exist are null
TEXT, TABLE, LIST = (str,), (dict,), (list,)
TOLD = {str: "a text", int: "a whole number", dict: "an object {...}", list: "a list [...]"}
INPUT = {  # of one input, what is shown or looked up where it is there
    **dict.fromkeys(("path", "sha256", "content", "model", "dataset", "subset", "means", "hash"), TEXT),
    **dict.fromkeys(("labels", "sources"), TABLE),
    **dict.fromkeys(("images", "captions", "pairs", "detections", "image_labels", "scores", "swapped_boxes"), (int,)),
    **dict.fromkeys(("classes", "sts_pairs", "sis_pairs", "sits_pairs"), (int,)),
}
SAMPLING = {"resamples": (int,), "seed": (int,), "level": (int, float), "method": TEXT, "rule": TEXT}


def check(held: Any, where: str) -> None:
    """Raise DataError naming the first place of a result's JSON value that is not what it should be."""
    _is(held, TABLE, where)
    for name in ("protocol", "variant", "signature"):
        _member(held, name, TEXT, where)
    for i, row in enumerate(_member(held, "results", LIST, where)):
        _check_row(row, f"{where}: results[{i}]")
    if not held["results"]:
        raise DataError(f"{where}: results has no figures, expected at least one row of them")
    for i, note in enumerate(held.get("notes", [])):
        _is(note, TEXT, f"{where}: notes[{i}]")
    if held.get("sampling") is not None:
        for name, kinds in SAMPLING.items():
            _member(held["sampling"], name, kinds, f"{where}: sampling")
    _check_inputs(_member(held, "inputs", TABLE, where), f"{where}: inputs")


def _check_row(row: Any, where: str) -> None:
    _is(row, TABLE, where)
    for name, kinds in (("setting", TEXT), ("split", TEXT), ("classes", (int,)), ("metrics", TABLE)):
        _member(row, name, kinds, where)
    if not row["metrics"]:
        raise DataError(f"{where}.metrics is empty, expected at least one figure")
    for name, value in row["metrics"].items():
        _is(value, NUMBER, f"{where}.metrics.{name}")
    for name, ends in _is(row.get("intervals", {}), TABLE, f"{where}.intervals").items():
        if len(_is(ends, LIST, f"{where}.intervals.{name}")) != 2:
            raise DataError(f"{where}.intervals.{name} has {len(ends)} ends, expected 2")
        for end in ends:
            _is(end, NUMBER, f"{where}.intervals.{name}")


def _check_inputs(inputs: dict[str, Any], where: str) -> None:
    """The stores are a list, the splits a table of what each means, and everything else one input."""
    for name, value in inputs.items():
        at = f"{where}.{name}"
        if name == "stores":
            each = {f"{at}[{i}]": store for i, store in enumerate(_is(value, LIST, at))}
            for place, store in each.items():
                for needed in (
                    "path",
                    *(("content", "model") if "content" in _is(store, TABLE, place) else ("sha256",)),
                ):
                    _member(store, needed, TEXT, place)
        else:
            inner = _is(value, TABLE, at)
            each = {f"{at}.{split}": of for split, of in inner.items()} if name == "splits" else {at: inner}
        for place, one in each.items():
            for member, held in _is(one, TABLE, place).items():
                _is(held, INPUT.get(member, (object,)), f"{place}.{member}")


def _member(held: Any, name: str, kinds: tuple[type, ...], where: str) -> Any:
    if name not in _is(held, TABLE, where):
        raise DataError(f"{where} has no {name!r}, expected a result of hoitool")
    return _is(held[name], kinds, f"{where}.{name}" if "results[" in where else f"{where}: {name}")


def _is(value: Any, kinds: tuple[type, ...], where: str) -> Any:
    """The value itself. DataError where it is of another type."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        expected = "a number or null" if kinds == NUMBER else TOLD.get(kinds[0], "a number")
        raise DataError(f"{where} is {value!r:.60}, expected {expected}")
    return value
