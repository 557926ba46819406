"""Schedules against torch's own schedulers, and their numbers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from hoitool.train.schedules import factor  # noqa: E402
from hoitool.train.settings import Schedule  # noqa: E402

PER_EPOCH, EPOCHS = 7, 12
STEPS = PER_EPOCH * EPOCHS


def optimiser():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def factors(**numbers) -> list[float]:
    return [factor(Schedule(**numbers), step, PER_EPOCH, STEPS) for step in range(STEPS)]


@pytest.mark.parametrize(("period", "growth", "floor"), [(5, 1, 0.0), (2, 2, 0.1), (3, 3, 0.0)])
def test_restarts_are_those_of_torch_stepped_by_the_fractional_epoch(period, growth, floor):
    held = optimiser()
    torchs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(held, period, growth, eta_min=floor)
    expected = []
    for step in range(STEPS):
        held.step()
        torchs.step(step / PER_EPOCH)
        expected.append(held.param_groups[0]["lr"])
    found = factors(name="cosine-restarts", period=period, growth=growth, floor=floor)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found[0] == found[period * PER_EPOCH] == 1.0


def stepped(scheduler, every: int) -> list[float]:
    """The learning rates of a scheduler that is stepped after every so many steps."""
    found = []
    for step in range(STEPS):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return found


def test_multi_step_is_that_of_torch_stepped_by_epochs():
    expected = stepped(torch.optim.lr_scheduler.MultiStepLR(optimiser(), [3, 8], gamma=0.2), PER_EPOCH)
    assert factors(name="multi-step", milestones=(3, 8), gamma=0.2) == pytest.approx(expected)


def test_cosine_is_that_of_torch_stepped_by_steps():
    expected = stepped(torch.optim.lr_scheduler.CosineAnnealingLR(optimiser(), STEPS, eta_min=0.05), 1)
    assert factors(name="cosine", floor=0.05) == pytest.approx(expected, abs=1e-9)


def test_warm_up_is_that_of_torch():
    rise = 2 * PER_EPOCH
    expected = stepped(torch.optim.lr_scheduler.LinearLR(optimiser(), 1 / rise, 1.0, rise - 1), 1)
    assert factors(warmup=2) == pytest.approx(expected)
    both = zip(factors(name="cosine", warmup=2), factors(name="cosine"), factors(warmup=2), strict=True)
    assert all(warm == plain * rising for warm, plain, rising in both)


def test_constant_is_one():
    assert set(factors()) == {1.0}


@pytest.mark.parametrize(
    "numbers",
    [
        {"name": "cosine-restarts"},
        {"name": "cosine", "period": 2},
        {"name": "multi-step"},
        {"name": "multi-step", "milestones": (4, 2)},
        {"name": "linear"},
        {"floor": 2.0},
        {"perod": 2},
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers):
    with pytest.raises(ValidationError):
        Schedule(**numbers)
