"""Comparing systems: what must hold of any two, and the permutation test against datasets that are really swapped."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders import KITS
from hypothesis import given
from hypothesis import strategies as st

from hoitool.data import Predictions, select_images, select_pairs
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.diagnose.bootstrap import Sampling
from hoitool.diagnose.class_changes import detections_moved
from hoitool.diagnose.compare import Entry, compare
from hoitool.diagnose.permutation import blocks_of, both_ways, class_of, mixed, of_classes, swaps
from hoitool.diagnose.significance import as_large, holm, p_values
from hoitool.errors import DataError, UsageError
from hoitool.eval import score
from hoitool.eval.by_split import add_split, with_split
from hoitool.eval.ledger import Ledger, ledger_of, weighable_of
from hoitool.splits import Space, Split

FEW = Sampling(200)


def entry_of(name, truth, predictions, protocol="hico-det", variant=None):
    ledger = weighable_of(truth, predictions, protocol, variant)
    return Entry(name, score(truth, predictions, protocol, variant), ledger)


@pytest.fixture(scope="module")
def others(small):
    """Three detectors of the same kind, and the truth itself as a perfect one."""
    return [imperfect(small.test, seed=seed)[0] for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def found(small, others):
    """Three detectors compared."""
    return compare([entry_of(name, small.test, held) for name, held in zip("abc", others, strict=True)], FEW)


def test_figures_are_those_of_the_results(small, others, found):
    for i, held in enumerate(others):
        result = score(small.test, held)
        for each in found.figures:
            assert each.values[i] == pytest.approx(result.mean(each.split, each.setting, each.metric), abs=1e-12)
    assert [(e.setting, e.split, e.classes) for e in found.figures if e.metric == "mAP"] == [
        (row.setting, row.split, row.classes) for row in score(small.test, others[0]).rows
    ]


def test_a_difference_lies_in_its_interval(found):
    for each in found.figures:
        for i, difference in enumerate(each.differences, start=1):
            assert difference.value == pytest.approx(each.values[i] - each.values[0])
            assert difference.interval[0] <= difference.value <= difference.interval[1]
            assert difference.p <= difference.corrected <= 1


def test_the_mean_of_the_classes_differences_is_that_of_the_figure(found):
    for changes in found.changes:
        (system,) = (i for i, name in enumerate(found.systems[1:]) if name == changes.system)
        value = found.figure(changes.setting, "full").differences[system].value
        difference = changes.columns["difference"]
        assert np.nansum(difference) / len(difference) == pytest.approx(value, abs=1e-12)
        assert (np.diff(difference[~np.isnan(difference)]) <= 0).all()


def test_a_system_is_not_different_from_itself(small, others):
    made = compare([entry_of("a", small.test, others[0]), entry_of("b", small.test, others[0])], FEW)
    for each in made.figures:
        (difference,) = each.differences
        assert (difference.value, difference.interval, difference.p, difference.noise) == (0, (0, 0), 1, True)
    for changes in made.changes:
        assert (changes.up, changes.down) == (0, 0)
        assert not changes.columns["gained"].any()
    assert made.sentences()[0].startswith(
        "b: mAP (default, full) equals that of a, on every resample too: no difference;"
    )


def test_the_other_way_round_everything_is_the_other_way_round(small, others):
    a, b = (entry_of(name, small.test, held) for name, held in zip("ab", others, strict=False))
    there, back = compare([a, b], FEW), compare([b, a], FEW)
    for one, other in zip(there.figures, back.figures, strict=True):
        (x,), (y,) = one.differences, other.differences
        assert (x.value, x.p, x.noise) == (pytest.approx(-y.value), y.p, y.noise)
        np.testing.assert_allclose(x.interval, [-y.interval[1], -y.interval[0]], atol=1e-12)
    first, second = there.changes[0].columns, back.changes[0].columns
    assert sorted(first["gained"]) == sorted(second["lost"])


def test_the_same_seed_gives_the_same_comparison(small, others, found):
    again = compare([entry_of(name, small.test, held) for name, held in zip("abc", others, strict=True)], FEW)
    assert json.dumps(again.to_json(), allow_nan=False) == json.dumps(found.to_json(), allow_nan=False)


def test_a_much_better_system_is_more_than_noise(small, others):
    perfect = KITS["hico-det"].perfect(small.test)
    made = compare([entry_of("poor", small.test, others[0]), entry_of("perfect", small.test, perfect)], FEW)
    (difference,) = made.figure("default", "full").differences
    assert not difference.noise
    assert difference.p == 1 / (FEW.resamples + 1)
    assert "larger than the noise" in made.sentences()[0]


def test_classes_that_no_permutation_came_up_to_are_permuted_on_in_every_setting():
    """So far that a p-value can hold against the correction; as far as if the setting were compared alone."""
    truth = scenes(seed=3, scale=1.0).test
    perfect = KITS["hico-det"].perfect(truth)
    nothing = select_pairs(perfect, np.zeros(len(perfect.subject), bool))
    held = [entry_of("nothing", truth, nothing), entry_of("perfect", truth, perfect)]
    made = compare(held, Sampling(64))
    for changes in made.changes:
        alone = [replace(each, result=each.result.select(changes.setting)) for each in held]
        np.testing.assert_array_equal(compare(alone, Sampling(64)).changes[0].columns["p"], changes.columns["p"])
        assert np.nanmin(changes.columns["p"]) * int((changes.columns["truths"] > 0).sum()) <= 0.05
        assert changes.up >= 1


def swapped_by_hand(truth, ranked, systems, swap):
    """Predictions that take each image from the first system, or where `swap` says so from the second, as they rank
    in their own system's class: what the mixture stands for."""
    parts = []
    for held, predictions in zip(ranked, systems, strict=True):
        place = np.arange(len(held.image)) - held.starts[class_of(held)]
        scores = np.zeros(len(predictions.subject), np.float32)
        scores[held.row] = -place.astype(np.float32)
        parts.append(predictions.with_columns(score=scores))
    chosen = [select_images(part, np.flatnonzero(swap == i)) for i, part in enumerate(parts)]
    return Predictions.from_pairs(
        np.concatenate([np.searchsorted(truth.key, c.key)[c.image_of("pair")] for c in chosen]),
        np.concatenate([c.boxes[c.pair_boxes("subject")] for c in chosen]),
        np.concatenate([c.boxes[c.pair_boxes("object")] for c in chosen]),
        np.concatenate([c.need("label") for c in chosen]),
        np.concatenate([c.need("score") for c in chosen]),
        images=truth.key,
        labels=truth.meta.labels,
        subset=truth.meta.subset,
    )


