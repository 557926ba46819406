"""The vocabulary of an open-vocabulary detector: whose texts regions are compared with, and which it has learnt.

A model's own is its classes that are base or novel, by the texts that lie with its weights. Any store of embedded
labels or lines is another one, of the same encoder: detections are then of its objects, and those of its names that are
no base class of the model are novel to it (vocabulary expansion, Gu et al., ICLR 2022). With attributes each of its
objects is one for each attribute, which scores the product of both, as if the one told nothing of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hoitool.data import Meta
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.labels import LabelSpace, build
from hoitool.labels.beside import labels_of_file
from hoitool.losses.vild import ensemble, image_logits, text_logits
from hoitool.models.card import Labelled
from hoitool.models.vild import Heads, Vild
from hoitool.store import Store
from hoitool.store.classes import class_rows, require_one_each

ENCODER = ("model", "weights_sha256", "space")  # of a manifest: what decides in which space embeddings lie


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Texts (K, D) float32, the object (K,) of a label space that each is of, and which are novel (K,) bool.

    attributes  (A, D) texts; the objects are then (K A,), of each text with the first attribute, the second, ...
    """

    texts: Tensor
    objects: Array
    novel: Array
    labels: LabelSpace
    attributes: Tensor | None = None

    def to(self, device: torch.device) -> Vocabulary:
        """The same with its texts on a device."""
        attributes = None if self.attributes is None else self.attributes.to(device)
        return replace(self, texts=self.texts.to(device), attributes=attributes)


def own(model: Vild, card: Labelled) -> Vocabulary:
    """The classes of a model that are base or novel."""
    base, novel = (np.isin(np.arange(card.meta.classes), card.predict[group]) for group in ("base", "novel"))
    objects = np.flatnonzero(base | novel)
    return Vocabulary(model.texts[torch.from_numpy(objects)], objects, novel[objects], card.labels)


def of_store(store: Store, card: Labelled) -> Vocabulary:
    """The labels or lines of a store of the encoder whose space a model's regions are in.

    Raises DataError for a store of another encoder, or of anything else than one row for each label or text.
    """
    _require(store, card, {"labels", "texts"})
    if store.manifest.of == "labels":
        said = store.manifest.label_space
        labels = labels_of_file(said.get("name", ""), said.get("hash", ""), store.path)
        if store.manifest.label_kind != "objects":
            raise DataError(f"{store.path}: holds {store.manifest.label_kind}; a detector's vocabulary is of objects")
        rows = class_rows(store, Meta(labels, label_kind="objects"))
    else:
        names, rows = _lines(store)
        labels = _space(store.path.stem, f"the texts of {store.path.name}", names)
    learnt = {_plain(card.labels.objects[i]) for i in card.predict["base"]}
    novel = np.array([_plain(name) not in learnt for name in labels.objects])
    return Vocabulary(torch.from_numpy(rows.astype(np.float32)), np.arange(len(novel)), novel, labels)


def described(words: Vocabulary, store: Store, card: Labelled) -> Vocabulary:
    """A vocabulary whose objects are those of another with each line of a store of attributes: red cup, blue cup.

    Raises DataError for a store of another encoder, or of anything else than one row for each line of text.
    """
    _require(store, card, "texts")
    attributes, rows = _lines(store)
    held = [words.labels.objects[i] for i in words.objects.tolist()]
    names = [f"{attribute} {name}" for name in held for attribute in attributes]
    if len(set(names)) < len(names):
        raise DataError(f"{store.path}: two of its attributes make one name of objects of {words.labels.name!r}")
    name = f"{words.labels.name}-{store.path.stem}"
    labels = _space(name, f"objects of {words.labels.name} with the texts of {store.path.name}", names)
    return replace(words, objects=np.arange(len(names)), labels=labels, attributes=torch.from_numpy(rows))


def _require(store: Store, card: Labelled, of: str | set[str]) -> None:
    known = {name: held for name, held in card.predict["encoder"].items() if held}
    store.require(of=of, dim=card.numbers["dim"], **known)


def _lines(store: Store) -> tuple[list[str], Array]:
    """The texts of a store, and their rows (n, D) float32."""
    require_one_each(store, np.arange(store.layout.rows), "text")
    return [str(key) for key in store.key.tolist()], store.rows(0, store.layout.rows).astype(np.float32)


def _space(name: str, source: str, objects: list[str]) -> LabelSpace:
    return build(name, source, [(each, -1) for each in objects], [], [])


def scores(
    text: Tensor, image: Tensor, background: Tensor | None, heads: Heads, words: Vocabulary, temperature: float
) -> Tensor:
    """(R, K), with attributes (R, K A), what regions score for a vocabulary: probabilities, or the ensemble's.

    text, image  (R, D) the embeddings of both heads (hoitool/models/vild.py), of which `heads` says what they learnt
    Attributes are novel, so they go by the image head where there is one: a softmax over them alone.
    """
    of_texts = _of_texts(text, image, background, heads, words, temperature)
    if words.attributes is None:
        return of_texts
    of_attributes = image_logits(image, words.attributes, temperature).softmax(dim=1)
    return (of_texts[:, :, None] * of_attributes[:, None]).flatten(1)


def _of_texts(
    text: Tensor, image: Tensor, background: Tensor | None, heads: Heads, words: Vocabulary, temperature: float
) -> Tensor:
    if heads == "image":
        return image_logits(image, words.texts, temperature).softmax(dim=1)
    assert background is not None
    by_text = text_logits(text, background, words.texts, temperature)
    if heads != "separate":
        return by_text.softmax(dim=1)[:, 1:]
    by_image = image_logits(image, words.texts, temperature)
    return ensemble(by_text, by_image, torch.from_numpy(words.novel).to(by_text.device))


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", " ").replace("-", " ")
