"""Average precision against the sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.eval.curves import THRESHOLDS, Ranking, average_precision


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 10), st.sampled_from(list(THRESHOLDS)))
def test_average_precision_is_the_sum_written_out(hits, missed, name):
    truths = sum(hits) + missed
    found = np.cumsum(hits)
    expected = 0.0
    for threshold in THRESHOLDS[name]:
        if truths and hits:
            precision = found / np.arange(1, len(hits) + 1)
            reached = precision[found / truths >= threshold]
            expected += (reached.max() if len(reached) else 0.0) / 11
    assert average_precision(np.flatnonzero(hits), truths, name) == pytest.approx(expected, abs=1e-15)


def test_thresholds_differ_only_in_the_last_bit():
    for name, thresholds in THRESHOLDS.items():
        assert len(thresholds) == 11, name
        np.testing.assert_allclose(thresholds, np.arange(11) / 10, atol=1.2e-16)
    assert THRESHOLDS["start-plus-steps"] == tuple(np.arange(0, 1.1, 0.1).tolist())
    assert THRESHOLDS["start-plus-steps"][6] > 0.6 == THRESHOLDS["symmetric"][6]
    assert THRESHOLDS["symmetric"][3] > 0.3 == THRESHOLDS["literal"][3]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, -0.0, 0.5, 1.0, float("nan")])), max_size=30))
def test_ranking_is_stable_with_nan_last(rows):
    label, value = np.array([r[0] for r in rows], int), np.array([r[1] for r in rows], float)
    for c, ranked in enumerate(Ranking.of(label, value, 5)):
        mine = [i for i, row in enumerate(rows) if row[0] == c]
        expected = sorted(mine, key=lambda i: np.inf if np.isnan(rows[i][1]) else -rows[i][1])
        assert ranked.tolist() == expected
