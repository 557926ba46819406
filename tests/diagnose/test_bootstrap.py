"""Intervals of figures: what they hold, what they are of, and where they stand."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from builders import KITS
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from searches import embedded, ratings, write_ratings, write_store

from hoitool.data import select_images, write
from hoitool.diagnose.bootstrap import METHOD, Sampling, drawn, interval, intervals, with_intervals
from hoitool.diagnose.resample import weights
from hoitool.errors import DataError, UsageError
from hoitool.eval import from_json, retrieval, score
from hoitool.eval.by_split import harmonic_mean, harmonic_means, with_split
from hoitool.eval.ledger import RULE, weighable_of
from hoitool.report.tables import latex, markdown
from hoitool.report.terminal import result_report
from hoitool.splits import Split
from hoitool.splits.split import Space

FEW = Sampling(resamples=60, seed=3)


@pytest.fixture(scope="module")
def made(small, detected):
    """A result of HICO-DET, and the ledger of the same."""
    return score(small.test, detected), weighable_of(small.test, detected, "hico-det")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95]))
def test_an_interval_holds_its_estimate_within_what_there_is(values, estimate, level):
    low, high = interval(np.array(values), estimate, level)
    assert 0 <= low <= estimate <= high <= 1
    assert high - low <= max(values) - min(values) + 1e-12


def test_an_interval_is_the_percentiles_shifted_by_the_median():
    values = np.append(np.arange(101) / 200, np.nan)
    low, high = interval(values, 0.4, 0.9)
    assert (low, high) == pytest.approx((0.4 - 0.225, 0.4 + 0.225))
    assert interval(np.array([np.nan]), 0.4, 0.9) is None
    assert interval(values, np.nan, 0.9) is None
    assert interval(np.array([2.0, 9.0, 30.0]), 3, 0.9, "medR") == pytest.approx((1, 3 + 18.9))


def test_every_figure_is_made_again_on_the_images_drawn(made):
    _, ledger = made
    draws = drawn(ledger, FEW)
    block = np.concatenate(list(weights(len(ledger.images), FEW.resamples, FEW.seed)), axis=1)
    assert set(draws.figures) >= {(f.setting, f.split, f.metric) for f in ledger.figures}
    for at in (0, 41):
        for key, values in ledger.figures_of(block[:, at : at + 1]).items():
            assert draws.figures[key][at] == pytest.approx(values[0], abs=1e-12)


def test_rows_and_classes_have_intervals_that_hold_their_figures(made):
    result = with_intervals(*made, FEW)
    assert result.sampling == {"resamples": 60, "seed": 3, "level": 0.95, "method": METHOD, "rule": RULE}
    for row in result.rows:
        for name, value in row.metrics.items():
            low, high = row.intervals[name]
            assert low <= value <= high
    columns = result.per_class
    for setting in ("default", "known_object"):
        low, high = (columns[f"AP_{setting}_ci_{end}"] for end in ("low", "high"))
        there = columns["truths"] > 0
        assert np.isnan(low[~there]).all()
        assert ((low <= columns[f"AP_{setting}"]) & (columns[f"AP_{setting}"] <= high))[there].all()
    assert with_intervals(*made, FEW).rows == result.rows
    assert with_intervals(*made, replace(FEW, seed=4)).rows != result.rows
    assert intervals(made[1], FEW)["default", "full", "mAP"] == pytest.approx(result.rows[0].intervals["mAP"])


def test_intervals_come_back_from_json(made):
    result = with_intervals(*made, FEW)
    again = from_json(result.to_json(), "here")
    assert (again.rows, again.sampling) == (result.rows, result.sampling)
    told = json.loads(made[0].to_json())
    assert "sampling" not in told
    assert all("intervals" not in row for row in told["results"])


def test_v_coco_has_the_intervals_of_all_its_classes():
    kit = KITS["v-coco"]
    truth = kit.truth(None)
    found = kit.imperfect(truth, None)
    for variant, settings_of in (("official", 3), ("qpic", 1)):
        result = score(truth, found, "v-coco", variant)
        made = with_intervals(result, weighable_of(truth, found, "v-coco", variant), FEW)
        columns = made.per_class
        held = columns["truths"] > 0
        assert ((columns["ap_ci_low"] <= columns["ap"]) & (columns["ap"] <= columns["ap_ci_high"]))[held].all()
        assert len(made.settings) == settings_of


def test_the_rows_of_a_named_split_have_intervals_too(small, detected):
    labels = small.test.meta.labels
    unseen = tuple(range(0, len(labels), 3))
    seen = tuple(k for k in range(len(labels)) if k % 3)
    split = Split("mine", Space.of(labels), {"unseen": unseen, "seen": seen})
    result = with_split(score(small.test, detected), split)
    ledger = weighable_of(small.test, detected, "hico-det")
    made = {(row.setting, row.split): row for row in with_intervals(result, ledger, FEW, [split]).rows}
    for group in ("unseen", "seen", "full", "hm"):
        row = made["default", f"mine:{group}"]
        assert row.intervals["mAP"][0] <= row.metrics["mAP"] <= row.intervals["mAP"][1]
    assert made["default", "mine:full"].intervals == made["default", "full"].intervals


def test_harmonic_means_of_resamples_are_those_of_rows():
    pairs = [(0.2, 0.6), (0.0, 0.0), (0.0, 0.4)]
    figures = {("default", "x:unseen", "mAP"): np.array([u for u, _ in pairs])}
    figures["default", "x:seen", "mAP"] = np.array([s for _, s in pairs])
    assert harmonic_means(figures)["default", "x:hm", "mAP"].tolist() == [harmonic_mean(*pair) for pair in pairs]


@pytest.mark.parametrize("near", [0.6, 3.0])
def test_queries_of_a_search_count_as_often_as_their_image(near):
    held = embedded([5, 3, 5, 1, 4, 5, 2], near=near)
    ledger, result = retrieval.ledger(held), retrieval.evaluate(held)
    block = np.concatenate([np.ones((7, 1), np.uint16), next(weights(7, 30, 1))], axis=1)
    figures = ledger.figures_of(block)
    for row in result.rows:
        for name, value in row.metrics.items():
            assert figures[row.setting, row.split, name][0] == pytest.approx(value, abs=1e-12)
    images, captions = retrieval.ranks_of(held.first_captions(5))
    of_captions = held.first_captions(5).image
    for b in range(1, 31):
        again = np.repeat(images.worst, block[:, b])
        texts = np.repeat(captions.worst, block[of_captions, b])
        assert figures["image-to-text", "full", "medR"][b] == np.floor(np.median(again)) + 1
        assert figures["image-to-text", "full", "R@1"][b] == pytest.approx((again < 1).mean())
        assert figures["text-to-image", "full", "meanR"][b] == pytest.approx(texts.mean() + 1)
        recalls = [(ranks < k).mean() for ranks in (again, texts) for k in (1, 5, 10)]
        assert figures["both", "full", "rsum"][b] == pytest.approx(sum(recalls))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"level": 95}, "level 95 is no fraction"), ({"resamples": 39}, "40 or more"), ({"seed": -1}, "negative")],
)
def test_what_makes_no_interval_is_refused(chosen, said):
    with pytest.raises(UsageError, match=said):
        Sampling(**chosen)


def test_without_images_nothing_is_drawn(small, detected):
    truth, found = (select_images(data, np.zeros(len(data), bool)) for data in (small.test, detected))
    with pytest.raises(DataError, match="no images"):
        with_intervals(score(truth, found), weighable_of(truth, found, "hico-det"), FEW)


class TestCommand:
    @pytest.fixture
    def files(self, small, detected, tmp_path):
        write(small.test, tmp_path / "test.parquet")
        write(detected, tmp_path / "found.parquet")
        return [tmp_path / "found.parquet", "--truth", tmp_path / "test.parquet"]

    def test_intervals_stand_in_every_table(self, hoitool, files, tmp_path):
        ran = hoitool("eval", *files, "--ci", "--resamples", 50, "--level", 0.9, "-o", tmp_path / "out", "--json")
        told = json.loads(ran.out)
        assert told["sampling"]["level"] == 0.9
        low, high = (f"{100 * end:.2f}" for end in told["results"][0]["intervals"]["mAP"])
        assert f"[{low}, {high}]" in (tmp_path / "out" / "table.md").read_text()
        assert rf"{{\scriptsize [{low}, {high}]}}" in (tmp_path / "out" / "table.tex").read_text()
        assert "90 % intervals from 50 resamples" in (tmp_path / "out" / "table.tex").read_text()
        assert "AP_default_ci_low" in (tmp_path / "out" / "per-class.csv").read_text().partition("\n")[0]
        ran = hoitool("eval", *files, "--ci", "--resamples", 50, "--level", 0.9)
        assert f"[{low}, {high}]" in ran.out
        assert "50 resamples of the images, seed 0" in ran.out

    def test_choices_without_ci_are_refused(self, hoitool, files):
        ran = hoitool("eval", *files, "--resamples", 50)
        assert ran.code == 2
        assert "--resamples" in ran.err
        assert "--ci" in ran.err

    def test_searches_have_them_and_ratings_of_pairs_do_not(self, hoitool, tmp_path):
        held = embedded([5, 5, 4, 5, 5, 3])
        store = write_store(tmp_path / "store.h5", held)
        ran = hoitool("eval", store, "--ci", "--resamples", 50, "--json")
        rows = json.loads(ran.out)["results"]
        assert all(row["intervals"] for row in rows)
        rng = np.random.default_rng(0)
        sizes = {"sts": (27, 27), "sis": (6, 6), "sits": (27, 6)}
        folder = write_ratings(tmp_path / "cxc", held, {kind: ratings(rng, *each, 30) for kind, each in sizes.items()})
        ran = hoitool("eval", store, "--protocol", "cxc", "--truth", folder, "--ci")
        assert ran.code == 2
        assert "'cxc' has no --ci" in ran.err


def test_a_terminal_has_room_for_many_figures_with_intervals(small, detected):
    made = with_intervals(
        score(small.test, detected, "hico-det", "ppdm"), weighable_of(small.test, detected, "hico-det", "ppdm"), FEW
    )
    console = Console(width=80, file=io.StringIO())
    console.print(result_report(made))
    shown = console.file.getvalue()
    for row in made.rows:
        for low, high in row.intervals.values():
            assert f"[{100 * low:.2f}, {100 * high:.2f}]" in shown


def test_tables_without_intervals_are_as_they_were(made):
    for table in (markdown, latex):
        assert "[" not in table(made[0], "mine").replace(made[0].signature, "").replace(r"\cmidrule(lr)", "")
