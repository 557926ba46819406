from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.losses.triplet import Triplet, triplet  # noqa: E402

DTYPES = {"f32": torch.float32, "f64": torch.float64}


@pytest.fixture(scope="module")
def recorded(shared):
    return load_file(shared("parity/losses/vse_triplet.safetensors"))


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("margin", [0.0, 0.2])
@pytest.mark.parametrize(("kind", "hardest"), [("sum", False), ("max", True)])
@pytest.mark.parametrize("case", ["b1d8", "b2d4", "b8d16", "b32d64"])
def test_recorded_values_and_gradients(recorded, case, kind, hardest, margin, precision):
    dtype = DTYPES[precision]
    images, captions = (recorded[f"{case}/{name}"].to(dtype, copy=True).requires_grad_() for name in ("im", "s"))
    made = triplet(images @ captions.T, margin, hardest)
    made.backward()
    close = {"rtol": 1e-9, "atol": 1e-14} if precision == "f64" else {"rtol": 1e-4, "atol": 1e-6}
    for name, value in {"loss": made.detach(), "grad_im": images.grad, "grad_s": captions.grad}.items():
        torch.testing.assert_close(value, recorded[f"{case}/{kind}_m{margin}/{name}_{precision}"], **close)


@pytest.mark.parametrize(("kind", "hardest"), [("sum", False), ("max", True)])
def test_equal_negatives_cost_what_was_recorded(recorded, kind, hardest):
    made = triplet(recorded["ties/im"] @ recorded["ties/s"].T, 0.2, hardest)
    torch.testing.assert_close(made, recorded[f"ties/{kind}_m0.2/loss_f64"], rtol=1e-12, atol=1e-14)


tables = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.floats(-1, 1), min_size=n * n, max_size=n * n).map(
        lambda held: torch.tensor(held, dtype=torch.float64).view(n, n)
    )
)


@settings(deadline=None)
@given(tables, st.floats(0, 1))
def test_the_formula_by_hand(table, margin):
    rows, n = table.tolist(), len(table)
    of_captions = [[max(0, margin + rows[i][j] - rows[i][i]) for j in range(n) if j != i] for i in range(n)]
    of_images = [[max(0, margin + rows[i][j] - rows[j][j]) for i in range(n) if i != j] for j in range(n)]
    every = sum(sum(row) for row in of_captions + of_images)
    worst = sum(max(row, default=0) for row in of_captions + of_images)
    assert triplet(table, margin, hardest=False).item() == pytest.approx(every, abs=1e-12)
    assert Triplet(margin)(table).item() == pytest.approx(worst, abs=1e-12)


@settings(deadline=None)
@given(tables, st.booleans())
def test_images_and_captions_are_alike(table, hardest):
    expected = triplet(table, 0.2, hardest)
    torch.testing.assert_close(triplet(table.T, 0.2, hardest), expected, rtol=1e-12, atol=1e-14)
    order = torch.randperm(len(table))
    torch.testing.assert_close(triplet(table[order][:, order], 0.2, hardest), expected, rtol=1e-12, atol=1e-14)


def test_pairs_that_are_clear_of_all_others_cost_nothing():
    assert Triplet()(torch.eye(4)) == 0


def test_half_precision_is_computed_in_float32():
    table = torch.rand(5, 5).half()
    assert torch.equal(Triplet()(table), Triplet()(table.float()))


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0)])
def test_tables_that_are_not_square_are_refused(shape):
    with pytest.raises(DataError, match=r"expected \(B, B\), images by captions"):
        Triplet()(torch.zeros(shape))


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(UsageError, match="margin of the triplet loss"):
        Triplet(margin)
