"""GPO equal to what the published code recorded, and what a pooling of sets keeps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from hoitool.errors import DataError  # noqa: E402
from hoitool.nn.gpo import GPO, rank_codes  # noqa: E402

CASES = ["a", "b_shorter_than_pad", "c_len1", "d_k36"]


@pytest.fixture(scope="module")
def recorded(shared):
    return load_file(shared("parity/vse/gpo.safetensors"))


def first(lengths, size):
    return torch.arange(size) < torch.as_tensor(lengths)[:, None]


def random_gpo():
    torch.manual_seed(3)
    return GPO(codes=6, hidden=5).double()


@pytest.mark.parametrize("case", ["d32_n1", "d32_n36", "d32_n80", "d8_n5"])
def test_recorded_codes(recorded, case):
    dim, size = case[1:].split("_n")
    torch.testing.assert_close(rank_codes(int(size), int(dim)), recorded[f"positional_encoding/{case}"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_recorded_values_and_gradients(recorded, case, dtype):
    gpo = GPO()
    gpo.load_state_dict({name.removeprefix("state/"): held for name, held in recorded.items() if "state/" in name})
    gpo.to(dtype)
    features = recorded[f"{case}/in/features"].to(dtype, copy=True).requires_grad_()
    lengths, size = recorded[f"{case}/in/lengths"].long(), features.shape[1]
    made = gpo(features, first(lengths, size))
    suffix, close = (
        ("_f64", {"rtol": 1e-9, "atol": 1e-14}) if dtype == torch.float64 else ("", {"rtol": 0, "atol": 1e-6})
    )
    torch.testing.assert_close(made, recorded[f"{case}/out/pooled{suffix}"], **close)
    weights, expected = gpo.weights(lengths, size), recorded[f"{case}/out/weights{suffix}"][..., 0]
    torch.testing.assert_close(weights[:, : expected.shape[1]], expected, **close)
    assert not weights[:, expected.shape[1] :].any()
    (made * torch.linspace(-1, 1, made.numel(), dtype=dtype).view_as(made)).sum().backward()  # as it was recorded
    slopes = {"features": features.grad} | {name: held.grad for name, held in gpo.named_parameters()}
    for name, slope in slopes.items():
        torch.testing.assert_close(slope.float(), recorded[f"{case}/grad/{name}"], rtol=1e-4, atol=2e-6)


@st.composite
def sets(draw):
    """Features (B, K, D) float64 and a mask (B, K) with at least one in each row."""
    rows, size, dim = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    mask = torch.rand(rows, size, generator=numbers) < draw(st.sampled_from([0.2, 0.7, 1.0]))
    mask[torch.arange(rows), torch.randint(size, (rows,), generator=numbers)] = True
    return torch.randn(rows, size, dim, generator=numbers, dtype=torch.float64), mask


@settings(deadline=None)
@given(sets())
def test_each_number_is_sorted_and_summed_by_rank(drawn):
    features, mask = drawn
    gpo = random_gpo()
    made = gpo(features, mask)
    for row, kept, pooled in zip(features, mask, made, strict=True):
        count = int(kept.sum())
        weights = gpo.weights(torch.tensor([count]), count)[0].tolist()
        assert sum(weights) == pytest.approx(1)
        for d, value in enumerate(pooled.tolist()):
            ranked = sorted(row[kept, d].tolist(), reverse=True)
            assert value == pytest.approx(sum(w * x for w, x in zip(weights, ranked, strict=True)), abs=1e-12)


@settings(deadline=None)
@given(sets(), st.integers(1, 4))
def test_order_place_and_padding_do_not_matter(drawn, more):
    features, mask = drawn
    gpo, order = random_gpo(), torch.randperm(features.shape[1])
    expected = gpo(features, mask)
    torch.testing.assert_close(gpo(features[:, order], mask[:, order]), expected)
    padding = torch.full((len(features), more, features.shape[2]), 1e9, dtype=torch.float64)
    wider = torch.cat([mask, torch.zeros(len(mask), more, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(gpo(torch.cat([features, padding], dim=1), wider), expected)


def test_without_scores_it_is_the_mean():
    gpo = random_gpo()
    torch.nn.init.zeros_(gpo.linear.weight)
    features = torch.randn(2, 5, 3, dtype=torch.float64)
    made = gpo(features, first([5, 2], 5))
    torch.testing.assert_close(made, torch.stack([features[0].mean(0), features[1, :2].mean(0)]))


def test_the_gradient_is_that_of_the_value():
    gpo, features = random_gpo(), torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda held: gpo(held, first([4, 2], 4)), features)


def test_a_set_without_features_is_refused():
    with pytest.raises(DataError, match="a set to pool has no features"):
        random_gpo()(torch.zeros(2, 3, 4, dtype=torch.float64), first([3, 0], 3))
