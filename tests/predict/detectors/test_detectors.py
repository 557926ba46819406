"""Detectors of torchvision and transformers against their libraries, a picture at a time; weights are never random."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_detectors import COCO, SSDLITE, save_detr, ssdlite  # noqa: E402
from torchvision.models import get_model_weights  # noqa: E402
from transformers import DetrImageProcessor  # noqa: E402

from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402
from hoitool.files import sha256  # noqa: E402
from hoitool.labels import load_labels  # noqa: E402
from hoitool.predict.detectors import DETECTORS, torchvision  # noqa: E402
from hoitool.predict.detectors.detector import load_detector, objects_of  # noqa: E402

SIZE = (100, 50)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def ssd(tmp_path_factory):
    """The file of a detector of torchvision, and the model."""
    path, model = tmp_path_factory.mktemp("ssd") / "ssd.pth", ssdlite()
    torch.save(model.state_dict(), path)
    return path, model


@pytest.fixture(scope="module")
def detr(tmp_path_factory):
    """The folder of a DETR, and the model."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-detr"
    return folder, save_detr(folder)


def test_torchvision_finds_what_torchvision_finds(ssd, pictures):
    detector = load_detector(SSDLITE, str(ssd[0]))
    assert detector.facts == {"weights": "ssd.pth", "weights_sha256": sha256(ssd[0])}
    for picture, found in zip(pictures, detector(pictures), strict=True):
        with torch.inference_mode():
            (expected,) = ssd[1]([torch.tensor(picture).permute(2, 0, 1) / 255])
        assert len(found.scores) > 20
        np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=1e-4)
        np.testing.assert_array_equal(found.classes, expected["labels"].numpy())
        np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), atol=1e-3)


def test_transformers_find_what_transformers_find(detr, pictures):
    detector = load_detector("detr", str(detr[0]))
    processor = DetrImageProcessor.from_pretrained(detr[0])
    for picture, found in zip(pictures, detector(pictures), strict=True):
        inputs = processor(torch.tensor(picture).permute(2, 0, 1), return_tensors="pt")
        with torch.inference_mode():
            outputs = detr[1](**inputs)
        (expected,) = processor.post_process_object_detection(outputs, 0.0, target_sizes=[picture.shape[:2]])
        np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-4)
        np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), atol=1e-3)
    assert (
        found.boxes.dtype == np.float64 and detector.classes == COCO and len(objects_of(detector, load_labels("hico")))
    )


def test_a_folder_by_hf_has_its_name_and_its_own_classes(tmp_path, pictures):
    save_detr(tmp_path / "mine", ["person", "horse"])
    detector = load_detector(f"hf:{tmp_path / 'mine'}")
    assert (detector.name, detector.facts["weights"], list(detector.classes)) == (
        "hf:mine",
        "mine",
        ["person", "horse"],
    )
    assert len(detector(pictures[:1])[0].scores) == 6
    hico = load_labels("hico")
    assert objects_of(detector, hico).tolist() == [hico.person, hico.object_index("horse")]


@pytest.mark.parametrize("name", [name for name in DETECTORS if DETECTORS[name] is torchvision])
def test_every_detector_of_torchvision_has_cocos_classes(name):
    classes = get_model_weights(name).DEFAULT.meta["categories"]
    assert len(classes) == 91 and classes[1] == "person"
    assert (objects_of(type("Named", (), {"name": name, "classes": classes}), load_labels("hico")) >= 0).sum() == 80


def test_files_without_an_epsilon_are_those_that_torchvision_publishes():
    urls = [w.url for n in DETECTORS if DETECTORS[n] is torchvision for w in get_model_weights(n)]
    assert set(torchvision.WITHOUT_EPSILON) <= {url.rpartition("/")[2] for url in urls}


def test_a_published_file_of_old_is_computed_without_epsilon(ssd, monkeypatch):
    def epsilons():
        model = load_detector(SSDLITE, str(ssd[0])).model
        return {layer.eps for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)}

    assert 0.0 not in epsilons()
    monkeypatch.setattr(torchvision, "WITHOUT_EPSILON", (f"some_coco-{sha256(ssd[0])[:8]}.pth",))
    assert epsilons() == {0.0}


def test_weights_come_from_torchvisions_cache(ssd, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    name = get_model_weights(SSDLITE).DEFAULT.url.rpartition("/")[2]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).write_bytes(ssd[0].read_bytes())
    assert load_detector(SSDLITE).facts["weights"] == name


def test_without_weights_there_is_one_line_and_no_random_model(tmp_path, monkeypatch):
    def no_network(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(
        MissingData, match=r"could not be had \(no route to host\); download https://.*--detector-weights"
    ):
        load_detector(SSDLITE)
    with pytest.raises(MissingData, match=r"gone.pth: no such file"):
        load_detector(SSDLITE, str(tmp_path / "gone.pth"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match=r"no config.json in this folder"):
        load_detector("detr", str(tmp_path / "empty"))


def test_the_hub_that_does_not_answer_is_one_line(monkeypatch):
    import huggingface_hub

    def no_network(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *arguments: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", no_network)
    with pytest.raises(MissingData, match=r"facebook/detr-resnet-50: no folder.*preprocessor_config.json.*hf:FOLDER"):
        load_detector("detr")


def test_weights_of_something_else_are_one_line(ssd, detr, tmp_path):
    state = ssd[1].state_dict()
    first = next(iter(state))
    faults = {
        "lacks": {name: value for name, value in state.items() if name != first},
        "has, in no place, other": state | {"other": torch.zeros(1)},
        "not the weights of .* with COCO's 91 classes: size mismatch": state | {first: torch.zeros(1)},
    }
    for told, held in faults.items():
        torch.save(dict(held), tmp_path / "bad.pth")
        with pytest.raises(DataError, match=told) as error:
            load_detector(SSDLITE, str(tmp_path / "bad.pth"))
        assert "\n" not in str(error.value) and "bad.pth" in str(error.value)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(DataError, match="text.pth: not readable as the weights"):
        load_detector(SSDLITE, str(tmp_path / "text.pth"))


def test_a_folder_of_hugging_face_that_lacks_something_is_one_line(detr, tmp_path):
    for path in detr[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in state if name.startswith("class_labels"))
    save_file({name: value for name, value in state.items() if name != gone}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=f"model.safetensors: lacks {gone}"):
        load_detector(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(DataError, match="bert is no model that transformers finds objects with"):
        load_detector(f"hf:{tmp_path}")
    with pytest.raises(UsageError, match="model.safetensors: a file; expected its folder"):
        load_detector("detr", str(tmp_path / "model.safetensors"))


def test_names_that_cannot_be_meant(ssd):
    for name, told in (
        ("fasterrcnn", "No detector named 'fasterrcnn'. Did you mean"),
        ("hf", "hf needs a model"),
        ("detr:resnet-101", "detr has no variants"),
        (f"{SSDLITE}:v2", "has no variants"),
    ):
        with pytest.raises(UsageError, match=told):
            load_detector(name)
    with pytest.raises(UsageError, match="--device nowhere"):
        load_detector(SSDLITE, str(ssd[0]), "nowhere")
