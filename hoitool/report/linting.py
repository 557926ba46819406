"""A file of published tables to what can and what cannot be right in it, and how people see that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hoitool import splits
from hoitool.diagnose.lint import Counts, Verdict, counts_of, judge
from hoitool.diagnose.published import FULL, HM, Names, Printout, printouts
from hoitool.diagnose.rounding import Range
from hoitool.diagnose.tables import Table, read_tables
from hoitool.errors import CheckFailed, DataError, UsageError
from hoitool.files import sha256
from hoitool.report.layout import title
from hoitool.report.terminal import grid

HICO_DET = "hico-det"  # what people call the split into rare and non-rare classes


@dataclass(frozen=True)
class Linted:
    """The verdicts on the rows of a file's tables, and how many rows do not print enough to be judged."""

    path: Path
    verdicts: tuple[Verdict, ...]
    incomplete: int

    @property
    def failing(self) -> list[Verdict]:
        """Those of rows that cannot be right."""
        return [verdict for verdict in self.verdicts if not verdict.fits]

    def raise_for(self) -> None:
        """Raise CheckFailed, in one line, unless every row can be right."""
        if bad := self.failing:
            first = bad[0].printout
            raise CheckFailed(
                f"{self.path}: {len(bad)} of {len(self.verdicts)} rows cannot be of their split, the first in line "
                f"{first.line} ({first.name or 'without a name'})"
            )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "file": str(self.path),
            "sha256": sha256(self.path),
            "checked": len(self.verdicts),
            "failing": len(self.failing),
            "incomplete": self.incomplete,
            "rows": [verdict.to_json() for verdict in self.verdicts],
        }


@dataclass(frozen=True)
class _Choice:
    """The split that is asked for, '' for none, and all named ones, by their numbers of classes."""

    name: str
    counts: Counts
    known: Mapping[str, Counts]

    @classmethod
    def of(cls, split: str | None) -> _Choice:
        known = {name: counts_of(splits.named(name)) for name in (splits.RARE, *splits.zero_shot())}
        if split is None:
            return cls("", {}, known)
        if split.lower() == HICO_DET:
            return cls(splits.RARE, known[splits.RARE], known)
        found = splits.resolve(split, known=[HICO_DET])
        return cls(found.base, counts_of(found), known)

    @property
    def names(self) -> Names:
        """The words to look for in tables."""
        return Names.of({name: name for name in splits.zero_shot()} | splits.spellings(), self.counts)

    def meant(self, printout: Printout) -> Iterator[Mapping[str, Counts]]:
        """The splits that a row may be of, those with the same groups together."""
        groups = {*printout.figures}
        named = self.known.get(printout.split, {})
        if groups & {"rare", "non-rare"} and {*self.counts} != {"rare", "non-rare"}:
            yield {splits.RARE: self.known[splits.RARE]}
        if groups & {*named} and ("seen" in named or "seen" not in groups):
            yield {printout.split: named}
        elif groups & {*self.counts}:
            yield {self.name: self.counts}
        elif groups & {"unseen", "seen"}:
            yield {name: counts for name, counts in self.known.items() if {*counts} == {"unseen", "seen"}}


def lint(path: Path, split: str | None = None) -> Linted:
    """Judge every row of the tables in a file that prints figures of class groups.

    split  of rows that name none: a named one, hico-det (138 rare and 462 non-rare classes) or a JSON file; by default
           hico-det for rare and non-rare, any named one for unseen and seen
    Raises UsageError for an unknown split and one that no row is judged by, DataError where nothing can be judged.
    """
    choice = _Choice.of(split)
    tables = read_tables(path)
    held = [printout for table in tables for printout in printouts(table, choice.names)]
    judged = [[judge(each, found, choice.known) for found in choice.meant(each)] for each in held]
    verdicts = tuple(verdict for each in judged for verdict in each if verdict is not None)
    if not verdicts:
        raise DataError(f"{path}: {_lacking(tables, held)}")
    if choice.name and not any(choice.name in verdict.splits for verdict in verdicts):
        groups = ", ".join(title(group) for group in (*choice.counts, FULL))
        raise UsageError(f"{path}: no row that names no other split prints {groups} of split {choice.name!r}")
    return Linted(path, verdicts, sum(not any(each) for each in judged))


