"""The tensors in a TorchScript archive, as OpenAI published CLIP, without running the program that comes with them.

The archive is a zip: data.pkl is a pickle of the tree of modules, and data/0, data/1 ... are the numbers. The classes
that the pickle names are parts of the program: here each is a plain holder of what it has. Allowed beside them are
tensors and lists; everything else is refused by its name.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hoitool.errors import DataError

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}
LISTS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")
COMPUTED = "attn_mask"  # an attribute that follows from the architecture


def is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip with constants.pkl, which other files of torch do not have."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the modules by their dotted names.

    Raises DataError, naming it, for what is neither a module nor a tensor; the pickle's and the zip's own errors for
    a spoilt file.
    """
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1)
        with archive.open(name) as stream:
            root = _Unpickler(stream, path, archive, name.removesuffix("data.pkl")).load()
    return {name: held for name, held in _walk(root, "") if name.rpartition(".")[2] != COMPUTED}


class _Module:
    """What a module of the program has."""

    held: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.held = state


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._path, self._archive, self._folder = path, archive, folder
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a global of the pickle becomes."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        found = ALLOWED.get((module, name))
        if found is None:
            raise DataError(f"{self._path}: the archive wants {module}.{name}, which is not loaded: only tensors are")
        return found

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """The numbers that ("storage", type, key, device, count) names, in one dimension."""
        _, dtype, key, _, count = pid
        if key not in self._storages:
            member = self._archive.getinfo(f"{self._folder}data/{key}")
            if member.file_size < count * dtype.itemsize or member.compress_type != zipfile.ZIP_STORED:
                raise DataError(f"{self._path}: {member.filename} has {member.file_size} bytes, not {count} numbers")
            content = bytearray(self._archive.read(member))
            self._storages[key] = torch.frombuffer(content, dtype=dtype, count=count) if count else torch.empty(0)
        return self._storages[key]


def _tensor(storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    return torch.as_strided(storage, size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    return value


ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("collections", "OrderedDict"): OrderedDict,
    **{("torch.jit._pickle", name): _first for name in LISTS},
}


def _walk(module: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    if not isinstance(module, _Module):
        raise TypeError(f"{prefix or 'the archive'} is no module")
    for name, held in module.held.items():
        if isinstance(held, torch.Tensor):
            yield prefix + name, held
        elif isinstance(held, _Module):
            yield from _walk(held, f"{prefix}{name}.")
