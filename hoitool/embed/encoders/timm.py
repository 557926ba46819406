"""Image models of timm: pooled features of pictures, and their last map. `timm:NAME`, such as timm:resnet50."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.models import PretrainedCfg, load_state_dict

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Encoder, Pending, Settings
from hoitool.embed.encoders.device import Eye, awaited, best_batch, computing, place
from hoitool.embed.preprocess import RESAMPLING, Fit, Preprocess
from hoitool.errors import DataError, MissingData, UsageError, first_line
from hoitool.files import reading, require, sha256
from hoitool.lookup import unknown_name
from hoitool.nn.positions import resized

SUMMARY = "any image model of timm: timm:NAME; images and maps"
FITS: dict[str, Fit] = {"center": "centre-crop", "squash": "squash"}
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
    device, dtype = place(settings)
    path, weights = find(name, settings.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model(name, path)
        _resize(model, name, settings.image_size)
        model = model.eval().to(device, dtype)
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
        self.preprocess: Preprocess | None = _preprocess(name, model, settings.image_size)
        self.dim = int(model.head_hidden_size)
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
        with computing():
            return awaited(self._see(self._eye(pixels)))

    def maps(self, pixels: Array) -> Pending:
        """(N, h, w, dim): the model's last map; a transformer's tokens without those that stand for no patch.

        Raises UsageError for a model whose last map has another width than its pooled features, or is none.
        """
        with computing():
            made = self.model.forward_features(self._eye(pixels))
            if made.ndim == 3:
                made = self._grid(made)
            if made.ndim == 4 and made.shape[3] != self.model.num_features:  # channels first
                made = made.permute(0, 2, 3, 1)
            if made.ndim != 4 or made.shape[3] != self.dim:
                raise UsageError(f"{self.name} has no map of {self.dim} numbers a cell: its last is {list(made.shape)}")
            return awaited(made.contiguous())

    def _grid(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, h, w, C) of tokens (N, T, C), row by row; as they are where the patches are no grid."""
        patches = tokens[:, getattr(self.model, "num_prefix_tokens", 0) :]
        high, wide = getattr(getattr(self.model, "patch_embed", None), "grid_size", None) or (0, 0)
        return patches.reshape(len(tokens), high, wide, -1) if high * wide == patches.shape[1] else tokens

    def best_batch(self) -> int:
        """A batch of images that keeps the device busy."""
        assert self.preprocess is not None
        return best_batch(self.images, self.preprocess, self.device)


def _model(name: str, path: Path) -> Any:
    """The model without its classifier. Raises DataError for weights of another one.

    timm forgives what a file lacks where the number of classes differs, so it is told that the file has no classifier.
    The classifier of some models is more than a layer (a norm before it); all of it that is not wanted is left out.
    """
    with torch.device("meta"):
        wanted = timm.create_model(name, num_classes=0).state_dict()
    with reading(path, f"the weights of {name}"):
        state = load_state_dict(str(path), weights_only=True)
        stated = (timm.get_pretrained_cfg(name) or PretrainedCfg()).classifier or ()
        heads = {head.partition(".")[0] for head in ((stated,) if isinstance(stated, str) else stated)}
        state = {key: held for key, held in state.items() if key in wanted or key.partition(".")[0] not in heads}
        overlay = {"state_dict": state, "num_classes": 0, "label_offset": 0, "custom_load": False}
        try:
            model: Any = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
        except RuntimeError as error:
            told = " ".join(str(error).split())
            raise DataError(f"{path}: not the weights of {name} ({told:.160})") from error
        model.pretrained_cfg.pop("state_dict")
        return model


def _resize(model: Any, name: str, side: int | None) -> None:
    """Have a transformer take pictures of another side; a convolutional network takes any as it is.

    Raises UsageError for a side that its patches do not fill, and for a model that is bound to its own.
    """
    if side is None:
        return
    if not isinstance(getattr(model, "pos_embed", None), torch.nn.Parameter) or not hasattr(model, "set_input_size"):
        if model.pretrained_cfg.get("fixed_input_size"):
            raise UsageError(f"--image-size {side}: {name} takes pictures of its own size; a ViT of timm of any")
        return
    high, wide = model.patch_embed.patch_size
    if side < 1 or side % high or side % wide:
        raise UsageError(f"--image-size {side}: not a multiple of the patches of {name}, {high}x{wide} pixels")
    old, positions = tuple(model.patch_embed.grid_size), model.pos_embed.data
    model.set_input_size(img_size=(side, side))
    grid = tuple(model.patch_embed.grid_size)
    if grid != old:
        model.pos_embed = torch.nn.Parameter(resized(positions, old, grid))


def find(name: str, weights: str | None) -> tuple[Path, str]:
    """The weight file of a model and what it is called; weights: a file, or a folder with one; None: the published one.

    Raises UsageError for an unknown name, MissingData where there is no file.
    """
    known = [*timm.list_models(), *timm.list_pretrained()]
    if name not in known:
        raise unknown_name("model of timm", name, known)
    if weights is not None:
        path = Path(weights).expanduser()
        inside = [path / each for each in NAMES if (path / each).is_file()]
        path = inside[0] if inside else path
        if path.is_dir():
            raise MissingData(f"{path}: no weights in this folder, expected {' or '.join(NAMES)}")
        return require(path, f"the weights of {name}"), path.name
    repository = getattr(timm.get_pretrained_cfg(name), "hf_hub_id", None)
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
        raise MissingData(
            f"the weights of {name} are not in the Hugging Face cache, and could not be fetched ({first_line(error)}); "
            f"download https://huggingface.co/{repository} ({NAMES[0]}) and give the file with --weights FILE"
        ) from error


def _preprocess(name: str, model: Any, side: int | None = None) -> Preprocess:
    """The model's own preprocessing; pictures of another side are squashed. UsageError for a kind that is not built."""
    held = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    channels, high, wide = held["input_size"]
    fit, interpolation = FITS.get(held["crop_mode"]), held["interpolation"]
    if fit is None or channels != 3 or high != wide or interpolation not in RESAMPLING:
        raise UsageError(
            f"{name} takes {channels} x {high} x {wide} pictures by {held['crop_mode']!r} and {interpolation!r}, "
            "which is not built; squares of three colours are, by center or squash"
        )
    rest = interpolation, tuple(held["mean"]), tuple(held["std"])
    if side is not None and side != high:
        return Preprocess(side, side, "squash", *rest)
    return Preprocess(high, wide, fit, *rest, crop=float(held["crop_pct"]))
