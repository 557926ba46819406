"""The last section of a report: every file that its figures were made of, by content, and what was not to be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hoitool import __version__
from hoitool.report.document.parts import Cell, Column, Section, Table
from hoitool.report.document.sources import Source
from hoitool.report.layout import title
from hoitool.report.terminal import COUNTS


def provenance(sources: Sequence[Source]) -> Section:
    """Every input of every result with its hash, the splits with theirs."""
    lines = [
        "A file is named by the SHA-256 of its content: figures of files with the same hashes can be compared.",
        f"Made by hoitool {__version__}.",
    ]
    lines += [f"{s.name}: not read again, because {s.missing}." for s in sources if s.missing]
    lines += [f"{s.name}: {remark}." for s in sources for remark in s.remarks]
    columns = (Column("What"), Column("File"), Column("Methods"), Column("Holds"), Column("SHA-256", "code"))
    tables = [Table("inputs", "Inputs", columns, tuple(_inputs(sources)))]
    if splits := _splits(sources):
        heads = (Column("Split"), Column("Classes", "count"), Column("Means"), Column("Hash", "code"))
        tables.append(Table("splits", "Splits: which classes the means are over", heads, tuple(splits)))
    return Section("provenance", "Provenance", tuple(lines), tuple(tables))


def _inputs(sources: Sequence[Source]) -> list[tuple[Cell, ...]]:
    """Every file once, with the methods whose input it is."""
    made: dict[tuple[str, str, str, str], list[str]] = {}
    for source in sources:
        for row in _inputs_of(source.result.inputs):
            made.setdefault(row, []).append(source.name)
    return [(what, file, ", ".join(names), holds, digest) for (what, file, holds, digest), names in made.items()]


def _inputs_of(held: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What each input of a result is, its file, what it holds, its hash; and those that it was itself made from."""
    for what in ("truth", "predictions", "training"):
        if (told := held.get(what)) and ("path" in told or "sha256" in told):
            yield what, str(told.get("path", "–")), _holds(told), str(told.get("sha256", "–"))
            for name, digest in told.get("sources", {}).items():
                yield f"{what}, made from", str(name), "", str(digest)
    for told in held.get("stores", ()):
        digest = str(told.get("content") or told.get("sha256", "–"))
        yield "store", str(told["path"]), str(told.get("model", "")), digest


def _holds(told: Mapping[str, Any]) -> str:
    """What a file holds: dataset, subset, counts, label space."""
    words = [" ".join(str(told[name]) for name in ("dataset", "subset") if told.get(name))]
    words += [f"{told[name]:,} {name.replace('_', ' ')}" for name in COUNTS if isinstance(told.get(name), int)]
    if labels := told.get("labels"):
        words.append(f"label space {labels.get('name', '–')} ({str(labels.get('sha256', '–'))[:12]})")
    return ", ".join(filter(None, words))


def _splits(sources: Sequence[Source]) -> list[tuple[Cell, ...]]:
    """Each split once, by its name and content."""
    made: dict[tuple[Cell, ...], None] = {}
    for source in sources:
        for name, told in source.result.inputs.get("splits", {}).items():
            digest = told.get("hash") or told.get("sha256") or "–"
            made[(title(name), told.get("classes"), str(told.get("means", "")), str(digest))] = None
    return list(made)
