"""DEFR equal to tensors recorded from the published code, in both precisions, and the layouts of its checkpoints."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("timm")

from open_clip.transformer import QuickGELU  # noqa: E402
from open_clip.transformer import VisionTransformer as ClipTransformer  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from timm.models.vision_transformer import VisionTransformer as TimmTransformer  # noqa: E402

from hoitool.models import backbones, defr, defr_detection  # noqa: E402
from hoitool.models.defr import CHECKPOINTS, Defr, build, build_classifier  # noqa: E402
from hoitool.models.weights import fill, matched  # noqa: E402
from hoitool.nn.towers import ClipTower, TimmTower  # noqa: E402

# variant -> classifier, projected, log_scale, train_scale
VARIANTS = {
    "clip_vit": {
        "clip": ("cosine", False, 4.61, False),
        "bert": ("cosine", False, 4.61, False),
        "clip_linear_scale0": ("linear", False, 0.0, False),
        "clip_linear_scale4p61": ("linear", False, 4.61, False),
        "i_clip": ("mapped", False, 4.61, False),
        "clip_scale_trainable_start5": ("cosine", False, 5.0, True),
        "rand512_proj": ("cosine", True, 4.61, False),
    },
    "imagenet_vit": {
        "bert": ("cosine", False, 4.61, False),
        "clip": ("cosine", False, 4.61, False),
        "bert_linear_scale0": ("linear", False, 0.0, False),
        "simcse_linear_scale0": ("linear", False, 0.0, False),
    },
}
CASES = [(file, variant) for file, variants in VARIANTS.items() for variant in variants]


def tower_of(file, projected):
    """The recorded towers' architectures, for 96 pixels."""
    if file == "imagenet_vit":
        return TimmTower(TimmTransformer(96, 16, embed_dim=128, depth=2, num_heads=4, num_classes=0))
    tower = ClipTower(ClipTransformer(96, 16, 128, 2, 2, 4.0, output_dim=64, act_layer=QuickGELU))
    if not projected:
        tower.drop_projection()
    return tower


SHARED_STATE = {"clip_vit": "clip/state/visual_encoder.", "imagenet_vit": "bert/state/vit."}
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}  # of logits; features 1e-5


@pytest.fixture(scope="module")
def recorded(shared):
    return {file: load_file(shared(f"parity/defr/{file}.safetensors")) for file in (*VARIANTS, "hoi_detection")}


def state_of(recorded, file, variant):
    """The tensors of a variant by the original's names; those of the backbone are stored once."""
    held, start = recorded[file], f"{variant}/state/"
    backbone = SHARED_STATE[file]
    state = {name.partition("/state/")[2]: value for name, value in held.items() if name.startswith(backbone)}
    state |= {name.removeprefix(start): value for name, value in held.items() if name.startswith(start)}
    if VARIANTS[file][variant][1]:
        state["visual_encoder.visual.proj"] = held["openai_clip_state/visual.proj"]
    return state


def model_of(recorded, file, variant):
    classifier, projected, log_scale, train_scale = VARIANTS[file][variant]
    tower = tower_of(file, projected)
    model = Defr(tower, build_classifier(classifier, tower.dim, 600), log_scale, train_scale)
    match = fill(model, state_of(recorded, file, variant), CHECKPOINTS, "the record")
    assert match.complete
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("file", "variant"), CASES)
def test_features_and_logits(file, variant, dtype, recorded):
    held, model = recorded[file], model_of(recorded, file, variant).to(dtype).eval()
    with torch.no_grad():
        features, logits = model.backbone(held["img"].to(dtype)), model(held["img"].to(dtype))
    out = {name: held[f"{variant}/out/{name}"] for name in ("feature", "logits", "logits_f64")}
    torch.testing.assert_close(features.float(), out["feature"], rtol=0, atol=1e-5)
    expected = out["logits_f64" if dtype == torch.float64 else "logits"]
    torch.testing.assert_close(logits, expected, rtol=0, atol=TOLERANCE[dtype])


def sign_loss(logits, targets):
    """LSE-Sign: log(1 + sum_c exp(-s_c x_c)), s_c = 1 where the label is 1, else -1; the mean over images."""
    signed = torch.where(targets == 1, -logits, logits)
    return torch.logsumexp(torch.cat([signed, torch.zeros_like(signed[:, :1])], dim=1), dim=1).mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("variant", ["clip", "clip_linear_scale0"])
def test_gradients_and_a_step_of_adamw(variant, dtype, recorded):
    held, start = recorded["clip_vit"], f"{variant}/train/"
    model = model_of(recorded, "clip_vit", variant).to(dtype)
    images, targets = held["img"].to(dtype), held["targets"].to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0)
    loss = sign_loss(model(images), targets)
    loss.backward()
    torch.testing.assert_close(loss.float(), held[start + "sign_loss"], rtol=1e-5, atol=1e-5)
    ours = {name: parameter.grad for name, parameter in model.named_parameters()}
    recorded_names = [name for name in held if name.startswith(start + "grad/")]
    for name in recorded_names:
        key = name.removeprefix(start + "grad/").replace("visual_encoder.", "backbone.")
        grad = ours["classifier.weight" if key == "classifier" else key].float()
        torch.testing.assert_close(grad, held[name], rtol=1e-4, atol=1e-4 * float(held[name].abs().max()))
    assert len(recorded_names) >= 3
    optimizer.step()
    after = held[start + "logits_after_one_adamw_step_lr1e-4"]
    torch.testing.assert_close(model(images).float(), after, rtol=0, atol=1e-3)


