"""Detectors of Hugging Face, the family of DETR (Carion et al., ECCV 2020) and what is called like it.

    detr    facebook/detr-resnet-50, trained on COCO
    hf:...  any model for object detection, by hub id or folder: conditional, deformable and real-time DETR, YOLOS, ...

The picture's size, the threshold of queries and the classes' names are what the model's files say. Only safetensors, or
`torch.load(weights_only=True)`, and never code from a repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModelForObjectDetection

from hoitool import files
from hoitool.data.dataset import Array
from hoitool.embed.encoder import Settings as Place
from hoitool.embed.encoders import checkpoint
from hoitool.embed.encoders import device as devices
from hoitool.embed.encoders.sentences import LOCAL, quiet
from hoitool.errors import DataError, UsageError
from hoitool.predict.detectors.detector import Detector, Found, Settings, found

DETR = "facebook/detr-resnet-50"
BATCH = {"cpu": 2, "cuda": 8}
PROCESSOR = "preprocessor_config.json"
FILES = checkpoint.Files(
    {PROCESSOR: (PROCESSOR,)}, f"config.json, {PROCESSOR}", "--detector-weights FOLDER, or --detector hf:FOLDER"
)


def load(settings: Settings) -> Detector:
    """The model of the settings. See hoitool.predict.detectors.detector.load_detector."""
    if settings.name == "detr" and settings.variant is not None:
        raise UsageError(f"detr has no variants, came {settings.variant!r}; --detector hf:ID takes any other model")
    source = settings.weights or (DETR if settings.name == "detr" else settings.variant)
    if source is None:
        raise UsageError("hf needs a model: --detector hf:ID of the Hugging Face hub, or hf:FOLDER")
    held = checkpoint.find(source, FILES)
    device, _ = devices.place(Place(device=settings.device))
    with quiet():
        processor, model = _read(held)
    name = settings.name if settings.name == "detr" else f"hf:{held.source}"
    facts = {"weights": held.source, "weights_sha256": held.sha256()}
    return Transformer(name, processor, model.to(device), device, facts)


class Transformer:
    """See hoitool.predict.detectors.detector.Detector."""

    def __init__(self, name: str, processor: Any, model: Any, device: torch.device, facts: dict[str, Any]) -> None:
        self.name, self.processor, self.model, self.device, self.facts = name, processor, model, device, facts
        held = {int(number): str(label) for number, label in model.config.id2label.items()}
        self.classes: Sequence[str] = [held.get(number, "") for number in range(max(held, default=-1) + 1)]
        self.batch = BATCH.get(device.type, 1)

    def __call__(self, pictures: Sequence[Array]) -> list[Found]:
        """What is found in pictures (H, W, 3) uint8, all of one size."""
        sizes = [each.shape[:2] for each in pictures]
        with devices.computing():
            inputs = self.processor([Image.fromarray(each) for each in pictures], return_tensors="pt").to(self.device)
            outputs = self.model(**inputs)
            made = self.processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=sizes)
        return [found(each) for each in made]


def _read(held: checkpoint.Checkpoint) -> tuple[Any, Any]:
    """The processor of pictures and the model on the CPU. Raises DataError, naming what is not as it should be."""
    folder, weights = held.folder, held.weights[0]
    with files.reading(folder / "config.json", "the configuration of a detector of Hugging Face"):
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    if type(config) not in AutoModelForObjectDetection._model_mapping:
        raise DataError(f"{folder}: {config.model_type} is no model that transformers finds objects with")
    with files.reading(folder / PROCESSOR, "a processor of pictures of Hugging Face"):
        processor = AutoImageProcessor.from_pretrained(folder, **LOCAL)  # type: ignore[no-untyped-call]
    with files.reading(weights, "the weights of a detector of Hugging Face"):
        model, loaded = AutoModelForObjectDetection.from_pretrained(
            folder,
            config=config,
            use_safetensors=weights.suffix == ".safetensors",
            weights_only=True,
            output_loading_info=True,
            **LOCAL,
        )
    if missing := sorted(loaded["missing_keys"]):
        raise DataError(f"{weights}: lacks {missing[0]} and {len(missing) - 1} more, which config.json says it has")
    return processor, model.eval()
