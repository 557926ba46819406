"""CLIP equal to open_clip called by hand, in both spaces, and its files in every layout."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from open_clip import image_transform  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_vision import SIZES, clip_config, clip_model, picture, pixels, save_clip  # noqa: E402

from hoitool.embed.encoder import Settings  # noqa: E402
from hoitool.embed.encoders import clip  # noqa: E402
from hoitool.embed.encoders.device import Eye  # noqa: E402
from hoitool.embed.encoders.tiny import save_tiny_clip  # noqa: E402
from hoitool.embed.load import load as load_named  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402
from hoitool.labels import load_labels  # noqa: E402
from hoitool.labels.prompts import load_prompts  # noqa: E402
from hoitool.labels.texts import texts_of  # noqa: E402

TEXTS = ["a photo of a person riding a bicycle", "", "a cup", "Person", "éclair 🍰 &amp; more"]
CONFIG = clip_config()
PLAIN = {"device": "cpu"}


@pytest.fixture(scope="module")
def model():
    return clip_model(CONFIG)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("models") / "tiny", CONFIG, model.state_dict())


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Architectures of open_clip for one test: called with a name and a configuration."""
    from open_clip import factory

    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    return lambda name, config: factory._MODEL_CONFIGS.__setitem__(name, config) or name


def load(folder, **settings):
    return load_named(f"clip:{folder}", Settings(**(PLAIN | settings)))


def texts_by_hand(model, texts):
    with torch.no_grad():
        return model.encode_text(open_clip.SimpleTokenizer()(texts)).numpy()


