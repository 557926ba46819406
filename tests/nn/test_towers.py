"""Towers against the modules that host them, and the mask on the class token against a full attention."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("timm")

from hoitool.models.backbones import build_backbone  # noqa: E402
from hoitool.nn.towers import fitted  # noqa: E402

NAMES = ["tiny", "timm:test_vit"]


@pytest.fixture(params=NAMES)
def tower(request):
    torch.manual_seed(0)
    return build_backbone(request.param, 64).double().eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def through(tower, images):
    tokens = tower.embed(images)
    for block in tower.blocks:
        tokens = block(tokens, tokens)
    return tokens


def test_block_by_block_is_the_whole(tower, images):
    torch.testing.assert_close(tower.pool(through(tower, images)[:, 0]), tower(images))


def test_a_projected_tower_too(images):
    tower = build_backbone("tiny", 64, projected=True).double()
    assert tower(images).shape == (2, tower.dim) == (2, 32)
    torch.testing.assert_close(tower.pool(through(tower, images)[:, 0]), tower(images))


def test_the_class_row_alone_is_the_row_of_the_whole_block(tower, images):
    tokens, block = tower.embed(images), tower.blocks[0]
    mask = torch.randn(2, tokens.shape[1], tokens.shape[1], dtype=torch.float64)
    whole = block(tokens, tokens, mask)[:, :1]
    torch.testing.assert_close(block(tokens[:, :1], tokens, mask[:, :1]), whole)


def test_what_is_blocked_is_not_looked_at(tower, images):
    tokens, block = tower.embed(images), tower.blocks[0]
    mask = torch.zeros(2, 1, tokens.shape[1], dtype=torch.float64)
    mask[:, :, 5:] = float("-inf")
    changed = tokens.clone()
    changed[:, 5:] += 3
    torch.testing.assert_close(block(tokens[:, :1], tokens, mask), block(tokens[:, :1], changed, mask))
    torch.testing.assert_close(block(tokens[:, :1], tokens, mask), block(tokens[:, :1], tokens[:, :5]))


def test_checkpointing_changes_no_gradient(tower, images):
    def gradients():
        tower.zero_grad()
        tower(images).square().sum().backward()
        return [parameter.grad.clone() for parameter in tower.parameters()]

    tower.train()
    plain = gradients()
    tower.set_grad_checkpointing()
    for one, two in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(one, two)


def test_a_grid_that_is_no_square_stays():
    assert fitted(torch.zeros(1 + 12, 4), (2, 2)).shape == (13, 4)
    assert fitted(torch.zeros(1, 1 + 9, 4), (2, 4)).shape == (1, 9, 4)
