"""Checkpoints: folders that are there whole or not at all, from which a training goes on as if never interrupted.

    step-00001200/  about.json          version, step, plan, number of processes, best figure, hashes of the files
                    weights.safetensors
                    average.safetensors  where the plan averages
                    optimiser.pt         tensors and numbers, loaded with weights_only
    best-00000900/  about.json, weights.safetensors: the weights that were evaluated

The order of samples, the learning rate and what is random in a step are functions of the step: nothing of them is kept.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from hoitool.errors import DataError, UsageError
from hoitool.files import atomic_folder, reading, sha256
from hoitool.models.checkpoints import ABOUT, AVERAGE, VERSION, WEIGHTS, check, read_about, steps, tensors
from hoitool.train.average import State
from hoitool.train.plan import Plan, difference

OPTIMISER = "optimiser.pt"


@dataclass(frozen=True)
class Best:
    """The best evaluation so far: when it was, and the figure's value."""

    step: int
    value: float


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on after `step` steps."""

    step: int
    world: int
    weights: State
    optimiser: dict[str, Any]
    average: State | None = None
    scaler: dict[str, Any] = field(default_factory=dict)
    best: Best | None = None


def write(folder: Path, made: Checkpoint, plan: Plan, keep: int) -> Path:
    """Write a checkpoint into `folder`, then remove all but the last `keep` and the best weights that none names."""
    path = folder / f"step-{made.step:08d}"
    with atomic_folder(path) as inside:
        save_file(_plain(made.weights), inside / WEIGHTS)
        if made.average is not None:
            save_file(_plain(made.average), inside / AVERAGE)
        torch.save(made.optimiser, inside / OPTIMISER)
        best = made.best and {"step": made.best.step, "value": made.best.value}
        about = {"step": made.step, "world": made.world, "best": best, "scaler": made.scaler}
        _write_about(inside, about | {"plan": plan.model_dump(mode="json")})
    _prune(folder, keep)
    return path


def write_best(folder: Path, weights: State, best: Best, figures: dict[str, float]) -> Path:
    """Keep the weights of the best evaluation so far; the former best stay while a checkpoint names them."""
    path = folder / f"best-{best.step:08d}"
    with atomic_folder(path) as inside:
        save_file(_plain(weights), inside / WEIGHTS)
        _write_about(inside, {"step": best.step, "value": best.value, "figures": figures})
    return path


def read(path: Path, plan: Plan) -> Checkpoint:
    """A checkpoint of the same plan.

    Raises UsageError naming the field in which the plan differs, and DataError naming a damaged file.
    """
    about = read_about(path)
    if other := difference(about["plan"], plan):
        raise UsageError(f"{path}: made with another plan ({other}); give the same one, or train into another folder")
    check(path, about)
    best = about["best"]
    with reading(path / OPTIMISER, "the state of an optimiser"):
        optimiser = torch.load(path / OPTIMISER, map_location="cpu", weights_only=True)
    return Checkpoint(
        step=about["step"],
        world=about["world"],
        weights=tensors(path / WEIGHTS),
        optimiser=optimiser,
        average=tensors(path / AVERAGE) if plan.ema is not None else None,
        scaler=about["scaler"],
        best=Best(best["step"], best["value"]) if best else None,
    )


def fitting(state: State, module: torch.nn.Module) -> State:
    """The state itself, where a module has its names and shapes. Raises DataError for the first that differs."""
    held = module.state_dict()
    for name in [*held, *(name for name in state if name not in held)]:
        here, there = (list(s[name].shape) if name in s else "absent" for s in (held, state))
        if here != there:
            raise DataError(f"checkpoint, {name}: {there} there and {here} in the model; it is of another model")
    return state


def clean(folder: Path) -> None:
    """Remove what a killed process left unfinished."""
    for left in [*folder.glob(".step-*"), *folder.glob(".best-*")]:
        shutil.rmtree(left, ignore_errors=True)


def _write_about(inside: Path, about: dict[str, Any]) -> None:
    hashes = {path.name: sha256(path) for path in sorted(inside.iterdir())}
    (inside / ABOUT).write_text(json.dumps({"version": VERSION} | about | {"sha256": hashes}, indent=1) + "\n")


def _plain(state: State) -> State:
    """On the CPU, contiguous, and none sharing memory with another: what safetensors writes."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _prune(folder: Path, keep: int) -> None:
    made = steps(folder)
    for path in made[:-keep]:
        _remove(path)
    named = [best["step"] for path in made[-keep:] if (best := read_about(path)["best"])]
    for path in steps(folder, "best"):
        if int(path.name.partition("-")[2]) not in named:
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a folder, which is never seen in part: it first takes a name that `clean` knows."""
    hidden = path.replace(path.with_name(f".{path.name}.removed"))
    shutil.rmtree(hidden)
