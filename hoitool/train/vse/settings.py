"""What a recipe of VSE-infinity says beside what all say. Defaults are its training where it states one (Chen et al.,
CVPR 2021, and its published code), else the plainest choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hoitool.train import settings
from hoitool.train.settings import Count, Section, Share, Side

Rising = Annotated[float, Field(ge=0)]


class Model(settings.Model):
    """The two encoders."""

    name: Literal["vse"] = Field("vse", description="the model")
    images: str = Field(
        "regions",
        description="regions, or the network of a grid: detector, wsl, imagenet-50, -101, -152, -resnext, tiny",
    )
    weights: str | None = Field(
        None, description="the network's own weights, or random; none: the file of its name in weights/"
    )
    texts: Literal["bert", "bigru", "tiny"] = Field("bert", description="the text encoder; tiny: a small BERT")
    language: str | None = Field(
        None, description="BERT's weights and vocabulary: a folder; none: weights/bert, else the published ones"
    )
    vocabulary: str | None = Field(
        None, description="the words: a file; none: BERT's, of bigru and tiny those of the training captions"
    )
    least: Count = Field(4, description="how often a word of the training captions stands there to be one of the words")
    dim: Count = Field(1024, description="numbers of an embedding")
    features: Count = Field(2048, description="numbers of a region")
    words: Count = Field(300, description="bigru: numbers of a word vector")
    image_size: Annotated[Side, Field(ge=32)] = Field(
        512, description="grids: side of the square that pictures are squashed to, at least 32"
    )


class Data(settings.Data):
    """Which images and captions."""

    dev: str | None = Field(None, description="the images that are scored while it learns; none: those of test")
    dev_images: Count | None = Field(None, description="how many of them, the first ones; none: all")
    features: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="regions: stores of their features; none: those in features/"
    )


class Loss(Section):
    """What is minimised: the triplet loss over the whole batch."""

    margin: Rising = Field(0.2, description="how much more similar a true pair is to be than a false one")
    summed: Rising = Field(1.0, description="epochs in which all false pairs count; from then on the hardest alone")
    warmup: Rising = Field(0.0, description="epochs behind these in which the loss rises from 0")


class Augment(Section):
    """How the sets that are pooled vary, and of grids the pictures."""

    share: Share = Field(0.2, description="of words that are changed, of regions dropped, of cells dropped at most")
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6, description="grids: least share of each side that a crop keeps, uniform from it to all"
    )
    flip: Share = Field(0.5, description="grids: probability of a horizontal flip")


class Evaluate(settings.Evaluate):
    """How it is scored while it learns: figures i2t R@1, ..., t2i R@10, rsum."""

    protocol: Literal["retrieval"] = Field("retrieval", description="the protocol")
    best: str = Field("rsum", description="the figure that decides which checkpoint is best")


class Predict(Section):
    """What becomes of the test images and captions when training ends."""

    weights: Literal["last", "best"] = Field("best", description="the last weights, or those of the best evaluation")


class Recipe(settings.Recipe):
    """All that decides a training of VSE-infinity, and what was published for it."""

    model: Model = Field(Model(), description="the two encoders")
    data: Data = Field(Data(), description="which images and captions")
    loss: Loss = Field(Loss(), description="what is minimised")
    augment: Augment = Field(Augment(), description="how sets and pictures vary")
    evaluate: Evaluate = Field(Evaluate(), description="how it is scored")
    predict: Predict = Field(Predict(), description="what becomes of the test images at the end")