def test_language_as_clip_has_it_becomes_the_classifier(recorded):
    """The record's classifier is its text embeddings, normalised, back through the projection."""
    held = recorded["clip_vit"]
    language = torch.nn.functional.normalize(held["lan_emb/clip_w"], dim=-1) @ held["lan_emb/clip_proj"].T
    made = build_classifier("cosine", 128, 600, language.numpy())
    torch.testing.assert_close(made.weight.data, held["clip/state/classifier"], rtol=0, atol=1e-6)
    linear = build_classifier("linear", 128, 600, language.numpy())
    torch.testing.assert_close(
        linear.weight.data, held["clip_linear_scale0/state/classifier.weight"], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("projected", [False, True])
def test_openai_weights_of_smaller_pictures_become_the_recorded_tower(projected, recorded, tmp_path):
    held = recorded["clip_vit"]
    state = {n.removeprefix("visual_encoder."): t for n, t in state_of(recorded, "clip_vit", "clip").items()}
    state = {name: value for name, value in state.items() if name.startswith("visual.")}
    state |= {n.removeprefix("openai_clip_state/"): t for n, t in held.items() if n.startswith("openai_clip_state/")}
    texts = {"positional_embedding": (77, 64), "text_projection": (64, 64), "token_embedding.weight": (96, 64)}
    state |= {name: torch.zeros(shape) for name, shape in texts.items()} | {"context_length": torch.tensor(77)}
    torch.save(state, tmp_path / "clip.pt")
    tower = tower_of("clip_vit", projected)
    match = backbones.load_backbone(tower, tmp_path / "clip.pt")
    assert match.complete
    assert ("visual.proj" in match.unwanted) is not projected
    with torch.no_grad():
        expected = held["rand512_proj/out/feature" if projected else "clip/out/feature"]
        torch.testing.assert_close(tower(held["img"]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("file", "backbone"),
    [
        ("clip_vitbp32_672", "clip"),
        ("clip_vitbp16_672", "clip:ViT-B-16-quickgelu"),
        ("imagenet_vitb_p32_672", "timm:vit_base_patch32_224.augreg_in21k_ft_in1k"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "recogniser."])
def test_the_layout_of_a_published_checkpoint_fits(file, backbone, prefix, shared):
    keys = json.loads(shared(f"parity/defr/checkpoint_keys_{file}.json").read_text())["keys"]
    entry = defr_detection if prefix else defr
    with torch.device("meta"):
        model = entry.build(backbone=backbone)
        state = {name: torch.empty(shape) for name, (shape, _) in keys.items()}
    match = matched(model, state, entry.CHECKPOINTS)
    assert match.complete
    assert len(match.matched) == len(keys)
    assert match.matched[f"{prefix}classifier.weight"] == "classifier"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("mask", "name"), [("as-written", "as_written"), ("blocking", "true_blocking"), ("none", "no_mask")]
)
def test_logits_of_pairs(mask, name, dtype, recorded):
    held = recorded["hoi_detection"]
    model = defr_detection.DefrDetection(model_of(recorded, "clip_vit", "clip"), mask).to(dtype).eval()
    with torch.no_grad():
        made = model(held["img"].to(dtype), held["boxes_h"], held["boxes_o"], torch.arange(2))
    torch.testing.assert_close(made.float(), held[f"out/logits_{name}"], rtol=0, atol=1e-4)


def test_patches_scores_and_pictures_of_pairs(recorded):
    held = recorded["hoi_detection"]
    outside = defr_detection.outside_both(held["boxes_h"], held["boxes_o"], 96, (6, 6))
    assert torch.equal(outside, held["out/cls_row_mask_bool"])
    scores = defr_detection.scores(held["out/logits_as_written"], held["prior"].transpose(0, 1))
    torch.testing.assert_close(scores, held["out/scores"], rtol=0, atol=1e-6)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    squashed = defr_detection.squashed(held["transform/in/image01"], 32, mean, std)
    torch.testing.assert_close(squashed, held["transform/out/image32"], rtol=0, atol=1e-5)
    for box in ("box_h", "box_o"):
        there = defr_detection.rescaled(held[f"transform/in/{box}"], (47, 61), (32, 32))
        torch.testing.assert_close(there, held[f"transform/out/{box}"], rtol=0, atol=1e-5)
    for box in ("boxes_h", "boxes_o"):
        for i, size in enumerate(held["orig_size"].tolist()):
            back = defr_detection.rescaled(held[box][i], (96, 96), tuple(size))
            torch.testing.assert_close(back, held[f"out/{box}"][i], rtol=0, atol=1e-4)


def test_built_for_the_published_numbers():
    with torch.device("meta"):
        model = build()
    assert (model.backbone.grid, model.backbone.dim, tuple(model.classifier.weight.shape)) == (
        (21, 21),
        768,
        (600, 768),
    )