def input_of(array, mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD):
    return torch.from_numpy(((array / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)


def test_texts_and_images_are_those_of_open_clip(folder, model):
    encoder = load(folder)
    assert (encoder.name, encoder.dim, encoder.facts["activation"]) == ("clip:tiny", 16, "quickgelu")
    rows = encoder.texts(TEXTS)()
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, texts_by_hand(model, TEXTS), atol=1e-6)
    shown = pixels(5, 32)
    with torch.no_grad():
        expected = model.encode_image(input_of(shown)).numpy()
    np.testing.assert_allclose(encoder.images(shown)(), expected, atol=2e-6)
    assert np.ptp(rows, axis=0).max() > 0.1 < np.ptp(expected, axis=0).max()


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_prepared_as_open_clip_does(tmp_path, model, mode, interpolation):
    how = {"interpolation": interpolation, "resize_mode": mode, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    encoder = load(save_clip(tmp_path / "tiny", CONFIG, model.state_dict(), **how))
    eye = Eye(encoder.preprocess, torch.device("cpu"), torch.float32)
    reference = image_transform(32, is_train=False, **how)
    for size in SIZES:
        made = eye(encoder.preprocess.pixels(picture(size))[None])[0]
        torch.testing.assert_close(made, reference(picture(size)), rtol=0, atol=0)


def test_a_way_of_preparing_that_is_not_built_is_refused(tmp_path, model):
    folder = save_clip(tmp_path / "tiny", CONFIG, model.state_dict(), resize_mode="longest")
    with pytest.raises(UsageError, match="tiny takes pictures by 'longest' in .*not built"):
        load(folder)


def test_rows_depend_on_their_own_input_only(folder):
    encoder, again = load(folder), load(folder)
    shown = pixels(7, 32)
    alone = np.concatenate([encoder.images(shown[i : i + 1])() for i in range(7)])
    np.testing.assert_allclose(encoder.images(shown)(), alone, atol=1e-5)
    many = [f"a person number {i}" for i in range(7)]
    np.testing.assert_allclose(encoder.texts(many)(), [encoder.texts([text])()[0] for text in many], atol=1e-5)
    np.testing.assert_array_equal(encoder.images(shown)(), again.images(shown)())
    np.testing.assert_array_equal(encoder.texts(many)(), again.texts(many)())


def test_no_texts_and_many(folder, monkeypatch):
    encoder = load(folder)
    assert encoder.texts([])().shape == (0, 16)
    monkeypatch.setattr(clip, "TEXTS", 64)
    many = [f"a person and {i}" for i in range(600)] * 7
    rows = encoder.texts(many)()
    assert rows.shape == (4200, 16)
    np.testing.assert_allclose(rows[:600], rows[-600:], atol=1e-5)
    np.testing.assert_allclose(rows[599], encoder.texts([many[599]])()[0], atol=1e-5)


def test_texts_are_read_to_the_end_of_the_longest_only(folder, model, monkeypatch):
    encoder = load(folder)
    lengths, read = [], encoder._read
    monkeypatch.setattr(encoder, "_read", lambda model, tokens: lengths.append(tokens.shape[1]) or read(model, tokens))
    for texts, length in ((["a cup", ""], 4), (TEXTS, 10), (["cup", "cup " * 75], 77), (["cup " * 100], 77)):
        np.testing.assert_allclose(encoder.texts(texts)(), texts_by_hand(model, texts), atol=1e-5)
        assert lengths.pop() == length


@pytest.mark.parametrize("change", [{"text_cfg__proj_bias": True}, {"text_cfg__pool_type": "last"}])
def test_other_text_towers_are_read_as_they_are(change, tmp_path):
    config = clip_config(**change)
    made = clip_model(config)
    encoder = load(save_clip(tmp_path / "other", config, made.state_dict()))
    np.testing.assert_allclose(encoder.texts(TEXTS)(), texts_by_hand(made, TEXTS), atol=1e-5)


def test_long_texts_are_counted_and_told_once(folder, caplog):
    encoder = load(folder)
    long = ["cup " * 80, "a cup", "🍰 ǆ" * 25]  # the last has few letters, and each is several tokens
    with caplog.at_level(logging.WARNING):
        encoder.texts(long)()
        encoder.texts(long[:1])()
    assert encoder.truncated == 3
    assert [record.message[:26] for record in caplog.records] == ["2 of 3 texts are longer th"]


def test_maps_are_the_projected_patches_row_by_row(folder, model):
    encoder = load(folder)
    maps = encoder.maps(pixels(2, 32))()
    assert maps.shape == (2, 4, 4, 16)
    with torch.no_grad():
        visual = model.visual
        tokens = visual.ln_post(visual.transformer(visual._embeds(input_of(pixels(2, 32)))))[:, 1:] @ visual.proj
    np.testing.assert_allclose(maps, tokens.reshape(2, 4, 4, 16), atol=1e-5)
    shown = pixels(1, 32)
    before = encoder.maps(shown)()[0]
    shown[0, 8:16, 24:32] = 0  # row 1, column 3
    moved = np.abs(encoder.maps(shown)()[0] - before).sum(axis=2)
    assert np.unravel_index(moved.argmax(), moved.shape) == (1, 3)


def test_the_space_before_the_projection(folder, model):
    encoder = load(folder, space="pre-projection")
    assert (encoder.dim, encoder.facts["space"]) == (32, "pre-projection")
    shown = pixels(3, 32)
    pooled = encoder.images(shown)()
    projection = model.visual.proj.detach().numpy()
    np.testing.assert_allclose(pooled @ projection, load(folder).images(shown)(), atol=1e-5)
    texts = texts_by_hand(model, TEXTS)
    unit = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    rows = encoder.texts(TEXTS)()
    np.testing.assert_allclose(rows, unit @ projection.T, atol=1e-6)
    np.testing.assert_allclose(pooled @ rows.T, (pooled @ projection) @ unit.T, atol=1e-5)
    assert encoder.maps(shown)().shape == (3, 4, 4, 32)


def test_a_tower_without_a_projection_has_no_space_before_it(tmp_path):
    config = clip_config(vision_cfg={"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None})
    model = clip_model(config)
    folder = save_clip(tmp_path / "resnet", config, model.state_dict())
    assert load(folder).images(pixels(2, 32))().shape == (2, 16)
    with pytest.raises(UsageError, match="clip:resnet has no map of patches"):
        load(folder).maps(pixels(2, 32))
    with pytest.raises(UsageError, match="resnet has no projection to go back through"):
        load(folder, space="pre-projection")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("space", ["joint", "pre-projection"])
def test_short_numbers_are_near(folder, precision, space):
    exact, short = load(folder, space=space), load(folder, space=space, precision=precision)
    for wide, near in (
        (exact.texts(TEXTS)(), short.texts(TEXTS)()),
        (exact.images(pixels(4, 32))(), short.images(pixels(4, 32))()),
        (exact.maps(pixels(4, 32))(), short.maps(pixels(4, 32))()),
    ):
        assert near.dtype == np.float32
        cosine = (wide * near).sum(-1) / np.linalg.norm(wide, axis=-1) / np.linalg.norm(near, axis=-1)
        assert 0.99 < cosine.min() < 1


def test_compiled_is_the_same(folder, monkeypatch):
    real, asked = torch.compile, []
    monkeypatch.setattr("torch.compile", lambda work, **how: asked.append(work) or real(work, backend="eager", **how))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = load(folder, compile=True)
        np.testing.assert_allclose(encoder.images(pixels(2, 32))(), load(folder).images(pixels(2, 32))(), atol=1e-6)
        np.testing.assert_allclose(encoder.texts(TEXTS)(), load(folder).texts(TEXTS)(), atol=1e-6)
    assert len(asked) == 2


def test_a_batch_on_a_cpu_is_a_constant(folder):
    assert load(folder).best_batch() == 32


def test_the_tiny_model_is_the_same_each_time(tmp_path):
    first, second = (load(save_tiny_clip(tmp_path / name)) for name in ("first", "second"))
    assert first.facts["weights_sha256"] == second.facts["weights_sha256"]
    np.testing.assert_array_equal(first.texts(TEXTS)(), second.texts(TEXTS)())
    other = load(save_tiny_clip(tmp_path / "other", seed=1))
    assert np.abs(other.texts(TEXTS)() - first.texts(TEXTS)()).max() > 0.1


@pytest.mark.parametrize("layout", ["plain.pt", "module.pt", "openai.pt", "one.safetensors", "half.pt", "scales.pt"])
def test_every_layout_of_a_file_gives_the_same(layout, tmp_path, registered, model, folder):
    arch = registered("Tiny-quickgelu", CONFIG)
    state, path = dict(model.state_dict()), tmp_path / layout
    if layout == "module.pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": held for name, held in state.items()}}, path)
    elif layout == "openai.pt":
        torch.save(state | {name: torch.tensor(1) for name in clip.clip_weights.ORIGINAL}, path)
    elif layout == "one.safetensors":
        save_file(state, path)
    elif layout == "half.pt":
        torch.save({name: held.half().float() for name, held in state.items()}, path)
    else:
        torch.save(state | {"logit_scale": state["logit_scale"].reshape(1)}, path)
    encoder = load(arch, weights=str(path))
    assert (encoder.facts["weights"], encoder.name) == (layout, "clip:Tiny-quickgelu")
    np.testing.assert_allclose(
        encoder.texts(TEXTS)(), load(folder).texts(TEXTS)(), atol=2e-2 if "half" in layout else 0
    )


def test_a_separate_text_tower_and_a_bias_of_logits(tmp_path, model):
    config = clip_config(custom_text=True, init_logit_bias=-10)
    encoder = load(save_clip(tmp_path / "custom", config, model.state_dict()))
    np.testing.assert_allclose(encoder.texts(TEXTS)(), texts_by_hand(model, TEXTS), atol=1e-6)


def traced(config, path, half=False):
    """A TorchScript archive as OpenAI's are: numbers beside the weights that only they hold."""
    model = clip_model(config)
    for name in clip.clip_weights.ORIGINAL:
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(7))
    inputs = {"encode_image": torch.zeros(1, 3, 32, 32), "encode_text": torch.ones(1, 77, dtype=torch.long)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace_module(model, inputs, check_trace=False)
        torch.jit.save(program.half() if half else program, str(path))
    return path


def test_an_archive_of_torchscript_is_read_without_running_it(tmp_path, registered, folder):
    arch = registered("Tiny-quickgelu", CONFIG)
    encoder = load(arch, weights=str(traced(CONFIG, tmp_path / "ViT-B-32.pt")))
    np.testing.assert_array_equal(encoder.texts(TEXTS)(), load(folder).texts(TEXTS)())
    np.testing.assert_array_equal(encoder.images(pixels(2, 32))(), load(folder).images(pixels(2, 32))())
    half = load(arch, weights=str(traced(CONFIG, tmp_path / "half.pt", half=True)))
    np.testing.assert_allclose(half.texts(TEXTS)(), encoder.texts(TEXTS)(), atol=2e-2)


@pytest.mark.parametrize("layout", ["archive", "openai"])
def test_original_weights_in_an_architecture_without_quickgelu_are_refused(layout, tmp_path, registered, model):
    registered("Tiny-quickgelu", CONFIG)
    arch = registered("Tiny", clip_config(quick_gelu=False))
    path = tmp_path / "ViT-B-32.pt"
    if layout == "archive":
        traced(CONFIG, path)
    else:
        torch.save(dict(model.state_dict()) | {"vocab_size": torch.tensor(1)}, path)
    with pytest.raises(UsageError, match=r"own layout\) were trained with QuickGELU.*take --model clip:Tiny-quickgelu"):
        load(arch, weights=str(path))


def test_weights_of_another_architecture_are_told_apart(tmp_path, registered, model):
    arch = registered("Deeper", clip_config(vision_cfg__layers=3))
    torch.save(model.state_dict(), tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"w.pt: not the weights of Deeper: lacks visual.*resblocks.2.*12 differences"):
        load(arch, weights=str(tmp_path / "w.pt"))
    arch = registered("Shallower", clip_config(vision_cfg__layers=1))
    with pytest.raises(DataError, match=r"has visual.*resblocks.1.*which the architecture has not"):
        load(arch, weights=str(tmp_path / "w.pt"))
    arch = registered("Other", clip_config(embed_dim=8))
    with pytest.raises(DataError, match=r"text_projection is \[16, 16\], the architecture has \[16, 8\]"):
        load(arch, weights=str(tmp_path / "w.pt"))
    state = dict(model.state_dict())
    state["visual.proj"] = state["visual.proj"].T.contiguous()  # as many numbers, otherwise laid out
    torch.save(state, tmp_path / "turned.pt")
    with pytest.raises(DataError, match=r"visual.proj is \[16, 32\], the architecture has \[32, 16\]"):
        load(registered("Tiny", CONFIG), weights=str(tmp_path / "turned.pt"))


class Harm:
    def __reduce__(self):
        return print, ("code of the file has run",)


@pytest.mark.parametrize(
    "spoilt", ["code", "cut", "cut archive", "text", "list", "nothing", "nested", "cut.safetensors"]
)
def test_spoilt_files_are_one_line(spoilt, tmp_path, registered, model, capsys):
    path = tmp_path / ("w.safetensors" if "safetensors" in spoilt else "w.pt")
    if spoilt == "code":
        torch.save({"state_dict": model.state_dict(), "extra": Harm()}, path)
    elif spoilt in ("list", "nothing", "nested"):
        torch.save({"list": [1, 2], "nothing": {}, "nested": {"other": model.state_dict()}}[spoilt], path)
    elif spoilt == "text":
        path.write_text("<html>not found</html>")
    elif spoilt == "cut archive":
        traced(CONFIG, path)
    elif spoilt == "cut":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    if "cut" in spoilt:
        path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"w\.(pt|safetensors): (not readable as|holds)") as caught:
        load(registered("Tiny-quickgelu", CONFIG), weights=str(path))
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_file_is_read_once_and_never_as_a_pickle(tmp_path, registered, model, monkeypatch):
    """open_clip's own reading tries again, without limits in older versions of torch, after a TypeError."""
    asked = []

    def read(*_, **how):
        asked.append(how["weights_only"])
        raise TypeError("a tensor made of nonsense")

    torch.save(model.state_dict(), tmp_path / "w.pt")
    arch = registered("Tiny-quickgelu", CONFIG)
    monkeypatch.setattr("torch.load", read)
    with pytest.raises(DataError, match="w.pt: not readable as a CLIP model"):
        load(arch, weights=str(tmp_path / "w.pt"))
    assert asked == [True]


