"""The tensors of a checkpoint by their names, whatever it was saved as, and nothing else of it.

Read are safetensors, torch's own files and TorchScript archives. A torch file is unpickled with weights_only: tensors
and plain values, and the few types of ALLOWED, which training scripts save beside the weights and which run nothing.
The state dict may stand alone or under a name of CONTAINERS; `module.`, which DistributedDataParallel puts before
every name, is taken off. Of several in a list, or as PARTS, the names begin with the place or the part: 0.fc.weight.
"""

from __future__ import annotations

import pickle
import re
import warnings
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from hoitool.errors import DataError
from hoitool.files import reading, require
from hoitool.nn import torchscript

CONTAINERS = ("model_state_dict", "state_dict", "model")
PARTS = ("base", "top")  # the two states of the detector's network in VSE-infinity's files
EXPECTED = f"expected a state dict, alone or as {', '.join(map(repr, CONTAINERS))}"
_SCALAR = np.float64(0).__reduce__()[0]
# the options of a script, and numpy's numbers under the names that older and newer versions give them
ALLOWED: list[Any] = [
    Namespace,
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64")),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
]


def read_tensors(path: Path, what: str = "a checkpoint") -> dict[str, torch.Tensor]:
    """The tensors of a file, on the CPU. Raises MissingData, and DataError for a file that holds anything else."""
    require(path, what)
    with reading(path, what):
        if path.suffix == ".safetensors":
            return _stripped(load_file(path), path)
        if torchscript.is_archive(path):
            return torchscript.tensors(path)
        held = _loaded(path)
        return _stripped(_unpacked(held, path), path)


def _loaded(path: Path) -> Any:
    """What a torch file holds. Raises DataError for one that asks for more than tensors, ValueError for another."""
    try:
        with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are none of torch's
            return torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"(?:GLOBAL|function|class) ([\w.]+)", str(error))
        if wanted is None:
            raise ValueError("no file of tensors") from error
        told = f"not readable as tensors and plain values: it asks for {wanted[1]}, which could run code; refused"
        raise DataError(f"{path}: {told}") from error


def _unpacked(held: Any, path: Path) -> Mapping[Any, Any]:
    """The state dict out of its container, or several as one."""
    if isinstance(held, Mapping):
        held = next((held[name] for name in CONTAINERS if isinstance(held.get(name), Mapping | list)), held)
    parts: dict[Any, Any] = dict(enumerate(held)) if isinstance(held, list) else {}
    if isinstance(held, Mapping) and all(name in held for name in PARTS):
        parts = {name: held[name] for name in PARTS}
    if parts and all(isinstance(part, Mapping) for part in parts.values()):
        return {f"{i}.{name}": value for i, part in parts.items() for name, value in _stripped(part, path).items()}
    if not isinstance(held, Mapping):
        raise DataError(f"{path}: holds a {type(held).__name__}; {EXPECTED}")
    return held


def _stripped(held: Mapping[Any, Any], path: Path) -> dict[str, torch.Tensor]:
    state = {str(name).removeprefix("module."): value for name, value in held.items()}
    other = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if not state or other:
        raise DataError(f"{path}: holds {f'{other[0]!r}, which is no tensor' if other else 'no tensors'}; {EXPECTED}")
    if len(state) < len(held):
        raise DataError(f"{path}: holds a name twice, with and without 'module.'; {EXPECTED}")
    return state
