"""ViLD: an open-vocabulary detector whose regions are embedded where an image encoder's texts and pictures meet.

    proposals   boxes of one class, object: the region proposal network of a Faster R-CNN, or boxes that are given
    regions     RoIAlign over a feature pyramid, a head of convolutions and layers, a linear map into the texts' space
    boxes       one shift for each region, whatever its class
Which heads embed regions, by name: `text` learns from texts alone, `image` from an image encoder alone, `shared` is one
head that learns from both (ViLD), `separate` has a head for each (the ensemble). The losses, and how the embeddings
become scores, are in hoitool/losses/vild.py; the texts of the classes lie with the weights and do not learn. Pictures
fit a square whose rest, on the right and below, is zero; boxes are pixels of it.
Source: Gu et al., Open-vocabulary Object Detection via Vision and Language Knowledge Distillation, ICLR 2022, and its
published configuration, from which are the numbers of the heads; Ren et al., NeurIPS 2015 (Faster R-CNN). Mask R-CNN,
which ViLD is built on, has masks besides: they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.models.vild_regions import Lesson, Sampled, sampled
from hoitool.models.weights import KeyMap, load
from hoitool.nn.pyramid import BINS, STRIDES, pooled, pyramid
from hoitool.nn.resnet import FixedNorm, Norm, ResNet

SUMMARY = "ViLD: open-vocabulary detection, regions of a Faster R-CNN embedded beside CLIP's texts"
DIM = 512  # numbers of an embedding: CLIP ViT-B/32's
Heads = Literal["text", "image", "shared", "separate"]
HEADS: tuple[Heads, ...] = get_args(Heads)

# our own, and the Faster R-CNN of torchvision, whose head and classes have no place
CHECKPOINTS: KeyMap = (
    (r"((?:backbone|text|image|box)\..+|background|texts)", r"\1"),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"(rpn\..+)", r"\1"),
    (r"roi_heads\..+", None),
)
# a ResNet alone, by torchvision's names; norms that stay count no batches
BODY: KeyMap = ((r"fc\..+", None), (r"(.+)", r"\1"))
BODY_FIXED: KeyMap = ((r".+\.num_batches_tracked", None), *BODY)


class Seen(NamedTuple):
    """What a model says of pictures.

    text        (R, D) the text head's embeddings of R regions; shifts (R, 4): how their boxes move
    image       (M, D) the image head's embeddings of the M regions that are given; the text head's where there is one
    background  (D,) what no class is; None where no head learns from texts
    taught      what the R regions were to become, which a lesson has drawn; None: they are those that are given
    found       of proposals: the losses of objectness and boxes, else what is said of all anchors; () without a network
    """

    text: Tensor
    shifts: Tensor
    image: Tensor
    background: Tensor | None
    taught: Sampled | None
    found: tuple[Tensor, ...]


class Head(nn.Module):
    """Pooled regions become embeddings."""

    def __init__(self, width: int, convs: int, layers: int, hidden: int, dim: int, norm: Norm | None) -> None:
        """convs, layers: how many convolutions and linear layers, of `width` maps and `hidden` numbers."""
        super().__init__()
        self.layers = FastRCNNConvFCHead((width, BINS, BINS), [width] * convs, [hidden] * layers, norm_layer=norm)
        self.embed = nn.Linear(hidden, dim)

    def forward(self, bins: Tensor) -> tuple[Tensor, Tensor]:
        """(R, D) embeddings and (R, hidden) of bins (R, width, 7, 7)."""
        hidden = self.layers(bins)
        return self.embed(hidden), hidden


class Vild(nn.Module):
    """A pyramid, a network of proposals or none, one head or two."""

    texts: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        rpn: Proposals | None,
        text: Head,
        image: Head | None,
        texts: Tensor,
        learns_texts: bool,
        drawn: int,
    ) -> None:
        """rpn: None for boxes that are given; image: None where the text head stands for it; texts: (K, D);
        learns_texts: else there is no background; drawn: regions that a picture is taught by, at most.
        """
        super().__init__()
        self.drawn = drawn
        self.backbone, self.rpn, self.text, self.image = backbone, rpn, text, image
        self.box = nn.Linear(text.embed.in_features, 4)
        self.background = nn.Parameter(0.01 * torch.randn(texts.shape[1])) if learns_texts else None
        self.register_buffer("texts", texts)

    def forward(self, pictures: Tensor, rois: Tensor, lesson: Lesson | None = None) -> Seen:
        """pictures (B, 3, S, S) and rois (M, 5), of each the picture and x1 y1 x2 y2, are embedded.

        lesson: in training, what is to be found; the text head then sees regions drawn out of the proposals.
        """
        maps = self.maps(pictures)
        if lesson is None:
            regions, taught, found = rois, None, self._said(maps)
        else:
            regions, taught, found = self._taught(pictures, maps, lesson)
        seen = self.look(maps, regions, None if lesson is None else rois)
        text, shifts, image = (_precise(each) for each in seen)
        return Seen(text, shifts, image, self.background, taught, found)

    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        """The pyramid of pictures (B, 3, S, S), in float32 or better."""
        made = self.backbone(pictures)
        return {name: _precise(held) for name, held in made.items()}

    def look(self, maps: Mapping[str, Tensor], regions: Tensor, others: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(R, D) the text head's embeddings of regions (R, 5), their shifts (R, 4), the image head's (M, D) of others.

        others: (M, 5); None: they are the regions.
        """
        both = regions if others is None else torch.cat([regions, others])
        first = len(regions) if others is not None else 0  # of the others among both
        bins = pooled(list(maps.values())[: len(STRIDES)], both)
        if self.image is None:
            embedded, hidden = self.text(bins)
            return embedded[: len(regions)], self.box(hidden[: len(regions)]), embedded[first:]
        text, hidden = self.text(bins[: len(regions)])
        return text, self.box(hidden), self.image(bins[first:])[0]

    def proposals(self, pictures: Tensor, maps: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Tensor]:
        """(n, 5) boxes of each picture and how sure they are objects, the surest first. In evaluation.

        sizes: (height, width) of the pictures in their squares. Raises UsageError for a model that is given boxes.
        """
        if self.rpn is None:
            raise UsageError("this model proposes no boxes; give it those that it is to look at")
        boxes: list[Tensor] = self.rpn(ImageList(pictures, sizes), maps)[0]
        return boxes

    def _taught(
        self, pictures: Tensor, maps: dict[str, Tensor], lesson: Lesson
    ) -> tuple[Tensor, Sampled, tuple[Tensor, ...]]:
        """Regions (R, 5) drawn out of the proposals, what they are to become, the losses of the proposals."""
        proposals, found = lesson.proposals, tuple[Tensor, ...]()
        if self.rpn is not None:
            truth = [{"boxes": boxes} for boxes in lesson.boxes]
            made, losses = self.rpn(ImageList(pictures, lesson.sizes), maps, truth)
            proposals, found = [each[:, :4] for each in made], tuple(losses.values())
        assert proposals is not None  # who gives no network gives proposals
        drawn = sampled(proposals, lesson, self.drawn)
        return drawn.regions, drawn, found

    def _said(self, maps: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        if self.rpn is None:
            return ()
        objectness, shifts = self.rpn.head(list(maps.values()))
        return (*objectness, *shifts)


@dataclass(frozen=True)
class Size:
    """The numbers of a detector.

    body            of the ResNet
    width           of the pyramid's maps
    convs, layers   of a head, hidden: numbers of its layers
    anchor          side in pixels of the smallest anchors, those of P2; the next level's are twice them
    most            proposals in training and in evaluation, and how many of each level are looked at for them
    drawn           regions that a picture is taught by, at most
    """

    body: Mapping[str, Any]
    width: int = 256
    convs: int = 4
    layers: int = 2
    hidden: int = 1024
    anchor: int = 32
    most: tuple[int, int, int] = (1000, 1000, 2000)
    drawn: int = 512


BODIES: dict[str, Size] = {
    "r50": Size({"blocks": (3, 4, 6, 3)}),
    "tiny": Size(
        {"blocks": (1, 1, 1, 1), "stem": 16, "planes": (8, 16, 32, 64)}, 32, 0, 1, 128, 16, (100, 100, 200), 64
    ),
}
NORMS: dict[str, Norm] = {"batch": nn.BatchNorm2d, "fixed": FixedNorm}


def build(
    body: str = "r50",
    heads: Heads = "shared",
    classes: int = 80,
    image_size: int = 1024,
    dim: int = DIM,
    proposals: bool = True,
    norm: str = "batch",
    language: Array | None = None,
    weights: Path | None = None,
) -> Vild:
    """A detector of `classes` classes; what it is not told starts at random.

    body        a name of BODIES; image_size: the side of the square, a multiple of 64; dim: numbers of an embedding
    proposals   whether it proposes boxes itself
    norm        batch: norms learn their statistics; fixed: they keep those of the weights
    language    (classes, dim) the texts of the classes; weights: a file of the body's own
    Raises UsageError for unknown names and numbers that do not fit, DataError for weights that do not.
    """
    for what, name, known in (("body", body, BODIES), ("heads", heads, HEADS), ("norm", norm, NORMS)):
        if name not in known:
            raise unknown_name(f"{what} of ViLD", name, known)
    if image_size % 64:
        raise UsageError(f"image_size is {image_size}; ViLD's pyramid needs a multiple of 64")
    if language is not None and language.shape != (classes, dim):
        raise UsageError(f"the texts are {language.shape}, expected {(classes, dim)}: one of each class")
    size = BODIES[body]
    resnet = ResNet(**size.body, caffe=False, norm=NORMS[norm])
    if weights is not None:
        load(resnet, weights, BODY if norm == "batch" else BODY_FIXED)
    texts = torch.zeros(classes, dim) if language is None else torch.as_tensor(language, dtype=torch.float32)
    text, image = (
        Head(size.width, size.convs, size.layers, size.hidden, dim, NORMS[norm]) if wanted else None
        for wanted in (True, heads == "separate")
    )
    assert text is not None
    found = _rpn(size) if proposals else None
    return Vild(pyramid(resnet, size.width), found, text, image, texts, heads != "image", size.drawn)


def _precise(held: Tensor) -> Tensor:
    """In float32 or better: of half precision a box's edge is off by pixels, a cosine by much of a temperature."""
    return held.to(torch.promote_types(held.dtype, torch.float32))


class ObjectHead(RPNHead):  # type: ignore[misc]
    """What is said of anchors, in float32 or better."""

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness (B, A, h, w) and shifts (B, 4 A, h, w) of each level, of maps (B, C, h, w)."""
        objectness, shifts = ([_precise(each) for each in said] for said in super().forward(maps))
        return objectness, shifts


class Proposals(RegionProposalNetwork):  # type: ignore[misc]
    """A network of proposals, each (n, 5): a box and how sure it is that this is an object."""

    def filter_proposals(self, *said: Any) -> tuple[list[Tensor], list[Tensor]]:
        """The proposals (n, 5) of each picture that stay, and their scores (n,) alone."""
        boxes, scores = super().filter_proposals(*said)
        rows = [torch.cat([box, score[:, None]], dim=1) for box, score in zip(boxes, scores, strict=True)]
        return rows, scores


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors, whose table is no parameter: copies of a model share it, also those that have shapes and no numbers."""

    def __deepcopy__(self, copied: dict[int, Any]) -> Anchors:
        return self


def _rpn(size: Size) -> Proposals:
    sides = tuple((size.anchor * 2**level,) for level in range(len(STRIDES) + 1))
    anchors = Anchors(sides, ((0.5, 1.0, 2.0),) * len(sides))
    training, testing, looked = size.most
    return Proposals(
        anchors,
        ObjectHead(size.width, anchors.num_anchors_per_location()[0], conv_depth=2),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": looked, "testing": testing},
        post_nms_top_n={"training": training, "testing": testing},
        nms_thresh=0.7,
    )
