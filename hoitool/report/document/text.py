"""A report in formats without pictures: Markdown, LaTeX, CSV and JSON, with the same content.

Charts are their tables, galleries lists of what their pictures show. CSV has one line per figure: section, table, row,
column, value, and the interval's ends where there is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from hoitool.report.document.parts import (
    Cell,
    Chart,
    Column,
    Document,
    Estimate,
    Gallery,
    Part,
    Table,
    interval,
    plain,
    written,
)

SCHEMA = 1
HEADS = ("section", "table", "row", "column", "value", "low", "high")
TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
WIDEST, LONGEST = 150, 60  # letters in a line of a LaTeX page, and of a column
BREAK = r"\allowbreak{}"
SHOTS = (Column("Kind"), Column("Cause"), Column("Class"), Column("Image"), Column("Facts"))


def markdown(document: Document) -> str:
    """The document as Markdown."""
    made = [f"# {_md(document.title)}", _md(document.lead)]
    for section in document.sections:
        made += [f"## {_md(section.title)}", *map(_md, section.lines)]
        for part in section.parts:
            if isinstance(part, Chart):
                made.append(_md(part.summary))
            made.append(_markdown_table(as_table(part)))
    return "\n\n".join(made) + "\n"


def latex(document: Document) -> str:
    """The document as a LaTeX article: sections with booktabs tables that run over pages."""
    made = [
        r"\documentclass[a4paper,landscape]{article}",
        r"\usepackage{iftex}\ifPDFTeX\usepackage[T1]{fontenc}\else\usepackage{fontspec}\fi",
        r"\usepackage[margin=15mm]{geometry}\usepackage{array,booktabs,longtable}",
        r"\begin{document}\setlength{\LTleft}{0pt}\sloppy",
        rf"\title{{{tex(document.title)}}}\date{{}}\maketitle",
        tex(document.lead),
    ]
    for section in document.sections:
        made += [rf"\section{{{tex(section.title)}}}", *(tex(line) + "\n" for line in section.lines)]
        for part in section.parts:
            if isinstance(part, Chart):
                made.append(tex(part.summary) + "\n")
            made.append(_latex_table(as_table(part)))
    return "\n".join([*made, r"\end{document}"]) + "\n"


def csv_text(document: Document) -> str:
    """Every figure of the document in one line of CSV."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADS)
    for section in document.sections:
        for table in map(as_table, section.parts):
            for row in table.rows:
                for column, cell in zip(table.columns[1:], row[1:], strict=True):
                    ends = (cell.low, cell.high) if isinstance(cell, Estimate) and not cell.certain else ("", "")
                    name = written(row[0], table.columns[0].kind)
                    writer.writerow([section.name, table.name, name, column.title, plain(cell), *ends])
    return stream.getvalue()


def json_text(document: Document) -> str:
    """The document as JSON: sections with their sentences and tables, figures as numbers, unknown ones null."""
    sections = [
        {
            "name": section.name,
            "title": section.title,
            "lines": list(section.lines),
            "tables": [_json_table(part) for part in section.parts],
        }
        for section in document.sections
    ]
    held = {"report": SCHEMA, "title": document.title, "lead": document.lead, "sections": sections}
    return json.dumps(held, indent=2, allow_nan=False) + "\n"


def as_table(part: Part) -> Table:
    """A part as a table: a chart's data, and one row for each picture of a gallery."""
    if isinstance(part, Table):
        return part
    if isinstance(part, Chart):
        return part.data
    rows = tuple((shot.kind, shot.cause, shot.title, shot.image, "; ".join(shot.facts)) for shot in part.shots)
    return Table(part.name, part.caption, SHOTS, rows)


def tex(text: str) -> str:
    """Text with what LaTeX would read as commands made harmless."""
    return "".join(TEX.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in text)


def _json_table(part: Part) -> dict[str, Any]:
    table = as_table(part)
    held: dict[str, Any] = {"name": table.name, "caption": table.caption}
    if isinstance(part, Chart):
        held["summary"] = part.summary
    if isinstance(part, Gallery):
        return held | {
            "pictures": [
                {"kind": s.kind, "cause": s.cause, "class": s.title, "image": s.image, "facts": list(s.facts)}
                for s in part.shots
            ]
        }
    return held | {
        "columns": [{"title": column.title, "kind": column.kind} for column in table.columns],
        "rows": [[_json_cell(cell) for cell in row] for row in table.rows],
    }


def _json_cell(cell: Cell) -> Any:
    if isinstance(cell, Estimate) and not cell.certain:
        return {"value": plain(cell), "low": plain(cell.low), "high": plain(cell.high)}
    return plain(cell)


def _markdown_table(table: Table) -> str:
    lines = [
        f"| {' | '.join(_md(column.title) for column in table.columns)} |",
        f"|{'|'.join(':--' if column.kind in ('text', 'code') else '--:' for column in table.columns)}|",
        *(f"| {' | '.join(_cells(table, row, _md, _md_code))} |" for row in table.rows),
    ]
    return f"**{_md(table.caption)}**\n\n" + "\n".join(lines)


def _latex_table(table: Table) -> str:
    heads = " & ".join(tex(column.title) for column in table.columns)
    rows = [" & ".join(_cells(table, row, tex, _tex_code)) + r" \\" for row in table.rows]
    lines = [
        r"{\footnotesize",
        rf"\begin{{longtable}}{{{''.join(_latex_columns(table))}}}",
        rf"\caption{{{tex(table.caption)}}}\\",
        r"\toprule",
        heads + r" \\",
        r"\midrule\endhead",
        *rows,
        r"\bottomrule",
        r"\end{longtable}}",
    ]
    return "\n".join(lines)


def _latex_columns(table: Table) -> Iterator[str]:
    """Columns as wide as their longest text, of which a page has WIDEST together; heads, and what is longer, break."""
    heads = [[(len(column.title) + 1) // 2] for column in table.columns]
    cells = [[len(text) for text in _cells(table, row, str, str)] for row in table.rows]
    needs = [min(LONGEST, max(each)) + 2 for each in zip(*zip(*heads, strict=True), *cells, strict=True)]
    for column, need in zip(table.columns, needs, strict=True):
        side = "raggedright" if column.kind in ("text", "code") else "raggedleft"
        share = need / max(WIDEST, sum(needs))
        yield rf">{{\{side}\arraybackslash}}p{{\dimexpr{share:.4f}\linewidth-2\tabcolsep\relax}}"


def _tex_code(text: str) -> str:
    """Text in the letters of code, which may go on in the next line after every few of them."""
    pieces = [tex(text[i : i + 4]) for i in range(0, len(text), 4)]
    return rf"\texttt{{{BREAK.join(pieces)}}}"


def _cells(table: Table, row: tuple[Cell, ...], escaped: Callable[[str], str], code: Callable[[str], str]) -> list[str]:
    made = []
    for column, cell in zip(table.columns, row, strict=True):
        text = " ".join(filter(None, (written(cell, column.kind), interval(cell, column.kind))))
        made.append(code(text) if column.kind == "code" else escaped(text))
    return made


def _md(text: str) -> str:
    """Text with what Markdown, or HTML in it, would read as marks made harmless, on one line."""
    special = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|#"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "})
    return text.translate(special)


def _md_code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""
