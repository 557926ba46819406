from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from hoitool.errors import DataError  # noqa: E402
from hoitool.losses.vild import ensemble, image_loss, image_target, text_logits, text_loss  # noqa: E402

DTYPES = {"f32": torch.float32, "f64": torch.float64}
EXACT = {"f32": {"rtol": 1e-4, "atol": 1e-5}, "f64": {"rtol": 1e-9, "atol": 1e-13}}
every_case = pytest.mark.parametrize("case", ["n6d8k3m4", "n32d64k48m10"])
both = pytest.mark.parametrize("precision", DTYPES)


@pytest.fixture(scope="module")
def recorded(shared):
    return load_file(shared("parity/losses/vild.safetensors"))


def inputs(recorded, case, precision):
    """By name, numbers in a precision, and leaves."""
    held = {name.rpartition("/")[2]: value for name, value in recorded.items() if f"{case}/in/" in name}
    return {
        name: value.to(DTYPES[precision], copy=True).requires_grad_() if value.is_floating_point() else value
        for name, value in held.items()
    }


@both
@pytest.mark.parametrize("temperature", [0.01, 1.0])
@every_case
def test_recorded_text_loss(recorded, case, temperature, precision):
    given, start = inputs(recorded, case, precision), f"{case}/text_tau{temperature}"
    logits = text_logits(given["region_emb"], given["bg_emb"], given["text_emb"], temperature)
    torch.testing.assert_close(logits, recorded[f"{start}/logits_{precision}"], **EXACT[precision])
    made = text_loss(logits, given["labels_0_is_bg"])
    torch.testing.assert_close(made, recorded[f"{start}/loss_{precision}"], **EXACT[precision])
    made.backward()
    for name, short in (("region_emb", "region"), ("bg_emb", "bg")):
        torch.testing.assert_close(given[name].grad, recorded[f"{start}/grad_{short}_{precision}"], **EXACT[precision])


@both
@pytest.mark.parametrize("temperature", [0.01, 1.0])
@every_case
def test_recorded_text_loss_without_held_out_classes(recorded, case, temperature, precision):
    given = inputs(recorded, case, precision)
    logits = text_logits(given["region_emb"], given["bg_emb"], given["text_emb"], temperature)
    made = text_loss(logits, given["labels_without_heldout"], given["novel_mask"])
    expected = recorded[f"{case}/text_tau{temperature}/loss_masked_heldout_{precision}"]
    torch.testing.assert_close(made, expected, **EXACT[precision])


@both
@every_case
def test_recorded_image_loss(recorded, case, precision):
    given, start = inputs(recorded, case, precision), f"{case}/image"
    target = image_target(given["clip_crop_1x"], given["clip_crop_1p5x"]).detach()
    torch.testing.assert_close(target, recorded[f"{start}/target_{precision}"], **EXACT[precision])
    regions = given["distill_region_emb"]
    made = image_loss(regions, target, given["valid_proposals"])
    made.backward()
    for name, times in (("sum_over_dim", 1), ("mean_over_dim", regions.shape[1])):
        expected = {key: recorded[f"{start}/{name}/{key}_{precision}"] * times for key in ("loss", "grad")}
        torch.testing.assert_close(made.detach(), expected["loss"], **EXACT[precision])
        torch.testing.assert_close(regions.grad, expected["grad"], **EXACT[precision])


@both
@every_case
def test_recorded_scores_of_two_heads(recorded, case, precision):
    given = inputs(recorded, case, precision)
    text = text_logits(given["region_emb"], given["bg_emb"], given["text_emb"])
    image = text_logits(given["image_head_emb"], given["bg_emb"], given["text_emb"])[:, 1:]
    made = ensemble(text, image, given["novel_mask"])
    torch.testing.assert_close(made, recorded[f"{case}/ensemble_lambda2_3/score_{precision}"], **EXACT[precision])


def test_scores_of_two_heads_by_hand():
    text, image = (torch.tensor(held, dtype=torch.float64) for held in ([[1.0, 2.0, 0.5]], [[0.3, -1.0]]))
    by_text = [math.exp(x) / sum(map(math.exp, [1.0, 2.0, 0.5])) for x in [2.0, 0.5]]
    by_image = [math.exp(x) / sum(map(math.exp, [0.3, -1.0])) for x in [0.3, -1.0]]
    expected = [by_text[0] ** (2 / 3) * by_image[0] ** (1 / 3), by_text[1] ** (1 / 3) * by_image[1] ** (2 / 3)]
    made = ensemble(text, image, torch.tensor([False, True]))
    assert made[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_the_length_of_embeddings_does_not_matter():
    numbers = torch.Generator().manual_seed(0)
    regions, texts = (torch.randn(n, 4, generator=numbers, dtype=torch.float64) for n in (5, 3))
    expected = text_logits(regions, texts[0], texts)
    torch.testing.assert_close(text_logits(7 * regions, 0.1 * texts[0], 3 * texts), expected)
    target = image_target(regions, regions.flip(0))
    torch.testing.assert_close(image_target(2 * regions, 9 * regions.flip(0)), target)
    torch.testing.assert_close(image_loss(5 * regions, target), image_loss(regions, target))


def test_half_precision_is_computed_in_float32():
    regions = torch.randn(4, 8).half()
    logits = text_logits(regions, regions[0], regions[1:])
    assert logits.dtype == torch.float32
    assert text_loss(logits.half(), torch.tensor([0, 1, 2, 3])).dtype == torch.float32


def test_no_region_that_counts_costs_nothing():
    regions = torch.randn(3, 4, requires_grad=True)
    made = image_loss(regions, torch.zeros(3, 4), torch.zeros(3, dtype=torch.bool))
    made.backward()
    assert made == 0
    assert not regions.grad.any()


def test_what_does_not_fit_is_told():
    with pytest.raises(DataError, match="have 4, 3 and 4 numbers"):
        text_logits(torch.zeros(2, 4), torch.zeros(3), torch.zeros(5, 4))
    for labels in (torch.tensor([3]), torch.tensor([-1]), torch.empty(0, dtype=torch.long)):
        with pytest.raises(DataError, match=r"each from 0 \(background\) to 2"):
            text_loss(torch.zeros(len(labels), 3), labels)
    with pytest.raises(DataError, match=r"regions are \(2, 4\), their targets \(1, 4\)"):
        image_loss(torch.zeros(2, 4), torch.zeros(1, 4))
