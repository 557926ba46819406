"""Embeddings of labels, regions, images, verbs and captions, written once into a feature store."""

from __future__ import annotations

from hoitool.lookup import Lookup

# name -> module, or value in one, with SUMMARY and load(settings)
ENCODERS = Lookup(
    "encoder",
    {
        "clip": "hoitool.embed.encoders.clip",
        "bert": "hoitool.embed.encoders.huggingface:BERT",
        "simcse": "hoitool.embed.encoders.huggingface:SIMCSE",
        "roberta": "hoitool.embed.encoders.huggingface:ROBERTA",
        "hf": "hoitool.embed.encoders.huggingface",
        "minilm": "hoitool.embed.encoders.minilm",
        "timm": "hoitool.embed.encoders.timm",
        "hashed": "hoitool.embed.encoders.hashed",
        "colours": "hoitool.embed.encoders.colours",
    },
)

# what each can embed, known without loading it
KINDS = {
    "clip": {"text", "image", "map"},
    "bert": {"text"},
    "simcse": {"text"},
    "roberta": {"text"},
    "hf": {"text"},
    "minilm": {"text"},
    "timm": {"image", "map"},
    "hashed": {"text", "image", "map"},
    "colours": {"text", "image"},
}
