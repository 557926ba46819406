"""CLIP and its kin through open_clip: texts, images and maps of patches in one space.

    joint           where texts and images meet: after both projections
    pre-projection  before the image tower's projection P: an image is its pooled state, a text normalise(t) P^T, which
                    is not normalised again: DEFR's classifier (Jin et al., CVPR 2022)

`clip` is ViT-B-32-quickgelu with OpenAI's weights, clip:ARCH any architecture of open_clip, clip:FOLDER a model that
open_clip saved. A model trained with QuickGELU is never loaded into one without, nor the other way round.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip import factory
from open_clip.transformer import VisionTransformer

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Encoder, Pending, Settings
from hoitool.embed.encoders import clip_weights
from hoitool.embed.encoders.clip_weights import Found
from hoitool.embed.encoders.device import Eye, awaited, best_batch, computing, place
from hoitool.embed.preprocess import Fit, Preprocess
from hoitool.errors import DataError, MissingData, UsageError, first_line
from hoitool.files import reading
from hoitool.nn.positions import resized
from hoitool.nn.tensors import read_tensors

log = logging.getLogger(__name__)

SUMMARY = "CLIP by open_clip: any architecture and weights; texts, images and maps"
TEXTS = 512  # in one pass
POSITION_IDS = "text.transformer.embeddings.position_ids"  # a buffer that older files hold and no model needs
FITS: dict[str, Fit] = {"shortest": "centre-crop", "squash": "squash"}


def load(settings: Settings) -> Encoder:
    """The model of the settings. Raises UsageError for an unknown architecture, tag or activation, MissingData where
    there are no weights, DataError for a file that does not hold them.
    """
    if settings.pooling is not None:
        raise UsageError("clip pools as it was trained to; --pooling is for bert, roberta and hf")
    found = clip_weights.find(settings.variant, settings.weights)
    device, dtype = place(settings)
    with _quiet():
        model = _model(found, settings, device)
        tokenizer = _tokenizer(found)
    preprocess = _preprocess(model, found, settings.image_size)
    return Clip(found, model, tokenizer, settings, Eye(preprocess, device, dtype), preprocess)


class Clip:
    """See hoitool.embed.encoder.Encoder; `truncated` counts the texts that lost their end."""

    def __init__(
        self, found: Found, model: Any, tokenizer: Any, settings: Settings, eye: Eye, preprocess: Preprocess
    ) -> None:
        self.name = f"clip:{found.arch}"
        self.preprocess: Preprocess | None = preprocess
        self.device, self.truncated = eye.device, 0
        self._eye, self._model, self._tokenizer = eye, model, tokenizer
        self._back = settings.space == "pre-projection"
        self._projection = _projection(model, found.arch) if self._back else None
        if self._back:
            model.visual.proj = None
        self._see = torch.compile(model.encode_image) if settings.compile else model.encode_image
        self._read = torch.compile(_read, dynamic=True) if settings.compile else _read
        self.facts: dict[str, Any] = {
            "weights": found.weights,
            "weights_sha256": found.sha256(),
            "activation": "quickgelu" if found.quick_gelu else "gelu",
            "space": settings.space,
            "precision": settings.precision,
        }
        self.dim = int(self.texts(["a"])().shape[1])

    def texts(self, texts: Sequence[str]) -> Pending:
        """(N, dim) of N texts; the pre-projection space as the header says."""
        held = list(texts)
        self._count_long(held)
        parts = [awaited(self._texts(held[i : i + TEXTS])) for i in range(0, len(held), TEXTS)]
        return lambda: _stacked([wait() for wait in parts], self)

    def images(self, pixels: Array) -> Pending:
        """(N, dim) of N pictures."""
        with computing():
            return awaited(self._see(self._eye(pixels), normalize=False))

    def maps(self, pixels: Array) -> Pending:
        """(N, h, w, dim): the patches after the last norm, projected in the joint space. UsageError where not a ViT."""
        visual = self._model.visual
        if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None or visual.final_ln_after_pool:
            raise UsageError(f"{self.name} has no map of patches in the space of its images; a ViT of CLIP has")
        with computing():
            made = visual.forward_intermediates(
                self._eye(pixels), indices=1, normalize_intermediates=True, intermediates_only=True
            )["image_intermediates"][-1].permute(0, 2, 3, 1)
            return awaited(made if visual.proj is None else made @ visual.proj)

    def best_batch(self) -> int:
        """A batch of images that keeps the device busy."""
        assert self.preprocess is not None
        return best_batch(self.images, self.preprocess, self.device)

    def _texts(self, texts: list[str]) -> torch.Tensor:
        with computing():
            made: torch.Tensor = self._read(self._model, _trimmed(self._model, self._tokenizer(texts)).to(self.device))
            return made if self._projection is None else before_projection(made.float(), self._projection)

    def _count_long(self, texts: list[str]) -> None:
        """Count the texts that are longer than the model takes, and say so once."""
        encode, most = getattr(self._tokenizer, "encode", None), getattr(self._tokenizer, "context_length", None)
        if encode is None or most is None:
            return
        long = [text for text in texts if len(text.encode()) > most - 2 and len(encode(text)) > most - 2]
        if long and not self.truncated:
            log.warning(
                "%d of %d texts are longer than the %d tokens that %s takes and lose their end, the first: %r",
                *(len(long), len(texts), most, self.name, long[0][:60]),
            )
        self.truncated += len(long)


def _trimmed(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """(N, T) tokens without the columns after the end of the longest text, where the model does not look at them.

    CLIP's own text tower looks back only, and reads its result at the end of the text, the highest token.
    """
    if not isinstance(model, open_clip.CLIP) or model.text_pool_type != "argmax" or model.attn_mask is None:
        return tokens
    return tokens[:, : int(tokens.argmax(dim=-1).max()) + 1]


def _read(model: Any, tokens: torch.Tensor) -> Any:
    """(N, dim) of tokens (N, T), fewer than the model takes where they were trimmed, which it has no call for."""
    length = tokens.shape[1]
    if not isinstance(model, open_clip.CLIP) or length == model.context_length:
        return model.encode_text(tokens, normalize=False)
    dtype = model.transformer.get_cast_dtype()
    states = model.token_embedding(tokens).to(dtype) + model.positional_embedding[:length].to(dtype)
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = states[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=-1)]
    projection = model.text_projection
    return projection(ends) if isinstance(projection, torch.nn.Linear) else ends @ projection


def before_projection(texts: torch.Tensor, projection: torch.Tensor) -> torch.Tensor:
    """(N, width) of texts (N, dim) through the image tower's projection (width, dim), backwards: normalise(t) P^T.

    Its product with a pooled state f is that of normalise(t) and f P. Source: DEFR's classifier; see the header.
    """
    return torch.nn.functional.normalize(texts, dim=-1) @ projection.T


def _stacked(parts: list[Array], encoder: Clip) -> Array:
    return np.concatenate(parts) if parts else np.empty((0, encoder.dim), np.float32)


def _model(found: Found, settings: Settings, device: torch.device) -> Any:
    """The architecture with its weights, on the device. Raises DataError for weights of another architecture."""
    model = _architecture(found, settings)
    with reading(found.path, "a CLIP model"):
        state = read_tensors(found.path, "a CLIP model")
        original = [key for key in clip_weights.ORIGINAL if state.pop(key, None) is not None]
        state = factory.convert_state_dict(model, state)
        if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
            state = factory.convert_to_custom_text_state_dict(state)
    if original and not found.quick_gelu:
        raise clip_weights.mismatch(found.arch, f"{found.path} (OpenAI's own layout)", True)
    model.load_state_dict(_fitted(state, model.state_dict(), found))
    _resize(model, found, settings.image_size)
    return model.eval().to(device)


def _architecture(found: Found, settings: Settings) -> Any:
    """The model without its weights. Raises MissingData for one whose text tower is described on a hub out of reach."""
    try:
        clip_weights.require_at_hand(found.config().get("text_cfg", {}).get("hf_model_name"))
        return open_clip.create_model(
            found.name,
            pretrained=None,
            load_weights=False,
            precision=settings.precision,
            pretrained_text=False,
            force_preprocess_cfg=dict(found.pictures),
        )
    except Exception as error:  # the hub's own, the HTTP library's; a folder's configuration may hold anything
        if "hf_model_name" in found.config().get("text_cfg", {}):
            raise _unreachable(found, "hf_model_name", error) from error
        raise DataError(f"{found.arch}: open_clip makes no model of its configuration ({first_line(error)})") from error


def _tokenizer(found: Found) -> Any:
    """Raises MissingData for one that is on a hub out of reach."""
    try:
        if not found.name.startswith("local-dir:"):  # a folder brings its own
            clip_weights.require_at_hand(found.config().get("text_cfg", {}).get("hf_tokenizer_name"))
        return open_clip.get_tokenizer(found.name)
    except Exception as error:  # the hub's own, the HTTP library's, the tokenizer's
        raise _unreachable(found, "hf_tokenizer_name", error) from error


def _unreachable(found: Found, key: str, error: Exception) -> MissingData:
    """The error for what an architecture takes from another repository on the hub."""
    name = found.config().get("text_cfg", {}).get(key, "its tokenizer")
    return MissingData(f"{found.arch} needs {name} of the Hugging Face hub, which is not at hand ({first_line(error)})")


def _fitted(state: dict[str, Any], wanted: dict[str, Any], found: Found) -> dict[str, Any]:
    """A file's tensors as the architecture takes them. Raises DataError unless they are its own, one for one."""
    state.pop(POSITION_IDS, None)
    if "logit_bias" in wanted:
        state.setdefault("logit_bias", torch.zeros(()))
    for name in {"logit_scale", "logit_bias"} & set(state) & set(wanted):  # scalars in some files, one number in others
        state[name] = state[name].reshape(wanted[name].shape)
    told = [f"lacks {name}" for name in wanted if name not in state]
    told += [f"has {name}, which the architecture has not" for name in state if name not in wanted]
    told += [
        f"{name} is {list(held.shape)}, the architecture has {list(wanted[name].shape)}"
        for name, held in state.items()
        if name in wanted and held.shape != wanted[name].shape
    ]
    if told:
        raise DataError(f"{found.path}: not the weights of {found.arch}: {told[0]} ({len(told)} differences in all)")
    return state


