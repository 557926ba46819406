"""ViLD's network at a tiny size, its regions, and the weights that it starts from."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from torchvision.models.detection import fasterrcnn_resnet50_fpn  # noqa: E402
from torchvision.models.resnet import resnet50  # noqa: E402
from torchvision.ops import box_iou  # noqa: E402

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.models.vild import CHECKPOINTS, build  # noqa: E402
from hoitool.models.vild_regions import Lesson, Thinning, moved, sampled, thinned  # noqa: E402
from hoitool.models.weights import load  # noqa: E402

SIZE = (48, 64)
BOXES = [torch.tensor([[4.0, 4, 30, 40], [20, 10, 60, 44]]), torch.empty(0, 4)]
LABELS = [torch.tensor([2, 5]), torch.empty(0, dtype=torch.long)]
LESSON = Lesson([SIZE, SIZE], BOXES, LABELS)
ROIS = torch.tensor([[0.0, 4, 4, 30, 40], [1, 0, 0, 64, 48], [0, 50, 2, 60, 9]])


def tiny(**changes):
    torch.manual_seed(0)
    return build(**{"body": "tiny", "classes": 6, "image_size": 64, "dim": 16} | changes)


def pictures(count=2):
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("heads", ["text", "image", "shared", "separate"])
def test_a_lesson_reaches_every_parameter(heads):
    model = tiny(heads=heads)
    made = model(pictures(), ROIS, LESSON)
    regions = len(made.taught.labels)
    assert made.text.shape == (regions, 16)
    assert made.shifts.shape == made.taught.shifts.shape == (regions, 4)
    assert made.image.shape == (3, 16)
    assert {2, 5} <= set(made.taught.labels.tolist()) <= {0, 2, 5}
    assert (made.background is None) == (heads == "image")
    held = [made.text, made.shifts, made.image, *made.found, *([] if heads == "image" else [made.background])]
    torch.stack([each.square().sum() for each in held]).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_given_regions_do_not_depend_on_the_lesson(heads):
    model = tiny(heads=heads, norm="fixed")
    alone, taught = model(pictures(), ROIS), model(pictures(), ROIS, LESSON)
    torch.testing.assert_close(alone.image, taught.image)
    assert (alone.text.shape, alone.taught) == ((3, 16), None)
    if heads == "shared":
        assert torch.equal(alone.text, alone.image)


def test_a_model_without_a_network_of_proposals_is_taught_by_given_ones():
    model = tiny(proposals=False)
    given = LESSON._replace(proposals=[ROIS[:1, 1:], ROIS[1:2, 1:]])
    made = model(pictures(), ROIS, given)
    assert made.found == ()
    assert made.taught.labels.tolist() == [2, 2, 5, 0]
    with pytest.raises(UsageError, match="proposes no boxes"):
        model.proposals(pictures(), model.maps(pictures()), [SIZE, SIZE])


def test_proposals_lie_inside_of_their_picture():
    model = tiny().eval()
    with torch.no_grad():
        made = model.proposals(pictures(), model.maps(pictures()), [SIZE, (20, 30)])
    for boxes, (high, wide) in zip(made, [SIZE, (20, 30)], strict=True):
        assert 0 < len(boxes) <= 100
        assert bool(((boxes >= 0) & (boxes <= torch.tensor([wide, high, wide, high, 1]))).all())
        assert bool((boxes[1:, 4] <= boxes[:-1, 4]).all())


def test_a_picture_does_not_depend_on_the_others_of_its_batch():
    model = tiny(norm="batch").eval()
    with torch.no_grad():
        together, alone = model(pictures(), ROIS), model(pictures()[:1], ROIS[[0, 2]])
    torch.testing.assert_close(together.text[[0, 2]], alone.text, rtol=1e-4, atol=1e-5)


def test_a_quarter_of_the_regions_drawn_is_on_objects():
    torch.manual_seed(0)
    on = BOXES[0][:1] + torch.rand(50, 1)
    off = torch.tensor([[40.0, 40, 60, 48]]) + torch.rand(50, 1)
    made = sampled([torch.cat([on, off]), off], LESSON, 16)
    first = made.regions[:, 0] == 0
    assert made.labels[first].bincount(minlength=1)[0] == 12
    assert first.sum() == 16
    assert (made.labels[~first] == 0).all()


def test_regions_are_matched_and_shifted_to_the_box_that_they_overlap_most():
    torch.manual_seed(0)
    found = [torch.rand(200, 2, 2).sort(1).values.flatten(1) * torch.tensor([64.0, 48, 64, 48]), torch.empty(0, 4)]
    made = sampled(found, LESSON, 400)
    for region, label, shift in zip(made.regions, made.labels, made.shifts, strict=True):
        if region[0] == 1:
            assert (label, region.tolist()) == (0, [1, 0, 0, 64, 48])  # neither proposal nor box: the whole picture
            continue
        overlap = box_iou(region[None, 1:], BOXES[0])[0]
        expected = LABELS[0][overlap.argmax()] if overlap.max() >= 0.5 else 0
        assert label == expected
        if label:
            back = moved(region[None, 1:], shift[None], SIZE)
            torch.testing.assert_close(back, BOXES[0][overlap.argmax()][None], rtol=1e-4, atol=1e-3)


def test_each_class_is_thinned_by_itself_and_the_surest_stay():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [5, 5, 5, 9]])
    scores = torch.tensor([[0.9, 0.2], [0.8, 0.3], [0.1, 0.0], [1.0, 1.0]])
    place, label = thinned(boxes, scores, Thinning())
    assert list(zip(place.tolist(), label.tolist(), strict=True)) == [(0, 0), (1, 1), (2, 0), (2, 1)]
    place, label = thinned(boxes, scores, Thinning(nms=0.95, min_score=0.2, most=3))
    assert list(zip(place.tolist(), label.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 1)]


def test_weights_of_a_resnet(tmp_path):
    state = resnet50().state_dict()
    torch.save(state, tmp_path / "r50.pt")
    for norm in ("batch", "fixed"):
        model = build("r50", norm=norm, weights=tmp_path / "r50.pt")
        held = model.backbone.body.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in held.items())


def test_a_faster_rcnn_gives_its_pyramid_and_its_proposals(tmp_path):
    other = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    torch.save(other.state_dict(), tmp_path / "w.pt")
    model = build("r50")
    with pytest.raises(DataError, match="missing"):
        load(model, tmp_path / "w.pt", CHECKPOINTS)
    match = load(model, tmp_path / "w.pt", CHECKPOINTS, strict=False)
    assert match.left_over == ()
    assert {name.partition(".")[0] for name in match.missing} == {"background", "texts", "text", "box", "rpn"}
    assert [name for name in match.missing if name.startswith("rpn")] == [
        "rpn.head.conv.1.0.weight",  # ViLD has a second convolution
        "rpn.head.conv.1.0.bias",
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"body": "r51"}, "No body of ViLD named 'r51'"),
        ({"heads": "both"}, "No heads of ViLD named 'both'"),
        ({"norm": "none"}, "No norm of ViLD named 'none'"),
        ({"image_size": 100}, "image_size is 100"),
        ({"language": np.zeros((5, 16))}, r"the texts are \(5, 16\), expected \(6, 16\)"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, told):
    with pytest.raises(UsageError, match=told):
        tiny(**wrong)
