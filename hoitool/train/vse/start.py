"""Where a matcher starts: its words, the weights of its two networks, or a checkpoint of the whole.

Weights are those that the recipe names, else those in weights/ of the workspace: weights/<images> for the network of a
grid, weights/bert (a folder of Hugging Face) for BERT, which is else looked for in the caches and on the hub. `random`
starts either from random numbers; regions, GRUs and the tiny encoders have none to start from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hoitool import workspace
from hoitool.data import Dataset
from hoitool.data.meta import Meta
from hoitool.embed.encoders import checkpoint
from hoitool.embed.encoders.huggingface import BERT
from hoitool.errors import MissingData, UsageError
from hoitool.files import require
from hoitool.models.vse import Vse, build
from hoitool.models.vse_card import Matcher
from hoitool.models.vse_images import GRIDS
from hoitool.models.vse_words import PIECES, Words, read_words, words_of
from hoitool.models.weights import Match
from hoitool.train.sources import Say
from hoitool.train.spelling import as_settings
from hoitool.train.start import load_checkpoint
from hoitool.train.vse.settings import Model, Recipe

RANDOM = "random"
SMALL = ("regions", "tiny")  # image encoders without weights of their own


def start(
    recipe: Recipe, data: Dataset, inputs: dict[str, Path], say: Say, lenient: bool = False
) -> tuple[Vse, Matcher, Match | None]:
    """The module as training starts it, its card, how a checkpoint fitted. The same seed makes the same module.

    data: whose captions say the words, where nothing else does. Raises MissingData, UsageError and DataError.
    """
    words, language = language_of(recipe.model, data, inputs, say)
    card = card_with(recipe, words)
    torch.manual_seed(recipe.seed)
    if recipe.model.checkpoint is not None:
        path = Path(recipe.model.checkpoint)
        module = build(**card.numbers)
        match = load_checkpoint(module, card.model, path, recipe.model.strict and not lenient)
        say(f"started from {path}: {match.summary()}")
        inputs["checkpoint"] = path
        return module, card, match
    weights = network(recipe.model, say)
    if weights is not None:
        inputs["network"] = weights
    if language is not None:
        inputs["language"] = language
    return build(**card.numbers, weights=weights, language=language), card, None


def card_of(recipe: Recipe, meta: Meta) -> Matcher:
    """What a recipe's model is, for weights of the whole of it; its words are BERT's, or of the file that it names."""
    held = recipe.model
    if held.vocabulary is None and held.texts != "bert":
        raise UsageError(f"model.texts={held.texts}: name the file of its words with model.vocabulary=")
    return card_with(recipe, read_words(Path(held.vocabulary)) if held.vocabulary else _bert(held)[0])


def card_with(recipe: Recipe, words: Words) -> Matcher:
    """The card of a recipe's model with its words."""
    held = recipe.model
    numbers: dict[str, Any] = {"images": held.images, "texts": held.texts, "dim": held.dim, "vocabulary": len(words)}
    numbers |= {"features": held.features} if held.images == "regions" else {}
    numbers |= {"words": held.words} if held.texts == "bigru" else {}
    return Matcher(held.name, numbers, {"image_size": held.image_size}, words)


def language_of(rule: Model, data: Dataset, inputs: dict[str, Path], say: Say) -> tuple[Words, Path | None]:
    """The words, and the file of BERT's weights, None where it starts from random numbers."""
    if rule.vocabulary is not None:
        inputs["vocabulary"] = Path(rule.vocabulary)
    if rule.texts != "bert":
        if rule.language is not None:
            raise UsageError(
                f"model.language: {rule.language}, and {rule.texts} starts from random numbers; bert has weights"
            )
        words = _words(rule, data, say)
        return words, None
    if rule.language == RANDOM:
        return _words(rule, data, say), None
    words, weights = _bert(rule)
    say(f"BERT: took {weights.parent}")
    return (words if rule.vocabulary is None else read_words(Path(rule.vocabulary))), weights


def network(rule: Model, say: Say) -> Path | None:
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


def _words(rule: Model, data: Dataset, say: Say) -> Words:
    """The words of a file, or of training captions."""
    if rule.vocabulary is not None:
        return read_words(require(Path(rule.vocabulary), "a vocabulary of captions"))
    made = words_of(data.need("caption_text").tolist(), rule.least)
    say(f"the words: {len(made):,} of the training captions, with those that stand there {rule.least} times or more")
    return made


def _bert(rule: Model) -> tuple[Words, Path]:
    """BERT's words and its one file of weights."""
    local = workspace.weights_of("bert")
    with as_settings():
        found = checkpoint.find(rule.language or (str(local) if local is not None else BERT.repository))
    if len(found.weights) != 1:
        raise UsageError(f"{found.folder}: {len(found.weights)} files of weights, expected one of BERT")
    words = read_words(found.folder)
    if words.special is not PIECES:
        raise UsageError(f"{found.folder}: its vocabulary is not one of BERT's pieces")
    return words, found.weights[0]
