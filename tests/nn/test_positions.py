"""Grids of positions for pictures of another size."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file  # noqa: E402

from hoitool.nn.positions import resized  # noqa: E402


def cubic(distance):
    """Keys' kernel with a = -0.75, PyTorch's for bicubic."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def by_hand(row, count):
    """A row of numbers as `count` numbers: four neighbours each, those over the edge as the edge."""
    made = []
    for i in range(count):
        at = (i + 0.5) * len(row) / count - 0.5
        first = int(np.floor(at)) - 1
        taps = range(first, first + 4)
        made.append(sum(cubic(at - tap) * row[min(max(tap, 0), len(row) - 1)] for tap in taps))
    return np.array(made)


@pytest.mark.parametrize("new", [(6, 5), (2, 3), (4, 7), (9, 1)])
def test_a_grid_is_interpolated_in_both_directions(new):
    held = np.random.default_rng(2).normal(size=(2 + 4 * 3, 5))
    made = resized(torch.from_numpy(held.astype(np.float32)), (4, 3), new).numpy()
    grid = held[2:].reshape(4, 3, 5)
    tall = np.array([[by_hand(grid[:, x, d], new[0]) for d in range(5)] for x in range(3)])  # (3, 5, h)
    expected = np.array([[by_hand(tall[:, d, y], new[1]) for d in range(5)] for y in range(new[0])])  # (h, 5, w)
    np.testing.assert_array_equal(made[:2], held[:2].astype(np.float32))
    np.testing.assert_allclose(made[2:], expected.transpose(0, 2, 1).reshape(-1, 5), atol=1e-5)


def test_a_grid_of_its_own_size_stays():
    held = torch.randn(1, 17, 8)
    torch.testing.assert_close(resized(held, (4, 4), (4, 4)), held)


def test_the_grid_of_defr_agrees_with_the_published_one(shared):
    defr = load_file(shared("parity/defr/clip_vit.safetensors"))
    made = resized(defr["openai_clip_state/visual.positional_embedding"], (4, 4), (6, 6))
    expected = defr["clip/state/visual_encoder.visual.positional_embedding"]
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)
