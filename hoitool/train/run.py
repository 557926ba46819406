"""The folder of a run: what was asked for, with what, on what, from which files.

config.yaml        the resolved configuration
environment.json   a list with one entry for each start: time, command line, versions, device, hashes of the inputs
metrics.jsonl, checkpoint/   what the loop writes
"""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from hoitool import workspace
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import load_json, require, sha256, write_text, writing
from hoitool.launch import is_first, place
from hoitool.models import checkpoints
from hoitool.store import Store
from hoitool.store.hdf5 import is_store

CONFIG, ENVIRONMENT, LOCK = "config.yaml", "environment.json", ".lock"
PACKAGES = ("hoitool", "torch", "torchvision", "accelerate", "safetensors", "timm", "open_clip_torch", "transformers")


def begin(folder: Path, config: str, inputs: Mapping[str, Path], *, resume: bool = False) -> None:
    """Make a run's folder, or enter another start into that of a run that goes on.

    config: YAML of the resolved configuration. inputs: files or folders by what they are; their hashes are kept.
    In the other processes of torchrun it does nothing: what the first one raises ends them too. Raises UsageError where
    there is a run already that is not to go on or had another configuration, and DataError for an input that changed.
    """
    if not is_first():
        return
    require_new(folder, resume)
    starts: list[dict[str, Any]] = []
    if (folder / CONFIG).exists() and resume:
        if (first := _difference((folder / CONFIG).read_text(encoding="utf-8"), config)) is not None:
            raise UsageError(f"{folder / CONFIG}: the run was started with another configuration ({first})")
        starts = load_json(require(folder / ENVIRONMENT, "a run"), "the starts of a run", list)
        if starts and not (isinstance(starts[0], dict) and isinstance(starts[0].get("inputs"), dict)):
            raise DataError(f"{folder / ENVIRONMENT}: entry 0 has no object 'inputs' (the starts of a run expected)")
    hashes = {name: _hash(require(path, name)) for name, path in inputs.items()}
    for name, made in (starts[0]["inputs"] if starts else {}).items():
        if hashes.get(name) != made:
            raise DataError(f"{inputs.get(name, name)}: not the {name} that the run was started with; train anew")
    write_text(folder / CONFIG, config)
    write_text(folder / ENVIRONMENT, json.dumps([*starts, environment(hashes)], indent=1) + "\n")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """While a process trains a run no other one may. Raises UsageError where one does.

    The lock goes with its process, however that ends; where the system has no such locks there is none.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        yield
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{folder}: another process trains this run; wait for it, or take another --name"
            ) from error
        yield


def require_new(folder: Path, resume: bool) -> None:
    """Raise UsageError for a run that is there already, unless it is to go on."""
    if resume or not checkpoints.steps(folder / checkpoints.FOLDER):
        return  # what ended before its first checkpoint left nothing to lose
    raise UsageError(f"{folder}: has a run already; --resume goes on with it, or choose another name with --name")


def named(name: str) -> Path:
    """The run of a name, or at a path. Raises MissingData where there is none."""
    folder = workspace.run_named(name)
    if not (folder / CONFIG).is_file():
        raise MissingData(f"{folder}: no such run to go on with (no {CONFIG} there)")
    return folder


def newest() -> Path:
    """The run in runs/ that was started last. Raises MissingData where there is none."""
    found = [folder for folder in workspace.runs() if all((folder / name).is_file() for name in (CONFIG, ENVIRONMENT))]
    if not found:
        raise MissingData(f"no run in {workspace.RUNS}/ to go on with; name a recipe, and `hoitool train` starts one")
    return max(found, key=lambda folder: (folder / ENVIRONMENT).stat().st_mtime_ns)


def environment(hashes: Mapping[str, str]) -> dict[str, Any]:
    """What a start ran with."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "versions": {"python": platform.python_version()} | _versions(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "processes": place().ranks,
        "inputs": dict(hashes),
    }


def _hash(path: Path) -> str:
    """Hex SHA-256 of a file or folder; of a feature store the content hash that it says, since stores may be large."""
    return Store(path).content if is_store(path) else sha256(path)


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _difference(there: str, here: str) -> str | None:
    """The first line in which two texts differ, both ways; None: the same text."""
    if there == here:
        return None
    lines = (text.splitlines() for text in (there, here))
    for one, other in zip(*lines, strict=False):
        if one != other:
            return f"{one.strip()!r} there, {other.strip()!r} here"
    return "one of them is longer"
