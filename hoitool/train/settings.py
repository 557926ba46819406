"""What every recipe says: its sections and every setting with its type, default and meaning.

A system adds its own sections (hoitool/train/systems.py). Lengths are pixels, learning rates are those of the effective
batch, figures of a reference are per cent as published. Unknown keys and values of another type are refused;
hoitool/train/recipe.py reads, changes and writes recipes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Numbers = Annotated[tuple[float, float], Field(strict=False)]  # YAML has lists
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Side = Annotated[int, Field(ge=1, le=8192)]  # pixels
NAME = r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$"  # of a folder in runs/


class Section(BaseModel):
    """A frozen part of a recipe that takes no unknown key and turns no text into a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


class Model(Section):
    """The network."""

    name: str = Field("defr", description="the system: defr, vse, vild")
    checkpoint: str | None = Field(None, description="weights of the whole model to start from, in place of others")
    strict: bool = Field(True, description="whether all of the checkpoint must fit; false: the rest starts at random")


class Data(Section):
    """Which images."""

    dataset: str | None = Field(None, description="a dataset of the workspace; none: the only one")
    subset: str = Field("train", description="the images that are trained on")
    test: str | None = Field("test", description="the images that are scored and predicted for; none: none")
    images: str | None = Field(None, description="folder of the pictures; none: the workspace's")
    workers: Annotated[int, Field(ge=0)] = Field(4, description="processes that read pictures")


class Augment(Section):
    """How training pictures vary: flip, squash to image_size, brightness, contrast, crop; as torchvision has them."""

    flip: Share = Field(0.5, description="probability of a horizontal flip")
    brightness: Annotated[float, Field(ge=0)] = Field(0.4, description="factor from 1 - this to 1 + this; 0: none")
    contrast: Annotated[float, Field(ge=0)] = Field(0.4, description="the same for contrast")
    crop_scale: Numbers | None = Field((0.7, 1.0), description="share of the area that is cut out; none: no crop")
    crop_ratio: Numbers = Field((0.7, 1.3), description="width by height of what is cut out")

    @model_validator(mode="after")
    def _ranges(self) -> Augment:
        for name, held in (("crop_scale", self.crop_scale), ("crop_ratio", self.crop_ratio)):
            if held is not None and not 0 < held[0] <= held[1]:
                raise ValueError(f"{name} {list(held)}: expected a smaller and a larger number above 0")
        if self.crop_scale is not None and self.crop_scale[1] > 1:
            raise ValueError(f"crop_scale {list(self.crop_scale)}: a share is at most 1")
        return self


class Schedule(Section):
    """The learning rate over time, set before every step at its fractional epoch (hoitool/train/schedules.py)."""

    name: Literal["constant", "cosine", "cosine-restarts", "multi-step"] = Field(
        "constant", description="the shape; cosine: one half wave over the training"
    )
    period: Positive | None = Field(None, description="cosine-restarts: epochs to the first restart")
    growth: Count = Field(1, description="cosine-restarts: each period is so many times the one before")
    floor: Share = Field(0.0, description="both cosines: the lowest share of the learning rate")
    milestones: Annotated[tuple[Positive, ...], Field(strict=False)] = Field((), description="multi-step: epochs")
    gamma: Positive = Field(0.1, description="multi-step: factor at each milestone")
    warmup: Annotated[float, Field(ge=0)] = Field(0.0, description="epochs of a linear rise to the rest; 0: none")

    @model_validator(mode="after")
    def _has_its_numbers(self) -> Schedule:
        if (self.name == "cosine-restarts") != (self.period is not None):
            raise ValueError("period is needed with cosine-restarts, and null with the others")
        if (self.name == "multi-step") != bool(self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise ValueError("milestones are needed with multi-step, in rising order, and [] with the others")
        return self


class Optimise(Section):
    """How the weights move."""

    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="the optimiser")
    lr: Positive = Field(description="learning rate of the effective batch")
    groups: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="factor of lr by the beginning of parameters' names; 0: they stay"
    )
    frozen: dict[str, Positive] = Field(
        default_factory=dict, description="epochs that parameters stay at the start, by the beginning of their names"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="weight decay")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="of sgd")
    epochs: Count = Field(description="times through the repeated images")
    batch: Count = Field(description="effective batch: images behind one step, over all devices")
    per_device: Count | None = Field(None, description="images at once on a device; none: batch over devices")
    accumulate: Literal["keep-batch", "refuse"] = Field(
        "keep-batch", description="what does not fit at once is accumulated to the same batch; or refused"
    )
    schedule: Schedule = Field(description="the learning rate over time")
    clip: Positive | None = Field(None, description="largest norm of the gradient; none: no clipping")
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="of the forward pass")
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(None, description="decay of averaged weights; none: none")
    compile: bool = Field(False, description="torch.compile")
    gradient_checkpointing: bool = Field(False, description="less memory, more time")
    checkpoint_minutes: Positive = Field(10.0, description="minutes between two checkpoints, and one at the end")
    keep: Count = Field(2, description="how many checkpoints stay")
    threads: Count | None = Field(None, description="threads of a CPU's arithmetic; none: one a core")


class Evaluate(Section):
    """How the model is scored while it learns and at the end, by hoitool.eval."""

    protocol: str = Field(description="the protocol")
    variant: str | None = Field(None, description="its variant; none: the official one")
    every: Annotated[int, Field(ge=0)] = Field(1, description="epochs between two scores; 0: at the end alone")
    best: str = Field(description="the figure that decides which checkpoint is best")


class Reference(Section):
    """What was published for this recipe."""

    source: str = Field(description="where the figures stand")
    figures: dict[str, float] = Field(description="per cent by name, as the protocol names its figures")


class Recipe(Section):
    """All that decides a training, and what was published for it."""

    name: Annotated[str, Field(pattern=NAME)] = Field(description="the recipe's name; none: that of its file")
    summary: str = Field("", description="what it is, in a line")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of initial weights, order and augmentation")
    model: Model = Field(description="the network")
    data: Data = Field(description="which images")
    optimise: Optimise = Field(description="how the weights move")
    evaluate: Evaluate = Field(description="how it is scored")
    reference: Reference | None = Field(None, description="what was published for it")
