"""What published tables say of groups of classes: which columns belong together, and which figures a row prints there.

A heading names a group by a word: Full, Rare, Non-Rare, Unseen, Seen, HM. What else it and the headings above it say is
the setting, such as Default or Known Object; columns of one setting are a block. A split is named by a block, by a cell
of the row, by a cell above an empty one (several rows have it together), or by the last row above without figures.
Tables without such headings are read where each figure follows the cell that names it: full, 29.07, rare, 21.85.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hoitool.diagnose.rounding import Printed, printed
from hoitool.diagnose.tables import Table

FULL, HM = "full", "hm"
GROUPS = {name: name for name in (FULL, "non-rare", "rare", "unseen", "seen", HM)}
SPELLED = {"nonrare": "non-rare", "harmonic-mean": HM, "harmonic": HM, "h-mean": HM}
SILENT = {"map", "ap", "m", "mean", "hico", "det", "hicodet", "hoi", "classes", "interactions", "setting", "mode"}


@dataclass(frozen=True)
class Block:
    """Columns that belong together: their setting, the split that they name ('' for none), the column of each group."""

    setting: str
    split: str
    columns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Printout:
    """What a row prints in a block; the split that it is said to be of, '' where none is named."""

    line: int
    name: str
    setting: str
    split: str
    figures: Mapping[str, Printed]


@dataclass(frozen=True)
class Names:
    """The words that are looked for: groups and splits by every spelling, lower case, with dashes."""

    groups: Mapping[str, str]
    splits: Mapping[str, str]

    @classmethod
    def of(cls, splits: Mapping[str, str], groups: Iterable[str] = ()) -> Names:
        """The usual groups and those named, the splits given."""
        return cls(GROUPS | SPELLED | {name: name for name in groups}, splits)


def printouts(table: Table, names: Names) -> Iterator[Printout]:
    """What the rows of a table print, block by block."""
    above: list[list[str]] = []
    blocks: list[Block] = []
    split, column = "", -1  # the split that rows above name; the column that must be empty for it to hold, -1 for any
    for line, cells in table.rows:
        if found := _blocks(above, cells, names):
            blocks, above = found, []
            continue
        parts = blocks or [_listed(cells, names)]
        figures = [_figures(block, cells) for block in parts]
        own, at = _named(cells, names)
        if not any(figures):
            above.append(cells)
            split, column = (own, -1) if own else (split, column)
            continue
        if own:
            split, column = own, at
        elif column >= 0 and cells[column : column + 1] != [""]:
            split, column = "", -1
        above = []
        first = min(i for block in parts for i in block.columns.values())
        name = ", ".join(filter(None, cells[: first if blocks else first - 1]))
        for block, held in zip(parts, figures, strict=True):
            if held:
                yield Printout(line, name, block.setting, block.split or split, held)


def _blocks(above: list[list[str]], cells: list[str], names: Names) -> list[Block]:
    """The blocks of a row of headings, under the headings above it; none for a row that is not one."""
    heads = [_found(_slug(cell), names.groups) if printed(cell) is None else ("", "") for cell in cells]
    follows = [bool(head) and printed(cell) is not None for (head, _), cell in zip(heads, cells[1:], strict=False)]
    if sum(bool(head) for head, _ in heads) < 2 or any(follows):
        return []
    made: list[Block] = []
    for i, (group, rest) in enumerate(heads):
        if not group:
            continue
        split, rest = _found("-".join(filter(None, [*(_over(row, i) for row in above), rest])), names.splits)
        setting = " ".join(word for word in rest.split("-") if word not in SILENT and not word.isdigit())
        block = next((b for b in made if (b.setting, b.split) == (setting, split) and group not in b.columns), None)
        if block is None:
            block = Block(setting, split)
            made.append(block)
        block.columns[group] = i
    return made


def _over(row: list[str], column: int) -> str:
    """The heading over a column: what stands there, else the last to the left, which spans it."""
    return next((_slug(cell) for cell in reversed(row[: column + 1]) if cell), "")


def _slug(text: str) -> str:
    """A text's words in lower case with dashes: 'Known Object (Full)' is known-object-full."""
    return "-".join(re.findall(r"[a-z0-9%@]+", text.lower()))


def _found(slug: str, table: Mapping[str, str]) -> tuple[str, str]:
    """What the longest of the names in a text stands for, '' for none, and the text without it."""
    for name in sorted(table, key=len, reverse=True):
        if f"-{name}-" in f"-{slug}-":
            return table[name], f"-{slug}-".replace(f"-{name}-", "-", 1).strip("-")
    return "", slug


def _named(cells: list[str], names: Names) -> tuple[str, int]:
    """The split that a cell of a row names and the cell's column, ('', -1) for none."""
    found = ((_found(_slug(cell), names.splits)[0], i) for i, cell in enumerate(cells))
    return next((each for each in found if each[0]), ("", -1))


def _figures(block: Block, cells: list[str]) -> dict[str, Printed]:
    held = {group: printed(cells[i]) for group, i in block.columns.items() if i < len(cells)}
    return {group: figure for group, figure in held.items() if figure is not None}


def _listed(cells: list[str], names: Names) -> Block:
    """The columns of figures that follow the cell that names them."""
    groups = [names.groups.get(_slug(cell)) for cell in cells[:-1]]
    held = {group: i + 1 for i, group in enumerate(groups) if group is not None and printed(cells[i + 1]) is not None}
    return Block("", "", held)
