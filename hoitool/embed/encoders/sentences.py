"""Texts to vectors through a transformer of Hugging Face: tokens, states, one pooling.

    cls     the last state of the first token
    mean    the mean of the last states over the text's own tokens (the attention mask)
    pooler  what the model's own pooling layer makes of the first token's last state

A text longer than the model takes loses its end; how many do is counted, and told once. Only safetensors, or
`torch.load(weights_only=True)`, and never code from a repository.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as their_logging

from hoitool import files
from hoitool.data.dataset import Array
from hoitool.embed.encoder import Pending, Settings
from hoitool.embed.encoders.checkpoint import Checkpoint
from hoitool.embed.encoders.device import place
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import DataError, UsageError
from hoitool.lookup import unknown_name

log = logging.getLogger(__name__)

POOLINGS = ("cls", "mean", "pooler")
TOKENS = 2**14  # of a batch, padding included
LOCAL = {"local_files_only": True, "trust_remote_code": False}


def load(name: str, checkpoint: Checkpoint, pooling: str, settings: Settings) -> TextEncoder:
    """The encoder of a model's files. Raises DataError for files that are not a text encoder, UsageError for settings
    that it cannot have: an unknown pooling, `pooler` without one, a space of images, a device that is not there.
    """
    if pooling not in POOLINGS:
        raise unknown_name("pooling", pooling, POOLINGS)
    if settings.space != "joint":
        raise UsageError(f"{name} encodes texts alone: --space {settings.space} is for models that have an image tower")
    device, dtype = place(settings)
    with quiet():
        tokenizer, model = _read(checkpoint, pooling)
        made = TextEncoder(name, checkpoint, tokenizer, model, pooling)
    made.facts["precision"] = settings.precision
    made.model = model.to(device, dtype)
    if settings.compile:
        made.model = torch.compile(made.model, dynamic=True)
    return made


class TextEncoder:
    """See hoitool.embed.encoder.Encoder; `truncated` counts the texts that lost their end."""

    preprocess: Preprocess | None = None

    def __init__(self, name: str, checkpoint: Checkpoint, tokenizer: Any, model: Any, pooling: str) -> None:
        self.name, self.tokenizer, self.model, self.pooling = name, tokenizer, model, pooling
        self.max_tokens = _max_tokens(checkpoint, tokenizer, model)
        with files.reading(checkpoint.folder, "a text encoder"):
            self.dim = self._encode(["a"]).shape[1]
        self.truncated = 0
        self.facts: dict[str, Any] = {
            "weights": checkpoint.source,
            "weights_sha256": checkpoint.sha256(),
            "pooling": pooling,
            "max_tokens": self.max_tokens,
        }

    def best_batch(self) -> int:
        """4096 texts, which texts() divides by their lengths."""
        return 4096

    def texts(self, texts: Sequence[str]) -> Pending:
        """(N, dim) of N texts, in their order. Raises DataError for a text without a single token."""
        texts = list(texts)
        parts = [(batch, self._encode([texts[i] for i in batch])) for batch in batches(self._lengths(texts))]

        def wait() -> Array:
            rows = np.zeros((len(texts), self.dim), np.float32)
            for batch, vectors in parts:
                rows[batch] = vectors.cpu().numpy()
            return rows

        return wait

    def images(self, pixels: Array) -> Pending:
        """Raises UsageError: there is no image tower."""
        raise UsageError(f"{self.name} encodes texts alone, not images; --model clip does both")

    def maps(self, pixels: Array) -> Pending:
        """Raises UsageError: there is no image tower."""
        return self.images(pixels)

    def _lengths(self, texts: list[str]) -> list[int]:
        """The number of tokens that the model sees of each text; says once that some lose their end."""
        full = [len(ids) for ids in self.tokenizer(texts, verbose=False)["input_ids"]] if texts else []
        if 0 in full:
            raise DataError(f"text {full.index(0)} ({texts[full.index(0)]!r}) has no tokens for {self.name}")
        long = [i for i, length in enumerate(full) if length > self.max_tokens]
        if long and not self.truncated:
            log.warning(
                "%d of %d texts are longer than the %d tokens that %s takes and lose their end, the first: %r",
                *(len(long), len(texts), self.max_tokens, self.name, texts[long[0]][:60]),
            )
        self.truncated += len(long)
        return [min(length, self.max_tokens) for length in full]

    @torch.inference_mode()
    def _encode(self, texts: list[str]) -> torch.Tensor:
        """(N, dim) float32 of one batch, on the model's device."""
        inputs = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.model.device)
        outputs = self.model(**inputs)
        if self.pooling == "pooler":
            pooled: torch.Tensor = outputs.pooler_output
            return pooled.float()
        return pool(outputs.last_hidden_state, inputs["attention_mask"], self.pooling)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which texts go together: neighbours in length, so that little is padded, up to TOKENS in all."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """(N, D) float32 of the states (N, T, D) of N texts padded on the right; mask (N, T) is 1 at their own tokens."""
    if pooling == "cls":
        return states[:, 0].float()
    own = mask.unsqueeze(-1).float()  # (N, T, 1)
    return (states.float() * own).sum(1) / own.sum(1)


def _read(checkpoint: Checkpoint, pooling: str) -> tuple[Any, Any]:
    """The tokenizer and the model on the CPU. Raises DataError, naming the file that is not what it should be."""
    folder, weights = checkpoint.folder, checkpoint.weights[0]
    with files.reading(folder / "config.json", "the configuration of a Hugging Face model"):
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    if getattr(config, "is_encoder_decoder", False):
        raise DataError(f"{folder}: {config.model_type} is an encoder with a decoder; expected an encoder alone")
    with files.reading(folder, "a tokenizer of Hugging Face"):
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="right", truncation_side="right", **LOCAL)
    with files.reading(weights, "the weights of a Hugging Face model"):
        model, loaded = AutoModel.from_pretrained(
            folder,
            config=config,
            use_safetensors=weights.suffix == ".safetensors",
            weights_only=True,
            output_loading_info=True,
            **LOCAL,
        )
    if pooling == "pooler" and getattr(model, "pooler", None) is None:
        raise UsageError(f"{checkpoint.source}: a {config.model_type} model has no pooler; --pooling cls or mean")
    _refuse_missing(checkpoint, pooling, loaded["missing_keys"])
    return tokenizer, model.eval()


def _refuse_missing(checkpoint: Checkpoint, pooling: str, missing: Iterable[str]) -> None:
    """Raise when the file lacks tensors that are used: transformers draws random numbers in their place."""
    poolers = sorted(name for name in missing if name.startswith("pooler."))
    others = sorted(set(missing) - set(poolers))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise DataError(f"{checkpoint.weights[0]}: lacks {others[0]}{more}, which config.json says the model has")
    if poolers and pooling == "pooler":
        raise UsageError(
            f"{checkpoint.weights[0]}: has no weights for its pooler ({', '.join(poolers)}); --pooling cls or mean"
        )


def _max_tokens(checkpoint: Checkpoint, tokenizer: Any, model: Any) -> int:
    """The most tokens of a text, special ones included: the least of what the model's files state and hold."""
    stated: list[Any] = [TOKENS, tokenizer.model_max_length]
    path = checkpoint.folder / "sentence_bert_config.json"
    if path.exists():
        stated.append(files.load_json(path, "the length that sentence-transformers states", dict).get("max_seq_length"))
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            first = 0 if module.padding_idx is None else module.padding_idx + 1  # RoBERTa's positions start after it
            stated.append(module.num_embeddings - first)
    stated.append(getattr(model.config, "max_position_embeddings", None))
    return min(number for number in stated if isinstance(number, int) and number > 0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While transformers reads it reports on unused tensors and draws bars: what matters is an error here."""
    verbosity, bars = their_logging.get_verbosity(), their_logging.is_progress_bar_enabled()
    their_logging.set_verbosity(logging.CRITICAL)
    their_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        their_logging.set_verbosity(verbosity)
        if bars:
            their_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
