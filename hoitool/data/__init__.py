"""The columnar dataset and predictions: in memory, in Parquet, and what can be done with them."""

from hoitool.data.align import align
from hoitool.data.build import image_index, no_pairs
from hoitool.data.check import require_objects, swapped_boxes, validate
from hoitool.data.dataset import COLUMNS, GROUPS, Dataset, Predictions, offsets_of, ranges, strings
from hoitool.data.dense import pair_factor, scored_rows, to_final, to_interactions, to_sparse
from hoitool.data.frames import to_frame
from hoitool.data.meta import Meta
from hoitool.data.parquet import is_ours, iter_shards, read, read_header, shard_files, write, write_shards
from hoitool.data.relabel import relabel, to_dense
from hoitool.data.select import (
    best_first,
    by_class,
    by_subset,
    concat,
    select_boxes,
    select_images,
    select_pairs,
    top_k,
)
from hoitool.data.stats import class_counts, statistics

__all__ = [
    "COLUMNS",
    "GROUPS",
    "Dataset",
    "Meta",
    "Predictions",
    "align",
    "best_first",
    "by_class",
    "by_subset",
    "class_counts",
    "concat",
    "image_index",
    "is_ours",
    "iter_shards",
    "no_pairs",
    "offsets_of",
    "pair_factor",
    "ranges",
    "read",
    "read_header",
    "relabel",
    "require_objects",
    "scored_rows",
    "select_boxes",
    "select_images",
    "select_pairs",
    "shard_files",
    "statistics",
    "strings",
    "swapped_boxes",
    "to_dense",
    "to_final",
    "to_frame",
    "to_interactions",
    "to_sparse",
    "top_k",
    "validate",
    "write",
    "write_shards",
]
