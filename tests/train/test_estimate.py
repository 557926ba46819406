"""What a training will take, against numbers worked out by hand and memory that autograd itself tells of."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tiny_task import mlp, pace, plan  # noqa: E402
from torch import nn  # noqa: E402

from hoitool.errors import UsageError  # noqa: E402
from hoitool.models.defr import build  # noqa: E402
from hoitool.train.estimate import Live, estimate, operations  # noqa: E402

SIZE = 96


def pictures(count):
    return torch.rand(count, 3, SIZE, SIZE)


def rows(count):
    return torch.rand(count, 40)


def tiny():
    return build("tiny", image_size=SIZE, patch=16, classes=20)


def net():
    return nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 7))


def made(module=None, sample=rows, samples=22, world=1, held=None, **planned):
    return estimate(module or net(), sample, plan(**planned), held or pace(), samples, world, "cpu")


def saved_bytes(module, sample):
    """What autograd says that it keeps, the weights themselves left out."""
    found = {}

    def kept(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        loss = module(sample).sum()
    weights = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
    return sum(size for place, size in found.items() if place not in weights), loss


def test_a_perceptron_by_hand():
    found = made(batch=8)
    weights = 40 * 100 + 100 + 100 * 7 + 7
    assert found.parameters == {"0": (4100, 4100), "2": (707, 707)}
    assert (found.memory.weights, found.memory.gradients) == (4 * weights, 4 * weights)
    assert found.memory.optimiser == 8 * weights + 4 * 4, "two moments, and a count for each of four tensors"
    assert found.memory.average == 0
    assert found.flops == 2 * (40 * 100 * 2 + 100 * 7 * 3), "the first layer gives its input no gradient"
    assert 4 * (40 + 100) <= found.memory.activations <= 4 * (40 + 3 * 100 + 3 * 7)
    assert (found.per_epoch, found.steps) == (3, 9)
    assert found.seconds == pytest.approx(22 * 3 * found.time.sample)


@pytest.mark.parametrize("count", [1, 8])
def test_activations_are_what_autograd_keeps(count):
    found = made(tiny(), pictures, batch=count, samples=8).memory
    said, loss = saved_bytes(tiny(), pictures(count))
    assert loss.requires_grad
    assert found.activations * count == pytest.approx(said, rel=0.1)
    assert found.working > found.activations * count


def test_checkpointing_trades_memory_for_arithmetic():
    plain = made(tiny(), pictures, batch=8)
    saving = made(tiny(), pictures, batch=8, held=pace(gradient_checkpointing=True))
    assert saving.memory.activations < plain.memory.activations / 2
    assert saving.memory.total < plain.memory.total
    assert saving.flops > 1.15 * plain.flops


def test_half_precision_keeps_less():
    whole, half = (made(tiny(), pictures, batch=8, precision=name).memory for name in ("float32", "bfloat16"))
    assert half.activations < 0.75 * whole.activations
    assert half.weights == whole.weights


def test_what_stays_needs_neither_gradients_nor_states():
    found = made(tiny(), pictures, batch=8, groups={"backbone.": 0})
    assert found.parameters["backbone"][1] == 0 < found.parameters["backbone"][0]
    assert found.memory.gradients == 4 * found.parameters["classifier"][1]
    assert found.memory.activations < made(tiny(), pictures, batch=8).memory.activations / 5
    assert f"{found.parameters['classifier'][1]:,} of them trained" in dict(found.told())["parameters"]


def test_accumulated_parts_keep_the_gradients():
    """The second part begins with the gradients of the first there."""
    parts = made(nn.Linear(40, 4000), batch=8, held=pace(per_device=4)).memory
    once = made(nn.Linear(40, 4000), batch=4).memory
    assert parts.working > once.working + 0.9 * once.gradients


def test_several_devices_share_a_batch():
    one, two = made(batch=8), made(batch=8, world=2)
    assert two.memory.working > one.memory.gradients * 2, "and what they send each other"
    assert two.spread.startswith("effective batch 8 = 2 devices x 4")
    with pytest.raises(UsageError, match="does not divide by 3 devices"):
        made(batch=8, world=3)


def test_averaged_weights_count():
    found = made(batch=8, ema=0.9).memory
    assert found.average == found.weights
    assert found.total == 2 * found.weights + found.optimiser + found.working


def test_it_tells_and_writes():
    found = made(mlp(), lambda n: torch.rand(n, 6), batch=8)
    told = dict(found.told())
    assert told["steps"] == "9, 3 an epoch"
    assert "on the CPU" in told["time"]
    assert json.loads(json.dumps(found.to_json()))["memory"]["total"] == found.memory.total


def test_operations_are_those_of_the_paper():
    """ViT: 12 D^2 multiplications a token and block, 2 T^2 D for attention, three times with the way back;
    patches are embedded, and give their pixels no gradient."""
    width, tokens, blocks, pixels = 64, 37, 2, 3 * 16**2
    forward = 2 * blocks * (12 * width**2 * tokens + 2 * tokens**2 * width)
    assert operations(tiny(), pictures) == pytest.approx(3 * forward + 2 * 2 * pixels * width * 36, rel=0.02)


def test_live_counts_storages_once():
    with Live([]) as live:
        held = torch.zeros(100)
        view = held[:50]
        other = held + 1
    assert (live.now, live.highest) == (800, 800)
    del held, other
    assert live.now == 400, "the view keeps its storage"
    del view
    assert (live.now, live.highest) == (0, 800)


def test_a_module_that_looks_at_its_numbers_is_followed_with_a_few_samples():
    """The same network, once asking whether there is anything to do: what it takes is the same."""

    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net()

        def forward(self, held):
            return self.net(held) if bool((held >= 0).all()) else held

    plain, looking = made(batch=8), made(Looking(), batch=8)
    assert looking.flops == plain.flops
    for name in ("weights", "optimiser", "gradients"):
        assert getattr(looking.memory, name) == getattr(plain.memory, name)
    assert looking.memory.activations == pytest.approx(plain.memory.activations, rel=0.3)
    assert looking.memory.working == pytest.approx(plain.memory.working, rel=0.1)