def test_permutations_are_scores_of_swapped_predictions(small, others):
    """Slow oracle: the images are really swapped, and scored by the protocol."""
    truth, pair = small.test, others[:2]
    assert (np.sort(truth.key) == truth.key).all()
    ledgers = [ledger_of(truth, held, "hico-det") for held in pair]
    ranked = [ledger.ranked["default"] for ledger in ledgers]
    mixture = mixed(*ledgers)
    block = next(swaps(len(truth), 5, 4))
    kept, given = (mixture.figures_of(weights) for weights in both_ways(block))
    for i in range(4):
        for swap, figures in ((block[:, i], kept), (1 - block[:, i], given)):
            result = score(truth, swapped_by_hand(truth, ranked, pair, swap))
            for row in result.select("default").rows:
                for metric, value in row.metrics.items():
                    assert figures["default", row.split, metric][i] == pytest.approx(value, abs=1e-12)


def test_nothing_swapped_is_the_system_itself(small, others):
    ledgers = [ledger_of(small.test, held, "hico-det", "qpic") for held in others[:2]]
    none = np.zeros((len(small.test), 1), np.uint8)
    ones = np.ones((len(small.test), 1), np.uint8)
    for ledger, weights in zip(ledgers, both_ways(none), strict=True):
        for key, value in mixed(*ledgers).figures_of(weights).items():
            np.testing.assert_allclose(value, ledger.figures_of(ones)[key], atol=1e-12)


def test_classes_can_be_taken_out_of_a_ranking(small, others):
    ranked = ledger_of(small.test, others[0], "hico-det").ranked["default"]
    weights = np.ones((len(small.test), 3), np.uint8)
    some = np.array([1, 4, 5])
    for part, whole in zip(of_classes(ranked, some).weighted(weights), ranked.weighted(weights), strict=True):
        np.testing.assert_array_equal(part, whole[some])


def test_swaps_go_on_from_the_first_ones():
    blocks = swaps(7, 3, 100)
    first = [next(blocks) for _ in range(blocks_of(100))]
    assert [block.shape for block in first] == [(7, 64), (7, 36)]
    assert next(blocks).shape == (7, 64)
    draw = np.random.default_rng([3, 1])
    expected = [draw.integers(2, size=7, dtype=np.uint8) for _ in range(100)]
    np.testing.assert_array_equal(np.concatenate(first, axis=1).T, expected)


