"""The folders that a training leaves its weights in: which there are, whether they are whole, what is in them.

    step-00001200/  about.json, weights.safetensors, and average.safetensors where weights were averaged
    best-00000900/  about.json, weights.safetensors: the weights of the best evaluation
hoitool/train/checkpoint.py writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from hoitool.errors import DataError, MissingData
from hoitool.files import load_json, reading, require, sha256

VERSION = 1
FOLDER, ABOUT, WEIGHTS, AVERAGE = "checkpoint", "about.json", "weights.safetensors", "average.safetensors"
KIND = "a checkpoint of hoitool"
REMOVE = "remove the checkpoint to go on from the one before it"
HELD = {"step": int, "sha256": dict}
HELD_BY_STEPS = {"world": int, "best": dict | None, "scaler": dict, "plan": dict}


def steps(folder: Path, kind: str = "step") -> list[Path]:
    """The checkpoints ("step") or best weights ("best") in a folder, the last one last."""
    return sorted(p for p in folder.glob(f"{kind}-*") if p.is_dir() and p.name[len(kind) + 1 :].isdigit())


def evaluated_file(path: Path) -> Path:
    """The file of the weights of a checkpoint that are predicted with: averaged ones where there are any.

    Raises MissingData for a folder that is no checkpoint, DataError for one that is not as it was written.
    """
    about = read_about(path)
    check(path, about)
    return path / (AVERAGE if AVERAGE in about["sha256"] else WEIGHTS)


def evaluated(path: Path) -> dict[str, torch.Tensor]:
    """The weights of `evaluated_file`."""
    return tensors(evaluated_file(path))


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint's folder says of itself. Raises MissingData or DataError for any other folder."""
    about: dict[str, Any] = load_json(path / ABOUT, KIND, dict)
    if about.get("version") != VERSION:
        raise DataError(f"{path / ABOUT}: version {about.get('version')!r}, expected {VERSION} ({KIND})")
    kinds = HELD | (HELD_BY_STEPS if path.name.startswith("step-") else {})
    for name, kind in kinds.items():
        if name not in about or not isinstance(about[name], kind):
            raise DataError(f"{path / ABOUT}: {name} is {about.get(name)!r:.60}, not what a checkpoint says; {REMOVE}")
    return about


def check(path: Path, about: dict[str, Any]) -> None:
    """Raise DataError for the first file that is not as it was written."""
    for name, made in about["sha256"].items():
        file = path / Path(name).name
        if not file.is_file():
            raise MissingData(f"{file}: no such file ({KIND} expected); {REMOVE}")
        if sha256(file) != made:
            raise DataError(f"{file}: damaged, its content is not what was written; {REMOVE}")


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """What a safetensors file holds, on the CPU. Raises MissingData and DataError."""
    with reading(require(path, KIND), "a safetensors file"):
        found: dict[str, torch.Tensor] = load_file(path)
    return found
