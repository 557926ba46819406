"""The devices of a training by way of accelerate, and what is asked of a module for the sake of their memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.state import AcceleratorState  # type: ignore[import-untyped]
from accelerate.utils import broadcast_object_list, send_to_device  # type: ignore[import-untyped]

from hoitool.errors import UsageError
from hoitool.train.plan import Pace, Plan

MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def accelerator_of(plan: Plan, pace: Pace) -> Any:
    """The devices that there are; under torchrun all of its processes. Raises UsageError for float16 on a CPU."""
    AcceleratorState._reset_state()  # a training before this one may have had another precision
    require_precision(plan, pace)
    return Accelerator(mixed_precision=MIXED[plan.precision], cpu=pace.device == "cpu")


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Inside, this many threads of the CPU's arithmetic; None: as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_precision(plan: Plan, pace: Pace) -> None:
    """Raise UsageError for float16 on a CPU."""
    if plan.precision == "float16" and (pace.device == "cpu" or not torch.cuda.is_available()):
        raise UsageError("float16 needs a GPU; on the CPU train in float32 or bfloat16")


def bare(model: torch.nn.Module) -> torch.nn.Module:
    """A prepared model without what spreads it over processes."""
    return model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model


def moved(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch with its tensors on the device, without waiting for them."""
    found: dict[str, Any] = send_to_device(batch, device, non_blocking=True)
    return found


def from_main(value: dict[str, float]) -> dict[str, float]:
    """The main process's value, in all processes."""
    held = [value]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        broadcast_object_list(held)
    return held[0]


def memory(device: torch.device) -> float:
    """Peak memory in megabytes (1e6 bytes): of the GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


@contextmanager
def within_memory(samples: int) -> Iterator[None]:
    """Turn the end of a device's memory into one line. samples: at once on it."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        less = "" if samples == 1 else f"optimise.per_device={samples // 2} (accumulated to the same batch), "
        raise UsageError(
            f"the device's memory does not hold a pass of {samples} samples; try {less}"
            "optimise.gradient_checkpointing=true or optimise.precision=bfloat16; --dry-run estimates the memory"
        ) from error


def save_memory(module: torch.nn.Module, pace: Pace) -> None:
    """Turn on gradient checkpointing, by the method that timm and open_clip, or transformers, give their models."""
    if not pace.gradient_checkpointing:
        return
    for name in ("set_grad_checkpointing", "gradient_checkpointing_enable"):
        if turn_on := getattr(module, name, None):
            turn_on()
            return
    raise UsageError(f"{type(module).__name__} knows no gradient checkpointing; train without it")


def processes() -> tuple[int, int]:
    """This process's number, and how many train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def gathered(value: Any) -> list[Any]:
    """The values of all processes, in their order."""
    _, world = processes()
    if world == 1:
        return [value]
    made: list[Any] = [None] * world
    torch.distributed.all_gather_object(made, value)
    return made
