"""Where a model of Hugging Face lies: a local folder, the caches of this disk, then the hub.

What is found is always a folder, with config.json, what that kind of model needs beside it (of texts the tokenizer's
files) and the weights: one `model.safetensors`, or its shards, or else the `pytorch_model.bin` of older models. Nothing
is loaded here.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hoitool import files
from hoitool.errors import MissingData, UsageError

# the first that is there; transformers looks in the same order
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "pytorch_model.bin", "pytorch_model-*-of-*.bin")
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")  # one of them at least
CONFIG = {"config.json": ("config.json",), "model.safetensors (or pytorch_model.bin)": WEIGHTS}
SMALL = ("*.json", "*.txt", "*.model")  # configurations and vocabularies, in the repository's root
STATED_POOLING = "1_Pooling/config.json"  # of sentence-transformers
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
TIMEOUT = 5  # seconds until the hub must have answered at all


@dataclass(frozen=True)
class Checkpoint:
    """A model's files.

    source   its hub id, or the name of its folder
    folder   where config.json and the tokenizer lie
    weights  the weight files, in name order
    """

    source: str
    folder: Path
    weights: tuple[Path, ...]

    def sha256(self) -> str:
        """Hex SHA-256 of the weight file; of shards, of their names and hashes, a line each."""
        if len(self.weights) == 1:
            return files.sha256(self.weights[0])
        lines = "".join(f"{path.name}\0{files.sha256(path)}\n" for path in self.weights)
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class Files:
    """What a kind of model needs beside its configuration and weights.

    needs    what is told when it is not there -> patterns of names, of which one at least must be
    beside   all of it in words, and option: how a folder with it is given
    """

    needs: Mapping[str, tuple[str, ...]]
    beside: str
    option: str


TEXTS = Files(
    {"tokenizer.json (or vocab.txt, vocab.json, a SentencePiece .model)": TOKENIZER},
    "config.json, the tokenizer's files",
    "--weights FOLDER, or --model hf:FOLDER",
)


def find(source: str, kind: Files = TEXTS) -> Checkpoint:
    """The files of a hub id or a local folder; a folder of that name goes before the hub.

    Raises MissingData when it is nowhere, or lacks a file, and UsageError for a file in place of a folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return in_folder(folder, kind)
    if folder.is_file():
        raise UsageError(f"{source}: a file; expected its folder, with {kind.beside} beside the weights")
    if not HUB_ID.fullmatch(source):
        raise MissingData(f"{source}: no such folder, nor can it be the name of a model on the Hugging Face hub")
    cached = _cached(source, kind)
    return Checkpoint(source, cached, _weights(cached)) if cached else _downloaded(source, kind)


def in_folder(folder: Path, kind: Files = TEXTS) -> Checkpoint:
    """The files of a local folder. Raises MissingData, naming what is not there."""
    if lacks := _lacks(folder, kind):
        raise MissingData(f"{folder}: no {lacks} in this folder (a model of Hugging Face expected)")
    return Checkpoint(folder.resolve().name, folder, _weights(folder))


def _lacks(folder: Path, kind: Files) -> str:
    """What a folder lacks for being a model of a kind, empty when it is one."""
    names = _names(folder)
    needs = {**CONFIG, **kind.needs}
    return next((need for need, patterns in needs.items() if not any(_matching(names, patterns))), "")


def _weights(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / name for name in _chosen(_names(folder)))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def _matching(names: Iterable[str], patterns: tuple[str, ...]) -> list[list[str]]:
    return [fnmatch.filter(names, pattern) for pattern in patterns]


def _chosen(names: Iterable[str]) -> list[str]:
    """The weight files among the names: those of the first kind of WEIGHTS that is there."""
    return next(filter(None, _matching(names, WEIGHTS)), [])


def _cached(source: str, kind: Files) -> Path | None:
    """The folder in the caches that huggingface_hub keeps (HF_HOME), None when it is not there or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(source, "config.json")
    folder = Path(path).parent if isinstance(path, str) else None
    return folder if folder and not _lacks(folder, kind) else None


def _downloaded(source: str, kind: Files) -> Checkpoint:
    """The folder in the cache after a download of what is needed, one kind of weights only."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        listed = [file.rfilename for file in HfApi().model_info(source, timeout=TIMEOUT).siblings or []]
        root = [name for name in listed if "/" not in name]
        small = [name for found in _matching(root, SMALL) for name in found]
        folder = Path(snapshot_download(source, allow_patterns=[*small, STATED_POOLING, *_chosen(root)]))
    except Exception as error:  # the hub's own, the HTTP library's (another one in each major version), the system's
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingData(
            f"{source}: no folder of this name, not in the Hugging Face cache, and the hub did not give it ({cause}); "
            f"put {kind.beside} and model.safetensors of https://huggingface.co/{source} into a folder and give it "
            f"with {kind.option}"
        ) from error
    if lacks := _lacks(folder, kind):
        raise MissingData(f"{source}: the repository on the Hugging Face hub has no {lacks}")
    return Checkpoint(source, folder, _weights(folder))