def test_settings_that_mean_nothing(folder, tmp_path, model):
    with pytest.raises(UsageError, match="clip pools as it was trained to"):
        load(folder, pooling="cls")
    with pytest.raises(UsageError, match="a folder with weights of its own; leave out --weights openai"):
        load(folder, weights="openai")
    with pytest.raises(UsageError, match="--device cuda:99: not a device"):
        load(folder, device="cuda:99")
    wrong = save_clip(tmp_path / "wrong", clip_config(embed_dim="many"), model.state_dict())
    with pytest.raises(DataError, match="wrong: open_clip makes no model of its configuration"):
        load(wrong)


@pytest.mark.parametrize("asked", ["hub", "transformers"])  # the hub goes first, and answers within seconds
@pytest.mark.parametrize("key", ["hf_model_name", "hf_tokenizer_name"])
def test_what_is_on_a_hub_out_of_reach_is_named(key, asked, folder, tmp_path, registered, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route\nto the hub")

    arch = registered("Hub", clip_config(**{f"text_cfg__{key}": "someone/tiny"}))
    if asked == "hub":
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    else:
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", None if asked == "hub" else refuse)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", None if asked == "hub" else refuse)
    with pytest.raises(MissingData, match=r"^Hub needs someone/tiny of the Hugging Face hub.*\(no route\)$"):
        load(arch, weights=str(folder))


