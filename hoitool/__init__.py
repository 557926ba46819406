"""hoitool: one toolchain for human-object interaction research.

>>> from hoitool import load, score
>>> score(load("data/hico-det/test.parquet"), load("predictions.parquet"), "hico-det").mean("rare")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hoitool.lookup import Lookup

if TYPE_CHECKING:
    from hoitool.convert import load as load
    from hoitool.data import Dataset as Dataset
    from hoitool.data import Predictions as Predictions
    from hoitool.eval import Result as Result
    from hoitool.eval import score as score
    from hoitool.labels import load_labels as load_labels

__version__ = "0.1.0"

_PUBLIC = Lookup(
    "name in hoitool",
    {
        "Dataset": "hoitool.data:Dataset",
        "Predictions": "hoitool.data:Predictions",
        "Result": "hoitool.eval:Result",
        "load": "hoitool.convert:load",
        "load_labels": "hoitool.labels:load_labels",
        "score": "hoitool.eval:score",
    },
)
__all__ = ["Dataset", "Predictions", "Result", "__version__", "load", "load_labels", "score"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'hoitool' has no attribute {name!r}")
    return _PUBLIC[name]


def __dir__() -> list[str]:
    return sorted(__all__)
