"""Detectors with random weights, wide enough that they find things: saved as their libraries save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights, ssdlite320_mobilenet_v3_large
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

SSDLITE = "ssdlite320_mobilenet_v3_large"
COCO = SSDLite320_MobileNet_V3_Large_Weights.DEFAULT.meta["categories"]


def ssdlite(seed: int = 0) -> torch.nn.Module:
    """torchvision's smallest detector, of which every class scores high somewhere."""
    torch.manual_seed(seed)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
    return model


def save_detr(folder: Path, names: list[str] | None = None, seed: int = 0, **changes: Any) -> Any:
    """A DETR of a few thousand numbers, its configuration and processor; the classes it is told to have."""
    labels = dict(enumerate(names if names is not None else COCO))
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
        ),
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=6,
        id2label=labels, label2id={name: number for number, name in labels.items()}, **changes,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = DetrForObjectDetection(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.6)
    model.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)
    return model
