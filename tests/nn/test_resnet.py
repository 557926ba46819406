"""The networks against torchvision's, and what is theirs alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

from torchvision.models.resnet import Bottleneck  # noqa: E402
from torchvision.models.resnet import ResNet as Theirs  # noqa: E402

from hoitool.nn.resnet import ResNet  # noqa: E402


def varied(network):
    """Statistics of batch norms as training leaves them: neither 0 nor 1."""
    torch.manual_seed(1)
    for name, held in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            held.copy_(torch.rand_like(held) + 0.5)
    return network


@pytest.mark.parametrize("numbers", [{}, {"groups": 4, "width": 8}])
def test_torchvision_s_layout_is_torchvision_s_network(numbers):
    theirs = varied(
        Theirs(Bottleneck, [1, 2, 1, 1], groups=numbers.get("groups", 1), width_per_group=numbers.get("width", 64))
    ).eval()
    ours = ResNet((1, 2, 1, 1), caffe=False, **numbers)
    state = {name: held for name, held in theirs.state_dict().items() if name in ours.state_dict()}
    ours.load_state_dict(state)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        cells = ours(images)
        pooled = theirs.fc(cells.mean(1))
        torch.testing.assert_close(pooled, theirs(images), rtol=1e-4, atol=1e-4)
    assert cells.shape == (2, 2 * 3, ours.dim)


def test_caffe_s_layout_halves_earlier_and_rounds_up():
    made = ResNet((1, 1, 1, 1), caffe=True, stem=8, planes=(4, 8, 8, 16))
    assert [layer[0].conv1.stride for layer in (made.layer1, made.layer2)] == [(1, 1), (2, 2)]
    assert [layer[0].conv2.stride for layer in (made.layer1, made.layer2)] == [(1, 1), (1, 1)]
    assert made(torch.randn(1, 3, 70, 90)).shape == (1, 3 * 3, 64)
    assert made(torch.randn(1, 3, 512, 512)).shape == (1, 16 * 16, 64)


def test_training_leaves_the_statistics_and_moves_the_rest():
    made = ResNet((1, 1, 1, 1), caffe=True, stem=8, planes=(4, 8, 8, 16)).train()
    before = {name: held.clone() for name, held in made.named_buffers()}
    made(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(torch.equal(held, before[name]) for name, held in made.named_buffers())
    assert all(held.grad is not None for held in made.parameters())
