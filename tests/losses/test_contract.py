"""What every entry of LOSSES keeps: the promises of hoitool/losses/__init__.py."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loss_tables import gradient, tables  # noqa: E402

from hoitool.errors import DataError  # noqa: E402
from hoitool.losses import LOSSES  # noqa: E402

TYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
every = pytest.mark.parametrize("name", LOSSES)


def built(name, classes):
    """The loss, with parameters where it has none of its own."""
    needed = {"weighted-bce": {"pos_weight": torch.linspace(0.5, 40, classes)}}
    return LOSSES[name](**needed.get(name, {}))


@every
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("target_dtype", [torch.int8, torch.int64, torch.float32, torch.float64])
def test_one_number_in_float32_or_float64(name, dtype, target_dtype):
    logits, targets = torch.randn(3, 5, dtype=dtype), torch.tensor([[1, 0, -1, -2, 1]] * 3, dtype=target_dtype)
    made = built(name, 5)(logits, targets)
    assert made.shape == ()
    assert made.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert gradient(built(name, 5), logits, targets).dtype == dtype


@every
@settings(deadline=None)
@given(tables(limit=65504))
def test_nothing_is_modified_and_a_leaf_may_ask_for_its_gradient(name, table):
    logits, targets = table
    leaf, before = logits.clone().requires_grad_(), targets.clone()
    loss = built(name, logits.shape[1])
    first = loss(leaf, targets)
    first.backward()
    assert torch.equal(leaf, logits)
    assert torch.equal(targets, before)
    assert torch.equal(loss(leaf, targets), first)


@every
@settings(deadline=None)
@given(tables())
def test_the_gradient_is_that_of_the_value(name, table):
    logits, targets = table
    loss = built(name, logits.shape[1])
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), logits.clone().requires_grad_(), atol=1e-6)


@every
@settings(deadline=None)
@given(tables())
def test_every_label_but_1_is_negative(name, table):
    logits, targets = table
    loss = built(name, logits.shape[1])
    expected = loss(logits, targets)
    assert torch.equal(loss(logits, targets == 1), expected)
    assert torch.equal(loss(logits, (targets == 1).float()), expected)


@every
@settings(deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_classes_and_rows_does_not_matter(name, table, random):
    logits, targets = table
    rows, classes = (random.sample(range(n), n) for n in logits.shape)
    loss, other = built(name, len(classes)), built(name, len(classes))
    if name == "weighted-bce":
        other = LOSSES[name](loss.pos_weight[classes])
    made = other(logits[rows][:, classes], targets[rows][:, classes])
    torch.testing.assert_close(made, loss(logits, targets), rtol=1e-12, atol=1e-15)


@every
@settings(deadline=None)
@given(tables(), st.data())
def test_batches_combine_weighted_by_their_rows(name, table, data):
    logits, targets = table
    loss, rows = built(name, logits.shape[1]), len(logits)
    cut = data.draw(st.integers(0, rows))
    parts = [(logits[:cut], targets[:cut]), (logits[cut:], targets[cut:])]
    made = sum(loss(*part) * len(part[0]) / rows for part in parts if len(part[0]))
    torch.testing.assert_close(made, loss(logits, targets), rtol=1e-12, atol=1e-15)


@every
@settings(deadline=None)
@given(tables())
def test_a_step_down_the_gradient_is_a_step_to_the_labels(name, table):
    logits, targets = table
    down = -gradient(built(name, logits.shape[1]), logits, targets)
    assert ((down > 0) | (targets != 1)).all()
    assert ((down < 0) | (targets == 1)).all()


@every
@pytest.mark.parametrize("dtype", TYPES)
def test_all_right_and_sure_costs_nothing(name, dtype):
    targets = torch.tensor([[1, 0, -1, -2], [0, 0, 0, 0], [1, 1, 1, 1]])
    for size in (60.0, 65504.0):
        logits = torch.where(targets == 1, size, -size).to(dtype)
        assert built(name, 4)(logits, targets) < 1e-20
        assert gradient(built(name, 4), logits, targets).double().abs().max() < 1e-20


@every
@pytest.mark.parametrize("dtype", TYPES)
def test_the_largest_float16_gives_finite_values_and_gradients(name, dtype):
    logits = torch.tensor([[65504, -65504, 65504, -65504, 0, 1]] * 2, dtype=dtype)
    targets = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    made = gradient(built(name, 6), logits, targets)
    assert built(name, 6)(logits, targets).isfinite()
    assert made.isfinite().all()
    assert made[0, 1] < 0 < made[0, 2]


@every
def test_mixed_precision_around_it_changes_nothing(name):
    logits, targets = torch.randn(4, 7), torch.randint(-2, 2, (4, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = built(name, 7)(logits, targets)
    assert torch.equal(made, built(name, 7)(logits, targets))


@every
@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((3,), (3,)), ((2, 3), (6,)), ((0, 3), (0, 3)), ((2, 0), (2, 0))])
def test_tables_that_are_not_two_of_one_shape_are_refused(name, shapes):
    logits, targets = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(DataError, match="expected one shape") as told:
        built(name, 3)(logits, targets)
    assert "\n" not in str(told.value)