def visual_states(path):
    start = "clip/state/visual_encoder."
    return {name.removeprefix(start): held for name, held in load_file(path).items() if name.startswith(start)}


def test_images_before_the_projection_agree_with_published_ones(shared, tmp_path):
    """DEFR's image tower: the class token after the last norm."""
    path = shared("parity/defr/clip_vit.safetensors")
    held = load_file(path)
    tower = {"image_size": 96, "layers": 2, "width": 128, "head_width": 64, "patch_size": 16}
    config = clip_config(embed_dim=64, vision_cfg=tower)
    state = clip_model(config).state_dict() | visual_states(path)
    state |= {"visual.proj": held["openai_clip_state/visual.proj"]}
    encoder = load(save_clip(tmp_path / "defr", config, state), space="pre-projection")
    with torch.no_grad():
        made = encoder._model.encode_image(held["img"])  # the published input is already normalised
    torch.testing.assert_close(made, held["clip/out/feature"], rtol=0, atol=1e-5)
    assert encoder.dim == 128


def test_texts_before_the_projection_agree_with_published_ones(shared):
    """DEFR's classifier, of embeddings that are given."""
    held = load_file(shared("parity/defr/clip_vit.safetensors"))
    made = clip.before_projection(held["lan_emb/clip_w"], held["lan_emb/clip_proj"])
    torch.testing.assert_close(made, held["clip/state/classifier"], rtol=0, atol=1e-6)


