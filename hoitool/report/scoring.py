"""A score from files to a result: find the inputs, score them, and keep what a run is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hoitool import workspace
from hoitool.convert.inputs import Inputs, gather
from hoitool.data import read_header
from hoitool.errors import HoitoolError, UsageError
from hoitool.eval import (
    OF_TRAINING,
    PROTOCOLS,
    SEARCHES,
    Result,
    choose_variant,
    natural_protocol,
    protocol_named,
    score,
)
from hoitool.files import naming, npz_names, require, starts_with, write_text
from hoitool.lookup import unknown_name

if TYPE_CHECKING:
    from hoitool.diagnose.bootstrap import Sampling
    from hoitool.splits import Split

DEFAULT_PROTOCOL = "hico-det"
SEARCH = "retrieval"  # of feature stores
ZERO_SHOT = "zero-shot"  # all splits with unseen classes


@dataclass(frozen=True)
class Scored:
    """A result with the predictions' path, what was chosen or remarked while the inputs were read, splits to show."""

    result: Result
    predictions: Path
    notes: tuple[str, ...]
    shown: tuple[str, ...] = ("all",)

    @property
    def run(self) -> Path | None:
        """The run in the workspace that the predictions belong to."""
        return workspace.run_folder(self.predictions)

    @property
    def name(self) -> str:
        """What the method is called in tables: its run, or the file."""
        return self.run.name if self.run is not None else self.predictions.stem


def score_paths(
    paths: Sequence[Path],
    truth: Path | None = None,
    protocol: str | None = None,
    variant: str | None = None,
    subset: str | None = None,
    format: str | None = None,
    split: str = "all",
    counts: Path | None = None,
    sampling: Sampling | None = None,
) -> Scored:
    """Score what a user names: feature stores under a search, else a file of predictions as `score_files` does.

    Stores of images and captions are scored by `retrieval` where no protocol is named, several as an ensemble. Where
    nothing is named and the newest run left such a store, it is that one.
    Raises UsageError for several files of predictions, and for options that a search does not have.
    """
    notes: tuple[str, ...] = ()
    newest = [] if paths or protocol in PROTOCOLS else workspace.predictions(".parquet", ".h5")[:1]
    if newest and _is_store(newest[0]):
        paths, notes = newest, (f"took the store {newest[0]} (name another as the first argument)",)
    if protocol is None and paths and _is_store(paths[0]):
        protocol = SEARCH
    if protocol is not None and protocol in SEARCHES:
        from hoitool.report.searching import score_stores

        if format is not None or counts is not None:
            raise UsageError(f"--from and --counts are of predictions; protocol {protocol!r} scores feature stores")
        result = score_stores(paths, protocol, variant, truth, subset, sampling)
        return Scored(result, paths[0], notes, (split.lower(),))
    if len(paths) > 1:
        for path in paths:
            require(path, "a file of predictions, or a feature store")
        raise UsageError(
            f"{len(paths)} files; predictions are scored one file at a time, {' and '.join(SEARCHES)} of several stores"
        )
    if protocol is not None and paths and _is_store(paths[0]):
        choose_variant(protocol, variant)  # an unknown name is told first
        raise UsageError(
            f"{paths[0]} is a feature store; protocol {protocol!r} scores predictions, {' and '.join(SEARCHES)} stores"
        )
    return score_files(paths[0] if paths else None, truth, protocol, variant, subset, format, split, counts, sampling)


def _is_store(path: Path) -> bool:
    """Whether a search scores it: a feature store, or an .npz of embeddings of images and captions."""
    if path.suffix == ".npz":
        return {"images", "captions"} <= npz_names(path)
    if not starts_with(path, b"\x89HDF"):
        return False
    from hoitool.store.hdf5 import is_store

    return is_store(path)


