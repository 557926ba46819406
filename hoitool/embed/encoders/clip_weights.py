"""Where a CLIP model's weights lie: a local file or folder, the caches of this disk, then the hub.

Nothing is loaded here. A folder is one that open_clip saved: open_clip_config.json beside the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip

from hoitool import files
from hoitool.errors import DataError, MissingData, UsageError, first_line
from hoitool.lookup import unknown_name

ARCH, TAG = "ViT-B-32-quickgelu", "openai"
CONFIG = "open_clip_config.json"
PUBLISHED = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
NAMES = (*PUBLISHED, "model.safetensors", "pytorch_model.bin")  # on the hub the latter two are of other libraries
ORIGINAL = ("input_resolution", "context_length", "vocab_size")  # what only OpenAI's own state dicts hold
TIMEOUT = 5  # seconds until the hub must have answered at all


@dataclass(frozen=True)
class Found:
    """A model's files.

    name     as open_clip takes it
    arch     as people say it
    weights  the tag, or the file's name
    pictures how the published weights take pictures, where it is not for the folder's own configuration to say
    """

    name: str
    arch: str
    weights: str
    path: Path
    pictures: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """The architecture's numbers."""
        if self.name.startswith("local-dir:"):
            held: dict[str, Any] = files.load_json(Path(self.name.partition(":")[2]) / CONFIG, "a CLIP model", dict)
            return dict(held.get("model_cfg", {}))
        return dict(open_clip.get_model_config(self.name) or {})

    @property
    def quick_gelu(self) -> bool:
        """Whether the architecture computes with QuickGELU."""
        return bool(self.config().get("quick_gelu", False))

    def sha256(self) -> str:
        """Hex SHA-256 of the weight file."""
        return files.sha256(self.path)


def find(variant: str | None, weights: str | None) -> Found:
    """The files of an architecture (or a folder) and a tag (or a file, or a folder); None takes the default.

    Raises UsageError for an unknown name and for a tag of the other activation, MissingData where there are no weights.
    """
    named = variant or weights  # of weights alone: an architecture that is named comes first
    if named and (Path(named).expanduser() / CONFIG).is_file():
        if variant and weights:
            raise UsageError(f"{variant} is a folder with weights of its own; leave out --weights {weights}")
        return in_folder(Path(named).expanduser())
    arch = (variant or ARCH).replace("/", "-")
    if arch not in open_clip.list_models():
        if variant is not None and (Path(variant).exists() or "/" in variant or variant.startswith(".")):
            raise MissingData(f"{variant}: no folder with {CONFIG} in it (a model that open_clip saved)")
        raise unknown_name("architecture of open_clip", arch, open_clip.list_models())
    if weights is not None and Path(weights).expanduser().exists():
        return _local(arch, Path(weights).expanduser())
    return _tagged(arch, weights or TAG, chosen=weights is not None)


def in_folder(folder: Path) -> Found:
    """The model of a folder that open_clip saved. Raises MissingData, naming what is not there, and DataError."""
    held = files.load_json(folder / CONFIG, "the configuration of a CLIP model", dict)
    if not isinstance(held.get("model_cfg"), dict):
        raise DataError(f"{folder / CONFIG}: has no object 'model_cfg', expected what open_clip saves")
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if path is None:
        raise MissingData(f"{folder}: no weights in this folder, expected {' or '.join(NAMES)}")
    return Found(f"local-dir:{folder}", folder.resolve().name, path.name, files.require(path, "weights"))


def _local(arch: str, path: Path) -> Found:
    if path.is_dir():
        inside = next((path / name for name in NAMES if (path / name).is_file()), None)
        if inside is None:
            raise MissingData(f"{path}: no weights in this folder, expected {' or '.join(NAMES)}")
        path = inside
    tags = open_clip.list_pretrained_tags_by_model(arch)
    ways = [_pictures(open_clip.get_pretrained_cfg(arch, tag)) for tag in tags]
    pictures = ways[0] if ways and all(way == ways[0] for way in ways) else {}
    return Found(arch, arch, path.name, files.require(path, "the weights of a CLIP model"), pictures)


def _tagged(arch: str, tag: str, chosen: bool) -> Found:
    config = open_clip.get_pretrained_cfg(arch, tag)
    if not config:
        tags = open_clip.list_pretrained_tags_by_model(arch)
        if not chosen:
            raise UsageError(f"{arch} has no weights {tag!r}; say which with --weights: {', '.join(tags) or 'a file'}")
        raise unknown_name(f"weights of {arch} (nor a file)", tag, tags)
    wanted = bool((open_clip.get_model_config(arch) or {}).get("quick_gelu", False))
    if bool(config.get("quick_gelu", False)) != wanted:
        raise mismatch(arch, f"the weights {tag!r}", not wanted)
    return Found(arch, arch, tag, _cached(config) or _downloaded(arch, tag, config), _pictures(config))


def _pictures(config: dict[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in config}


def mismatch(arch: str, weights: str, trained: bool) -> UsageError:
    """The error for weights that were trained with the other activation."""
    plain = arch.removesuffix("-quickgelu")
    other = f"{plain}-quickgelu" if trained else plain
    known = other in open_clip.list_models()
    hint = f"take --model clip:{other}" if known else "take an architecture with the same activation"
    return UsageError(
        f"{weights} were trained with{'' if trained else 'out'} QuickGELU, {arch} computes "
        f"with{'out' if trained else ''} it, so every number would be wrong; {hint}"
    )


def _candidates(config: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The repository of a tag on the hub, and the files that may hold its weights, the safe one first."""
    repository, _, name = str(config.get("hf_hub", "")).rpartition("/")
    return repository, (str(Path(name).with_suffix(".safetensors")), name) if name else PUBLISHED


def _cached(config: dict[str, Any]) -> Path | None:
    """The weights in the caches of Hugging Face and open_clip, None where they are in neither."""
    from huggingface_hub import try_to_load_from_cache

    repository, names = _candidates(config)
    for name in names if repository else []:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    url = str(config.get("url", ""))
    kept = Path("~/.cache/clip").expanduser() / Path(url).name
    return kept if url and kept.is_file() else None


def _downloaded(arch: str, tag: str, config: dict[str, Any]) -> Path:
    """The weights in the cache after a download. Raises MissingData, saying what to fetch, where there is no hub."""
    from huggingface_hub import HfApi, hf_hub_download

    repository, names = _candidates(config)
    url = str(config.get("url", ""))
    try:
        if not repository:
            return Path(open_clip.download_pretrained(config))
        listed = {file.rfilename for file in HfApi().model_info(repository, timeout=TIMEOUT).siblings or []}
        return Path(hf_hub_download(repository, next((name for name in names if name in listed), names[-1])))
    except Exception as error:  # the hub's own, the HTTP library's, the system's
        source = f"https://huggingface.co/{repository} ({names[0]})" if repository else url
        raise MissingData(
            f"the weights {tag!r} of {arch} are not in the caches, and could not be fetched ({first_line(error)}); "
            f"download {source} and give the file with --weights FILE"
        ) from error
