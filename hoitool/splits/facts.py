"""What a split leaves to learn from: objects and verbs that still have a seen class, and those that have none."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoitool.labels import LabelSpace
from hoitool.splits.split import Split

NO_INTERACTION = "no_interaction"


def facts(split: Split, labels: LabelSpace) -> dict[str, Any]:
    """Counts and names for a split with unseen classes; nothing for one without. UsageError for another label space."""
    split.require_space(labels, "the label space")
    if not split.zero_shot:
        return {}
    unseen, seen = split.mask("unseen"), split.mask("seen")
    verbs = np.bincount(labels.interaction_verbs[seen], minlength=len(labels.verbs))
    taken = labels.interaction_objects[seen]
    objects = np.bincount(taken[taken >= 0], minlength=len(labels.objects))
    made: dict[str, Any] = {
        "unseen": int(unseen.sum()),
        "seen": int(seen.sum()),
        "seen_objects": int((objects > 0).sum()),
        "seen_verbs": int((verbs > 0).sum()),
        "verbs_without_a_seen_class": [labels.verbs[v] for v in _only(labels.interaction_verbs, verbs)],
        "objects_without_a_seen_class": [labels.objects[o] for o in _only(labels.interaction_objects, objects)],
    }
    if NO_INTERACTION in labels.verbs:
        none = labels.interaction_verbs == labels.verb_index(NO_INTERACTION)
        made["unseen_no_interaction"] = int((unseen & none).sum())
    if (labels.train_instances >= 0).all():
        made["unseen_rare"] = int((unseen & labels.rare).sum())
    return made


def _only(used: Any, seen: Any) -> list[int]:
    """What classes use and no seen class does, in order."""
    return [int(i) for i in np.unique(used[used >= 0]) if not seen[i]]