def score_files(
    predictions: Path | None = None,
    truth: Path | None = None,
    protocol: str | None = None,
    variant: str | None = None,
    subset: str | None = None,
    format: str | None = None,
    split: str = "all",
    counts: Path | None = None,
    sampling: Sampling | None = None,
) -> Scored:
    """Score a file of predictions, by default the newest run's, against its truth, by default the workspace's.

    protocol  by default the one that is natural for what the predictions hold
    split     a split to report on too: a protocol's own, a named one or its JSON file, or zero-shot: all of those
    counts    training data to count rare classes in, by default the full training set, by the truth's label space;
              for protocols of OF_TRAINING what was trained on, by default train.parquet beside the truth
    sampling  how the intervals of the figures are made, None: there are none
    The result names the files and their hashes. Raises UsageError for unknown names, before anything is read where
    the protocol is named, and what `gather` and `score` raise.
    """
    if protocol is not None:
        variant = choose_variant(protocol, variant)
    inputs = gather(predictions, truth, subset, format)
    notes = inputs.notes
    if protocol is None:
        protocol = natural_protocol(inputs.predictions)
        if protocol != DEFAULT_PROTOCOL:
            notes = (*notes, f"scored by {protocol!r}, for what the predictions hold (say otherwise with --protocol)")
        variant = choose_variant(protocol, variant)
    files = {"truth": inputs.truth_path, "predictions": inputs.predictions_path}
    learned = None
    if protocol in OF_TRAINING and (path := _training_path(inputs, counts)) is not None:
        from hoitool.report.splitting import training

        learned, remarks = training(path)
        notes = (*notes, *remarks, *([] if counts else [f"took the training data {path} (name others with --counts)"]))
        files["training"] = path
    with naming(inputs.predictions_path, inputs.truth_path):
        result = score(inputs.truth, inputs.predictions, protocol, variant, learned).traced(**files)
    added: list[Split] = []
    dropped = (f"dropped {count:,} in reading: {reason}" for reason, count in inputs.dropped.items())
    notes = (*notes, *dropped)
    if counts is not None and protocol not in OF_TRAINING:
        from hoitool.eval.by_split import with_split
        from hoitool.report.splitting import rare_or_named

        _require_rare(result, "rare")
        added.append(rare_or_named("rare", counts=counts))
        result = with_split(result, added[0])
    result, named, shown = with_named(result, split)
    if sampling is not None:
        from hoitool.diagnose.bootstrap import with_intervals
        from hoitool.eval.ledger import weighable_of

        ledger = weighable_of(inputs.truth, inputs.predictions, protocol, variant, learned)
        result = with_intervals(result, ledger, sampling, [*added, *named])
    return Scored(result, inputs.predictions_path, notes, shown)


def _training_path(inputs: Inputs, named: Path | None) -> Path | None:
    """The training data that are named, else train.parquet beside the truth where it has the truth's label space."""
    beside = inputs.truth_path.with_name("train.parquet")
    if named is not None or beside == inputs.truth_path or not beside.exists():
        return named
    header = read_header(beside)
    return beside if header.get("labels", {}).get("hash") == inputs.truth.meta.labels.hash else None


def with_named(result: Result, name: str) -> tuple[Result, list[Split], tuple[str, ...]]:
    """The result with the rows of a split where it does not have them, what was added, and the splits to show."""
    plain = name.lower().replace("_", "-")
    if plain in ("all", *result.splits):
        return result, [], (plain,)
    if plain in ("rare", "non-rare") and "full" in result.splits:
        _require_rare(result, plain)
        raise UsageError(f"the truth's label space has no training counts: say where {plain} is counted with --counts")
    if plain not in ("rare", "non-rare") and not hasattr(protocol_named(result.protocol), "rows_of"):
        raise unknown_name(f"split of {result.protocol}", name, [*result.splits, "all"])
    from hoitool import splits
    from hoitool.eval.by_split import with_split

    names = splits.zero_shot() if plain == ZERO_SHOT else [name]
    chosen = [splits.resolve(each, known=[*result.splits, "all", ZERO_SHOT]) for each in names]
    for split in chosen:
        result = with_split(result, split)
    return result, chosen, tuple(split.name for split in chosen)


def _require_rare(result: Result, name: str) -> None:
    """Raise UsageError for a protocol that does not report on groups of classes."""
    if not hasattr(protocol_named(result.protocol), "rows_of"):
        raise UsageError(f"protocol {result.protocol!r} does not report on {name} classes")


def keep(scored: Scored) -> str:
    """Leave a result in its run's folder, a variant's under its own name. Returns a remark where that cannot be."""
    if scored.run is None:
        return ""
    result = scored.result
    official = result.variant == choose_variant(result.protocol)
    file = scored.run / ("result.json" if official else f"result-{result.variant}.json")
    try:
        write_text(file, result.to_json() + "\n")
    except HoitoolError as error:
        return str(error)
    return ""
