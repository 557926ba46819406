"""The feature store: rows of numbers for images, labels or texts in HDF5, and how they were made.

>>> from hoitool.store import Store
>>> store = Store("features/hico-interactions-clip.h5").require(model="clip:ViT-B-32-quickgelu", normalised=True)
>>> store["ride bicycle"].shape
(1, 512)
"""

from hoitool.store.layout import COLUMNS, Layout
from hoitool.store.manifest import Manifest, differences
from hoitool.store.merge import merge
from hoitool.store.reader import Store
from hoitool.store.stream import Stream
from hoitool.store.verify import Verified, verify
from hoitool.store.writer import Writer, discard, partial_path, reopen

__all__ = [
    "COLUMNS",
    "Layout",
    "Manifest",
    "Store",
    "Stream",
    "Verified",
    "Writer",
    "differences",
    "discard",
    "merge",
    "partial_path",
    "reopen",
    "verify",
]
