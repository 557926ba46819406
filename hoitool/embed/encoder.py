"""What an encoder is: names and facts, and up to three things that it can do: texts, images, maps.

A module of ENCODERS has SUMMARY and `load(settings) -> Encoder`, KINDS says which of the three it can; everything that
needs torch stays inside the encoder files. Work is started by a call and awaited by calling what it returned, so that
a device computes while the next batch is being prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, cast

from hoitool.data.dataset import Array
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name

Precision = Literal["fp32", "bf16", "fp16"]
Space = Literal["joint", "pre-projection"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
SPACES: tuple[Space, ...] = ("joint", "pre-projection")
Pending = Callable[[], Array]  # waits for what was started and returns it


@dataclass(frozen=True)
class Settings:
    """What a user may choose of an encoder; None takes its default.

    variant    what stands after the colon of --model: an architecture, a hub id, a folder
    weights    a tag that the encoder knows, or a local file or folder
    pooling    how the states of a text's tokens become one vector: cls, mean, pooler
    space      joint: where texts and images meet; pre-projection: before the image tower's projection
    device     auto, cpu, cuda, cuda:1, ...
    precision  of the arithmetic
    compile    torch.compile
    image_size the side of the pictures in pixels, squashed into squares; None as the model was trained
    """

    variant: str | None = None
    weights: str | None = None
    pooling: str | None = None
    space: Space = "joint"
    device: str = "auto"
    precision: Precision = "fp32"
    compile: bool = False
    image_size: int | None = None


def settings(
    weights: str | None,
    pooling: str | None,
    space: str,
    device: str,
    precision: str,
    compile: bool,
    image_size: int | None = None,
) -> Settings:
    """The settings of options. Raises UsageError for a precision or a space that there is not."""
    for kind, name, known in (("precision", precision, PRECISIONS), ("space of embeddings", space, SPACES)):
        if name not in known:
            raise unknown_name(kind, name, known)
    return Settings(None, weights, pooling, cast(Space, space), device, cast(Precision, precision), compile, image_size)


def require_no_choices(encoder: str, chosen: Settings) -> None:
    """Raise UsageError for a setting of an encoder without weights, which runs on the CPU and has none to choose."""
    defaults = Settings()
    for field in fields(Settings):
        value = getattr(chosen, field.name)
        if value != getattr(defaults, field.name) and (field.name, value) != ("device", "cpu"):
            raise UsageError(f"{encoder} has no choice of {field.name}, came {value!r}")


class Encoder(Protocol):
    """A loaded model. All results are float32 and not normalised; each row depends on its own input only.

    name        the model in full, such as clip:ViT-B-32-quickgelu
    facts       what the manifest says of it: weights, weights_sha256, and where they apply pooling, activation
    dim         numbers in each row of texts(), images() and maps()
    preprocess  how pictures become its input; None for an encoder of texts alone
    """

    name: str
    facts: dict[str, Any]
    dim: int
    preprocess: Preprocess | None

    def texts(self, texts: Sequence[str]) -> Pending:
        """(N, dim) of N texts. Raises UsageError for an encoder of images alone."""
        ...

    def images(self, pixels: Array) -> Pending:
        """(N, dim) of N pictures (N, H, W, 3) uint8, RGB, as `preprocess` makes them. UsageError for one of texts."""
        ...

    def best_batch(self) -> int:
        """A batch size that keeps the device busy: a constant on a CPU, tried out on an accelerator."""
        ...

    def maps(self, pixels: Array) -> Pending:
        """(N, h, w, dim): a vector for each cell of a grid over pictures (N, H, W, 3) uint8. UsageError if none."""
        ...
