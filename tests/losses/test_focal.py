from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loss_tables import CASES, gradient, reproduces, tables  # noqa: E402

from hoitool.errors import UsageError  # noqa: E402
from hoitool.losses.bce import BCE  # noqa: E402
from hoitool.losses.focal import Focal, focal  # noqa: E402

ALPHAS, GAMMAS = st.floats(0, 1), st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0, 5.0])


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 1.0)])
@pytest.mark.parametrize("case", CASES)
def test_recorded_values_and_gradients(recorded, case, alpha, gamma, precision):
    name = f"focal_a{alpha}_g{gamma}"
    reproduces(
        recorded,
        case,
        precision,
        lambda logits, targets: focal(logits, targets, alpha, gamma),
        f"{name}/loss_elem",
        f"{name}/grad_of_mean",
    )


def by_hand(x, label, alpha, gamma):
    """The formula as it stands, for one entry."""
    p, q = 1 / (1 + math.exp(-x)), 1 / (1 + math.exp(x))
    return -alpha * q**gamma * math.log(p) if label == 1 else -(1 - alpha) * p**gamma * math.log(q)


@settings(deadline=None)
@given(tables(), ALPHAS, GAMMAS)
def test_the_formula_by_hand(table, alpha, gamma):
    pairs = zip(table[0].flatten().tolist(), table[1].flatten().tolist(), strict=True)
    expected = torch.tensor([by_hand(*pair, alpha, gamma) for pair in pairs], dtype=torch.float64)
    made = focal(*table, alpha, gamma)
    torch.testing.assert_close(made.flatten(), expected, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(Focal(alpha, gamma)(*table), expected.mean(), rtol=1e-9, atol=1e-14)


@settings(deadline=None)
@given(tables())
def test_without_fading_it_is_half_the_cross_entropy(table):
    torch.testing.assert_close(Focal(0.5, 0.0)(*table), BCE()(*table) / 2)


@settings(deadline=None)
@given(tables(limit=65504), GAMMAS)
def test_every_gamma_has_a_finite_gradient_where_the_power_underflows(table, gamma):
    logits, targets = table
    assert gradient(Focal(0.25, gamma), logits.float(), targets).isfinite().all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": -0.1}, "from 0 to 1"),
        ({"alpha": 1.1}, "from 0 to 1"),
        ({"alpha": math.nan}, "from 0 to 1"),
        ({"gamma": -1.0}, "0 or a larger"),
        ({"gamma": math.inf}, "0 or a larger"),
        ({"gamma": math.nan}, "0 or a larger"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(UsageError, match=message):
        Focal(**parameters)
