"""Encoders of texts from Hugging Face: three that papers of the field name, and any other by its id or folder.

What a text becomes is a matter of the model and of the pooling, so both are in the manifest.

    bert     bert-base-uncased, cls: the class token's last state. Devlin et al., NAACL 2019; as DEFR uses it
             (Jin et al., CVPR 2022, its language initialisation).
    simcse   sup-simcse-bert-base-uncased, pooler: the class token's last state through the layer that it was trained
             with (dense and tanh), which the published file holds in the place of BERT's pooler. So do the authors'
             own tool for supervised models, and DEFR, which calls that tool. Gao et al., EMNLP 2021.
    roberta  roberta-base, cls: the state of <s>; the published file has no pooler. Liu et al., 2019.
    hf:...   cls, mean or pooler; what sentence-transformers wrote beside the model is the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoitool import files
from hoitool.embed.encoder import Encoder, Settings
from hoitool.embed.encoders import checkpoint
from hoitool.errors import UsageError

SUMMARY = "any text encoder of Hugging Face, by hub id or folder: hf:ID, hf:FOLDER"

STATED = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
APPLIED = {"Transformer", "Pooling", "Normalize"}  # the caller normalises, where it is asked to


@dataclass(frozen=True)
class Named:
    """An entry of ENCODERS for one published model."""

    name: str
    repository: str
    pooling: str
    SUMMARY: str

    def load(self, settings: Settings) -> Encoder:
        """The model from --weights, the caches or the hub. Raises MissingData when it is in none of them."""
        from hoitool.embed.encoders import sentences

        refuse_variant(self.name, settings)
        found = checkpoint.find(settings.weights or self.repository)
        return sentences.load(self.name, found, settings.pooling or self.pooling, settings)


BERT = Named("bert", "bert-base-uncased", "cls", "BERT base, uncased: the class token's last state; 768 numbers")
SIMCSE = Named(
    "simcse", "princeton-nlp/sup-simcse-bert-base-uncased", "pooler", "supervised SimCSE on BERT base; 768 numbers"
)
ROBERTA = Named("roberta", "roberta-base", "cls", "RoBERTa base: the state of <s>; 768 numbers")


def load(settings: Settings) -> Encoder:
    """The model of a hub id or folder. Raises UsageError when its pooling is stated nowhere."""
    from hoitool.embed.encoders import sentences

    source = settings.weights or settings.variant
    if source is None:
        raise UsageError("hf needs a model: --model hf:ID of the Hugging Face hub, or hf:FOLDER")
    found = checkpoint.find(source)
    name = f"hf:{found.source}"
    return sentences.load(name, found, settings.pooling or stated_pooling(found.folder, name), settings)


def refuse_variant(name: str, settings: Settings) -> None:
    """Raise UsageError when a variant is asked of a model that is one."""
    if settings.variant is not None:
        raise UsageError(f"{name} has no variants, came {settings.variant!r}; --model hf:ID takes any other model")


def stated_pooling(folder: Path, name: str) -> str:
    """The pooling that sentence-transformers stored beside a model. Raises UsageError when there is none of ours."""
    path = folder / checkpoint.STATED_POOLING
    if not path.exists():
        raise UsageError(f"{name}: the model does not state its pooling; choose --pooling cls, mean or pooler")
    stated = files.load_json(path, "a pooling of sentence-transformers", dict)
    chosen = [key for key, value in stated.items() if key.startswith("pooling_mode_") and value is True]
    if len(chosen) != 1 or chosen[0] not in STATED:
        raise UsageError(
            f"{path}: states {' + '.join(chosen) or 'no pooling_mode'}, expected one of {', '.join(STATED)}; "
            "choose --pooling cls, mean or pooler"
        )
    _refuse_further_layers(folder, STATED[chosen[0]])
    return STATED[chosen[0]]


def _refuse_further_layers(folder: Path, pooling: str) -> None:
    """Raise UsageError when the published vectors are not the pooled ones, but those after further layers."""
    path = folder / "modules.json"
    steps = files.load_json(path, "the modules of sentence-transformers", list) if path.exists() else []
    kinds = [str(step.get("type")).rpartition(".")[2] for step in steps if isinstance(step, dict)]
    if more := [kind for kind in kinds if kind not in APPLIED]:
        raise UsageError(
            f"{path}: the model goes on after its pooling ({', '.join(more)}), which is not applied here; "
            f"--pooling {pooling} takes what comes before"
        )
