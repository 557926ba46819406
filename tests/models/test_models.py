"""Every model of the table at a tiny size: it builds, learns a batch, and comes back from its file."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from hoitool.models import MODELS

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.losses.triplet import Triplet  # noqa: E402
from hoitool.losses.vild import text_logits  # noqa: E402
from hoitool.models import defr  # noqa: E402
from hoitool.models.defr_detection import DefrDetection  # noqa: E402
from hoitool.models.vse import similarity  # noqa: E402
from hoitool.models.weights import load  # noqa: E402

IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
BOXES = torch.tensor([[0.0, 0.0, 20.0, 30.0], [5.0, 5.0, 60.0, 60.0], [40.0, 0.0, 64.0, 64.0], [1.0, 2.0, 3.0, 4.0]])
TARGETS = (torch.rand(4, 7, generator=torch.Generator().manual_seed(2)) < 0.3).float()
CAPTIONS = torch.tensor([[5, 6, 7, 8, 0], [9, 10, 0, 0, 0], [11, 5, 12, 13, 14]])
TEXTS = torch.randn(6, 16, generator=torch.Generator().manual_seed(3))
RECOGNISER = {"backbone": "tiny", "image_size": 64, "classes": 7}
TINY = {
    "defr": RECOGNISER,
    "defr-detection": RECOGNISER,
    "vild": {"body": "tiny", "heads": "separate", "classes": 6, "image_size": 64, "dim": 16},
    "vse": {"images": "tiny", "texts": "tiny", "dim": 16, "vocabulary": 20},
}
INPUTS = {
    "defr": (IMAGES,),
    "defr-detection": (IMAGES, BOXES, BOXES.flip(0), torch.tensor([0, 0, 2, 1])),
    "vild": (IMAGES, torch.cat([torch.tensor([[0.0], [0], [2], [1]]), BOXES], dim=1)),
    "vse": (IMAGES, CAPTIONS),
}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    built = MODELS[request.param].build(**TINY[request.param])
    built.name = request.param
    return built


def scored(model, inputs):
    """Logits of a recogniser (B, 7) or of a detector's regions (R, 7), similarities of a matcher (B, B)."""
    made = model(*inputs)
    if model.name == "vild":
        rest = torch.stack([each.mean() for each in (made.image, made.shifts, *made.found)])
        return text_logits(made.text, made.background, TEXTS, 0.2) + rest.mean()
    return made if isinstance(made, torch.Tensor) else similarity(*made)


def cost(model, scores):
    if model.name == "vse":
        return Triplet()(scores)
    return torch.nn.functional.binary_cross_entropy_with_logits(scores, TARGETS[: len(scores)])


def test_every_model_says_what_it_is(model):
    assert MODELS[model.name].SUMMARY
    assert MODELS[model.name].CHECKPOINTS


def test_shapes(model):
    inputs = INPUTS[model.name]
    logits = scored(model, inputs)
    assert logits.shape == (len(inputs[-1]), 3 if model.name == "vse" else 7)
    assert torch.isfinite(logits).all()


def test_the_loss_falls_on_one_batch(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(20):
        loss = cost(model, scored(model, INPUTS[model.name]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_every_parameter_learns(model):
    scored(model, INPUTS[model.name]).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_saved_and_loaded(model, tmp_path):
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(1)
    entry = MODELS[model.name]
    other = entry.build(**TINY[model.name]).eval()
    other.name = model.name
    assert load(other, tmp_path / "model.safetensors", entry.CHECKPOINTS).complete
    inputs = INPUTS[model.name]
    torch.testing.assert_close(scored(other, inputs), scored(model.eval(), inputs), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_comes_near(model, dtype):
    inputs = INPUTS[model.name]
    expected = scored(model.eval(), inputs)
    with torch.autocast("cpu", dtype):
        made = scored(model, inputs)
        made.square().sum().backward()
    torch.testing.assert_close(made, expected, rtol=0.1, atol=0.05 * float(expected.detach().abs().max()))


@pytest.mark.parametrize("classifier", defr.CLASSIFIERS)
def test_features_of_half_precision_become_logits_of_float32(classifier):
    torch.manual_seed(0)
    model = defr.build(**TINY["defr"], classifier=classifier)
    features = model.backbone(IMAGES).detach().bfloat16()
    made = model.classify(features)
    assert torch.equal(made, model.classify(features.float()))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(made, model.classify(features))
    whole = model.to(torch.bfloat16).classify(features)  # its scale is rounded to 4.625
    assert whole.dtype == torch.float32
    torch.testing.assert_close(whole, made, rtol=0.05, atol=0.5)


def test_a_recogniser_s_checkpoint_becomes_a_detector(tmp_path):
    torch.save({"model_state_dict": defr.build(**TINY["defr"]).state_dict()}, tmp_path / "last.pt")
    entry = MODELS["defr-detection"]
    detector = entry.build(**TINY["defr-detection"])
    assert load(detector, tmp_path / "last.pt", entry.CHECKPOINTS).complete


def test_a_wrong_checkpoint_is_told(tmp_path):
    torch.save(defr.build(**TINY["defr"] | {"classes": 8}).state_dict(), tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"classifier.weight is \[8, 64\], expected \[7, 64\]"):
        load(defr.build(**TINY["defr"]), tmp_path / "last.pt", defr.CHECKPOINTS)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"classifier": "cosin"}, "No classifier of DEFR named 'cosin'. Did you mean 'cosine'"),
        ({"language": np.zeros((7, 3), np.float32)}, "starts from 7 rows of 3, expected 7 of 64; embed the labels"),
    ],
)
def test_numbers_that_do_not_fit_are_told(changes, told):
    with pytest.raises(UsageError, match=told):
        defr.build(**TINY["defr"] | changes)