def _lacking(tables: list[Table], held: list[Printout]) -> str:
    """Why nothing can be judged."""
    wanted = "Full, Rare and Non-Rare, or Unseen, Seen and Full (or HM)"
    if held:
        told = ", ".join(title(group) for group in dict.fromkeys(g for each in held for g in each.figures))
        return f"rows print {told}; expected {wanted}, in one row"
    return f"no columns headed {wanted}; the first row is {' | '.join(tables[0].rows[0][1])!r:.120}"


def linted_report(linted: Linted) -> RenderableType:
    """Every row with its verdict, and what is wrong with those that cannot be right."""
    heads = ["line", "row", "setting", "split", "printed", "full by its groups", "classes that fit", "verdict"]
    lines: list[RenderableType] = [grid(str(linted.path), heads, [_cells(verdict) for verdict in linted.verdicts])]
    lines += [Text(line) for verdict in linted.failing for line in _told(verdict)]
    right = len(linted.verdicts) - len(linted.failing)
    told = f"{right} of {len(linted.verdicts)} rows can be of their split"
    if linted.incomplete:
        told += f"; {linted.incomplete} more do not print all figures that are needed"
    return Group(*lines, Text(f"{told}."))


def _cells(verdict: Verdict) -> list[str]:
    held = verdict.printout
    shown = " / ".join(f"{title(g)} {held.figures[g].text}" for g in (*verdict.groups, FULL, HM) if g in held.figures)
    fitting = "-"
    if verdict.full is not None and len(verdict.groups) == 2:
        fitting = "none" if verdict.counts is None else f"{_span(*verdict.counts)} {verdict.groups[0]}"
    return [
        str(held.line),
        held.name,
        held.setting or "-",
        _splits(verdict),
        shown,
        "-" if verdict.full is None else _range(verdict.full, held.figures[FULL].digits + 2),
        fitting,
        "can be" if verdict.fits else "CANNOT BE",
    ]


def _splits(verdict: Verdict) -> str:
    """The split that a row is of; where several may be meant those that fit, else how many do not."""
    if len(verdict.splits) == 1:
        ((name, counts),) = verdict.splits.items()
        return f"{name} ({'/'.join(map(str, counts.values()))})"
    return ", ".join(verdict.fitting) or f"none of {len(verdict.splits)}"


def _told(verdict: Verdict) -> Iterator[str]:
    """What is wrong with a row, and what would fit."""
    held = verdict.printout
    where = f"line {held.line}, {held.name or 'no name'}{f' ({held.setting})' if held.setting else ''}"
    if not verdict.hm_fits and verdict.hm is not None:
        digits = held.figures[HM].digits + 2
        yield f"{where}: HM is printed as {held.figures[HM].text}, unseen and seen give {_range(verdict.hm, digits)}."
    if verdict.fitting or verdict.full is None:
        return
    digits = held.figures[FULL].digits + 2
    told = f"Full is printed as {held.figures[FULL].text}, its groups give {_range(verdict.full, digits)}"
    if len(verdict.splits) > 1:
        told = f"Full is printed as {held.figures[FULL].text}, which no named split gives"
    yield f"{where}: {told}. {_would(verdict)}"


def _would(verdict: Verdict) -> str:
    made = []
    if len(verdict.groups) == 2 and verdict.counts is None:
        made.append(f"No numbers of classes fit: Full does not lie between {' and '.join(map(title, verdict.groups))}.")
    elif verdict.counts is not None:
        low, high = verdict.counts
        other = _span(verdict.total - high, verdict.total - low)
        first, second = verdict.groups
        made.append(f"{_span(low, high)} {first} and {other} {second} classes of {verdict.total} would fit.")
    if verdict.others:
        made.append(f"Splits that fit: {', '.join(verdict.others)}.")
    if verdict.swapped:
        made.append(
            f"The figures would fit as {', '.join(map(title, verdict.swapped))} in place of "
            f"{', '.join(map(title, (*verdict.groups, FULL)))}."
        )
    return " ".join(made)


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _range(held: Range, digits: int) -> str:
    return f"{float(held.low):.{digits}f} to {float(held.high):.{digits}f}"
