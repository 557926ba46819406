"""Embeddings of texts: of labels in the wordings of prompt sets, or of the lines of a file.

An entry of the store is a label (or a line, or an attribute alone, `attribute: red`); its rows are one for each prompt
set and attribute. Several templates of a set are an ensemble: the mean of the normalised embeddings, normalised again
(CLIP, Radford et al., ICML 2021, section 3.1.4). In the pre-projection space, which is a linear image of the joint one,
it is the mean alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hoitool.data.dataset import Array, offsets_of, strings
from hoitool.embed.encoder import Encoder
from hoitool.embed.ensembles import average, unit
from hoitool.embed.job import Inputs, Lane
from hoitool.labels.texts import Texts
from hoitool.store import Layout, Manifest


class Labels:
    """The job of embedding texts: see hoitool/embed/job.py."""

    def __init__(self, texts: Texts, encoder: Encoder, manifest: Manifest) -> None:
        """manifest: as hoitool/embed/about.py makes it, with the texts' parts; encoder: one of texts."""
        self.manifest = manifest
        heads = texts.heads
        entry = np.where(texts.label < 0, len(texts.key) + texts.attribute, texts.label)
        order = np.argsort(entry, kind="stable")  # rows of an entry beside each other; ensembles stay together
        self._texts = [texts.text[row] for row in order.tolist()]
        self._ensemble = texts.ensemble[order]
        self._first = offsets_of(np.bincount(entry, minlength=len(texts.key) + len(texts.attributes)))
        head = heads[np.argsort(entry[heads], kind="stable")]
        columns = {"label": texts.label[head], "text": strings([texts.text[row] for row in head.tolist()])}
        if len(texts.parts) > 1:
            columns["part"] = texts.part[head].astype(np.uint8)
        if texts.attributes:
            columns["attribute"] = texts.attribute[head]
        keys = strings([*texts.key, *(f"attribute: {name}" for name in texts.attributes)])
        self.layout = Layout(keys, offsets_of(np.bincount(entry[heads], minlength=len(keys))), columns)
        self.inputs = np.diff(self._first)
        self.lanes: Mapping[str, Lane] = {"text": encoder.texts}

    def load(self, image: int) -> dict[str, Inputs]:
        """All texts of an entry."""
        return {"text": self._texts[slice(*self._first[image : image + 2].tolist())]}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(r, dim) a row for each ensemble."""
        groups = self._ensemble[slice(*self._first[image : image + 2].tolist())]
        _, group = np.unique(groups, return_inverse=True)
        if len(group) == group.max() + 1:  # each text stands alone
            return unit(made["text"], "text") if self.manifest.normalised else made["text"]
        if self.manifest.normalised:
            return average(made["text"], group)
        alone = np.bincount(group)[group] == 1
        if self.manifest.space == "joint":
            rows = average(made["text"], group, normalise=False)
            rows[group[alone]] = made["text"][alone]
            return rows
        sums = np.zeros((group.max() + 1, made["text"].shape[1]))
        np.add.at(sums, group, made["text"])
        return sums / np.bincount(group)[:, None]
