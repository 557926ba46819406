"""A sheet of maps is pooled as its levels are one by one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from torchvision.ops import roi_align  # noqa: E402

from hoitool.nn.pyramid import levels, pooled, pyramid  # noqa: E402
from hoitool.nn.resnet import ResNet  # noqa: E402

SIDES = (448, 320)  # height and width of the pictures


def maps(high, wide, width=5):
    torch.manual_seed(0)
    return [torch.randn(2, width, high // stride, wide // stride, dtype=torch.float64) for stride in (4, 8, 16, 32)]


def boxes(high, wide, count=60):
    """(count, 4) of all sizes, some of which touch the picture's edges."""
    size = torch.tensor([wide, high] * 2, dtype=torch.float64)
    corners = torch.rand(count, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).sort(1).values
    made = (corners.flatten(1) * 1.2 - 0.1).clamp(0, 1) * size
    whole = torch.tensor([[0, 0, wide, high], [0, 0, 9, 9], [wide - 9, high - 9, wide, high]], dtype=torch.float64)
    return torch.cat([made, whole])


@pytest.mark.parametrize("sides", [SIDES, (256, 256), (32, 512)])
def test_levels_pooled_one_by_one_are_the_same(sides):
    held, rois = maps(*sides), [boxes(*sides), boxes(*sides)[::2]]
    places = torch.cat([torch.full((len(mine), 1), float(i), dtype=torch.float64) for i, mine in enumerate(rois)])
    rows = torch.cat([places, torch.cat(rois)], dim=1)
    of, expected = levels(rows[:, 1:]), torch.empty(len(rows), 5, 7, 7, dtype=torch.float64)
    for level, stride in enumerate((4, 8, 16, 32)):
        expected[of == level] = roi_align(held[level], rows[of == level], 7, 1 / stride, 2, aligned=True)
    assert len(set(of.tolist())) > 1
    torch.testing.assert_close(pooled(held, rows), expected)


def test_boxes_are_of_the_level_of_their_side():
    sides = torch.tensor([0.0, 10, 111, 112, 223, 224, 447, 448, 5000])
    made = levels(torch.stack([sides * 0, sides * 0, sides, sides], dim=1))
    assert made.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]


def test_maps_of_half_precision_are_pooled_where_boxes_lie():
    held, rows = [level.float() for level in maps(*SIDES)], boxes(*SIDES).float()
    rows = torch.cat([torch.zeros(len(rows), 1), rows], dim=1)
    made = pooled([level.bfloat16() for level in held], rows)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), pooled(held, rows), rtol=0.02, atol=0.02)


def test_a_pyramid_halves_from_a_quarter_on():
    module = pyramid(ResNet((1, 1, 1, 1), caffe=False, stem=8, planes=(4, 8, 16, 32)), 6)
    made = module(torch.randn(2, 3, 128, 64))
    assert [tuple(held.shape) for held in made.values()] == [(2, 6, 128 // s, 64 // s) for s in (4, 8, 16, 32, 64)]
