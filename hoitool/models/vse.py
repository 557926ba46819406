"""VSE-infinity: pictures and captions as vectors of length 1 in one space, alike where their product is large.

    image encoder   features of regions, or a network's grid, pooled (hoitool/models/vse_images.py)
    text encoder    BERT, or a GRU over word vectors, pooled (hoitool/models/vse_texts.py)
    similarity      images (B, dim) by captions (C, dim): their products (B, C)
Trained with the triplet loss (hoitool/losses/triplet.py). Source: Chen et al., Learning the Best Pooling Strategy for
Visual Semantic Embedding, CVPR 2021, and its published code, whose checkpoints load: two states in a list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig

from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.models.vse_images import CNN, GRIDS, Cells, Regions
from hoitool.models.vse_texts import BERT, Bert, BiGRU
from hoitool.models.weights import KeyMap, load, under
from hoitool.nn.resnet import ResNet

SUMMARY = "VSE-infinity: image-text matching, regions or grids and captions pooled by a learnt operator"
DIM, REGION, WORD = 1024, 2048, 300  # numbers of an embedding, of a region's features, of a word vector

# checkpoints of the published code, 0 the image encoder's state and 1 the text encoder's, and our own
CHECKPOINTS: KeyMap = (
    (r"((?:image|text)\..+)", r"\1"),
    (r"0\.mlp\.layers\.0\.(.+)", r"image.mlp.0.\1"),
    (r"0\.mlp\.bns\.0\.(.+)", r"image.mlp.1.\1"),
    (r"0\.mlp\.layers\.1\.(.+)", r"image.mlp.3.\1"),
    (r"0\.mlp\.bns\.1\..+", None),  # never computed with
    (r"0\.(?:image_encoder\.)?((?:fc|gpool)\..+)", r"image.\1"),
    *under(CNN, r"0\.backbone\.", "image.backbone."),
    (r"1\.((?:linear|gpool|embed|rnn)\..+)", r"text.\1"),
    *under(BERT, r"1\.", "text.bert."),
)


class Vse(nn.Module):
    """An image encoder and a text encoder."""

    def __init__(self, image: Regions | Cells, text: Bert | BiGRU) -> None:
        super().__init__()
        self.image, self.text = image, text

    def forward(self, images: Tensor, captions: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings (B, dim) and (C, dim) of length 1.

        images    regions (B, K, features), or pictures (B, 3, H, W)
        captions  ids (C, T), 0 behind the last word
        mask      (B, K) bool: the regions that are there, or the cells that are kept; None, all
        """
        return self.image(images, mask), self.text(captions)

    def gradient_checkpointing_enable(self) -> None:
        """Have the network of a grid and BERT computed again on the way back, for less memory."""
        if isinstance(self.image, Cells):
            self.image.backbone.checkpointing = True
        if isinstance(self.text, Bert):
            bert: Any = self.text.bert
            newer = getattr(bert, "activation_checkpointing_enable", None)  # its name from transformers 5 on
            (newer or bert.gradient_checkpointing_enable)({"use_reentrant": False})


def similarity(images: Tensor, captions: Tensor) -> Tensor:
    """(B, C) products of embeddings (B, dim) and (C, dim), in their precision, under mixed precision as well."""
    with torch.autocast(images.device.type, enabled=False):
        return images @ captions.T


def build(
    images: str = "regions",
    texts: str = "bert",
    dim: int = DIM,
    features: int = REGION,
    vocabulary: int | None = None,
    words: int = WORD,
    weights: Path | None = None,
    language: Path | None = None,
) -> Vse:
    """A model of `dim` numbers an embedding; what it is not told starts at random.

    images      regions, of `features` numbers each, or the network of a grid: a name of GRIDS
    texts       bert, tiny (two layers of 32 numbers) or bigru, whose word vectors have `words` numbers
    vocabulary  how many ids there are, which bigru needs to be told; BERT's has 30,522
    weights     a file of the network's own weights; language: one of BERT's
    Raises UsageError for unknown names and files that have no place, DataError for weights that do not fit.
    """
    made = Vse(_images(images, features, dim), _texts(texts, vocabulary, words, dim))
    if weights is not None:
        if not isinstance(made.image, Cells):
            raise UsageError(f"{weights}: regions come with their features; only grids have a network with weights")
        load(made.image.backbone, weights, CNN)
    if language is not None:
        if not isinstance(made.text, Bert):
            raise UsageError(f"{language}: word vectors start at random; only BERT has weights")
        load(made.text.bert, language, BERT)
    return made


def _images(name: str, features: int, dim: int) -> Regions | Cells:
    if name == "regions":
        return Regions(features, dim)
    if name not in GRIDS:
        raise unknown_name("image encoder of VSE", name, ["regions", *GRIDS])
    return Cells(ResNet(**GRIDS[name].numbers), dim)


def _texts(name: str, vocabulary: int | None, words: int, dim: int) -> Bert | BiGRU:
    if name == "bigru":
        if vocabulary is None:
            raise UsageError("bigru needs to be told its vocabulary: how many ids its captions have")
        return BiGRU(vocabulary, words, dim)
    if name not in BERTS:
        raise unknown_name("text encoder of VSE", name, [*BERTS, "bigru"])
    numbers = BERTS[name] if vocabulary is None else BERTS[name] | {"vocab_size": vocabulary}
    return Bert(BertConfig(**numbers), dim)


# the numbers of transformers, which are BERT base's where none is named
BERTS: dict[str, dict[str, Any]] = {
    "bert": {},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
}
