"""Predictions and the truth they belong to, found by convention where they are not named.

In a workspace the predictions are those of the newest run, and the truth is data/<dataset>/<subset>.parquet. Where
several truths could be meant, the one that fits is taken; where several fit, one must be named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from hoitool import workspace
from hoitool.convert import FORMATS, Reading, one_part, read, sniff
from hoitool.data import Dataset, Predictions, align, read_header
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import naming, require

DEFAULT_SUBSET = "test"


@dataclass(frozen=True)
class Inputs:
    """What is to be scored and where it came from.

    notes    what was chosen and what the readers remarked
    dropped  the rows of the predictions that mean nothing: reason -> how many
    """

    truth: Dataset
    truth_path: Path
    predictions: Predictions
    predictions_path: Path
    notes: tuple[str, ...]
    dropped: dict[str, int] = field(default_factory=dict)


def gather(
    predictions: Path | None, truth: Path | None = None, subset: str | None = None, format: str | None = None
) -> Inputs:
    """Load predictions and their truth.

    Raises MissingData when there is nothing to take, UsageError when several truths fit or the kinds are swapped,
    and what the readers raise.
    """
    notes = []
    if predictions is None:
        predictions = _newest_predictions()
        notes.append(f"took the predictions {predictions} (name others as the first argument)")
    name = format or sniff(require(predictions, "predictions"))
    if format is None and name not in (None, "hoitool"):
        notes.append(f"read {predictions} as {name} (say otherwise with --from)")
    if name in FORMATS and name != "hoitool":
        raise UsageError(f"{predictions} holds annotations ({name}), expected predictions")
    if name == "hoitool":
        candidates = [truth] if truth is not None else _candidates_of(predictions, subset)
    else:
        candidates = [truth] if truth is not None else _candidates("", subset or "")
    if not candidates:
        where = workspace.DATA / "*" / f"{subset or DEFAULT_SUBSET}.parquet"
        raise MissingData(f"{predictions}: which annotations are its truth? Give them with --truth (no {where} here)")
    try:
        found = _fitting(predictions, name, candidates, subset)
    except DataError as error:
        if truth is not None:
            raise
        taken = " and ".join(map(str, candidates))
        raise DataError(f"{error}; the truth was taken from {taken}, name another with --truth") from error
    if truth is None:
        notes.append(f"took the truth {found.truth_path} (name another with --truth)")
    return replace(found, notes=(*notes, *found.notes))


def load_truth(path: Path, subset: str | None = None) -> tuple[Dataset, list[str]]:
    """The annotations of one subset from any dataset format, with the reader's notes. UsageError for predictions."""
    held = read(path)
    several = len(held.parts) > 1
    found = one_part(held, path, subset or (DEFAULT_SUBSET if several else None))
    if found.kind != "dataset":
        raise UsageError(f"{path} holds predictions, expected annotations as the truth")
    return found, held.notes


def read_parts(
    path: Path, format: str | None = None, truth: Path | None = None, subset: str | None = None
) -> tuple[list[Dataset], list[str]]:
    """All subsets of a file, or one of them, and what its reader remarked; predictions aligned with a truth.

    Raises UsageError for a subset that is not there, DataError for nothing, and what the readers raise.
    """
    known = load_truth(truth, subset)[0] if truth is not None else None
    held = read(path, format, known)
    parts = held.parts if subset is None else [one_part(held, path, subset)]
    if not parts:
        raise DataError(f"{path}: holds nothing")
    if known is not None and truth is not None:
        with naming(path, truth):
            parts = [align(part, known) if isinstance(part, Predictions) else part for part in parts]
    return parts, [*(f"dropped {count:,}: {reason}" for reason, count in held.dropped.items()), *held.notes]


def _fitting(path: Path, name: str | None, candidates: list[Path], subset: str | None) -> Inputs:
    """The predictions with the one candidate truth that they can be read against."""
    fitting, failed = [], []
    for candidate in candidates:
        truth, notes = load_truth(candidate, subset)
        try:
            held = read(path, name, truth)
        except DataError as error:
            failed.append(error)
            continue
        made = _predictions(held, path)
        fitting.append(Inputs(truth, candidate, made, path, (*notes, *held.notes), held.dropped))
    if not fitting:
        raise failed[0]
    if len(fitting) > 1:
        names = " and ".join(str(inputs.truth_path) for inputs in fitting)
        raise UsageError(f"{path}: its truth could be {names}; say which with --truth")
    return fitting[0]


def _predictions(held: Reading, path: Path) -> Predictions:
    made = one_part(held, path)
    if not isinstance(made, Predictions):
        raise UsageError(f"{path} holds annotations, expected predictions")
    return made


def _newest_predictions() -> Path:
    found = workspace.predictions()
    if not found:
        raise MissingData(
            f"no predictions: name a file, or work in a folder that has {workspace.predictions_path('<name>', 'test')}"
        )
    return found[0]


def _candidates_of(predictions: Path, subset: str | None) -> list[Path]:
    """The truths that a hoitool file can mean, by what its metadata says."""
    header = read_header(predictions)
    if header.get("kind") != "predictions":
        raise UsageError(f"{predictions} holds annotations, expected predictions")
    return _candidates(str(header.get("dataset", "")), subset or str(header.get("subset", "")))


def _candidates(dataset: str, subset: str) -> list[Path]:
    exact = workspace.dataset_folder(dataset) / f"{subset}.parquet"
    if dataset and subset and exact.exists():
        return [exact]
    return workspace.datasets(subset or DEFAULT_SUBSET)
