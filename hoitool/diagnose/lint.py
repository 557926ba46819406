"""Whether a row of a published table can belong to a split: whether its figures of groups and of all classes agree.

Full must be the mean of the groups weighted with their numbers of classes, HM the harmonic mean of unseen and seen,
both within the rounding of what is printed (hoitool/diagnose/rounding.py). Where they do not agree the row is mistaken
or of other classes: which numbers of classes would fit is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from hoitool.diagnose.published import FULL, HM, Printout
from hoitool.diagnose.rounding import Printed, Range, counts_that_fit, harmonic, weighted
from hoitool.errors import UsageError
from hoitool.splits import Split

Counts = Mapping[str, int]  # group -> its number of classes


@dataclass(frozen=True)
class Verdict:
    """What is found of the figures that a row prints of some groups.

    splits   those that it may be of: the one that is named, or all that have these groups; `fitting` those that fit
    full     what Full could be for the first of them, None where none is printed; hm: the same for HM
    counts   the least and the most classes of the first group with which Full would fit, None when none would
    total    the number of classes that these are of
    others   splits, other than those, whose numbers of classes fit
    swapped  the order in which the same figures would fit, () where none would or it fits as it is
    """

    printout: Printout
    splits: Mapping[str, Counts]
    fitting: tuple[str, ...]
    full: Range | None
    hm: Range | None
    counts: tuple[int, int] | None
    total: int
    others: tuple[str, ...] = ()
    swapped: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups whose figures are looked at."""
        return tuple(next(iter(self.splits.values())))

    @property
    def hm_fits(self) -> bool:
        """Whether the printed HM agrees with unseen and seen; true where none is printed."""
        return self.hm is None or self.printout.figures[HM].range.meets(self.hm)

    @property
    def fits(self) -> bool:
        """Whether the row can be of one of its splits."""
        return bool(self.fitting) and self.hm_fits

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values; what figures could be is rounded to two more digits than are printed."""
        held = self.printout
        return {
            "line": held.line,
            "name": held.name,
            "setting": held.setting,
            "named_split": held.split or None,
            "splits": {name: dict(counts) for name, counts in self.splits.items()},
            "printed": {group: figure.text for group, figure in held.figures.items()},
            "fits": self.fits,
            "fitting_splits": list(self.fitting),
            "full_from_groups": _ends(self.full, held.figures.get(FULL)),
            "hm_from_groups": _ends(self.hm, held.figures.get(HM)),
            "counts_that_fit": None if self.counts is None else {self.groups[0]: list(self.counts), "of": self.total},
            "other_splits_that_fit": list(self.others),
            "order_that_fits": list(self.swapped),
        }


def counts_of(split: Split) -> Counts:
    """The numbers of classes of a split's groups. Raises UsageError unless they make up all classes, each once."""
    held = {name: len(classes) for name, classes in split.groups.items() if classes}
    classes = 0 if split.space is None else split.space.interactions
    once = len({c for members in split.groups.values() for c in members}) == sum(held.values()) == classes
    if not held or not once:
        told = ", ".join(f"{count} {name}" for name, count in held.items()) or "none"
        raise UsageError(
            f"split {split.name!r}: its class groups ({told}) do not make up its {classes} classes, each once, so that "
            "nothing follows from them for the mean of all"
        )
    return held


def judge(printout: Printout, splits: Mapping[str, Counts], known: Mapping[str, Counts]) -> Verdict | None:
    """What is found of a row that may be of `splits`, which have the same groups; None where it does not print enough.

    known  all named splits by their counts, of which the others that fit are told
    """
    groups = tuple(next(iter(splits.values())))
    figures = {name: held.range for name, held in printout.figures.items()}
    if not {*groups} <= {*figures} or not {FULL, HM} & {*figures}:
        return None
    hm = harmonic(figures["unseen"], figures["seen"]) if HM in figures and {"unseen", "seen"} <= {*groups} else None
    if FULL not in figures:
        return None if hm is None else Verdict(printout, splits, tuple(splits), None, hm, None, 0)
    fitting = tuple(name for name, counts in splits.items() if _fits(figures, counts))
    first = next(iter(splits.values()))
    total = sum(first.values())
    return Verdict(
        printout,
        splits,
        fitting,
        full=weighted(figures, splits[fitting[0]] if fitting else first),
        hm=hm,
        counts=counts_that_fit([figures[group] for group in groups], figures[FULL], total)
        if len(groups) == 2
        else None,
        total=total,
        others=tuple(n for n, c in known.items() if n not in splits and tuple(c) == groups and _fits(figures, c)),
        swapped=() if fitting else _swapped(figures, groups, first),
    )


def _fits(figures: Mapping[str, Range], counts: Counts) -> bool:
    return figures[FULL].meets(weighted(figures, counts))


def _swapped(figures: Mapping[str, Range], groups: Sequence[str], counts: Counts) -> tuple[str, ...]:
    """The first other order of the columns in which the figures would fit."""
    names = (*groups, FULL)
    for order in permutations(names):
        if _fits({name: figures[held] for name, held in zip(order, names, strict=True)}, counts):
            return order
    return ()


def _ends(held: Range | None, shown: Printed | None) -> list[float] | None:
    if held is None or shown is None:
        return None
    return [round(float(held.low), shown.digits + 2), round(float(held.high), shown.digits + 2)]
