"""hoitool lint-table as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hoitool.eval import score
from hoitool.report.save import save
from hoitool.splits import Space, Split

TABLE = "Method,Full,Rare,Non-Rare\nQPIC,29.07,21.85,31.23\nGGNet,23.47,16.48,25.60\nMP-HOI,44.53,,\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_a_row_that_cannot_be_is_told_with_what_would_fit(hoitool, table):
    ran = hoitool("lint-table", table)
    assert ran.code == 3
    assert "Full is printed as 23.47, its groups give 23.4974 to 23.5074." in ran.out
    assert "140 rare and 460 non-rare classes of 600 would fit." in ran.out
    assert "1 of 2 rows can be of their split; 1 more do not print" in ran.out
    assert ran.err == f"hoitool: {table}: 1 of 2 rows cannot be of their split, the first in line 3 (GGNet)\n"


def test_json_says_the_same(hoitool, table):
    ran = hoitool("lint-table", table, "--split", "hico-det", "--json")
    held = json.loads(ran.out)
    assert (ran.code, held["checked"], held["failing"], held["incomplete"]) == (3, 2, 1, 1)
    assert held["rows"][0]["splits"] == {"rare": {"rare": 138, "non-rare": 462}}
    assert held["rows"][0]["counts_that_fit"] == {"rare": [138, 138], "of": 600}


def test_published_figures(hoitool, shared):
    """Of 43 published rows these nine contradict themselves; so they stand in their sources."""
    ran = hoitool("lint-table", shared("protocols/reference_numbers.csv"), "--json")
    held = json.loads(ran.out)
    assert ran.code == 3
    assert [row["line"] for row in held["rows"] if not row["fits"]] == [6, 16, 24, 25, 26, 41, 43, 44, 58]
    assert held["checked"] == 43


def test_what_eval_writes_can_be(hoitool, small, detected, tmp_path):
    """Tables of hoitool's own fit the split of their label space, exactly."""
    result = score(small.test, detected)
    save(result, tmp_path, "ours")
    labels = small.test.meta.labels
    groups = {
        "rare": tuple(np.flatnonzero(labels.rare).tolist()),
        "non-rare": tuple(np.flatnonzero(~labels.rare).tolist()),
    }
    (tmp_path / "mine.json").write_text(json.dumps(Split("mine", Space.of(labels), groups).to_json()))
    for name in ("table.md", "table.tex"):
        ran = hoitool("lint-table", tmp_path / name, "--split", tmp_path / "mine.json")
        assert ran.code == 0, ran.err
        assert "2 of 2 rows can be of their split." in ran.out


@pytest.mark.parametrize(
    ("text", "split", "code", "told"),
    [
        (TABLE, "rf-uv", 2, "No split named"),
        (TABLE, "rf-uc", 2, "no row that names no other split prints Unseen, Seen, Full of split 'rf-uc'"),
        (TABLE, "5%", 2, "do not make up"),
        ("Method,mAP\nQPIC,29.07\n", None, 1, "no columns headed Full, Rare and Non-Rare"),
        ("Method,Full,Rare\nQPIC,29.07,21.85\n", None, 1, "rows print Full, Rare; expected"),
    ],
)
def test_what_cannot_be_judged_is_one_line(hoitool, tmp_path, text, split, code, told):
    (tmp_path / "t.csv").write_text(text)
    ran = hoitool("lint-table", tmp_path / "t.csv", *(["--split", split] if split else []))
    assert ran.code == code
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_unseen_and_seen_without_a_named_split_are_tried_with_all(hoitool, tmp_path):
    (tmp_path / "t.md").write_text("| | Unseen | Seen | Full |\n|---|---|---|---|\n| A | 24.30 | 32.19 | 31.09 |\n")
    ran = hoitool("lint-table", tmp_path / "t.md")
    assert ran.code == 0
    assert " uv " in ran.out
    assert hoitool("lint-table", tmp_path / "t.md", "--split", "uo").code == 3


def test_the_page_says_what_its_own_example_gives(hoitool):
    page = Path(__file__).parents[2] / "docs" / "lint-table.md"
    ran = hoitool("lint-table", page)
    assert ran.code == 3
    told = next(line.strip() for line in page.read_text().splitlines() if line.strip().startswith("line 4, GGNet"))
    assert told.partition(",")[2] in ran.out
    assert "1 of 2 rows can be of their split." in ran.out


def test_a_row_that_prints_seen_classes_is_not_of_a_split_without_them(hoitool, tmp_path):
    """NF stands for nf, in which all is unseen, or for non-rare first."""
    path = tmp_path / "table.md"
    path.write_text("|Type|Unseen|Seen|Full|\n|-|-|-|-|\n|NF|26.39|28.10|27.75|\n|NF|26.39||26.39|\n")
    ran = hoitool("lint-table", path, "--json")
    rows = json.loads(ran.out)["rows"]
    assert ran.code == 0
    assert "nf-uc" in rows[0]["fitting_splits"]
    assert rows[1]["fitting_splits"] == ["nf"]


def test_a_table_on_its_side_is_told_what_is_needed_in_a_row(hoitool, tmp_path):
    path = tmp_path / "table.md"
    path.write_text("|Split|A|B|\n|-|-|-|\n|Full|29.07|31.44|\n|Rare|21.85|27.39|\n|Non-Rare|31.23|32.64|\n")
    ran = hoitool("lint-table", path)
    assert ran.code == 1
    assert "(or HM), in one row" in ran.err