def test_texts_agree_with_published_ones(shared, tmp_path):
    """HOICLIP's text features of the 600 interactions and of the 80 objects with nothing, from the prompts on."""
    held = load_file(shared("parity/hoiclip/clip_text_tower.safetensors"))
    config = clip_config(embed_dim=64, text_cfg__width=64, text_cfg__heads=1, text_cfg__layers=1)
    state = clip_model(config).state_dict()
    state |= {name.removeprefix("state/"): rows for name, rows in held.items() if name.startswith("state/")}
    rows, ids = state.pop("token_embedding_rows"), state.pop("token_embedding_row_ids").long()
    state["token_embedding.weight"] = torch.zeros_like(state["token_embedding.weight"]).index_copy(0, ids, rows)
    encoder = load(save_clip(tmp_path / "hoiclip", config, state))
    hico, prompts = load_labels("hico"), [load_prompts("gen-vlkt")]
    rows = encoder.texts(texts_of(hico, "interactions", prompts).text)()
    np.testing.assert_allclose(rows, held["out/hoi_text_feature"], atol=1e-5)
    rows = encoder.texts(texts_of(hico, "objects+nothing", prompts).text)()[[*np.argsort(hico.coco_ids), 80]]
    np.testing.assert_allclose(rows, held["out/object_text_feature"], atol=1e-5)  # in COCO's order
