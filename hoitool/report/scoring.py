"""A score from files to a result: find the inputs, score them, and keep what a run is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoitool import workspace
from hoitool.convert.inputs import gather
from hoitool.errors import HoitoolError
from hoitool.eval import Result, choose_variant, score
from hoitool.files import write_text


@dataclass(frozen=True)
class Scored:
    """A result with the predictions' path, and what was chosen or remarked while the inputs were read."""

    result: Result
    predictions: Path
    notes: tuple[str, ...]

    @property
    def run(self) -> Path | None:
        """The run in the workspace that the predictions belong to."""
        return workspace.run_folder(self.predictions)

    @property
    def name(self) -> str:
        """What the method is called in tables: its run, or the file."""
        return self.run.name if self.run is not None else self.predictions.stem


def score_files(
    predictions: Path | None = None,
    truth: Path | None = None,
    protocol: str = "hico-det",
    variant: str | None = None,
    subset: str | None = None,
    format: str | None = None,
) -> Scored:
    """Score a file of predictions, by default the newest run's, against its truth, by default the workspace's.

    The result names the files and their hashes. Raises UsageError for unknown names before anything is read, and
    what `gather` and `score` raise.
    """
    variant = choose_variant(protocol, variant)
    inputs = gather(predictions, truth, subset, format)
    result = score(inputs.truth, inputs.predictions, protocol, variant)
    result = result.traced(truth=inputs.truth_path, predictions=inputs.predictions_path)
    dropped = (f"dropped {count:,} in reading: {reason}" for reason, count in inputs.dropped.items())
    return Scored(result, inputs.predictions_path, (*inputs.notes, *dropped))


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
