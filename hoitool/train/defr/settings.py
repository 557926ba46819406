"""What a recipe of DEFR says beside what all say. Defaults are DEFR's training where it states one (Jin et al., CVPR
2022), else the plainest choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hoitool.train import settings
from hoitool.train.settings import Augment, Count, Positive, Section, Share, Side


class Classifier(Section):
    """The rows that features are compared with, one a class."""

    kind: Literal["cosine", "linear", "mapped"] = Field(
        "cosine", description="cosine: rows of length 1; linear: with a bias; mapped: fixed rows under a trained matrix"
    )
    init: Literal["random", "language"] = Field("random", description="where the rows start")
    encoder: str | None = Field(None, description="language: what embedded the labels, as in `embed labels --model`")
    space: Literal["joint", "pre-projection"] = Field("joint", description="language: which of the encoder's spaces")
    prompts: str = Field("defr", description="language: the prompt set")
    store: str | None = Field(None, description="language: the store of embeddings; none: one that fits, or is made")

    @model_validator(mode="after")
    def _names_its_language(self) -> Classifier:
        if self.init == "language" and self.encoder is None and self.store is None:
            raise ValueError("init: language needs an encoder or a store")
        return self


class Model(settings.Model):
    """The network."""

    name: Literal["defr"] = Field("defr", description="the model")
    backbone: str = Field(description="the image tower: tiny, tiny:N (projected to N), clip, clip:ARCH, timm:NAME")
    weights: str | None = Field(None, description="its weights: a tag, file or folder, or random; none: its own")
    patch: Count = Field(description="side of the backbone's patches")
    image_size: Side = Field(description="side of the square picture; position grids are resized to it")
    classifier: Classifier = Field(Classifier(), description="the classifier")
    log_scale: float = Field(4.61, description="logits are exp(log_scale) times the cosine; 0: features as they are")
    train_scale: bool = Field(False, description="whether the scale is trained, up to 4.61")
    train: Literal["all", "classifier"] = Field("all", description="classifier: a probe on a backbone that stays")
    projected: bool = Field(False, description="CLIP's features go through its projection, into the space of texts")

    @model_validator(mode="after")
    def _patches_fill_the_picture(self) -> Model:
        if self.image_size % self.patch:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch {self.patch}")
        return self


class Loss(Section):
    """What is minimised."""

    name: Literal["lse-sign", "bce", "weighted-bce", "focal"] = Field(description="the loss")
    alpha: Share | None = Field(None, description="focal: weight of positives")
    gamma: Annotated[float, Field(ge=0)] | None = Field(None, description="focal: exponent")

    @model_validator(mode="after")
    def _focal_has_its_numbers(self) -> Loss:
        if (self.name == "focal") != (self.alpha is not None) or (self.name == "focal") != (self.gamma is not None):
            raise ValueError("alpha and gamma are needed with focal, and null with the others")
        return self


class Data(settings.Data):
    """Which images, and what their labels mean."""

    beside: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="further dataset files to train on")
    labels: Literal["images", "pairs", "auto"] = Field(
        "auto", description="labels of whole images, or of pairs put together; auto: the former where there are any"
    )
    split: str | None = Field(None, description="the split that the data must have been filtered by; none: any or none")


class Balance(Section):
    """Images of rare classes are repeated (hoitool/train/defr/images.py)."""

    min_samples: Count | None = Field(None, description="times that a class should be seen in an epoch; none: no rule")
    most: Count = Field(40, description="largest number of repetitions of an image")


class Evaluate(settings.Evaluate):
    """How the model is scored while it learns and at the end, by hoitool.eval."""

    protocol: str = Field("hico", description="the protocol")
    best: str = Field("full", description="the split whose mAP decides which checkpoint is best")


class Predict(Section):
    """What is predicted for the test images when training ends; powers and masks are of detection alone."""

    task: Literal["recognition", "detection"] = Field("recognition", description="scores of whole images, or of pairs")
    weights: Literal["last", "best"] = Field("last", description="the last weights, or those of the best evaluation")
    boxes: str | None = Field(None, description="file of boxes whose pairs are scored; none: the dataset's own")
    mask: Literal["as-written", "blocking", "none", "crops"] = Field(
        "as-written",
        description="tokens outside a pair: 1 is added to their attention, as DEFR's code has it; none left; as they "
        "are; or the pair is cut out",
    )
    mask_layers: Count = Field(1, description="last blocks that see the mask")
    human_power: Annotated[float, Field(ge=0)] = Field(2.8, description="exponent of the person's box score")
    object_power: Annotated[float, Field(ge=0)] = Field(2.8, description="exponent of the object's box score")
    interaction_power: Positive = Field(1.0, description="exponent of the interaction's probability")


class Recipe(settings.Recipe):
    """A training of DEFR."""

    model: Model = Field(description="the network")
    loss: Loss = Field(description="what is minimised")
    data: Data = Field(Data(), description="which images")
    augment: Augment = Field(Augment(), description="how training pictures vary")
    balance: Balance = Field(Balance(), description="how often images are repeated")
    evaluate: Evaluate = Field(Evaluate(), description="how it is scored")
    predict: Predict = Field(Predict(), description="what is predicted at the end")
