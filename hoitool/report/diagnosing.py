"""A diagnosis from files: find the inputs as `hoitool eval` does, and say why the predictions fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hoitool import splits
from hoitool.convert.inputs import gather
from hoitool.diagnose.causes import diagnose, require_diagnosed, with_split
from hoitool.diagnose.diagnosis import Diagnosis
from hoitool.errors import UsageError
from hoitool.eval import choose_variant
from hoitool.files import sha256
from hoitool.report.splitting import rare_or_named, training


@dataclass(frozen=True)
class Diagnosed:
    """A diagnosis with the predictions' path, what was chosen or remarked while reading, and the splits to show."""

    found: Diagnosis
    predictions: Path
    notes: tuple[str, ...]
    shown: tuple[str, ...] = ("all",)


def diagnose_files(
    predictions: Path | None = None,
    truth: Path | None = None,
    protocol: str | None = None,
    variant: str | None = None,
    setting: str | None = None,
    split: str = "all",
    counts: Path | None = None,
    subset: str | None = None,
    format: str | None = None,
) -> Diagnosed:
    """Diagnose a file of predictions, by default the newest run's, against its truth, by default the workspace's.

    protocol, variant, setting  by default those of `hoitool.diagnose.causes.diagnose`
    split     a split to report on: a protocol's own, a named one or its JSON file
    counts    training data to count training pairs (and rare classes) in, by default what the label space knows
    The diagnosis names the files and their hashes. Raises UsageError for unknown names, before anything is read where
    the protocol is named, and what `gather` and `diagnose` raise.
    """
    if protocol is not None:
        choose_variant(require_diagnosed(protocol), variant)
    inputs = gather(predictions, truth, subset, format)
    learned, remarks = (None, []) if counts is None else training(counts)
    found = diagnose(inputs.truth, inputs.predictions, protocol, variant, setting, learned)
    files = {"truth": inputs.truth_path, "predictions": inputs.predictions_path}
    found = _traced(found, files if counts is None else files | {"training": counts})
    if counts is not None and found.truth.meta.label_kind == "interactions":
        found = with_split(found, rare_or_named("rare", counts=counts))
    found, shown = _with_named(found, split)
    dropped = (f"dropped {count:,} in reading: {reason}" for reason, count in inputs.dropped.items())
    return Diagnosed(found, inputs.predictions_path, (*inputs.notes, *remarks, *dropped), shown)


def _traced(found: Diagnosis, files: dict[str, Path]) -> Diagnosis:
    """The diagnosis with the path and SHA-256 of its files."""
    inputs = dict(found.inputs)
    for name, path in files.items():
        inputs[name] = inputs.get(name, {}) | {"path": str(path), "sha256": sha256(path)}
    return replace(found, inputs=inputs)


def _with_named(found: Diagnosis, name: str) -> tuple[Diagnosis, tuple[str, ...]]:
    """The diagnosis with the groups of a split where it does not have them, and the names of the splits to show."""
    plain, held = name.lower().replace("_", "-"), [group.name for group in found.of("split")]
    if plain in ("all", *held):
        return found, (plain,)
    if plain in ("rare", "non-rare") and found.truth.meta.label_kind == "interactions":
        raise UsageError(f"the truth's label space has no training counts: say where {plain} is counted with --counts")
    split = splits.resolve(name, known=[*held, "all"])
    return with_split(found, split), (split.name,)
