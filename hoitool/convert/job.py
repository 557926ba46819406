"""A conversion from beginning to end: recognise, read, check what fits where, write, and say what happened."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.convert import FORMATS, PREDICTION_FORMATS, Reading, format_named, read, sniff
from hoitool.convert.inputs import DEFAULT_SUBSET, gather
from hoitool.data import Dataset, statistics
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import refuse_overwrite, require, sha256

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """What was read from where, what was dropped and why, and what was written."""

    source: Path
    source_format: str
    target_format: str
    written: list[Path]
    parts: list[dict[str, Any]]
    dropped: dict[str, int]
    notes: list[str]

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "source": str(self.source),
            "from": self.source_format,
            "to": self.target_format,
            "written": [str(path) for path in self.written],
            "parts": self.parts,
            "dropped": self.dropped,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Options:
    """How to convert, apart from the source."""

    source_format: str | None = None
    target_format: str = "hoitool"
    out: Path | None = None
    truth: Path | None = None
    subset: str | None = None
    overwrite: bool = False


def convert(source: Path, options: Options) -> Conversion:
    """Convert one source. Raises UsageError for what cannot be meant, and what readers and writers raise."""
    target = format_named(options.target_format)
    if options.out is not None and options.out.is_file():
        refuse_overwrite(options.out, options.overwrite)
    name = options.source_format or sniff(require(source, "data"))
    held = _read(source, name, options)
    first = held.parts[0]
    if options.target_format != "hoitool":
        _check_kinds(first, options.target_format)
    out = options.out or _default_out(source, first, options.target_format)
    if first.kind == "predictions" and options.target_format in PREDICTION_FORMATS:
        written = target.write(first, out, options.overwrite)
    else:
        written = target.write(held.parts, out, options.overwrite)
    parts = [{"kind": p.kind, "dataset": p.meta.dataset, "subset": p.meta.subset} | statistics(p) for p in held.parts]
    return Conversion(source, name or "", options.target_format, written, parts, held.dropped, held.notes)


def convert_workspace(options: Options) -> tuple[list[Conversion], list[Path]]:
    """Convert all of raw/ that is recognised, annotations before predictions; and what was not recognised.

    Raises MissingData when raw/ holds nothing that is.
    """
    known, unknown = _recognised()
    if not known:
        where = f"nothing in {workspace.RAW}/ is in a known format" if unknown else f"no folder {workspace.RAW}/ here"
        raise MissingData(f"{where}; name a source, or see `hoitool convert --list`")
    done = []
    for path, name in sorted(known, key=lambda entry: entry[1] in PREDICTION_FORMATS):
        log.info("converting %s (%s)", path, name)
        done.append(convert(path, replace(options, source_format=name)))
    return done, unknown


def _recognised() -> tuple[list[tuple[Path, str]], list[Path]]:
    """What of raw/ is in a known format, and what is not: entries of raw/ itself, else of the folders in it."""
    known: list[tuple[Path, str]] = []
    unknown: list[Path] = []
    for path in workspace.raw_entries():
        inside = [path] if sniff(path) is not None or path.is_file() else workspace.raw_entries(path)
        found = [(entry, name) for entry in inside if (name := sniff(entry)) is not None]
        known += found
        unknown += [entry for entry in inside if entry not in dict(found)] if found else [path]
    return known, unknown


def _read(source: Path, name: str | None, options: Options) -> Reading:
    """The parts of a source with the hashes of the files they came from."""
    if name in PREDICTION_FORMATS:
        held = _read_predictions(source, name, options)
    else:
        held = read(source, name)
    if options.subset is not None:
        kept = [part for part in held.parts if part.meta.subset == options.subset]
        if not kept:
            raise UsageError(f"{source}: no subset {options.subset!r}, it holds {_subsets(held)}")
        held = replace(held, parts=kept)
    if not held.parts:
        raise DataError(f"{source}: holds nothing")
    origin = {} if all(part.meta.sources for part in held.parts) else {source.name: sha256(source)}
    parts = [p if p.meta.sources else p.with_columns(replace(p.meta, sources=origin)) for p in held.parts]
    return replace(held, parts=parts)


def _read_predictions(source: Path, name: str | None, options: Options) -> Reading:
    """Predictions with the truth that is named or fits; a table that names its images can do without one."""
    if options.truth is None and name == "pairs" and not workspace.datasets(options.subset or DEFAULT_SUBSET):
        return read(source, name)
    inputs = gather(source, options.truth, options.subset, name)
    return Reading([inputs.predictions], notes=list(inputs.chosen))


def _subsets(held: Reading) -> str:
    return ", ".join(repr(part.meta.subset) for part in held.parts)


def _check_kinds(data: Dataset, target: str) -> None:
    table, kind = (PREDICTION_FORMATS, "predictions") if data.kind == "predictions" else (FORMATS, "annotations")
    if target not in table:
        raise UsageError(f"{target!r} does not hold {kind}; formats that do: {', '.join(['hoitool', *table])}")


def _default_out(source: Path, data: Dataset, target: str) -> Path:
    if target != "hoitool":
        raise UsageError(f"--to {target} needs -o: where to write")
    if data.kind == "predictions":
        return workspace.predictions_path(source.stem, data.meta.subset or DEFAULT_SUBSET)
    return workspace.dataset_folder(data.meta.dataset or source.stem)
