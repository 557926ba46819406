"""Where a matcher starts: its words, the weights of its two networks, or a checkpoint of the whole.

Weights are those that the recipe names, else those in weights/ of the workspace: weights/<images> for the network of a
grid, weights/bert (a folder of Hugging Face) for BERT, which is else looked for in the caches and on the hub. `random`
starts either from random numbers; regions, GRUs and the tiny encoders have none to start from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hoitool import workspace
from hoitool.data import Dataset
from hoitool.data.meta import Meta
from hoitool.embed.encoders import checkpoint
from hoitool.embed.encoders.huggingface import BERT
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import require
from hoitool.models.vse import Vse, build
from hoitool.models.vse_card import Matcher
from hoitool.models.vse_images import GRIDS
from hoitool.models.vse_words import PIECES, WHOLE, Words, read_words, words_of
from hoitool.models.weights import Match
from hoitool.train.sources import Say
from hoitool.train.spelling import as_settings
from hoitool.train.start import load_checkpoint
from hoitool.train.vse.settings import Model, Recipe

RANDOM = "random"
FILES = replace(checkpoint.TEXTS, option="model.language=FOLDER, or as weights/bert")
SMALL = ("regions", "tiny")  # image encoders without weights of their own


def start(
    recipe: Recipe, data: Dataset, inputs: dict[str, Path], say: Say, lenient: bool = False
) -> tuple[Vse, Matcher, Match | None]:
    """The module as training starts it, its card, how a checkpoint fitted. The same seed makes the same module.

    data: whose captions say the words, where nothing else does. Raises MissingData, UsageError and DataError.
    """
    held = recipe.model
    card = card_with(recipe, words_for(held, data.need("caption_text").tolist(), say))
    if held.vocabulary is not None:
        inputs["vocabulary"] = Path(held.vocabulary)
    torch.manual_seed(recipe.seed)
    if held.checkpoint is not None:
        inputs["checkpoint"] = Path(held.checkpoint)
        module = build(**card.numbers)
        match = load_checkpoint(module, card.model, inputs["checkpoint"], held.strict and not lenient)
        say(f"started from {held.checkpoint}: {match.summary()}")
        return module, card, match
    found = {"network": network(held), "language": language(held)}
    for name, path in found.items():
        if path is not None:
            inputs[name] = path
            say(f"{name}: took {path}")
    return build(**card.numbers, weights=found["network"], language=found["language"]), card, None


def card_of(recipe: Recipe, meta: Meta) -> Matcher:
    """What a recipe's model is, for weights of the whole of it; its words are BERT's, or of the file that it names."""
    return card_with(recipe, words_for(recipe.model, None, lambda _: None))


def card_with(recipe: Recipe, words: Words) -> Matcher:
    """The card of a recipe's model with its words."""
    held = recipe.model
    numbers: dict[str, Any] = {"images": held.images, "texts": held.texts, "dim": held.dim, "vocabulary": len(words)}
    numbers |= {"features": held.features} if held.images == "regions" else {}
    numbers |= {"words": held.words} if held.texts == "bigru" else {}
    return Matcher(held.name, numbers, {"image_size": held.image_size}, words)


def words_for(rule: Model, captions: list[str] | None, say: Say) -> Words:
    """The words of a recipe's model: those of a file, BERT's, or of training captions; None: there are none."""
    if rule.vocabulary is not None:
        return read_words(require(Path(rule.vocabulary), "a vocabulary of captions"))
    if rule.texts == "bert" and rule.language != RANDOM:
        words = read_words(_bert_folder(rule))
        if words.special is not PIECES:
            raise UsageError(f"{_bert_folder(rule)}: its vocabulary is not one of BERT's pieces")
        return words
    if captions is None:
        raise UsageError(
            f"model.texts={rule.texts}: name the file of its words with model.vocabulary=, to `hoitool predict` in a "
            "YAML that has this recipe as its base"
        )
    made = words_of(captions, rule.least)
    if not (count := len(made) - len(vars(WHOLE))):
        raise DataError(f"no word stands {rule.least} times or more in the training captions; lower model.least")
    say(f"the words: {count:,} that stand {rule.least} times or more in the training captions")
    return made


def language(rule: Model) -> Path | None:
    """The file of BERT's weights, None where the text encoder starts from random numbers."""
    if rule.texts != "bert" and rule.language not in (None, RANDOM):
        raise UsageError(
            f"model.language: {rule.language}, and {rule.texts} starts from random numbers; bert has weights"
        )
    if rule.texts != "bert" or rule.language == RANDOM:
        return None
    with as_settings():
        found = checkpoint.find(str(_bert_folder(rule)))
    if len(found.weights) != 1:
        raise UsageError(f"{found.folder}: {len(found.weights)} files of weights, expected one of BERT")
    return found.weights[0]


def network(rule: Model) -> Path | None:
    """The file of the weights of a grid's network. Raises MissingData where there is none."""
    if rule.images in SMALL or rule.weights == RANDOM:
        if rule.images in SMALL and rule.weights not in (None, RANDOM):
            raise UsageError(f"model.weights: {rule.weights}, and {rule.images} has none of its own")
        return None
    found = Path(rule.weights).expanduser() if rule.weights else workspace.weights_of(rule.images)
    if rule.images not in GRIDS or (found is not None and found.is_file()):
        return found
    if found is not None and found.is_dir() and len(held := [p for p in sorted(found.iterdir()) if p.is_file()]) == 1:
        return held[0]
    raise MissingData(
        f"{found or workspace.WEIGHTS / rule.images}: no file of weights for the network {rule.images}; put it there, "
        "name it with model.weights=FILE, or start from random numbers with model.weights=random"
    )


def _bert_folder(rule: Model) -> Path:
    """BERT's folder: the one that is named, the workspace's, or in the caches."""
    local = workspace.weights_of("bert") if rule.language is None else Path(rule.language).expanduser()
    if local is not None and local.is_dir():
        return local
    return checkpoint.find(BERT.repository if local is None else str(local), FILES).folder
