"""A conversion from beginning to end: recognise, read, check what fits where, write, and say what happened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.convert import FORMATS, PREDICTION_FORMATS, Reading, format_named, one_part, read, sniff
from hoitool.convert.fit import Holds, fit
from hoitool.convert.inputs import DEFAULT_SUBSET, gather
from hoitool.convert.scene_filters import filters_of
from hoitool.data import Dataset, align, read_header, statistics, validate, write, write_shards
from hoitool.data.image_ids import with_ids_of
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.files import naming, refuse_overwrite, require, sha256

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """What was read from where, what was dropped in reading and why, what the target cannot hold, what was written."""

    source: Path
    source_format: str
    target_format: str
    written: list[Path]
    parts: list[dict[str, Any]]
    dropped: dict[str, int]
    lost: dict[str, int]
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
            "lost": self.lost,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Options:
    """How to convert, apart from the source.

    keep     leave targets that were made of the same files as they are
    tell     called, before anything is written, with a line on each thing that the target cannot hold
    shards   how many files hoitool's format gets; a folder of them where it is more than one
    filters  what is left out in reading, by the names that the format's page has
    """

    source_format: str | None = None
    target_format: str = "hoitool"
    out: Path | None = None
    truth: Path | None = None
    subset: str | None = None
    overwrite: bool = False
    keep: bool = False
    tell: Callable[[str], None] = logger.warning
    shards: int = 1
    filters: tuple[str, ...] = ()


def convert(source: Path, options: Options) -> Conversion:
    """Convert one source. Raises UsageError for what cannot be meant, and what readers and writers raise."""
    target = format_named(options.target_format)
    if options.out is not None and options.out.is_file():
        refuse_overwrite(options.out, options.overwrite)
    name = options.source_format or sniff(require(source, "data"))
    if options.shards != 1 or options.filters:
        return _streamed(source, name, options)
    held = _with_sources(_read(source, name, options), source)
    told = [{"kind": p.kind, "dataset": p.meta.dataset, "subset": p.meta.subset} | statistics(p) for p in held.parts]
    if options.target_format != "hoitool":
        held = _fitted(held, options.target_format)
    for reason, count in held.lost.items():
        options.tell(f"not held by {options.target_format}, left out: {count:,} {reason}")
    out = options.out or _default_out(source, held.parts[0], options.target_format)
    parts, notes = _to_write(held, out) if options.keep and options.target_format == "hoitool" else (held.parts, [])
    written = target.write(parts, out, options.overwrite) if parts else []
    return Conversion(
        source, name or "", options.target_format, written, told, held.dropped, held.lost, [*held.notes, *notes]
    )


def _streamed(source: Path, name: str | None, options: Options) -> Conversion:
    """Convert a source part by part, so that memory holds one shard. UsageError where a format cannot be read so."""
    stream = None if name is None else getattr(format_named(name), "stream", None)
    if stream is None:
        able = [other for other in FORMATS if hasattr(FORMATS[other], "stream")]
        raise UsageError(f"{source} ({name}): --shards and --filter are for the formats {', '.join(able)}")
    if options.target_format != "hoitool" or options.truth or options.subset or options.shards < 1:
        raise UsageError("--shards (at least 1) and --filter write hoitool's format, without --to, --truth or --subset")
    held = stream(source, filters_of(options.filters))
    out = options.out or workspace.dataset_folder(held.meta.dataset)
    path = out if out.suffix == ".parquet" else out / f"{held.meta.subset or 'all'}.parquet"
    refuse_overwrite(path, options.overwrite)
    told = dict.fromkeys(("images", "boxes", "pairs"), 0)
    parts = _checked(held.parts(max(1, -(-held.images // options.shards))), told)
    if options.shards > 1:
        write_shards(parts, path)
    else:
        write(next(parts), path)
    about = {"kind": "dataset", "dataset": held.meta.dataset, "subset": held.meta.subset}
    return Conversion(source, name or "", "hoitool", [path], [about | told], dict(held.dropped), {}, held.notes)


def _checked(parts: Iterator[Dataset], told: dict[str, int]) -> Iterator[Dataset]:
    """Consistent parts, counted in `told`."""
    for part in parts:
        validate(part)
        for name, rows in (("images", part.key), ("boxes", part.boxes), ("pairs", part.subject)):
            told[name] += len(rows)
        yield part


def convert_workspace(options: Options) -> tuple[list[Conversion], list[Path], list[tuple[Path, HoitoolError]]]:
    """Convert all of raw/ that is recognised, annotations before predictions.

    Returns what was converted, what was not recognised, and what failed and why: one bad source does not stop the
    others, and what is up to date stays. Raises MissingData when raw/ holds nothing that is recognised, UsageError
    when one output is named for several sources.
    """
    known, unknown = _recognised()
    if not known:
        where = f"nothing in {workspace.RAW}/ is in a known format" if unknown else f"no folder {workspace.RAW}/ here"
        raise MissingData(f"{where}; name a source, or see `hoitool convert --list`")
    if options.out is not None and len(known) > 1:
        names = ", ".join(str(path) for path, _ in known)
        raise UsageError(f"{options.out}: one output for {len(known)} sources ({names}); name the source to convert")
    done, failed = [], []
    for path, name in sorted(known, key=lambda entry: entry[1] not in FORMATS):
        try:
            source_format = None if name == UNDECIDED else name
            done.append(convert(path, replace(options, source_format=source_format, keep=not options.overwrite)))
        except HoitoolError as error:
            failed.append((path, error))
    return done, unknown, failed


def names_images(name: str) -> bool:
    """Whether the files of a format name their images."""
    holds: Holds | None = format_named(name).HOLDS
    return holds is None or holds.names_images


UNDECIDED = "undecided"  # several formats fit, which converting the source will say


def _recognised() -> tuple[list[tuple[Path, str]], list[Path]]:
    """What of raw/ is in a known format, and what is not: entries of raw/ itself, else of the folders in it."""
    known: list[tuple[Path, str]] = []
    unknown: list[Path] = []
    for path in workspace.raw_entries():
        name = _format_of(path)
        inside = [] if name or path.is_file() else [(p, _format_of(p)) for p in workspace.raw_entries(path)]
        found = [(p, n) for p, n in [(path, name), *inside] if n]
        known += found
        unknown += [p for p, n in inside if not n] if found else [path]
    return known, unknown


def _format_of(path: Path) -> str | None:
    try:
        return sniff(path)
    except UsageError:
        return UNDECIDED


def _read(source: Path, name: str | None, options: Options) -> Reading:
    """The parts of a source; predictions in the order and label space of their truth, where there is one."""
    named = names_images(options.target_format)
    if name is not None and name in PREDICTION_FORMATS:
        named = named and names_images(name)
        if named and options.truth is None and not workspace.datasets(options.subset or DEFAULT_SUBSET):
            return read(source, name)
        return _with_truth(source, name, options)
    held = read(source, name)
    if held.parts and held.parts[0].kind == "predictions" and (options.truth or not named):
        return _with_truth(source, name, options)
    if options.subset is not None:
        held = replace(held, parts=[one_part(held, source, options.subset)])
    if not held.parts:
        raise DataError(f"{source}: holds nothing")
    if options.truth is not None and held.parts[0].kind == "dataset":
        return replace(held, notes=[*held.notes, f"these are annotations, for which {options.truth} was not looked at"])
    return held


def _with_truth(source: Path, name: str | None, options: Options) -> Reading:
    inputs = gather(source, options.truth, options.subset, name)
    with naming(source, inputs.truth_path):
        predictions = with_ids_of(align(inputs.predictions, inputs.truth), inputs.truth)
    return Reading([predictions], inputs.dropped, list(inputs.notes))


def _with_sources(held: Reading, source: Path) -> Reading:
    """The parts with the hashes of the files that they came from."""
    origin = {} if all(part.meta.sources for part in held.parts) else {source.name: sha256(source)}
    parts = [p if p.meta.sources else p.with_columns(replace(p.meta, sources=origin)) for p in held.parts]
    return replace(held, parts=parts)


def _fitted(held: Reading, target: str) -> Reading:
    """The parts as a format other than hoitool's holds them, and what it cannot, counted. UsageError for its kind."""
    first = held.parts[0]
    table, kind = (PREDICTION_FORMATS, "predictions") if first.kind == "predictions" else (FORMATS, "annotations")
    if target not in table:
        raise UsageError(
            f"{target!r} does not hold {kind}; formats that do: {', '.join(dict.fromkeys(['hoitool', *table]))}"
        )
    try:
        fitted = fit(held.parts, table[target].HOLDS)
    except (UsageError, DataError) as error:
        raise type(error)(f"{target!r}: {error}") from error
    notes = [f"the source does not say, and {target} fills in: {', '.join(fitted.filled)}"] if fitted.filled else []
    return replace(held, parts=fitted.parts, lost=fitted.lost, notes=[*held.notes, *notes])


def _to_write(held: Reading, out: Path) -> tuple[list[Dataset], list[str]]:
    """The parts whose targets are not there, and a note on each target that is and was made of the same files."""
    left, notes = [], []
    for part, path in zip(held.parts, FORMATS["hoitool"].targets(held.parts, out), strict=True):
        if path.exists() and read_header(path).get("sources") == part.meta.sources:
            notes.append(f"{path} is up to date")
        else:
            left.append(part)
    return left, notes


def _default_out(source: Path, data: Dataset, target: str) -> Path:
    if target != "hoitool":
        raise UsageError(f"--to {target} needs -o: where to write")
    if data.kind == "predictions":
        return workspace.predictions_path(source.stem, data.meta.subset or DEFAULT_SUBSET)
    return workspace.dataset_folder(data.meta.dataset or source.stem)
