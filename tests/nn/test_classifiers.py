"""Classifiers against their formulas, row by row."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hoitool.nn.classifiers import Cosine, Linear, Mapped, rows  # noqa: E402

FEATURES = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)) * 5


def by_hand(weight, bias=(0, 0, 0)):
    lengths = [float(row.square().sum()) ** 0.5 for row in weight]
    return torch.tensor(
        [[float(f @ row) / length + b for row, length, b in zip(weight, lengths, bias, strict=True)] for f in FEATURES]
    )


def test_a_cosine_does_not_see_the_length_of_rows():
    model = Cosine(WEIGHT)
    torch.testing.assert_close(model.weight.data, WEIGHT)  # stored as given
    torch.testing.assert_close(model(FEATURES), by_hand(WEIGHT))


def test_a_linear_classifier_starts_from_rows_of_length_one_and_is_then_free():
    model = Linear(WEIGHT)
    torch.testing.assert_close(model(FEATURES), by_hand(WEIGHT))
    with torch.no_grad():
        model.weight *= 2
        model.bias += 1
    torch.testing.assert_close(model(FEATURES), 2 * by_hand(WEIGHT) + 1)


def test_a_map_is_trained_and_the_rows_are_not():
    model = Mapped(WEIGHT)
    torch.testing.assert_close(model(FEATURES), by_hand(WEIGHT))
    assert [name for name, _ in model.named_parameters()] == ["map"]
    with torch.no_grad():
        model.map[0] = torch.tensor([1.0, 2.0, 0.0])
    unit = WEIGHT / WEIGHT.norm(dim=1, keepdim=True)
    mixed = torch.stack([unit[0] + 2 * unit[1], unit[1], unit[2]])
    torch.testing.assert_close(model(FEATURES), by_hand(mixed))


def test_a_classifier_does_not_change_the_weights_that_it_starts_from():
    before = WEIGHT.clone()
    model = Cosine(WEIGHT)
    with torch.no_grad():
        model.weight.zero_()
    torch.testing.assert_close(WEIGHT, before)


def test_random_rows_are_about_one_long():
    torch.manual_seed(0)
    assert rows(500, 64).norm(dim=1).mean() == pytest.approx(1, abs=0.02)