@pytest.mark.parametrize("classifier", defr.CLASSIFIERS)
def test_a_classifier_starts_from_language(classifier):
    language = np.random.default_rng(0).normal(size=(7, 64)).astype(np.float32) * 3
    model = defr.build(**TINY["defr"], classifier=classifier, language=language)
    features = torch.nn.functional.normalize(model.backbone(IMAGES), dim=1) * np.exp(4.61)
    rows = torch.nn.functional.normalize(torch.from_numpy(language), dim=1)
    torch.testing.assert_close(model(IMAGES), features @ rows.T, rtol=1e-4, atol=1e-3)


def test_a_trained_scale_is_held():
    model = defr.build(**TINY["defr"], log_scale=5.0, train_scale=True)
    held = copy.deepcopy(model)
    with torch.no_grad():
        held.log_scale.fill_(defr.SCALE)
    torch.testing.assert_close(model(IMAGES), held(IMAGES))
    model = defr.build(**TINY["defr"], log_scale=2.0, train_scale=True)
    model(IMAGES).square().sum().backward()
    assert model.log_scale.grad != 0


def recogniser():
    torch.manual_seed(0)
    return defr.build(**TINY["defr"]).double().eval()


def detected(model, mask, blocks):
    inputs = [held.double() if held.is_floating_point() else held for held in INPUTS["defr-detection"]]
    return DefrDetection(model, mask, blocks)(*inputs)


@pytest.mark.parametrize("blocks", [1, 2])
def test_without_a_mask_a_pair_is_scored_as_its_picture(blocks):
    model = recogniser()
    expected = model(IMAGES.double())[INPUTS["defr-detection"][-1]]
    torch.testing.assert_close(detected(model, "none", blocks), expected)


@pytest.mark.parametrize("mask", ["as-written", "blocking"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_pairs_do_not_see_one_another(mask, blocks):
    model = DefrDetection(recogniser(), mask, blocks)
    images, humans, objects, image = INPUTS["defr-detection"]
    images, humans, objects = images.double(), humans.double(), objects.double()
    together = model(images, humans, objects, image)
    for i, place in enumerate(image.tolist()):
        alone = model(images[[place]], humans[[i]], objects[[i]], torch.tensor([0]))
        torch.testing.assert_close(together[[i]], alone)


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_pair_that_touches_everything_is_scored_as_its_picture(blocks):
    model = DefrDetection(recogniser(), "blocking", blocks)
    whole = torch.tensor([[0.0, 0.0, 64.0, 64.0]]).double()
    torch.testing.assert_close(
        model(IMAGES[:1].double(), whole, whole, torch.tensor([0])), model.recogniser(IMAGES[:1].double())
    )


def test_boxes_over_the_edge_and_without_pairs():
    model = DefrDetection(recogniser(), "blocking")
    outside = torch.tensor([[-20.0, -20.0, -1.0, -1.0], [60.0, 60.0, 500.0, 90.0]]).double()
    made = model(IMAGES[:1].double(), outside, outside, torch.tensor([0, 0]))
    assert torch.isfinite(made).all()
    none = torch.empty(0, 4).double()
    assert model(IMAGES.double(), none, none, torch.empty(0, dtype=torch.long)).shape == (0, 7)


def test_masks_and_blocks_that_there_are_not():
    with pytest.raises(UsageError, match="No mask of DEFR's detection named 'block'"):
        DefrDetection(recogniser(), "block")
    with pytest.raises(UsageError, match="mask_layers is 3, expected 1 to 2"):
        DefrDetection(recogniser(), "none", 3)
