"""Logits and labels for the tests of losses: drawn ones, and the recorded ones of DEFR's criterion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

CASES = [
    "b1c1_pos",
    "b1c1_neg",
    "b4c7",
    "b3c600_hico",
    "b5c117_allneg",
    "b4c29_mixrows",
    "b2c8_big80",
    "b2c6_fp16max",
    "b2c6_alleasy",
    "b3c10_zero_logits",
]
RAW_LABELS = "b3c12_raw_hico_labels"  # 1, 0, -1 and -2; recorded for LSE-Sign only
DTYPES = {"f32": torch.float32, "f64": torch.float64}
LABELS = [1, 1, 0, -1, -2]


@st.composite
def tables(draw: st.DrawFn, limit: float = 30.0) -> tuple[Tensor, Tensor]:
    """Logits (B, C) float64 within +-limit and labels (B, C) int8 of every kind."""
    rows, classes = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.0, 0.01, 1.0, limit]))
    logits = random.uniform(-scale, scale, (rows, classes))
    return torch.from_numpy(logits), torch.from_numpy(random.choice(LABELS, (rows, classes)).astype(np.int8))


def reproduces(
    recorded: Mapping[str, Tensor],
    case: str,
    precision: str,
    loss: Callable[[Tensor, Tensor], Any],
    value: str,
    gradient: str,
) -> None:
    """Assert that a loss has the recorded values, and its mean the recorded gradient, within the stated tolerances."""
    logits = recorded[f"{case}/logits"].clone().to(DTYPES[precision]).requires_grad_()
    made = loss(logits, recorded[f"{case}/targets"])
    made.mean().backward()
    close(made.detach(), recorded[f"{case}/{value}_{precision}"], logits)
    close(logits.grad, recorded[f"{case}/{gradient}_{precision}"], logits)


def close(made: Tensor, expected: Tensor, logits: Tensor) -> None:
    """Assert equality within the tolerances that the recording states for the logits' type and size."""
    assert made.dtype == expected.dtype
    if made.dtype == torch.float64:
        torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-15)
    else:
        floor = 1e-3 if logits.detach().abs().max() >= 60000 else 1e-6
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=floor)


def gradient(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> Tensor:
    """The gradient of a loss, summed over what it returns, with respect to the logits."""
    leaf = logits.detach().clone().requires_grad_()
    (made,) = torch.autograd.grad(loss(leaf, targets).sum(), leaf)
    return made