def _resize(model: Any, found: Found, side: int | None) -> None:
    """Have a vision transformer take pictures of another side. Raises UsageError where that is not possible."""
    if side is None:
        return
    visual = model.visual
    if not isinstance(visual, VisionTransformer):
        raise UsageError(f"--image-size {side}: {found.arch} takes pictures of its own size; a ViT of CLIP of any")
    high, wide = visual.patch_size
    if side < 1 or side % high or side % wide:
        raise UsageError(f"--image-size {side}: not a multiple of the patches of {found.arch}, {high}x{wide} pixels")
    grid = (side // high, side // wide)
    if grid != tuple(visual.grid_size):
        positions = resized(visual.positional_embedding.data, visual.grid_size, grid)
        visual.positional_embedding, visual.grid_size = torch.nn.Parameter(positions), grid


def _projection(model: Any, arch: str) -> torch.Tensor:
    """(width, dim) float32 the image tower's projection. Raises UsageError for a tower without one."""
    held = getattr(model.visual, "proj", None)
    if not isinstance(held, torch.nn.Parameter):
        raise UsageError(f"{arch} has no projection to go back through; --space pre-projection takes a ViT of CLIP")
    return held.detach().float()


def _preprocess(model: Any, found: Found, side: int | None) -> Preprocess:
    """The model's own preprocessing; pictures of another side are squashed. UsageError for a kind that is not built."""
    held = open_clip.model.get_model_preprocess_cfg(model)
    rest = held["interpolation"], tuple(held["mean"]), tuple(held["std"])
    high, wide = (int(own) for own in np.broadcast_to(held["size"], 2))
    if side is not None and side != high:
        return Preprocess(side, side, "squash", *rest)
    fit = FITS.get(held.get("resize_mode", "shortest"))
    if fit is None or (fit == "centre-crop" and high != wide):
        raise UsageError(f"{found.arch} takes pictures by {held['resize_mode']!r} in {high}x{wide}, which is not built")
    return Preprocess(high, wide, fit, *rest)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """While open_clip builds a model it remarks on weights that are loaded only afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
