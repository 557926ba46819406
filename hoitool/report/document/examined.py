"""A result examined: what its score was made of, how certain its figures are, and why its predictions fail."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hoitool import splits
from hoitool.diagnose.bootstrap import Sampling, with_intervals
from hoitool.diagnose.causes import CASES, diagnose
from hoitool.diagnose.diagnosis import Diagnosis
from hoitool.errors import HoitoolError, UsageError
from hoitool.eval import Result
from hoitool.eval.by_split import add_split
from hoitool.eval.ledger import Ledger, Weighable, weighable_of
from hoitool.progress import working
from hoitool.report.document.sources import Source
from hoitool.splits import Split


@dataclass(frozen=True)
class Examined:
    """A source with intervals where they could be had, its ledger and its diagnosis, None where these cannot be."""

    source: Source
    ledger: Weighable | None = None
    diagnosis: Diagnosis | None = None

    @property
    def name(self) -> str:
        """What the method is called."""
        return self.source.name

    @property
    def ranked(self) -> Ledger | None:
        """The ledger, where it ranks the detections of classes."""
        return self.ledger if isinstance(self.ledger, Ledger) else None


def examine(source: Source, sampling: Sampling | None = None) -> Examined:
    """What the data of a source tell besides its figures.

    sampling  how the intervals are made that it does not have, None: there are none. Those that it has are made again
              in their own way, for its classes.
    """
    if source.inputs is None:
        return Examined(source)
    truth, predictions, result = source.inputs.truth, source.inputs.predictions, source.result
    try:
        with working("curves"):
            ledger = weighable_of(truth, predictions, result.protocol, result.variant, source.training)
    except UsageError as error:  # the protocol has none
        return Examined(replace(source, remarks=(*source.remarks, f"no intervals and no curves: {error}")))
    named = _splits(source) if isinstance(ledger, Ledger) else []
    if sampling is not None and _lacks_intervals(result):
        own = result.sampling and Sampling(*(result.sampling[name] for name in ("resamples", "seed", "level")))
        source = replace(source, result=with_intervals(result, ledger, own or sampling, named))
    for split in named:
        assert isinstance(ledger, Ledger)
        ledger = add_split(ledger, result, split)
    return Examined(source, ledger, _diagnosis(source))


def _lacks_intervals(result: Result) -> bool:
    """Whether a row, or the figures of the classes, have no intervals."""
    of_classes = not result.per_class or any(name.endswith("_ci_low") for name in result.per_class)
    return not of_classes or not all(row.intervals for row in result.rows)


def _splits(source: Source) -> list[Split]:
    """The splits that a result has rows of: those asked for, and named ones where they are still the same."""
    held = source.result.inputs.get("splits", {})
    made = {split.name: split for split in source.splits}
    for name in {row.split.rpartition(":")[0]: None for row in source.result.rows}:
        try:
            split = splits.named(name) if name and name not in made else None
        except HoitoolError:  # of a file of the user's own
            continue
        if split is not None and split.hash == held.get(name, {}).get("hash"):
            made[name] = split
    return list(made.values())


def _diagnosis(source: Source) -> Diagnosis | None:
    """Why predictions fail, where their protocol has causes."""
    if source.inputs is None or source.result.protocol not in CASES:
        return None
    held = source.result
    with working("diagnosing"):
        return diagnose(source.inputs.truth, source.inputs.predictions, held.protocol, held.variant)
