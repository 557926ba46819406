from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from loss_tables import CASES, RAW_LABELS, close, gradient, reproduces, tables  # noqa: E402

from hoitool.losses.lse_sign import LSESign, lse_sign  # noqa: E402


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("case", [*CASES, RAW_LABELS])
def test_recorded_values_and_gradients(recorded, case, precision):
    reproduces(recorded, case, precision, lse_sign, "sign/loss_per_row", "sign/grad_of_mean")


@pytest.mark.parametrize("case", [*CASES, RAW_LABELS])
def test_recorded_values_of_half_precision(recorded, case):
    logits = recorded[f"{case}/logits"].half()
    close(lse_sign(logits, recorded[f"{case}/targets"]), recorded[f"{case}/sign/loss_per_row_f16in"], logits)


def by_hand(logits, targets):
    """The formulas as they stand, a number at a time: a loss per row, a gradient per entry."""
    losses, slopes = [], []
    for row, labels in zip(logits.tolist(), targets.tolist(), strict=True):
        signs = [1 if label == 1 else -1 for label in labels]
        total = 1 + math.fsum(math.exp(-s * x) for s, x in zip(signs, row, strict=True))
        losses.append(math.log(total))
        slopes.append([-s * math.exp(-s * x) / total for s, x in zip(signs, row, strict=True)])
    return torch.tensor(losses, dtype=torch.float64), torch.tensor(slopes, dtype=torch.float64)


@settings(deadline=None)
@given(tables())
def test_the_formula_by_hand(table):
    losses, slopes = by_hand(*table)
    torch.testing.assert_close(lse_sign(*table), losses, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient(lse_sign, *table), slopes, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(LSESign()(*table), losses.mean(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(deadline=None)
@given(table=tables(limit=65504))
def test_a_row_shares_a_gradient_of_at_most_one(dtype, table):
    logits, targets = table
    mass = gradient(lse_sign, logits.to(dtype), targets).abs().sum(dim=1)
    assert (mass <= 1 + 4 * logits.shape[1] * torch.finfo(dtype).eps).all()


def test_the_worst_mistake_takes_the_gradient():
    logits, targets = torch.tensor([[-9.0, 3.0, -4.0, 2.0]]), torch.tensor([[1, 0, 0, 1]])
    made = gradient(lse_sign, logits, targets)[0]
    assert made[0] < -0.99
    assert made[1:].abs().sum() < 0.01


def test_nothing_known_costs_the_logarithm_of_the_classes():
    made = lse_sign(torch.zeros(1, 600, dtype=torch.float64), torch.zeros(1, 600))
    assert made.item() == pytest.approx(math.log(601), rel=1e-14)


def test_float32_is_exact_where_the_exponents_are_huge():
    """The recorded float32 gradient is 0.2504 here: beside 65504 the log of 2 loses its third digit."""
    logits, targets = torch.tensor([[-65504.0, 65504.0, 0.0]]), torch.tensor([[1, 0, 0]])
    assert gradient(lse_sign, logits, targets).tolist() == [[-0.5, 0.5, 0.0]]
