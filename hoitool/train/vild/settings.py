"""What a recipe of ViLD says beside what all say. Defaults are ViLD's training where it states one (Gu et al., ICLR
2022, and its published configuration), else the plainest choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hoitool.train import settings
from hoitool.train.settings import Count, Numbers, Positive, Section, Share, Side

NotNegative = Annotated[float, Field(ge=0)]


class Model(settings.Model):
    """The network."""

    name: Literal["vild"] = Field("vild", description="the model")
    body: Literal["r50", "tiny"] = Field("r50", description="the residual network")
    weights: str | None = Field(None, description="file of the body's weights; none: random numbers")
    norm: Literal["batch", "fixed"] = Field(
        "batch", description="batch: norms learn their statistics; fixed: they keep those of the weights"
    )
    heads: Literal["text", "image", "shared", "separate"] = Field(
        "shared", description="what regions learn from: texts, an image encoder, both (ViLD), both by a head each"
    )
    image_size: Side = Field(1024, description="side of the square that pictures lie in, a multiple of 64")
    proposals: Literal["own", "given"] = Field("own", description="its own boxes, or those of data.boxes")
    texts: str | None = Field(
        None, description="store of the objects' embedded names; none: the one of the workspace that fits"
    )
    prompts: str | None = Field(None, description="prompt set, of a store that has several")

    @model_validator(mode="after")
    def _squares_fit_the_pyramid(self) -> Model:
        if self.image_size % 64:
            raise ValueError(f"image_size {self.image_size} is no multiple of 64")
        return self


class Loss(Section):
    """What is minimised: the losses of proposals, boxes and texts, and so many times that of images."""

    temperature: Positive = Field(0.01, description="of the cosines with texts")
    image: NotNegative = Field(0.5, description="weight of the image loss, a sum over an embedding's numbers")
    held_out: Literal["absent", "zero"] = Field(
        "absent",
        description="novel classes in the softmax: absent, as the paper says, or with a logit of 0, as its code has it",
    )


class Data(settings.Data):
    """Which images, which objects are novel, what an image encoder says of regions."""

    novel: Annotated[tuple[str, ...], Field(strict=False)] | None = Field(
        None,
        description="objects that are not trained on; none: LVIS's rare ones, else COCO's 17, whose 15 unused are not "
        "found either",
    )
    regions: str | None = Field(
        None, description="store of embedded regions; none: the one of the workspace of the texts' encoder"
    )
    most: Count = Field(300, description="regions of a picture that a step learns from, at most")
    boxes: str | None = Field(None, description="file of boxes of the training images, for a model that is given boxes")


class Augment(Section):
    """How training pictures vary."""

    flip: Share = Field(0.5, description="probability of a horizontal flip")
    scale: Numbers = Field((0.1, 2.0), description="longer side by that of the square; what is larger is cut out")

    @model_validator(mode="after")
    def _range(self) -> Augment:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale {list(self.scale)}: expected a smaller and a larger number above 0")
        return self


class Evaluate(settings.Evaluate):
    """How the model is scored while it learns and at the end, by hoitool.eval."""

    protocol: str = Field("open-vocab", description="the protocol")
    best: str = Field("novel", description="the figure that decides which checkpoint is best")


class Predict(Section):
    """What is predicted for the test images when training ends."""

    weights: Literal["last", "best"] = Field("last", description="the last weights, or those of the best evaluation")
    boxes: str | None = Field(None, description="file of boxes that are looked at; none: the model's own proposals")
    nms: Share = Field(0.5, description="overlap above which a less sure detection of a class goes")
    min_score: Share = Field(0.0, description="the least score")
    most: Count = Field(300, description="detections of a picture, at most")


class Recipe(settings.Recipe):
    """A training of ViLD."""

    model: Model = Field(Model(), description="the network")
    loss: Loss = Field(Loss(), description="what is minimised")
    data: Data = Field(Data(), description="which images")
    augment: Augment = Field(Augment(), description="how training pictures vary")
    evaluate: Evaluate = Field(Evaluate(), description="how it is scored")
    predict: Predict = Field(Predict(), description="what is predicted at the end")
