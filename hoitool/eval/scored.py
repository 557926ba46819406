"""What a result says of the data that were scored: counts, label space, the hashes of the files they came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoitool.data import Dataset, Predictions


def told_truth(truth: Dataset, **counts: int) -> dict[str, Any]:
    """The truth, with the number of its pairs unless other counts are given."""
    return {
        "dataset": truth.meta.dataset,
        "subset": truth.meta.subset,
        "images": len(truth),
        **(counts or {"pairs": len(truth.subject)}),
        "labels": {"name": truth.meta.labels.name, "sha256": truth.meta.labels.hash},
        "sources": truth.meta.sources,
    }


def told_predictions(predictions: Predictions, **counts: int) -> dict[str, Any]:
    """The predictions, with the number of images that have some unless counts say otherwise."""
    images = {"images": int(np.count_nonzero(predictions.counts("pair")))}
    return images | counts | {"sources": predictions.meta.sources}
