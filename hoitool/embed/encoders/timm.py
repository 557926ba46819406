"""Image models of timm: pooled features of pictures, and their last map. `timm:NAME`, such as timm:resnet50."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Encoder, Pending, Settings
from hoitool.embed.encoders.device import Eye, awaited, best_batch, place
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import reading, require, sha256
from hoitool.lookup import unknown_name

SUMMARY = "any image model of timm: timm:NAME; images and maps"
KINDS = frozenset({"image", "map"})
FITS = {"center": "centre-crop", "squash": "squash"}
NAMES = ("model.safetensors", "pytorch_model.bin")
TIMEOUT = 5  # seconds until the hub must have answered at all


def load(settings: Settings) -> Encoder:
    """The model of the settings. Raises UsageError for an unknown name, MissingData where there are no weights,
    DataError for a file that does not hold them.
    """
    name = settings.variant
    if name is None:
        raise UsageError("timm needs a model: --model timm:NAME, such as timm:vit_base_patch32_224")
    if settings.pooling is not None or settings.space != "joint":
        raise UsageError("timm has images alone, pooled as each model does: neither --pooling nor --space")
    if name.partition(".")[0] not in timm.list_models():
        raise unknown_name("model of timm", name, timm.list_models())
    device, dtype = place(settings)
    path, weights = _weights(name, settings.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model(name, path).eval().to(device, dtype)
    return Timm(name, model, weights, path, settings, device, dtype)


class Timm:
    """See hoitool.embed.encoder.Encoder."""

    def __init__(
        self,
        name: str,
        model: Any,
        weights: str,
        path: Path,
        settings: Settings,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.name, self.device, self.model = f"timm:{name}", device, model
        self.preprocess: Preprocess | None = _preprocess(model)
        self.dim = int(model.num_features)
        self._eye = Eye(self.preprocess, device, dtype)
        self._see = torch.compile(model) if settings.compile else model
        self.facts: dict[str, Any] = {
            "weights": weights,
            "weights_sha256": sha256(path),
            "precision": settings.precision,
        }

    def texts(self, texts: Sequence[str]) -> Pending:
        """Raises UsageError: there is no text tower."""
        raise UsageError(f"{self.name} encodes images alone, not texts; --model clip does both")

    def images(self, pixels: Array) -> Pending:
        """(N, dim) of N pictures: what the model's classifier would take."""
        with torch.inference_mode():
            return awaited(self._see(self._eye(pixels)))

    def maps(self, pixels: Array) -> Pending:
        """(N, h, w, dim): the model's last map; a transformer's tokens without those that stand for no patch."""
        with torch.inference_mode():
            made = self.model.forward_features(self._eye(pixels))
            if made.ndim == 3:
                patches = made[:, getattr(self.model, "num_prefix_tokens", 0) :]
                high, wide = self.model.patch_embed.grid_size
                return awaited(patches.reshape(len(made), high, wide, -1))
            last = made.shape[-1] == self.dim and made.shape[1] != self.dim
            return awaited((made if last else made.permute(0, 2, 3, 1)).contiguous())

    def best_batch(self) -> int:
        """A batch of images that keeps the device busy."""
        assert self.preprocess is not None
        return best_batch(self.images, self.preprocess, self.device)


def _model(name: str, path: Path) -> Any:
    """The model without its classifier. Raises DataError for weights of another one."""
    with reading(path, f"the weights of {name}"):
        try:
            return timm.create_model(
                name, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(path), "custom_load": False}
            )
        except RuntimeError as error:
            told = " ".join(str(error).split())
            raise DataError(f"{path}: not the weights of {name} ({told:.160})") from error


def _weights(name: str, weights: str | None) -> tuple[Path, str]:
    """The weight file and what it is called. Raises MissingData where there is none."""
    if weights is not None:
        path = Path(weights).expanduser()
        inside = [path / each for each in NAMES if (path / each).is_file()]
        path = inside[0] if inside else path
        if path.is_dir():
            raise MissingData(f"{path}: no weights in this folder, expected {' or '.join(NAMES)}")
        return require(path, f"the weights of {name}"), path.name
    config = timm.get_pretrained_cfg(name)
    repository = getattr(config, "hf_hub_id", None)
    if not repository:
        raise MissingData(f"timm publishes no weights for {name}; give them with --weights FILE")
    return _published(name, str(repository)), str(repository)


def _published(name: str, repository: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    cached = [found for each in NAMES if isinstance(found := try_to_load_from_cache(repository, each), str)]
    if cached:
        return Path(cached[0])
    try:
        listed = {file.rfilename for file in HfApi().model_info(repository, timeout=TIMEOUT).siblings or []}
        return Path(hf_hub_download(repository, next(each for each in NAMES if each in listed)))
    except Exception as error:  # the hub's own, the HTTP library's, the system's
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingData(
            f"the weights of {name} are not in the Hugging Face cache, and could not be fetched ({cause:.100}); "
            f"download https://huggingface.co/{repository} ({NAMES[0]}) and give the file with --weights FILE"
        ) from error


def _preprocess(model: Any) -> Preprocess:
    held = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    _, high, wide = held["input_size"]
    fit = FITS.get(held.get("crop_mode", "center"))
    if fit is None or high != wide:
        raise UsageError(f"this model takes pictures by {held.get('crop_mode')!r} in {high}x{wide}, which is not built")
    rest = held["interpolation"], tuple(held["mean"]), tuple(held["std"])
    return Preprocess(high, wide, fit, *rest, crop=float(held.get("crop_pct") or 1))  # type: ignore[arg-type]
