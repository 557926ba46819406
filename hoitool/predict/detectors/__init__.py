"""Detectors of objects, for boxes of any picture: `--detector NAME`, or hf:ID for any other of Hugging Face."""

from __future__ import annotations

from hoitool.lookup import Lookup

_TORCHVISION = "hoitool.predict.detectors.torchvision"
_TRANSFORMERS = "hoitool.predict.detectors.transformers"

# name -> module with load(settings); names of torchvision are its own
DETECTORS = Lookup(
    "detector",
    {
        "fasterrcnn_resnet50_fpn": _TORCHVISION,
        "fasterrcnn_resnet50_fpn_v2": _TORCHVISION,
        "fasterrcnn_mobilenet_v3_large_fpn": _TORCHVISION,
        "fasterrcnn_mobilenet_v3_large_320_fpn": _TORCHVISION,
        "retinanet_resnet50_fpn": _TORCHVISION,
        "retinanet_resnet50_fpn_v2": _TORCHVISION,
        "fcos_resnet50_fpn": _TORCHVISION,
        "ssd300_vgg16": _TORCHVISION,
        "ssdlite320_mobilenet_v3_large": _TORCHVISION,
        "detr": _TRANSFORMERS,
        "hf": _TRANSFORMERS,
    },
)
