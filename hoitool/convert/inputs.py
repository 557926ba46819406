"""Predictions and the truth they belong to, found by convention where they are not named.

In a workspace the predictions are those of the newest run, and the truth is data/<dataset>/<subset>.parquet. Where
several truths could be meant, the one that fits is taken; where several fit, one must be named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoitool import workspace
from hoitool.convert import load, read, sniff
from hoitool.data import Dataset, Predictions
from hoitool.errors import DataError, MissingData, UsageError

DEFAULT_SUBSET = "test"


@dataclass(frozen=True)
class Inputs:
    """What is to be scored, where it came from, and which of it was chosen rather than named."""

    truth: Dataset
    truth_path: Path
    predictions: Predictions
    predictions_path: Path
    format: str
    chosen: tuple[str, ...]


def gather(
    predictions: Path | None, truth: Path | None = None, subset: str | None = None, format: str | None = None
) -> Inputs:
    """Load predictions and their truth.

    Raises MissingData when there is nothing to take, UsageError when several truths fit or the kinds are swapped,
    and what the readers raise.
    """
    chosen = []
    if predictions is None:
        predictions = _newest_predictions()
        chosen.append(f"took the predictions {predictions} (name others as the first argument)")
    name = format or sniff(predictions)
    if name != "hoitool":
        return _foreign(predictions, name, truth, subset, chosen)
    held = load(predictions, "hoitool")
    if not isinstance(held, Predictions):
        raise UsageError(f"{predictions} holds annotations, expected predictions")
    if truth is None:
        candidates = _candidates(held.meta.dataset, subset or held.meta.subset)
        truth = _only(candidates, predictions)
        chosen.append(f"took the truth {truth} (name another with --truth)")
    return Inputs(load_truth(truth, subset or _subset_in(truth, held)), truth, held, predictions, name, tuple(chosen))


def load_truth(path: Path, subset: str | None = None) -> Dataset:
    """The annotations of one subset, from any dataset format. Raises UsageError when they are predictions."""
    found = load(path, subset=subset)
    if found.kind != "dataset":
        raise UsageError(f"{path} holds predictions, expected annotations as the truth")
    return found


def _foreign(path: Path, name: str | None, truth: Path | None, subset: str | None, chosen: list[str]) -> Inputs:
    """Predictions in a format that does not say what it belongs to: every candidate truth is tried."""
    candidates = [truth] if truth is not None else _candidates("", subset or "")
    if not candidates:
        raise MissingData(f"{path}: which annotations are its truth? Give them with --truth (there are none in data/)")
    fitting, failed = [], []
    for candidate in candidates:
        annotations = load_truth(candidate, subset or _default_subset(candidate))
        try:
            parts = read(path, name, annotations).parts
        except DataError as error:
            failed.append(error)
            continue
        fitting.append((annotations, candidate, parts[0]))
    if not fitting:
        raise failed[0]
    if len(fitting) > 1:
        raise UsageError(f"{path}: fits {' and '.join(str(c) for _, c, _ in fitting)}; say which with --truth")
    annotations, candidate, predictions = fitting[0]
    if not isinstance(predictions, Predictions):
        raise UsageError(f"{path} holds annotations, expected predictions")
    if truth is None:
        chosen.append(f"took the truth {candidate} (name another with --truth)")
    return Inputs(annotations, candidate, predictions, path, name or "", tuple(chosen))


def _newest_predictions() -> Path:
    found = workspace.predictions()
    if not found:
        raise MissingData(
            f"no predictions: name a file, or work in a folder that has {workspace.predictions_path('<name>', 'test')}"
        )
    return found[0]


def _candidates(dataset: str, subset: str) -> list[Path]:
    exact = workspace.dataset_folder(dataset) / f"{subset}.parquet"
    if dataset and subset and exact.exists():
        return [exact]
    return workspace.datasets(subset or DEFAULT_SUBSET)


def _only(candidates: list[Path], predictions: Path) -> Path:
    if not candidates:
        raise MissingData(f"{predictions}: no truth for it in {workspace.DATA}/; give one with --truth")
    if len(candidates) > 1:
        raise UsageError(
            f"{predictions}: its truth could be {' or '.join(map(str, candidates))}; say which with --truth"
        )
    return candidates[0]


def _subset_in(truth: Path, predictions: Dataset) -> str | None:
    """The subset to take from a truth that may hold several: the predictions' own, else test."""
    if truth.is_file() or truth.suffix == ".parquet":
        return None
    return predictions.meta.subset or DEFAULT_SUBSET


def _default_subset(truth: Path) -> str | None:
    return None if truth.suffix == ".parquet" else DEFAULT_SUBSET
