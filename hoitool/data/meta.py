"""What a data file says about itself, beside its columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from hoitool.labels import LabelSpace

Kind = Literal["dataset", "predictions"]
LabelKind = Literal["interactions", "verbs", "predicates", "objects", "agents+roles"]
ScoreKind = Literal["final", "times-box-scores"]
Frame = Literal["inclusive", "continuous", "normalised"]

KINDS: tuple[Kind, ...] = ("dataset", "predictions")
LABEL_KINDS: tuple[LabelKind, ...] = ("interactions", "verbs", "predicates", "objects", "agents+roles")
SCORE_KINDS: tuple[ScoreKind, ...] = ("final", "times-box-scores")
FRAMES: tuple[Frame, ...] = ("inclusive", "continuous", "normalised")


@dataclass(frozen=True)
class Meta:
    """The metadata of a data file (hoitool/convert/pages/hoitool.md).

    dataset    name of the dataset, such as hico-det
    subset     which images: train, test, val; several joined with + when a file holds more than one
    labels     the label space; label_kind says which of its tables a label indexes: predicates are its verbs, between
               a subject of any class and an object of any class, where verbs are of people; objects: boxes alone,
               without pairs, whose labels of images are objects too
    score      final, or to be multiplied by the scores of the pair's two boxes
    box_frame  inclusive (zero-based pixel indices), continuous (x, y, x+w, y+h), normalised (0..1)
    sources    file name -> SHA-256 of what the data was made from
    extras     what a source format holds and the columns cannot, by format name, so that its writer loses nothing
    """

    labels: LabelSpace
    dataset: str = ""
    subset: str = ""
    label_kind: LabelKind = "interactions"
    score: ScoreKind = "final"
    box_frame: Frame = "inclusive"
    sources: dict[str, str] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """How many labels there are of this label_kind."""
        return len(self.labels) if self.label_kind == "interactions" else len(self._names)

    @property
    def image_label_kind(self) -> str:
        """What labels of whole images index: the same as those of pairs; objects where these are predicates."""
        return "objects" if self.label_kind == "predicates" else self.label_kind

    @property
    def image_classes(self) -> int:
        """How many labels of whole images there are."""
        return len(self.labels.objects) if self.label_kind == "predicates" else self.classes

    def label_name(self, label: int) -> str:
        """The name of a label of this label_kind."""
        if self.label_kind == "interactions":
            return self.labels.interaction_name(label)
        return self._names[label]

    @property
    def _names(self) -> tuple[str, ...]:
        if self.label_kind == "agents+roles":
            return self.labels.agents_and_roles
        return self.labels.objects if self.label_kind == "objects" else self.labels.verbs