def test_detections_that_moved_add_up(small, others):
    first, other = (ledger_of(small.test, held, "hico-det").ranked["default"] for held in others[:2])
    moved = detections_moved(first, other)
    hits = [np.bincount(class_of(held)[held.hit], minlength=len(held.names)) for held in (first, other)]
    np.testing.assert_array_equal(moved["gained"] - moved["lost"], hits[1] - hits[0])
    np.testing.assert_array_equal(moved["false_first"] + hits[0], np.diff(first.starts))
    np.testing.assert_array_equal(moved["false_other"] + hits[1], np.diff(other.starts))


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=30))
def test_holm_against_its_definition(p):
    """Rejections at any level are those of the step-down procedure as it is written."""
    corrected = holm(np.array(p))
    for level in (0.01, 0.05, 0.3, 0.9):
        rejected = set()
        for step, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - step) > level:
                break
            rejected.add(int(i))
        assert rejected == set(np.flatnonzero(corrected <= level).tolist())


def test_p_values_count_the_data_and_leave_nan_alone():
    observed, permuted = np.array([0.5, 0.0]), np.array([[0.5, -0.6, 0.1], [0.0, 0.2, -0.3]])
    np.testing.assert_array_equal(as_large(observed, permuted), [2, 3])
    np.testing.assert_allclose(p_values(np.array([2, 3]), 3), [3 / 4, 1])
    np.testing.assert_array_equal(holm(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])


def test_p_values_of_equal_systems_are_spread_evenly(small):
    """Detectors that differ by their seed only: a small p-value is as rare as it says."""
    seen = []
    held = [entry_of(str(seed), small.test, imperfect(small.test, seed=seed)[0]) for seed in range(20)]
    held = [replace(each, result=each.result.select("default", "full")) for each in held]
    for a, b in zip(held[::2], held[1::2], strict=True):
        seen.append(compare([a, b], Sampling(60)).figures[0].differences[0].p)
    assert np.mean(np.array(seen) <= 0.2) <= 0.6
    assert np.mean(seen) > 0.25


@pytest.mark.parametrize("protocol", ["v-coco", "hico", "open-images-vrd", "sgg"])
def test_other_protocols(small, others, protocol):
    kit = KITS[protocol]
    truth = kit.truth(small.test)
    a, b = (
        entry_of(name, truth, kit.imperfect(truth, held), protocol) for name, held in zip("ab", others, strict=False)
    )
    made = compare([a, b], Sampling(50))
    ranks = isinstance(a.ledger, Ledger)
    assert bool(made.changes) == ranks
    assert all(math.isnan(d.p) != ranks for each in made.figures for d in each.differences if not math.isnan(d.value))
    assert ranks != any("no permutations" in note for note in made.notes)
    json.dumps(made.to_json(), allow_nan=False)


def test_zero_shot_splits_with_their_harmonic_means(small, others):
    labels = small.test.meta.labels
    split = Split(
        "mine",
        Space.of(labels),
        {"unseen": (0, 3, 6), "seen": tuple(c for c in range(len(labels)) if c not in (0, 3, 6))},
    )
    entries = []
    for name, held in zip("ab", others, strict=False):
        result = with_split(score(small.test, held), split)
        ledger = add_split(ledger_of(small.test, held, "hico-det"), result, split)
        entries.append(Entry(name, result.select("default", "mine"), ledger))
    made = compare(entries, Sampling(50))
    assert [each.split for each in made.figures if each.metric == "mAP"] == [
        f"mine:{g}" for g in ("unseen", "seen", "full", "hm")
    ]
    for each in made.figures:
        assert each.values[1] == pytest.approx(entries[1].result.mean(each.split, "default", each.metric), abs=1e-12)


class TestWhatIsNotCompared:
    def test_one_system(self, small, others):
        with pytest.raises(UsageError, match="two or more"):
            compare([entry_of("a", small.test, others[0])])

    def test_two_of_one_name(self, small, others):
        with pytest.raises(UsageError, match="one name"):
            compare([entry_of("a", small.test, held) for held in others[:2]])

    def test_other_rules(self, small, others):
        entries = [entry_of("a", small.test, others[0]), entry_of("b", small.test, others[1], variant="qpic")]
        with pytest.raises(UsageError, match="b by hico-det/qpic; figures by different rules"):
            compare(entries)

    def test_other_images(self, small, others):
        half = np.arange(len(small.test)) < len(small.test) // 2
        fewer = entry_of("b", select_images(small.test, half), select_images(others[1], half))
        with pytest.raises(DataError, match="other images"):
            compare([entry_of("a", small.test, others[0]), fewer])

    def test_other_truths(self, small, others):
        some = np.arange(len(small.test.subject)) % 2 == 0
        other = entry_of("b", select_pairs(small.test, some), others[1])
        with pytest.raises(DataError, match="other truths"):
            compare([entry_of("a", small.test, others[0]), other])
