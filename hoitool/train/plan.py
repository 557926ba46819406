"""The numbers of a training, as a frozen value that goes into JSON: what decides the weights, and how the work is done.

`Plan` decides the weights: the same plan, task, seed and number of processes give the same weights bit for bit on the
CPU. `Pace` says how the work is done; a checkpoint can be continued with another one. Both are strict: an unknown name
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hoitool.errors import UsageError
from hoitool.train.settings import Schedule

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Plan(BaseModel):
    """What decides the weights.

    epochs, steps  one of them: times through the samples, or steps of the optimiser
    batch          effective batch: samples behind one step, over all devices and accumulated ones
    drop_last      leave out the last samples of an epoch where they do not fill a batch
    lr             the highest learning rate, of the effective batch
    groups         factor of lr by the beginning of parameters' names, the longest that fits; 0: they stay as they are
    frozen         epochs that parameters stay as they are at the start, by the beginning of their names
    decay_vectors  whether biases and scales of norms (parameters of one dimension) decay too
    clip           largest norm of the gradient
    ema            decay of averaged weights, which are then what is evaluated
    precision      of the forward pass; weights are always float32
    seed           of the order of samples and of what is random in the module (dropout)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: Count | None = None
    steps: Count | None = None
    batch: Count
    drop_last: bool = False
    optimiser: Literal["adamw", "sgd"] = "adamw"
    lr: Positive
    weight_decay: NotNegative = 0.0
    decay_vectors: bool = True
    groups: dict[str, NotNegative] = Field(default_factory=dict)
    frozen: dict[str, Positive] = Field(default_factory=dict)
    betas: tuple[Share, Share] = (0.9, 0.999)
    momentum: Share = 0.9
    nesterov: bool = False
    schedule: Schedule = Schedule()
    clip: Positive | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _has_one_end(self) -> Plan:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("epochs or steps is needed, and not both")
        return self

    def total(self, per_epoch: int) -> int:
        """Steps of the whole training, where an epoch has `per_epoch`."""
        return self.steps if self.steps is not None else (self.epochs or 0) * per_epoch


class Pace(BaseModel):
    """How the work is done. It changes weights by the rounding of sums at most.

    per_device              samples at once on a device; None: the batch over the devices
    accumulate              whether what does not fit at once may be accumulated, else that is an error
    workers                 processes that load samples; 0: this one does
    log_every               steps between two lines of metrics
    evaluate_every          epochs between two evaluations; 0: at the end alone
    best, best_is           the figure of the evaluation that decides which weights are kept as the best
    checkpoint_steps        steps between two checkpoints; None: none by steps
    checkpoint_minutes      minutes between two checkpoints, looked at where metrics are written and epochs end
    keep                    how many checkpoints stay
    device                  auto: GPUs where there are any
    threads                 threads of the CPU's arithmetic; None: torch's own number. A small model is faster with 1
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    per_device: Count | None = None
    accumulate: bool = True
    workers: Annotated[int, Field(ge=0)] = 0
    compile: bool = False
    gradient_checkpointing: bool = False
    log_every: Count = 10
    evaluate_every: Annotated[int, Field(ge=0)] = 1
    best: str | None = None
    best_is: Literal["highest", "lowest"] = "highest"
    checkpoint_steps: Count | None = None
    checkpoint_minutes: Positive | None = 10.0
    keep: Count = 2
    device: Literal["auto", "cpu"] = "auto"
    threads: Count | None = None


@dataclass(frozen=True)
class Spread:
    """How an effective batch lies over devices (`world` of them) and forward passes."""

    world: int
    per_device: int
    accumulation: int

    def told(self) -> str:
        """One line that says so."""
        devices = "1 device" if self.world == 1 else f"{self.world} devices"
        batch = self.world * self.per_device * self.accumulation
        return f"effective batch {batch} = {devices} x {self.per_device} samples x {self.accumulation} accumulated"


def spread(plan: Plan, pace: Pace, world: int) -> Spread:
    """How the plan's batch lies over `world` devices. Raises UsageError where it cannot be kept exactly."""
    if plan.batch % world:
        raise UsageError(
            f"the effective batch of {plan.batch} does not divide by {world} devices; {_near(plan, world)}"
        )
    share = plan.batch // world
    held = share if pace.per_device is None else min(pace.per_device, share)
    if share % held:
        fits = max(n for n in range(1, held + 1) if share % n == 0)
        raise UsageError(
            f"the effective batch of {plan.batch} does not divide by {world} x {held} samples at once; "
            f"per_device {fits} does, or {_near(plan, world * held)}"
        )
    if share != held and not pace.accumulate:
        raise UsageError(
            f"the effective batch of {plan.batch} is more than {world} x {held} samples at once, and accumulation is "
            "refused; allow it, or use more devices or more samples on each"
        )
    return Spread(world, held, share // held)


def _near(plan: Plan, unit: int) -> str:
    return f"the nearest batch that does is {max(1, round(plan.batch / unit)) * unit}"


def difference(made: dict[str, Any], plan: Plan) -> str | None:
    """The first field in which the plan of a checkpoint (as JSON) is another one, and both values; None: the same."""
    held = plan.model_dump(mode="json")
    for name in [*held, *(name for name in made if name not in held)]:
        if name not in made or name not in held or made[name] != held[name]:
            return f"{name} is {made.get(name, 'absent')!r} there and {held.get(name, 'absent')!r} here"
    return None
