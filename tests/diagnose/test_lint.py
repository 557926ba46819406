"""Printed figures of groups and of all classes: what can belong together, by exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.diagnose.lint import counts_of, judge
from hoitool.diagnose.published import Names, printouts
from hoitool.diagnose.rounding import Range, counts_that_fit, harmonic, printed, weighted
from hoitool.diagnose.tables import Table
from hoitool.errors import UsageError
from hoitool.splits import Space, Split, named

HICO = {"rare": counts_of(named("rare"))}


def row_of(**figures: str):
    heads = [name.replace("_", "-") for name in figures]
    (made,) = printouts(Table(((1, heads), (2, [*figures.values()]))), Names.of({}))
    return made


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("29.07", "29.065", "29.075"),
        ("29.1 %", "29.05", "29.15"),
        (".5", ".45", ".55"),
        ("29", "28.5", "29.5"),
        ("31.44 ± 0.2", "31.435", "31.445"),
        ("31.44(+1.2)", "31.435", "31.445"),
    ],
)
def test_a_printed_figure_stands_for_what_rounds_to_it(text, low, high):
    assert printed(text).range == Range(Fraction(low), Fraction(high))


@pytest.mark.parametrize("text", ["", "-", "R50", "50x", "1.2.3", "n/a", "-3.1", "2021-05"])
def test_what_is_no_figure_is_none(text):
    assert printed(text) is None


@settings(max_examples=25)
@given(
    st.integers(1, 599),
    st.lists(st.integers(0, 10**6), min_size=600, max_size=600),
    st.integers(0, 3),
)
def test_figures_rounded_from_real_classes_always_fit(rare, values, digits):
    """The plain means of any 600 APs, printed with any number of digits, are never called impossible."""
    aps = [Fraction(value, 10**4) for value in values]
    means = [sum(part) / len(part) for part in (aps[:rare], aps[rare:], aps)]
    shown = [f"{round(mean * 10**digits) / 10**digits:.{digits}f}" for mean in means]
    first, second, full = (printed(text).range for text in shown)
    assert full.meets(weighted({"a": first, "b": second}, {"a": rare, "b": 600 - rare}))
    low, high = counts_that_fit([first, second], full, 600)
    assert low <= rare <= high
    if first.low >= 0 and second.low >= 0:
        exact = 2 * means[0] * means[1] / (means[0] + means[1]) if means[0] + means[1] else Fraction()
        assert harmonic(first, second).low <= exact <= harmonic(first, second).high


@given(st.tuples(*[st.integers(0, 9999)] * 3))
def test_what_is_called_possible_is_possible(figures):
    """Where it fits, figures within the rounding exist whose mean is within the rounding of Full."""
    rare, non_rare, full = (printed(f"{value / 100:.2f}").range for value in figures)
    made = weighted({"rare": rare, "non-rare": non_rare}, HICO["rare"])
    wanted = min(max(full.low, made.low), made.high)
    share = (wanted - made.low) / (made.high - made.low)
    means = [held.low + share * (held.high - held.low) for held in (rare, non_rare)]
    exact = (138 * means[0] + 462 * means[1]) / 600
    assert full.meets(made) == (full.low <= exact <= full.high)


@given(st.tuples(*[st.integers(0, 300)] * 3), st.integers(0, 1))
def test_the_counts_that_fit_are_those_that_do(figures, digits):
    """Against trying each one."""
    first, second, full = (printed(f"{value / 10:.{digits}f}").range for value in figures)
    fitting = [n for n in range(61) if full.meets(weighted({"a": first, "b": second}, {"a": n, "b": 60 - n}))]
    assert counts_that_fit([first, second], full, 60) == ((fitting[0], fitting[-1]) if fitting else None)
    assert not fitting or fitting == list(range(fitting[0], fitting[-1] + 1))


def test_a_published_row_and_what_would_fit_where_it_does_not():
    held = judge(row_of(full="29.07", rare="21.85", non_rare="31.23"), HICO, HICO)
    assert held.fits
    assert held.counts == (138, 138)
    wrong = judge(row_of(full="23.47", rare="16.48", non_rare="25.60"), HICO, HICO)
    assert not wrong.fits
    assert wrong.counts == (140, 140)
    assert wrong.to_json()["full_from_groups"] == [23.4974, 23.5074]
    assert judge(row_of(full="40", rare="20", non_rare="30"), HICO, HICO).counts is None


def test_other_splits_and_exchanged_columns_are_told():
    known = {name: counts_of(named(name)) for name in ("rf-uc", "uo", "uv")}
    row = row_of(unseen="24.30", seen="32.19", full="31.09")
    held = judge(row, {"rf-uc": known["rf-uc"]}, known)
    assert not held.fits
    assert held.others == ("uv",)
    assert judge(row, known, known).fitting == ("uv",)
    exchanged = judge(row_of(full="21.85", rare="29.07", non_rare="31.23"), HICO, HICO)
    assert exchanged.swapped == ("full", "non-rare", "rare")


def test_the_harmonic_mean_is_looked_at_with_and_without_full():
    uv = {"uv": counts_of(named("uv"))}
    assert judge(row_of(unseen="24.30", seen="32.19", hm="27.69"), uv, uv).fits
    assert not judge(row_of(unseen="24.30", seen="32.19", hm="27.72"), uv, uv).fits
    wrong = judge(row_of(unseen="24.30", seen="32.19", full="31.09", hm="30.0"), uv, uv)
    assert wrong.fitting == ("uv",)
    assert not wrong.fits
    assert judge(row_of(unseen="24.30", seen="32.19"), uv, uv) is None


def test_a_split_of_three_groups_is_weighted_too():
    groups = {"head": (0, 1), "body": (2, 3, 4), "tail": (5, 6, 7, 8, 9)}
    counts = counts_of(Split("mine", Space("mine", "0", 10), groups))
    (row,) = printouts(
        Table(((1, ["Head", "Body", "Tail", "Full"]), (2, ["50.0", "30.0", "10.0", "24.0"]))), Names.of({}, counts)
    )
    held = judge(row, {"mine": counts}, {})
    assert held.fits
    assert held.counts is None


@pytest.mark.parametrize("groups", [{}, {"unseen": (0, 1), "seen": (2,)}, {"a": (0, 1, 2), "b": (2, 3)}])
def test_groups_that_do_not_make_up_all_classes_are_refused(groups):
    with pytest.raises(UsageError, match="do not make up its 4 classes"):
        counts_of(Split("mine", Space("mine", "0", 4), groups))


def test_every_named_split_counts_all_600():
    for name in ("rare", "rf-uc", "nf-uc", "uc0", "uo", "uv", "ua", "nf"):
        assert sum(counts_of(named(name)).values()) == 600
    assert np.allclose([*counts_of(named("rare")).values()], [138, 462])
