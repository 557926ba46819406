"""Matching in parts gives what matching at once gives."""

from __future__ import annotations

import numpy as np
from builders import as_predictions

from hoitool.eval import matching
from hoitool.eval.matching import Overlap, Pairs, match, pair_overlaps


def test_the_size_of_the_parts_does_not_matter(small, detected, monkeypatch):
    true, pairs = Pairs.of(small.test), Pairs.of(detected)
    arguments = (true, pairs, small.test.meta.classes, pair_overlaps(true, pairs, Overlap()), 0.5, False)
    whole = match(*arguments)
    for size in (1, 7, 100):
        monkeypatch.setattr(matching, "EXPANDED", size)
        assert np.array_equal(match(*arguments), whole)
    assert 0 < whole.sum() < len(whole)


def test_a_truth_is_found_once(small):
    twice = as_predictions(small.test)
    pairs = Pairs.of(twice)
    both = pairs.take(np.repeat(np.arange(len(pairs)), 2))
    true = Pairs.of(small.test)
    found = match(true, both, small.test.meta.classes, pair_overlaps(true, both, Overlap()), 0.5, False)
    assert found.reshape(-1, 2).tolist() == [[True, False]] * len(pairs)
