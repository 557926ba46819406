"""ViLD: what an open-vocabulary detector's region embeddings learn from texts and from an image encoder.

text      a softmax over cosines with a background embedding, which is learnt, and with the texts of the classes, which
          are not: logits [cos(e, background), cos(e, text_1), ...] / temperature; label 0 is background, k is class k
image     the distance (L1) between region embeddings and those of an image encoder for the same boxes: the mean
          direction of the box and of the box half as large again
ensemble  scores of two heads, the base classes more by the text head, the novel ones by the image head
Embeddings come as they are and are brought to length 1 here.
Source: Gu et al., Open-vocabulary Object Detection via Vision and Language Knowledge Distillation, ICLR 2022, and its
published code, from which are temperature and masks. The total of the paper is text + 0.5 image; an implementation that
takes the mean of the distance over its D numbers has 0.5 D in the place of 0.5.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from hoitool.errors import DataError

TEMPERATURE = 0.01
IMAGE_WEIGHT = 0.5  # of the image loss beside the text loss
MORE = 2 / 3  # the exponent of the head that a class goes by, in the ensemble


def text_logits(regions: Tensor, background: Tensor, texts: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """(N, 1 + K) logits, background first, of regions (N, D), a background embedding (D,) and texts (K, D).

    In float32 or better under mixed precision as well: at this temperature half precision leaves steps of 1/4.
    Raises DataError where their numbers D differ.
    """
    if not regions.shape[-1] == background.shape[-1] == texts.shape[-1]:
        held = f"{regions.shape[-1]}, {background.shape[-1]} and {texts.shape[-1]}"
        raise DataError(f"regions, background and texts have {held} numbers; expected as many each")
    classes = torch.cat([_unit(background)[None], _unit(texts)])  # (1 + K, D)
    with torch.autocast(regions.device.type, enabled=False):
        return _unit(regions) @ classes.T / temperature


def image_logits(regions: Tensor, texts: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """(N, K) logits of regions (N, D) and texts (K, D) without a background, in the precision of `text_logits`."""
    with torch.autocast(regions.device.type, enabled=False):
        return _unit(regions) @ _unit(texts).T / temperature


def text_loss(logits: Tensor, labels: Tensor, held_out: Tensor | None = None) -> Tensor:
    """The mean cross-entropy, a tensor (), of logits (N, 1 + K) and labels (N,), 0 for background.

    held_out  (K,) bool: classes whose logit is made 0, as the published code has it; they stay in the softmax
    Raises DataError for no regions, and for labels outside 0..K.
    """
    if not len(labels) or bool(((labels < 0) | (labels >= logits.shape[1])).any()):
        raise DataError(f"labels of regions must be at least one, each from 0 (background) to {logits.shape[1] - 1}")
    if held_out is not None:
        logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(held_out, 0)], dim=1)
    return cross_entropy(_float(logits), labels)


def image_target(box: Tensor, larger: Tensor) -> Tensor:
    """(M, D) of length 1: what regions are to become, of the embeddings (M, D) of boxes and of boxes 1.5 times them."""
    return _unit(_unit(box) + _unit(larger))


def image_loss(regions: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """The mean over regions of the L1 distance, a tensor (), of regions (M, D) and their target (M, D), of length 1.

    valid  (M,) bool: the regions that count; others fill a batch. 0 where none counts
    Raises DataError for tables of two shapes.
    """
    if regions.shape != target.shape:
        raise DataError(f"regions are {tuple(regions.shape)}, their targets {tuple(target.shape)}; expected one shape")
    distance = (_unit(regions) - target).abs().sum(-1)  # (M,)
    counted = torch.ones_like(distance) if valid is None else valid.to(distance)
    return (distance * counted).sum() / counted.sum().clamp(min=1)


def ensemble(text: Tensor, image: Tensor, novel: Tensor) -> Tensor:
    """(N, K) scores of two heads: the text head's logits (N, 1 + K), background first, and the image head's (N, K).

    Each head's probabilities (the text head's with background in the softmax, the image head's without) are multiplied,
    to the power 2/3 of the head that a class goes by and 1/3 of the other; novel (K,) bool goes by the image head.
    """
    by_text, by_image = _float(text).log_softmax(-1)[:, 1:], _float(image).log_softmax(-1)
    share = MORE + (1 - 2 * MORE) * novel.to(by_text)  # (K,), of the text head: 1 - MORE where novel
    return (share * by_text + (1 - share) * by_image).exp()


def _unit(rows: Tensor) -> Tensor:
    return normalize(_float(rows), dim=-1)


def _float(held: Tensor) -> Tensor:
    return held if held.dtype == torch.float64 else held.float()
