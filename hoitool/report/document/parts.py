"""What a report consists of: sections of sentences, tables, charts and galleries.

A document knows no format. Fractions are fractions here, printed in per cent; a cell that is not known is None. Every
chart carries its data as a table, which is its text alternative, and what formats without pictures show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "code", "count", "percent", "number", "difference"]  # difference: signed, in per cent
Role = Literal["human", "object"]


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, which is NaN to NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def certain(self) -> bool:
        """Whether it has no interval."""
        return math.isnan(self.low) or math.isnan(self.high)


Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column of a table; `choices`: rows can be chosen by its values."""

    title: str
    kind: Kind = "text"
    choices: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; `name` is unique in a document. `sorts`: readers may sort and filter it."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sorts: bool = False


@dataclass(frozen=True)
class Mark:
    """A box on a picture (x1 y1 x2 y2, pixels of the original), whose it is, and whether it is a true one."""

    box: tuple[float, float, float, float]
    role: Role
    true: bool = False


@dataclass(frozen=True)
class Shot:
    """One picture of a gallery.

    kind, cause    what it shows, such as a false positive, and why it is one
    title          the class; image: its key; facts: further sentences
    jpeg           the picture, at most as large as the gallery needs; width, height: of the original, in pixels
    marks          what is drawn on it: the boxes of a predicted pair and of a true one, in this order, humans first
    """

    kind: str
    cause: str
    title: str
    image: str
    facts: tuple[str, ...]
    jpeg: bytes
    width: int
    height: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures with what is drawn on them."""

    name: str
    caption: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Chart:
    """A drawing: SVG whose colours the page sets, what it shows in a sentence, its legend, and its data."""

    caption: str
    summary: str
    svg: str
    legend: tuple[str, ...]
    data: Table


Part = Table | Chart | Gallery


@dataclass(frozen=True)
class Section:
    """A heading, sentences, then tables, charts and galleries. `name` is unique in a document."""

    name: str
    title: str
    lines: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Document:
    """A report: its title, one sentence that says what it is of, and its sections."""

    title: str
    lead: str
    sections: tuple[Section, ...]

    def tables(self) -> list[tuple[Section, Table]]:
        """All tables with their sections, those of charts included."""
        return [
            (section, part.data if isinstance(part, Chart) else part)
            for section in self.sections
            for part in section.parts
            if not isinstance(part, Gallery)
        ]


def written(cell: Cell, kind: Kind, digits: int = 2) -> str:
    """A cell as people read it: per cent with two digits, thousands in groups, a dash for what is not known."""
    if isinstance(cell, Estimate):
        return written(cell.value, kind, digits)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    if isinstance(cell, str):
        return cell
    if kind == "percent":
        return f"{100 * cell:.{digits}f}"
    if kind == "difference":
        return f"{100 * cell:+.{digits}f}"
    return f"{cell:,.0f}" if kind == "count" or isinstance(cell, int) else f"{cell:.4g}"


def interval(cell: Cell, kind: Kind, digits: int = 2) -> str:
    """The interval of an estimate as `[low, high]`, nothing for other cells."""
    if not isinstance(cell, Estimate) or cell.certain:
        return ""
    return f"[{written(cell.low, kind, digits)}, {written(cell.high, kind, digits)}]"


def plain(cell: Cell) -> Any:
    """A cell as JSON and CSV hold it: the number itself, None for NaN."""
    value = cell.value if isinstance(cell, Estimate) else cell
    return None if isinstance(value, float) and not math.isfinite(value) else value
