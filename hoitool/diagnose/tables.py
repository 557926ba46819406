r"""Tables as people publish them: CSV and TSV files, those in Markdown and in LaTeX, as rows of plain cells.

A cell loses what only makes it look different: bold, underlines, links, footnote marks, tags, commands. One that spans
columns (\multicolumn) is followed by empty ones; one that spans rows (\multirow) stands in the first of them.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hoitool.errors import DataError, UsageError
from hoitool.files import reading, require

Row = tuple[int, list[str]]  # the line it begins in, from 1, and its cells
LIMIT, WIDEST = 2**20, 500  # bytes of a file of tables, cells of a row
TABULAR = re.compile(r"\\(begin|end)\s*\{(?:tabular[*xy]?|longtable)\}")
INNER = re.compile(
    r"(?P<begin>\\begin\s*\{tabular\}\s*(?:\[[^][]*\])?\s*\{(?:[^{}]|\{[^{}]*\})*\})|(?P<end>\\end\s*\{tabular\})"
    r"|(?P<breaks>(?:\\\\|\\tabularnewline)(?:\[[^][]*\])?|(?<!\\)&)|\\[{}]|[{}]"
)
RULES = re.compile(r"\\(?:[a-z]*rule|hline|cline)(?![A-Za-z])(?:\([^()]*\))?(?:\[[^][]*\])?(?:\{[^{}]*\})*")
SPAN = re.compile(r"\\multicolumn\s*\{\s*(\d{1,2})\s*\}\s*\{(?:[^{}]|\{[^{}]*\})*\}")
HIGH = re.compile(r"\\multirow\s*(?:\[[^][]*\])?\s*\{[^{}]*\}\s*(?:\[[^][]*\])?\s*\{[^{}]*\}")
UNSEEN = re.compile(
    r"\\(?:[a-z]*color(?:box)?|cite[a-z]*|ref|label|footnote[a-z]*|[hv]?phantom|[hv]space\*?|(?:scale|raise)box)"
    r"\s*(?:\[[^][]*\])*\s*\{[^{}]*\}"
)
SCRIPT = re.compile(
    r"(?<!\\)[_^](?:\{(?:[^{}]|\{[^{}]*\})*\}|\\?\w+|.)"
)  # what is raised or lowered, such as _{\pm 0.2}


@dataclass(frozen=True)
class Table:
    """The rows of one table that have anything in them."""

    rows: tuple[Row, ...]


def read_tables(path: Path) -> list[Table]:
    """Every table in a file; the suffix says how it is written: .csv, .tsv, .md or .tex.

    Raises UsageError for another suffix, DataError for a file without a table.
    """
    require(path, "a table")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: a table is read from a file that ends in {', '.join(READERS)}")
    if path.stat().st_size > LIMIT:
        raise DataError(f"{path}: {path.stat().st_size / LIMIT:.0f} MiB, expected a table (at most {LIMIT >> 20} MiB)")
    with reading(path, "a table"):
        rows = [[row for row in table if any(row[1])] for table in reader(path.read_bytes().decode("utf-8-sig"))]
    found = [Table(tuple(table)) for table in rows if table]
    widest = max((row for table in found for row in table.rows), key=lambda row: len(row[1]), default=(0, []))
    if len(widest[1]) > WIDEST:
        raise DataError(
            f"{path}, line {widest[0]}: {len(widest[1]):,} cells, expected a table (at most {WIDEST} columns)"
        )
    if not found:
        raise DataError(f"{path}: holds no table, expected rows of cells as {path.suffix} has them")
    return found


def _csv(text: str) -> Iterator[list[Row]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _separated(text, max(",;\t", key=first.count))


def _tsv(text: str) -> Iterator[list[Row]]:
    return _separated(text, "\t")


def _separated(text: str, delimiter: str) -> Iterator[list[Row]]:
    reader, rows, line = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True), [], 1
    for cells in reader:
        rows.append((line, [_markdown_cell(cell) for cell in cells]))
        line = reader.line_num + 1
    yield rows


def _markdown(text: str) -> Iterator[list[Row]]:
    """Runs of lines with a bar in them, without the rules between head and body."""
    rows: list[Row] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if "|" not in line:
            yield rows
            rows = []
        elif set(line) - set("|:- \t"):
            cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|"))
            rows.append((number, [_markdown_cell(cell.replace(r"\|", "|")) for cell in cells]))


def _markdown_cell(cell: str) -> str:
    if not cell or cell.isspace():
        return ""
    cell = re.sub(r"!?\[([^][]*)\]\([^()]*\)", r"\1", cell)
    cell = re.sub(r"<sup>[^<]*</sup>|<[^<>]*>", " ", html.unescape(cell))
    if "$" in cell or "\\" in cell:
        cell = _latex_cell(cell)
    return _bare(re.sub(r"\*\*|__|~~|`|(?<!\w)_|_(?!\w)", "", cell))


def _latex(text: str) -> Iterator[list[Row]]:
    text = re.sub(r"(?<!\\)%.*", "", text)
    begun: list[int] = []
    for mark in TABULAR.finditer(text):
        if mark[1] == "begin":
            begun.append(mark.end())
        elif len(begun) > 1:
            begun.pop()  # a table in a table is a cell
        elif begun:
            start = begun.pop()
            block = _flat(_without_arguments(text[start : mark.start()]))
            yield [*_latex_rows(block, text.count("\n", 0, start) + 1)]


def _without_arguments(block: str) -> str:
    """A table's content with blanks in place of the arguments it begins with, such as {lccc}."""
    depth = 0
    for at, letter in enumerate(block):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(letter, 0)
        if depth == 0 and letter not in "}] \t":
            return block[at:]
    return ""


def _flat(block: str) -> str:
    """A table's content with blanks for what breaks lines and cells inside of a cell: makecell, a table in a table.

    As it is where a brace is not closed.
    """
    depth = 0

    def plain(found: re.Match[str]) -> str:
        nonlocal depth
        what = found[0]
        opens, closes = what[0] == "{" or bool(found["begin"]), what[0] == "}" or bool(found["end"])
        inside = depth > 0 and bool(found["breaks"])
        depth = max(0, depth + opens - closes)
        return " " if inside or found["begin"] or found["end"] else what

    made = INNER.sub(plain, block)
    return block if depth else made


def _latex_rows(block: str, line: int) -> Iterator[Row]:
    for part in re.split(r"(?:\\\\|\\tabularnewline)(?:\[[^][]*\])?", block):
        held = RULES.sub("", part)
        blank = len(held) - len(held.lstrip())
        yield line + held.count("\n", 0, blank), [*_latex_cells(held)]
        line += part.count("\n")


def _latex_cells(row: str) -> Iterator[str]:
    for cell in re.split(r"(?<!\\)&", row):
        span = SPAN.search(cell)
        yield _latex_cell(SPAN.sub("", cell))
        yield from [""] * (int(span[1]) - 1 if span else 0)


def _latex_cell(cell: str) -> str:
    if not cell or cell.isspace():
        return ""
    cell = SCRIPT.sub("", UNSEEN.sub("", HIGH.sub("", cell)))
    cell = cell.replace(r"\%", "%").replace(r"\_", "_").replace(r"\&", "&")
    return _bare(re.sub(r"\\[A-Za-z]+\*?|\\.|[{}$]", " ", cell.replace("~", " ")))


def _bare(cell: str) -> str:
    return " ".join(cell.split()).strip("*†‡§ ")


READERS = {".csv": _csv, ".tsv": _tsv, ".md": _markdown, ".markdown": _markdown, ".tex": _latex}
