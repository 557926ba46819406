"""Foreign checkpoints in our modules: a key map says what each name of a file is called here.

A key map is a literal table of rules (pattern, our name), read from the top: the first pattern, a regular expression
that must match a whole name, decides; our name may use its groups; None is for what a file holds and no module wants.
The grid of a tower's positions is made to fit its pictures.
Two names of a file for one place are taken where their tensors are equal: modules that share a part save it twice.
What matched, what is missing and what is left over is a value, `Match`; unless all of it fits, loading is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hoitool.errors import DataError
from hoitool.nn.tensors import read_tensors
from hoitool.nn.towers import ClipTower, TimmTower, fitted

KeyMap = tuple[tuple[str, str | None], ...]
AS_THEY_ARE: KeyMap = ((r"(.+)", r"\1"),)


@dataclass(frozen=True)
class Match:
    """How the names of a file and of a module meet.

    matched    our name -> the file's, of one shape
    wrong      our name -> (the file's, its shape, our shape), of different ones
    missing    our names that the file does not have
    left_over  the file's names that have no place
    unwanted   those that the key map says no module wants, and second names of what is matched
    """

    matched: Mapping[str, str]
    wrong: Mapping[str, tuple[str, tuple[int, ...], tuple[int, ...]]]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    unwanted: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything has its place."""
        return not (self.wrong or self.missing or self.left_over)

    def table(self) -> list[tuple[str, str, str]]:
        """Rows (what, the file's name, ours) of everything, the differences first."""
        wrong = [(f"shape {list(held)} for {list(own)}", name, our) for our, (name, held, own) in self.wrong.items()]
        missing = [("missing", "", our) for our in self.missing]
        left_over = [("left over", name, "") for name in self.left_over]
        matched = [("matched", name, our) for our, name in self.matched.items()]
        return wrong + missing + left_over + matched + [("unwanted", name, "") for name in self.unwanted]

    def summary(self) -> str:
        """The counts, and the first of what does not fit: `150 matched, 1 missing (classifier.weight)`."""
        wrong = [f"{our} is {list(held)}, expected {list(own)}" for our, (_, held, own) in self.wrong.items()]
        parts = {"of another shape": wrong, "missing": self.missing, "left over": self.left_over}
        told = [f"{len(held)} {what} ({held[0]})" for what, held in parts.items() if held]
        return ", ".join([f"{len(self.matched)} matched", *told])


def under(key_map: KeyMap, theirs: str, ours: str) -> KeyMap:
    """A key map for a part of a model: `theirs`, a pattern without groups, and `ours` stand before its names."""
    return tuple((f"{theirs}(?:{pattern})", None if our is None else ours + our) for pattern, our in key_map)


def matched(module: nn.Module, state: Mapping[str, Tensor], key_map: KeyMap) -> Match:
    """How a file's tensors fit a module. Raises DataError where two that differ become one of ours."""
    wanted = module.state_dict()
    ours: dict[str, str] = {}
    left_over: list[str] = []
    unwanted: list[str] = []
    for name in state:
        known, our = _ours(name, key_map)
        if our in ours:
            if not torch.equal(state[ours[our]], state[name]):
                raise DataError(f"{ours[our]!r} and {name!r} of the checkpoint are both {our!r} here, and differ")
            unwanted.append(name)
        elif our is not None and our in wanted:
            ours[our] = name
        else:
            (unwanted if known and our is None else left_over).append(name)
    shapes = {our: (name, tuple(state[name].shape), tuple(wanted[our].shape)) for our, name in ours.items()}
    return Match(
        matched={our: name for our, (name, held, own) in shapes.items() if held == own},
        wrong={our: row for our, row in shapes.items() if row[1] != row[2]},
        missing=tuple(our for our in wanted if our not in ours),
        left_over=tuple(left_over),
        unwanted=tuple(unwanted),
    )


def load(module: nn.Module, path: Path, key_map: KeyMap, strict: bool = True) -> Match:
    """Copy the weights of a file into a module, and say how they fitted.

    Raises MissingData and DataError: for a file without tensors, for one of which nothing fits, for weights that are
    not finite, and, when strict, unless each name has its place with its shape.
    """
    return fill(module, read_tensors(path), key_map, str(path), strict)


def fill(module: nn.Module, state: Mapping[str, Tensor], key_map: KeyMap, where: str, strict: bool = True) -> Match:
    """`load` for tensors that are already read from `where`."""
    try:
        state = _resized(module, state, key_map)
        match = matched(module, state, key_map)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    if not match.matched or (strict and not match.complete):
        raise DataError(f"{where}: not the weights of this {type(module).__name__}: {match.summary()}")
    own = module.state_dict()
    with torch.no_grad():
        for our, name in match.matched.items():
            own[our].copy_(state[name])
    _require_finite(module, match, where)
    return match


def _require_finite(module: nn.Module, match: Match, where: str) -> None:
    """Raise DataError naming the first tensor of a file that is a parameter and holds what is no finite number."""
    for our, parameter in module.named_parameters(remove_duplicate=False):
        if our in match.matched and not parameter.isfinite().all():
            raise DataError(f"{where}: {match.matched[our]} holds numbers that are not finite; the file is damaged")


def _resized(module: nn.Module, state: Mapping[str, Tensor], key_map: KeyMap) -> Mapping[str, Tensor]:
    """The state with each tower's positions for the size of its pictures."""
    towers = {name: part for name, part in module.named_modules() if isinstance(part, ClipTower | TimmTower)}
    grids = {f"{name}.{tower.positions}".removeprefix("."): tower.grid for name, tower in towers.items()}
    made = dict(state)
    for our, (name, held, own) in matched(module, state, key_map).wrong.items():
        if our in grids and len(held) == len(own) and held[-1] == own[-1]:
            made[name] = fitted(state[name], grids[our])
    return made


def _ours(name: str, key_map: KeyMap) -> tuple[bool, str | None]:
    """Whether a rule knows a name of a file, and what it is called here."""
    for pattern, our in key_map:
        if found := re.fullmatch(pattern, name):
            return True, None if our is None else found.expand(our)
    return False, None
