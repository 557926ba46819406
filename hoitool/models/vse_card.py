"""The card of a matcher of images and captions: its vocabulary lies beside model.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoitool.errors import DataError, UsageError
from hoitool.models.card import FILE as CARD
from hoitool.models.card import Card
from hoitool.models.vse_words import FILE, Words, read_words


@dataclass(frozen=True)
class Matcher(Card):
    """The card of a VSE, with the words of its captions; `predict` says the side of its pictures, `image_size`."""

    words: Words

    @property
    def images(self) -> str:
        """What stands for an image: regions, or the network of a grid."""
        return str(self.numbers.get("images", "regions"))

    @property
    def image_size(self) -> int:
        """The side in pixels of the squares that pictures are squashed to."""
        return int(self.predict["image_size"])

    def write(self, folder: Path) -> None:
        """Write model.json into a folder, and vocabulary.txt."""
        self.words.write(folder)
        super().write(folder)


def matcher(card: Card, folder: Path | None) -> Matcher:
    """A card with the words that lie in its folder, where it does not have them.

    Raises MissingData where there are none, DataError for others than the model was built for.
    """
    if isinstance(card, Matcher):
        return card
    if card.model != "vse":
        raise UsageError(f"a model of {card.model} embeds no captions; vse does")
    inside = folder or Path()
    if type(size := card.predict.get("image_size")) is not int or size < 1:
        raise DataError(f"{inside / CARD}: predict.image_size is {size!r:.40}, expected pixels")
    path = inside / FILE
    words = read_words(path)
    if len(words) != card.numbers.get("vocabulary"):
        raise DataError(f"{path}: {len(words):,} tokens, the model has {card.numbers.get('vocabulary')!r:.20}")
    return Matcher(card.model, card.numbers, card.predict, words)
