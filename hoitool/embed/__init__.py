"""Embeddings of labels, regions, images, verbs and captions, written once into a feature store."""

from __future__ import annotations

from hoitool.lookup import Lookup

# name -> module with SUMMARY, KINDS and load(settings)
ENCODERS = Lookup(
    "encoder",
    {
        "clip": "hoitool.embed.encoders.clip",
        "bert": "hoitool.embed.encoders.bert",
        "simcse": "hoitool.embed.encoders.simcse",
        "roberta": "hoitool.embed.encoders.roberta",
        "hf": "hoitool.embed.encoders.huggingface",
        "minilm": "hoitool.embed.encoders.minilm",
        "timm": "hoitool.embed.encoders.timm",
        "hashed": "hoitool.embed.encoders.hashed",
    },
)
