"""What a report is made of: results with the data that were scored, where these are still there.

A result.json names its inputs by path and SHA-256. They are read again, for what the file does not hold, only where the
content is the same; otherwise the report shows what the file has, and says what is missing and why.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoitool import workspace
from hoitool.convert.inputs import Inputs, gather
from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.diagnose.bootstrap import Sampling
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.eval import PROTOCOLS, Result, from_json
from hoitool.files import json_object_with, reading, require, sha256
from hoitool.progress import working
from hoitool.report.scoring import score_files, score_paths, with_named
from hoitool.report.splitting import training
from hoitool.splits import Split

RESULT, PER_CLASS = "result.json", "per-class.csv"
MOST = 6  # results that a report tells apart
SAME = 1e-9  # figures of the same data, by another version


@dataclass(frozen=True)
class Wanted:
    """How predictions are scored that have no result yet; results must be of this protocol and variant where named.

    sampling  how intervals are made of what is not scored by ranking pairs, None: there are none
    """

    truth: Path | None = None
    protocol: str | None = None
    variant: str | None = None
    subset: str | None = None
    split: str = "all"
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Source:
    """A result and what is known besides.

    name     what the method is called: its run, or its file
    inputs   the data that were scored; None where they were not read again, and `missing` says why, and for searches
             over stores that were made now
    remarks  what was chosen while they were read
    training what was trained on, where the protocol looks at it; splits: those that were asked for
    """

    name: str
    result: Result
    inputs: Inputs | None = None
    missing: str = ""
    remarks: tuple[str, ...] = ()
    training: Dataset | None = None
    splits: tuple[Split, ...] = ()


def open_sources(paths: Sequence[Path], wanted: Wanted | None = None) -> list[Source]:
    """The results that a user names: a result.json, a folder with one, a run, or predictions, which are scored.

    Nothing named means the newest run. Raises UsageError for more than 6, for a result of another protocol than is
    wanted or that has not the split, and what reading and scoring raise.
    """
    wanted = wanted or Wanted()
    if len(paths) > MOST:
        raise UsageError(f"{MOST} results are told apart at most, came {len(paths)}")
    if not paths:
        return [_scored(None, wanted)]
    return _named_apart([_opened(path, wanted) for path in paths], paths)


def _opened(path: Path, wanted: Wanted) -> Source:
    if not path.exists() and workspace.run_named(str(path)).exists():
        path = workspace.run_named(str(path))
    require(path, "a result, a run, or predictions")
    kept = _result_file(path)
    if kept is not None:
        return _kept(kept, wanted)
    if path.is_dir() and (found := sorted(path.glob("predictions-*.parquet"))):
        if len(found) > 1:
            raise UsageError(f"{path} holds {' and '.join(p.name for p in found)}; name one of them")
        path = found[0]
    return _scored(path, wanted)


def _result_file(path: Path) -> Path | None:
    """The result.json that a path means, None where it means predictions."""
    if path.is_dir():
        return path / RESULT if (path / RESULT).exists() else None
    return path if path.suffix == ".json" and json_object_with(path, "schema", "protocol", "results") else None


def _scored(path: Path | None, wanted: Wanted) -> Source:
    paths = [] if path is None else [path]
    with working("scoring"):
        made = score_paths(
            paths,
            wanted.truth,
            wanted.protocol,
            wanted.variant,
            wanted.subset,
            None,
            wanted.split,
            None,
            wanted.sampling,
        )
    held = made.result.inputs
    if made.result.protocol not in PROTOCOLS:
        return Source(made.name, made.result, remarks=made.notes)
    with working("reading"):
        inputs = gather(made.predictions, Path(held["truth"]["path"]), wanted.subset)
        learned = training(Path(held["training"]["path"]))[0] if "training" in held else None
    named = tuple(with_named(made.result, wanted.split)[1])
    return Source(made.name, made.result, inputs, "", made.notes, learned, named)


def _kept(file: Path, wanted: Wanted) -> Source:
    """A result from its file, with its inputs where they are there as they were."""
    with reading(file, "a result"):
        result = from_json(file.read_text(encoding="utf-8"), str(file))
    if not result.rows:
        raise DataError(f"{file}: holds no figures")
    for what, held, named in (
        ("protocol", result.protocol, wanted.protocol),
        ("variant", result.variant, wanted.variant),
    ):
        if named is not None and named != held:
            raise UsageError(
                f"{file} is a result by {what} {held!r}, not {named!r}; name its predictions to score them"
            )
    result = replace(result, per_class=_per_class(file.with_name(PER_CLASS)))
    name = _name(result, file)
    if result.protocol not in PROTOCOLS:
        return Source(name, result, missing="searches are made again from their stores, not from their result")
    try:
        with working("reading again"):
            source = _again(Source(name, result), file, wanted)
    except HoitoolError as error:
        source = Source(name, result, None, str(error))
    result, added, _ = with_named(source.result, wanted.split)
    return replace(source, result=result, splits=tuple(added))


def _again(source: Source, file: Path, wanted: Wanted) -> Source:
    """The source with its data and the figures of its classes. Raises an error that says why they are not to be had."""
    result, held = source.result, source.result.inputs
    files = {
        what: _unchanged(what, held.get(what, {}), file, wanted.truth if what == "truth" else None)
        for what in ("truth", "predictions", "training")
        if what in held or what != "training"
    }
    subset = held["truth"].get("subset") or None
    made = score_files(
        files["predictions"], files["truth"], result.protocol, result.variant, subset, counts=files.get("training")
    )
    now = {(row.setting, row.split): row.metrics for row in made.result.rows}
    for row in result.rows:
        for metric, value in now.get((row.setting, row.split), {}).items():
            if not np.isclose(value, row.metrics.get(metric, np.nan), rtol=0, atol=SAME, equal_nan=True):
                raise DataError(f"{file}: scored again, {metric} of {row.split} ({row.setting}) is {value:.6f}")
    if not result.per_class.keys() >= made.result.per_class.keys():
        result = replace(result, per_class=made.result.per_class)
    inputs = gather(files["predictions"], files["truth"], subset)
    learned = training(files["training"])[0] if "training" in files else None
    return replace(source, result=result, inputs=inputs, training=learned)


def _unchanged(what: str, told: dict[str, Any], file: Path, named: Path | None) -> Path:
    """The file that a result was made of, with the same content. Raises MissingData or DataError where it is not."""
    if not {"path", "sha256"} <= told.keys():
        raise DataError(f"{file} does not say of which {what} it is")
    path, digest, changed = Path(told["path"]), told["sha256"], None
    for candidate in [named] if named is not None else _places(path, file):
        if candidate.exists():
            if sha256(candidate) == digest:
                return candidate
            changed = changed or candidate
    if changed is not None:
        raise DataError(f"{changed} is not the {what} that was scored: its content has another SHA-256")
    raise MissingData(f"the {what} {named or path} is not there")


def _places(path: Path, file: Path) -> Iterator[Path]:
    """Where a file that a result names may lie: as it says, below a folder above the result, or beside it."""
    yield path
    if not path.is_absolute():
        yield from (folder / path for folder in file.absolute().parents[:4])
    yield file.with_name(path.name)


def _per_class(path: Path) -> dict[str, Array]:
    """The columns of a per-class.csv: whole numbers, numbers, yes and no, or names. Nothing where there is no file."""
    if not path.exists():
        return {}
    with reading(path, "figures of classes"), path.open(newline="", encoding="utf-8") as stream:
        heads, *rows = list(csv.reader(stream))
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(heads)
        return {head: _typed(values) for head, values in zip(heads, columns, strict=True)}


def _typed(values: Iterable[str]) -> Array:
    held = list(values)
    if {*held} <= {"True", "False"}:
        return np.array([value == "True" for value in held])
    for kind in (int, float):
        try:
            return np.array([kind(value) for value in held])
        except ValueError:
            continue
    return np.array(held, object)


def _name(result: Result, file: Path) -> str:
    path = Path(str(result.inputs.get("predictions", {}).get("path", "")))
    run = workspace.run_folder(path) or (file.parent if file.parent.parent.name == workspace.RUNS.name else None)
    return run.name if run is not None else path.stem or file.parent.name


def _named_apart(sources: Sequence[Source], paths: Sequence[Path]) -> list[Source]:
    """The sources with names that differ: variants by their names, others by their folders, else by number.

    A word that all sources of a name share is left out.
    """
    made = list(sources)
    variants = [source.result.variant for source in sources]
    folders = [(path if path.is_dir() else path.absolute().parent).name for path in paths]
    for told in (variants, folders, [str(number) for number in range(1, len(sources) + 1)]):
        kinds = Counter(name for name, _ in {(source.name, word) for source, word in zip(made, told, strict=True)})
        made = [
            replace(source, name=f"{source.name} ({word})") if kinds[source.name] > 1 else source
            for source, word in zip(made, told, strict=True)
        ]
    return made
