"""The section of a report on single classes: one table that sorts and filters, from the figures of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoitool.data.dataset import Array
from hoitool.report.document.parts import Cell, Column, Estimate, Kind, Section, Table
from hoitool.report.document.sources import Source
from hoitool.report.layout import title
from hoitool.report.terminal import QUERIES

HIDDEN = ("id", "official_id", "verb")  # a class has its name, with its verb in it
CHOICES = ("object", "setting", "group", "relation")  # names that rows may be chosen by, besides yes and no
MOST_CHOICES = 120
LOW, HIGH = "_ci_low", "_ci_high"


def classes(sources: Sequence[Source]) -> Section | None:
    """The figures of the classes of one result, or the main ones of several side by side; None where none are known."""
    known = [s for s in sources if s.result.per_class and s.result.protocol not in QUERIES]
    if not known:
        return None
    first = known[0].result.per_class
    held = _of_one(first) if len(sources) == 1 else _of_several(known)
    columns, values = zip(*held, strict=True)
    table = Table("per-class", "Figures of every class", columns, tuple(zip(*values, strict=True)), sorts=True)
    lines = ["Sort by a column's head. Find takes several words, in any order: a class has to hold all of them."]
    left_out = [source.name for source in sources if not source.result.per_class]
    if left_out:
        lines.append(f"The figures of the classes are not known of {', '.join(left_out)}.")
    return Section("classes", "Classes", tuple(lines), (table,))


def _of_one(per_class: dict[str, Array]) -> list[tuple[Column, list[Cell]]]:
    """Every column of a result's classes, its name first, figures with their intervals."""
    made = [_named(per_class)]
    for name, values in per_class.items():
        if name not in (*HIDDEN, *_names(per_class)) and not name.endswith((LOW, HIGH)):
            made.append((_column(name, values), _cells(per_class, name)))
    return made


def _of_several(sources: Sequence[Source]) -> list[tuple[Column, list[Cell]]]:
    """What classes are, from the first result, and the average precision of every result."""
    first = sources[0].result.per_class
    made = [_named(first)]
    shown = [name for name in ("object", "setting", "rare", "truths") if name in first and name not in _names(first)]
    made += [(_column(name, first[name]), _cells(first, name)) for name in shown]
    for name in (name for name in first if _is_ap(name)):
        for source in sources:
            if name in source.result.per_class:
                column = Column(f"{_title(name)} (%), {source.name}", "percent")
                made.append((column, _cells(source.result.per_class, name)))
    return made


def _is_ap(name: str) -> bool:
    return name.lower().startswith("ap") and not name.endswith((LOW, HIGH, "_low", "_high"))


def _names(per_class: dict[str, Array]) -> tuple[str, ...]:
    """The columns that the name of a class is made of."""
    if {"verb", "object"} <= per_class.keys():
        return ("verb",)
    return (next((name for name, values in per_class.items() if values.dtype == object), next(iter(per_class))),)


def _named(per_class: dict[str, Array]) -> tuple[Column, list[Cell]]:
    """The column of the classes' names."""
    if {"verb", "object"} <= per_class.keys():
        return Column("Interaction"), class_names(per_class)
    name = "class" if "class" in per_class else _names(per_class)[0]
    return Column(_title(name)), [_plain(value) for value in per_class[name].tolist()]


def class_names(per_class: dict[str, Array]) -> list[Cell]:
    """`verb object` of every class."""
    pairs = zip(per_class["verb"].tolist(), per_class["object"].tolist(), strict=True)
    return [f"{verb} {obj}".replace("_", " ") for verb, obj in pairs]


def _column(name: str, values: Array) -> Column:
    chosen = values.dtype == bool or (name in CHOICES and len({*values.tolist()}) <= MOST_CHOICES)
    return Column(_title(name) + (" (%)" if _kind(values) == "percent" else ""), _kind(values), choices=chosen)


def _kind(values: Array) -> Kind:
    """How a column is written: figures of classes are fractions, whole numbers counts."""
    if np.issubdtype(values.dtype, np.floating):
        return "percent"
    return "count" if np.issubdtype(values.dtype, np.integer) else "text"


def _title(name: str) -> str:
    """A column's name as a head: `AP_known_object` is `AP, Known Object (%)`."""
    what, _, setting = name.partition("_")
    for word in ("true_positives", "lowest_AP", "highest_AP"):
        if name.startswith(f"{word}_"):
            what, setting = word, name.removeprefix(f"{word}_")
    told = title(setting.replace("_", "-"))
    known = told != setting.replace("_", "-")
    shown = (f"{what}, {told}" if known else name).replace("_", " ")
    return f"{shown[0].upper()}{shown[1:]}"


def _cells(per_class: dict[str, Array], name: str) -> list[Cell]:
    values = per_class[name].tolist()
    if f"{name}{LOW}" in per_class:
        ends = zip(per_class[f"{name}{LOW}"].tolist(), per_class[f"{name}{HIGH}"].tolist(), strict=True)
        return [Estimate(value, *each) for value, each in zip(values, ends, strict=True)]
    return [_plain(value) for value in values]


def _plain(value: object) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int | float) else str(value).replace("_", " ")
