from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loss_tables import CASES, gradient, reproduces, tables  # noqa: E402

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.losses.bce import BCE, WeightedBCE, bce, positive_weights  # noqa: E402


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("case", CASES)
def test_recorded_values_and_gradients(recorded, case, precision):
    reproduces(recorded, case, precision, BCE(), "bce/loss", "bce/grad")
    reproduces(recorded, case, precision, WeightedBCE(recorded[f"{case}/pos_weight"]), "wbce/loss", "wbce/grad")


def by_hand(logits, targets, weights):
    """The formulas as they stand, a number at a time: loss and gradient per entry."""
    losses, slopes = [], []
    for row, labels in zip(logits.tolist(), targets.tolist(), strict=True):
        for x, label, w in zip(row, labels, weights, strict=True):
            p = 1 / (1 + math.exp(-x))
            losses.append(w * math.log1p(math.exp(-x)) if label == 1 else math.log1p(math.exp(x)))
            slopes.append(-w * (1 - p) if label == 1 else p)
    return (torch.tensor(made, dtype=torch.float64).reshape(logits.shape) for made in (losses, slopes))


@settings(deadline=None)
@given(tables(), st.booleans())
def test_the_formula_by_hand(table, weighted):
    weights = torch.linspace(0.5, 40, table[0].shape[1], dtype=torch.float64) if weighted else None
    losses, slopes = by_hand(*table, weights.tolist() if weighted else [1.0] * table[0].shape[1])
    torch.testing.assert_close(bce(*table, weights), losses, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(gradient(lambda x, y: bce(x, y, weights), *table), slopes, rtol=1e-10, atol=1e-14)


@settings(deadline=None)
@given(tables())
def test_weights_of_one_are_no_weights(table):
    assert torch.equal(WeightedBCE(torch.ones(table[0].shape[1]))(*table), BCE()(*table))


def test_negatives_over_positives():
    made = positive_weights([1, 25, 50, 100], rows=100)
    assert made.tolist() == pytest.approx([99, 3, 1, 0], rel=1e-5)
    assert made.dtype == torch.float64
    assert positive_weights(np.array([10]), rows=100, eps=2.0).tolist() == [7.5]


def test_a_class_without_positives_weighs_one():
    assert positive_weights(torch.tensor([0, 4]), rows=8)[0] == 1


@settings(deadline=None)
@given(tables())
def test_weighted_classes_balance(table):
    """With the weights of its own labels, at logit 0 a class with positives is pulled up as much as down."""
    _, targets = table
    positives = (targets == 1).sum(dim=0)
    loss = WeightedBCE(positive_weights(positives, len(targets)))
    pull = gradient(loss, torch.zeros(targets.shape, dtype=torch.float64), targets).sum(dim=0)
    assert pull[positives > 0].abs().sum() < 1e-5


@pytest.mark.parametrize("counts", [[-1, 3], [9, 3], [[1, 2]], [math.nan, 1]])
def test_counts_that_no_labels_have_are_refused(counts):
    with pytest.raises(DataError, match="from 0 to the 8 rows"):
        positive_weights(counts, rows=8)


@pytest.mark.parametrize("weights", [[1, math.nan], [math.inf, 1], [-1, 1], [[1, 1]]])
def test_weights_that_are_no_weights_are_refused(weights):
    with pytest.raises(UsageError, match="pos_weight must be one finite number per class"):
        WeightedBCE(torch.tensor(weights, dtype=torch.float64))


@pytest.mark.parametrize("classes", [1, 3])
def test_weights_of_other_classes_are_refused(classes):
    with pytest.raises(DataError, match=r"expected one per class, \(2,\)"):
        WeightedBCE(torch.ones(classes))(torch.zeros(4, 2), torch.zeros(4, 2))
