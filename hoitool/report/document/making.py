"""A report from what a user names to a file: find the results, make the sections, write the format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoitool.diagnose.bootstrap import Sampling
from hoitool.diagnose.compare import Entry, compare
from hoitool.errors import UsageError
from hoitool.files import refuse_overwrite, write_text
from hoitool.lookup import Lookup, unknown_name
from hoitool.report.document.classes import classes
from hoitool.report.document.compared import compared
from hoitool.report.document.curves import Recorded, curves
from hoitool.report.document.errors import Diagnosed, errors
from hoitool.report.document.examined import Examined, examine
from hoitool.report.document.frequency import frequency
from hoitool.report.document.gallery import gallery
from hoitool.report.document.parts import Chart, Document, Part, Section
from hoitool.report.document.provenance import provenance
from hoitool.report.document.sources import Source
from hoitool.report.document.summary import summary

FORMATS = Lookup(
    "format of reports",
    {
        "html": "hoitool.report.document.html:html",
        "md": "hoitool.report.document.text:markdown",
        "latex": "hoitool.report.document.text:latex",
        "csv": "hoitool.report.document.text:csv_text",
        "json": "hoitool.report.document.text:json_text",
    },
)
PICTURES = 60  # of errors, in a report with pictures
SUFFIXES = {"html": ".html", "md": ".md", "latex": ".tex", "csv": ".csv", "json": ".json"}


def target(out: Path | None, format: str | None, overwrite: bool) -> tuple[Path, str]:
    """Where a report goes and its format, by default report.html, or the format that the file's name says.

    Raises UsageError for an unknown format, and for a file that exists unless it may be replaced.
    """
    if format is not None and format not in FORMATS:
        raise unknown_name(FORMATS.kind, format, FORMATS)
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder, expected a file such as {out / 'report.html'}")
    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    if format is None:
        format = "html" if out is None else by_suffix.get(out.suffix.lower())
    if format is None:
        raise UsageError(f"{out}: reports are written as {', '.join(by_suffix)}; another name needs --format")
    out = out or Path("report").with_suffix(SUFFIXES[format])
    refuse_overwrite(out, overwrite)
    return out, format


def document(
    sources: Sequence[Source],
    sampling: Sampling | None = None,
    images: Path | None = None,
    pictures: int = PICTURES,
) -> Document:
    """The report on results; those by different protocols, variants or truths have sections of their own.

    sampling          how intervals are made, and several results compared; None: neither
    images, pictures  the folder of the pictures that errors are shown on, and how many are shown in each of those
    Raises MissingData for a folder that has none of them.
    """
    groups = _groups([examine(source, sampling) for source in sources])
    sections = []
    for number, group in enumerate(groups, start=1):
        made = [section for section in _sections(group, sampling, images, pictures) if section is not None]
        sections += made if len(groups) == 1 else [_numbered(section, number, group) for section in made]
    return Document(_title(sources), " ".join(map(_lead, groups)), tuple(sections))


def write(made: Document, path: Path, format: str) -> None:
    """Write a report, whole or not at all."""
    write_text(path, FORMATS[format](made))


def _sections(
    group: Sequence[Examined], sampling: Sampling | None, images: Path | None, pictures: int
) -> list[Section | None]:
    """Every section of results that can be compared, None where what it is made of is not known."""
    sources = [each.source for each in group]
    ledgers = [Recorded(each.name, each.ranked) for each in group if each.ranked is not None]
    diagnosed = [Diagnosed(each.name, each.diagnosis) for each in group if each.diagnosis is not None]
    return [
        summary(sources),
        None if sampling is None else _comparison(group, sampling),
        curves(ledgers),
        frequency(sources),
        errors(diagnosed),
        None if images is None else gallery(diagnosed, images, pictures),
        classes(sources),
        provenance(sources),
    ]


def _comparison(group: Sequence[Examined], sampling: Sampling) -> Section | None:
    """Several results against the first, those whose data are there."""
    entries = [Entry(each.name, each.source.result, each.ledger) for each in group if each.ledger is not None]
    if len(entries) < 2:
        return None
    return compared(compare(entries, sampling))


def _groups(results: Sequence[Examined]) -> list[list[Examined]]:
    """Results that can be compared, in the order in which the first of each came."""
    made: dict[tuple[Any, ...], list[Examined]] = {}
    for each in results:
        result = each.source.result
        truth = str(result.inputs.get("truth", {}).get("sha256", ""))
        queries = () if truth else tuple((row.setting, row.split, row.classes) for row in result.rows)
        made.setdefault((result.protocol, result.variant, truth, queries), []).append(each)
    return list(made.values())


def _title(sources: Sequence[Source]) -> str:
    """The methods, and what they were scored on."""
    truths = dict.fromkeys(of for source in sources if (of := _truth(source)))
    return _listed([source.name for source in sources]) + (f" on {_listed([*truths])}" if truths else "")


def _truth(source: Source) -> str:
    """Dataset and subset that a result is of."""
    truth = source.result.inputs.get("truth", {})
    return " ".join(str(truth[name]) for name in ("dataset", "subset") if truth.get(name))


def _lead(group: Sequence[Examined]) -> str:
    """What a group was scored by and on."""
    result = group[0].source.result
    truth = result.inputs.get("truth", {})
    of = _truth(group[0].source)
    counts = [f"{truth[name]:,} {name}" for name in ("images", "pairs") if isinstance(truth.get(name), int)]
    told = f" on {of}" if of else ""
    held = f" ({', '.join(counts)})" if counts else ""
    return f"{_listed([each.name for each in group])}, scored by {result.protocol}/{result.variant}{told}{held}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _numbered(section: Section, number: int, group: Sequence[Examined]) -> Section:
    """A section of one of several groups, told apart by its title and the names in it."""
    result = group[0].source.result
    return replace(
        section,
        name=f"{section.name}-{number}",
        title=f"{section.title}: {result.protocol}/{result.variant} ({_listed([each.name for each in group])})",
        parts=tuple(_part_numbered(part, number) for part in section.parts),
    )


def _part_numbered(part: Part, number: int) -> Part:
    if isinstance(part, Chart):
        return replace(part, data=replace(part.data, name=f"{part.data.name}-{number}"))
    return replace(part, name=f"{part.name}-{number}")
