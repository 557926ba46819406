"""VSE-infinity's parts, the files that it starts from, and what is not right about them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
pytest.importorskip("transformers")

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.losses.triplet import Triplet  # noqa: E402
from hoitool.models.vse import BERTS, CHECKPOINTS, build, similarity  # noqa: E402
from hoitool.models.vse_images import CNN, GRIDS  # noqa: E402
from hoitool.models.vse_texts import BiGRU  # noqa: E402
from hoitool.models.weights import load, matched  # noqa: E402

TINY = {"images": "tiny", "texts": "tiny", "dim": 24, "vocabulary": 40}
CAPTIONS = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 0, 0, 0], [39, 0, 0, 0, 0]])


def tiny(**changes):
    torch.manual_seed(0)
    return build(**TINY | changes)


@pytest.mark.parametrize("images", ["regions", "tiny"])
@pytest.mark.parametrize("texts", ["tiny", "bigru"])
def test_embeddings_have_length_one(images, texts):
    model = tiny(images=images, texts=texts, features=10, words=6).eval()
    given = torch.randn(3, 4, 10) if images == "regions" else torch.randn(3, 3, 96, 64)
    made = model(given, CAPTIONS)
    for held in made:
        assert held.shape == (3, 24)
        torch.testing.assert_close(held.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("texts", ["tiny", "bigru"])
def test_padding_does_not_matter(texts):
    text = tiny(texts=texts).text.eval()
    expected = text(CAPTIONS)
    torch.testing.assert_close(text(torch.nn.functional.pad(CAPTIONS, (0, 4))), expected)
    for i, count in enumerate([5, 2, 1]):
        torch.testing.assert_close(text(CAPTIONS[i : i + 1, :count]), expected[i : i + 1], rtol=1e-4, atol=1e-6)


def test_regions_and_cells_that_are_not_there_do_not_matter():
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    regions, model = torch.randn(2, 4, 10), tiny(images="regions", features=10).image.eval()
    expected = model(regions, mask)
    regions[0, 2:] = 1e6
    torch.testing.assert_close(model(regions, mask), expected)
    torch.testing.assert_close(model(regions[:1, :2]), expected[:1], rtol=1e-4, atol=1e-6)
    cells, model = torch.randn(2, 4, 64), tiny().image
    torch.testing.assert_close(model.embed(cells, mask)[:1], model.embed(cells[:1, :2]))


@pytest.mark.parametrize("texts", ["tiny", "bigru"])
def test_a_caption_without_words_is_refused(texts):
    with pytest.raises(DataError, match="a set to pool has no features"):
        tiny(texts=texts).text(torch.tensor([[5, 6], [0, 0]]))


def test_regions_and_a_gru_learn_a_batch():
    model, regions = tiny(images="regions", texts="bigru", features=10, words=6), torch.randn(3, 4, 10)
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(20):
        loss = Triplet()(similarity(*model(regions, CAPTIONS)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(held.grad is not None for held in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_regions_and_a_gru_in_half_precision_come_near(dtype):
    model = tiny(images="regions", texts="bigru", features=10, words=6).eval()
    regions = torch.randn(3, 4, 10)
    expected = model(regions, CAPTIONS)
    with torch.autocast("cpu", dtype):
        made = model(regions, CAPTIONS)
    for held, wanted in zip(made, expected, strict=True):
        torch.testing.assert_close(held, wanted, rtol=0, atol=0.02)


def test_computing_again_on_the_way_back_changes_no_gradient():
    plain, again = tiny(), tiny()
    again.gradient_checkpointing_enable()
    pictures = torch.randn(3, 3, 64, 64)
    for model in (plain, again):
        model.train()
        torch.manual_seed(1)  # of BERT's dropout
        Triplet()(similarity(*model(pictures, CAPTIONS))).backward()
    for (name, one), other in zip(plain.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    torch.save(tiny(images="regions", features=10).state_dict(), tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"^[^\n]*w.pt: not the weights of this Vse: [^\n]*left over[^\n]*$"):
        load(tiny(), tmp_path / "w.pt", CHECKPOINTS)


def test_a_gru_there_and_back_by_hand():
    torch.manual_seed(0)
    model = BiGRU(40, 6, 5).double()
    made = model(CAPTIONS)
    for i, caption in enumerate(CAPTIONS):
        words = model.embed.weight[caption[caption != 0]]
        forth, back = one_way(model.rnn, words, ""), one_way(model.rnn, words.flip(0), "_reverse").flip(0)
        states = (forth + back) / 2
        weights = model.gpool.weights(torch.tensor([len(words)]), len(words))[0]
        pooled = weights @ states.sort(dim=0, descending=True).values
        torch.testing.assert_close(made[i], pooled / pooled.norm(), rtol=1e-6, atol=1e-9)


def one_way(rnn, words, end):
    """The states of a GRU cell, a word at a time."""
    weights = {name: getattr(rnn, f"{name}_l0{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    state, states = torch.zeros(5, dtype=torch.float64), []
    for word in words:
        reset, update, new = (weights["weight_ih"] @ word + weights["bias_ih"]).chunk(3)
        old_reset, old_update, old_new = (weights["weight_hh"] @ state + weights["bias_hh"]).chunk(3)
        keep = torch.sigmoid(update + old_update)
        state = (1 - keep) * torch.tanh(new + torch.sigmoid(reset + old_reset) * old_new) + keep * state
        states.append(state)
    return torch.stack(states)


def test_pictures_are_normalised_as_the_weights_want_them():
    pictures = torch.randint(256, (2, 4, 5, 3), dtype=torch.uint8)
    detector, imagenet = (GRIDS[name].normalised(pictures) for name in ("detector", "wsl"))
    red, green, blue = pictures.float().unbind(-1)
    torch.testing.assert_close(detector, torch.stack([blue - 102.9801, green - 115.9465, red - 122.7717], dim=1))
    scaled = [(red / 255 - 0.485) / 0.229, (green / 255 - 0.456) / 0.224, (blue / 255 - 0.406) / 0.225]
    torch.testing.assert_close(imagenet, torch.stack(scaled, dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("imagenet-50", "resnet50"),
        ("imagenet-101", "resnet101"),
        ("imagenet-152", "resnet152"),
        ("imagenet-resnext", "resnext101_32x8d"),
        ("wsl", "resnext101_32x8d"),
    ],
)
def test_torchvision_s_weights_fit(name, theirs):
    with torch.device("meta"):
        state = getattr(torchvision.models, theirs)().state_dict()
        match = matched(build(name).image.backbone, state, CNN)
    assert match.complete
    assert {"fc.weight", "fc.bias"} <= set(match.unwanted)


def test_a_detector_s_network_in_two_parts_is_read(tmp_path):
    network = tiny().image.backbone.state_dict()
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6"}
    base, top = {}, {}
    for name, held in network.items():
        layer, _, rest = name.partition(".")
        (top if layer == "layer4" else base)[f"{places.get(layer, '0')}.{rest}"] = held + 1
    torch.save({"base": base, "top": top, "epoch": 3}, tmp_path / "detector.pth")
    made = build(**TINY, weights=tmp_path / "detector.pth").image.backbone.state_dict()
    for name, held in network.items():
        assert torch.equal(made[name], held + 1)


@pytest.mark.parametrize(("weight", "bias"), [("weight", "bias"), ("gamma", "beta")])
@pytest.mark.parametrize("start", ["", "bert."])
def test_bert_s_own_weights_are_read(start, weight, bias, tmp_path):
    own = tiny().text.bert.state_dict()
    state = {"cls.predictions.bias": torch.zeros(40), f"{start}pooler.dense.bias": torch.zeros(32)}
    for name, held in own.items():
        old = name.replace("LayerNorm.weight", f"LayerNorm.{weight}").replace("LayerNorm.bias", f"LayerNorm.{bias}")
        state[f"{start}{old}"] = held + 1
    torch.save(state, tmp_path / "pytorch_model.bin")
    made = build(**TINY, language=tmp_path / "pytorch_model.bin").text.bert.state_dict()
    for name, held in own.items():
        assert torch.equal(made[name], held + 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": "region"}, "No image encoder of VSE named 'region'. Did you mean 'regions'"),
        ({"texts": "bart"}, "No text encoder of VSE named 'bart'. Did you mean 'bert'"),
        ({"texts": "bigru", "vocabulary": None}, "bigru needs to be told its vocabulary"),
        ({"images": "regions", "weights": "cnn.pth"}, "cnn.pth: regions come with their features"),
        ({"texts": "bigru", "language": "bert.bin"}, "bert.bin: word vectors start at random"),
    ],
)
def test_what_cannot_be_meant_is_told(changes, told):
    with pytest.raises(UsageError, match=told):
        tiny(**changes)


def test_bert_base_is_the_published_one():
    with torch.device("meta"):
        config = build().text.bert.config
    held = [config.vocab_size, config.hidden_size, config.num_hidden_layers, config.num_attention_heads]
    assert held == [30522, 768, 12, 12]
    assert set(BERTS) == {"bert", "tiny"}
