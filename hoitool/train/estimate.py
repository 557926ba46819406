"""What a training will take, before it begins: parameters, memory, steps, time.

Memory is that of tensors (1 MB = 1e6 bytes) in one whole step on one device, followed tensor by tensor over shapes
without numbers, so that nothing of it is allocated: two accumulated parts where there are several, gradient
checkpointing and half precision as planned. A module that looks at its numbers (the lengths of captions) is followed
with one and with two samples in place of that, and what these take is taken to grow evenly, the most at once to be no
less than what is kept and all gradients. What a GPU's driver, its libraries' work space and fragmentation take comes on
top.
Time is that of one forward and backward pass of a few samples, measured on the device that there is, without
compilation, and scaled: of computing alone, without loading samples, evaluation and what devices tell each other.
"""

from __future__ import annotations

import copy
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from hoitool.train.device import save_memory, within_memory
from hoitool.train.optimisers import optimiser_of
from hoitool.train.order import Order
from hoitool.train.plan import Pace, Plan, Spread, spread

LOOKS = (DataDependentOutputException, DynamicOutputShapeException)  # at numbers, where there are shapes alone
TIMED, PASS, PASSES = 64, 4.0, 2  # samples at most in a pass, its seconds about at most, passes: the fastest counts

Sample = Callable[[int], Tensor | tuple[Any, ...]]  # n -> n samples, or all that a module takes, made from their shape


@dataclass(frozen=True)
class Memory:
    """Bytes on one device. working: gradients, states of the forward pass and all else, at its highest."""

    weights: int
    optimiser: int
    average: int
    gradients: int
    activations: int
    working: int

    @property
    def total(self) -> int:
        """The highest that a step comes to."""
        return self.weights + self.optimiser + self.average + self.working


@dataclass(frozen=True)
class Time:
    """Seconds that one sample takes forward and backward, how many at once were timed, and on what."""

    sample: float
    timed: int
    device: str


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    parameters   by the first part of their names: all of them, and those trained
    memory       bytes on each device; activations are those of one sample
    flops        floating-point operations of one sample, forward and backward, as they are made
    spread       how the batch lies over devices
    seconds      of computing, in all
    """

    parameters: dict[str, tuple[int, int]]
    memory: Memory
    flops: int
    spread: str
    per_epoch: int
    steps: int
    time: Time
    seconds: float

    def told(self) -> list[tuple[str, str]]:
        """Rows of a name and a value."""
        held = self.memory
        total, trained = (sum(counts) for counts in zip(*self.parameters.values(), strict=True))
        return [
            ("parameters", _share(total, trained)),
            *((f"  {name}", _share(*counts)) for name, counts in self.parameters.items() if len(self.parameters) > 1),
            ("memory a device", f"{_mb(held.total)} of tensors"),
            ("  weights", _mb(held.weights)),
            ("  optimiser", _mb(held.optimiser)),
            *([("  average", _mb(held.average))] if held.average else []),
            ("  one step", f"{_mb(held.working)}, gradients of {_mb(held.gradients)} among it"),
            ("  one sample", f"{_mb(held.activations)} kept for the way back"),
            ("arithmetic", f"{self.flops / 1e9:,.3g} GFLOP a sample, forward and backward"),
            ("batch", self.spread),
            ("steps", f"{self.steps:,}, {self.per_epoch:,} an epoch"),
            ("time", f"about {_duration(self.seconds)} of computing ({self._measured()})"),
        ]

    def to_json(self) -> dict[str, Any]:
        """The same numbers, ready for JSON."""
        return asdict(self) | {"memory": asdict(self.memory) | {"total": self.memory.total}}

    def _measured(self) -> str:
        rate = 1 / self.time.sample
        return f"{rate:,.3g} samples a second, measured with {self.time.timed} at once on {self.time.device}"


def estimate(
    module: nn.Module, sample: Sample, plan: Plan, pace: Pace, samples: int, world: int, device: torch.device | str
) -> Estimate:
    """What training `module` on `samples` samples an epoch (repeated ones included) will take on `world` devices.

    sample: n samples, which `module` takes; it is called to make shapes alone too, so torch must make them
    (torch.rand). The module is afterwards on `device` and has frozen what the plan freezes. Raises UsageError as a
    training of this plan does.
    """
    order, lies = Order(plan, samples), spread(plan, pace, world)
    save_memory(module, pace)
    optimiser_of(module, plan)
    memory = _memory(module, sample, plan, lies, world)
    with within_memory(min(lies.per_device, TIMED)):
        time = _timed(module.to(device), sample, plan, lies.per_device)
    seconds = time.sample * samples * order.steps / order.per_epoch / world
    flops = operations(module, sample)
    return Estimate(_counted(module), memory, flops, lies.told(), order.per_epoch, order.steps, time, seconds)


def operations(module: nn.Module, sample: Sample) -> int:
    """Floating-point operations of one sample forward and backward, those of gradient checkpointing included."""
    try:
        with FakeTensorMode():
            return _operations(_hollow(module), sample(1))
    except LOOKS:
        made = _operations(module, _at(sample(1), next(module.parameters()).device))
        module.zero_grad()
        return made


def _operations(module: nn.Module, samples: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        _passed(module, samples, "float32", "cpu").backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def _counted(module: nn.Module) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, parameter in module.named_parameters():
        total, trained = found.get(first := name.partition(".")[0], (0, 0))
        found[first] = total + parameter.numel(), trained + parameter.requires_grad * parameter.numel()
    return found


def _memory(module: nn.Module, sample: Sample, plan: Plan, lies: Spread, world: int) -> Memory:
    """Memory of the plan's first step."""
    try:
        kept, highest = _over_shapes(module, sample, plan, lies)
    except LOOKS:
        kept, highest = _over_few(module, sample, plan, lies)
    weights = sum(map(_bytes, module.state_dict().values()))
    gradients = _gradients(module)
    sent = gradients if world > 1 else 0  # the buckets that devices send each other
    return Memory(weights, _state(module, plan), weights if plan.ema else 0, gradients, kept, highest + sent)


def _over_shapes(module: nn.Module, sample: Sample, plan: Plan, lies: Spread) -> tuple[int, int]:
    """Bytes that one sample keeps, and the highest of a step, over tensors without numbers."""
    with FakeTensorMode():
        hollow = _hollow(module)
        live = Live([*hollow.parameters(), *hollow.buffers()])
        kept = [_kept(hollow, sample, plan, lies.per_device, live) for _ in range(min(2, lies.accumulation))]
    return kept[0] // lies.per_device, live.highest


def _over_few(module: nn.Module, sample: Sample, plan: Plan, lies: Spread) -> tuple[int, int]:
    """The same from what one and two samples take. Of few the most is at the end, of many where the way back begins."""
    found = []
    for count in (1, 2):
        live = Live([*module.parameters(), *module.buffers()])
        found.append((_kept(module, sample, plan, count, live), live.highest))
        module.zero_grad()
    (kept, highest), (both, more) = found
    each, gradients = both - kept, _gradients(module)
    grown = highest + (lies.per_device - 1) * (more - highest) + (gradients if lies.accumulation > 1 else 0)
    return each, max(grown, lies.per_device * each + gradients)


def _state(module: nn.Module, plan: Plan) -> int:
    """Bytes that the optimiser keeps."""
    with FakeTensorMode():
        hollow = _hollow(module)
        optimiser = optimiser_of(hollow, plan)
        for parameter in hollow.parameters():
            parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        optimiser.step()
        return sum(_bytes(t) for t in tree_leaves(dict(optimiser.state)) if isinstance(t, Tensor))


def _gradients(module: nn.Module) -> int:
    return sum(_bytes(parameter) for parameter in module.parameters() if parameter.requires_grad)


def _kept(module: nn.Module, sample: Sample, plan: Plan, held: int, live: Live) -> int:
    """Run a part of a step while `live` looks on: the bytes that the way back found."""
    with live:
        before = live.now
        loss = _passed(module, sample(held), plan.precision, "cpu")
        kept = live.now - before
        loss.backward()  # type: ignore[no-untyped-call]
    return kept


def _timed(module: nn.Module, sample: Sample, plan: Plan, held: int) -> Time:
    """The time of a sample on the module's device."""
    device = next(module.parameters()).device
    module.train()
    alone = min(_seconds(module, _at(sample(1), device), plan) for _ in range(PASSES))  # the first one warms up
    count = max(1, min(held, TIMED, int(PASS / alone)))
    images = _at(sample(count), device)
    seconds = [_seconds(module, images, plan) for _ in range(PASSES)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    return Time(min(seconds) / count, count, name)


def _at(samples: Any, device: torch.device) -> Any:
    return tree_map(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, samples)


def _seconds(module: nn.Module, samples: Any, plan: Plan) -> float:
    device = next(module.parameters()).device
    _wait(device)
    start = time.perf_counter()
    _passed(module, samples, plan.precision, device.type).backward()  # type: ignore[no-untyped-call]
    _wait(device)
    module.zero_grad()
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _passed(module: nn.Module, samples: Any, precision: str, device: str) -> Tensor:
    """The sum of what a module gives, in a plan's precision; shapes on the CPU stand for float16 in bfloat16."""
    half = torch.float16 if precision == "float16" and device == "cuda" else torch.bfloat16
    taken = samples if isinstance(samples, tuple) else (samples,)
    with torch.autocast(device, half, enabled=precision != "float32"):
        made = [leaf for leaf in tree_leaves(module(*taken)) if isinstance(leaf, Tensor) and leaf.requires_grad]
    return torch.stack([leaf.float().sum() for leaf in made]).sum()


def _hollow(module: nn.Module) -> nn.Module:
    """A copy whose tensors have shapes and no numbers; within FakeTensorMode."""
    twins: dict[int, Any] = {}
    for tensor in [*module.parameters(), *module.buffers()]:
        twin = torch.empty(tensor.shape, dtype=tensor.dtype)
        twins[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin
    return copy.deepcopy(module, twins)


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the tensors that operations make, while these live: now, and at the highest."""

    def __init__(self, without: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.highest = 0
        self._seen: dict[int, Any] = {}
        self._without = [tensor.untyped_storage() for tensor in without]  # kept, so that no other has its id
        self._seen.update((id(storage), None) for storage in self._without)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        place, size = id(storage), storage.nbytes()
        if place not in self._seen:
            self._seen[place] = weakref.ref(storage, lambda _: self._gone(place, size))
            self.now += size
            self.highest = max(self.highest, self.now)

    def _gone(self, place: int, size: int) -> None:
        del self._seen[place]
        self.now -= size


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _share(total: int, trained: int) -> str:
    return f"{total:,}" if total == trained else f"{total:,}, {trained:,} of them trained"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.2g} MB"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
