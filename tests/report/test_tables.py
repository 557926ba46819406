"""Tables in the layout of papers: the exact text, and names that LaTeX would stumble over."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hoitool.errors import UsageError
from hoitool.eval import Result, Row
from hoitool.report.layout import percent
from hoitool.report.per_class import write_per_class
from hoitool.report.tables import latex, markdown

RESULT = Result(
    protocol="p",
    variant="v",
    signature="p/v|x:1",
    rows=tuple(
        Row(setting, split, 2, {"mAP": value, "recall": 1.0})
        for setting, values in (("default", (0.25, 0.5, math.nan)), ("known-object", (0.3, 0.12345, 1.0)))
        for split, value in zip(("full", "rare", "non-rare"), values, strict=True)
    ),
    per_class={
        "id": np.arange(2),
        "object": np.array(["cup", 'a "b", c'], object),
        "AP_default": np.array([0.1, np.nan]),
    },
    notes=("something to know",),
)


def test_latex_is_booktabs_with_splits_grouped_under_settings():
    assert latex(RESULT, "my_model & 50%") == (
        "% p/v|x:1\n"
        "% needs \\usepackage{booktabs}\n"
        "\\begin{tabular}{lcccccc}\n"
        "\\toprule\n"
        " & \\multicolumn{3}{c}{Default} & \\multicolumn{3}{c}{Known Object} \\\\\n"
        "\\cmidrule(lr){2-4} \\cmidrule(lr){5-7}\n"
        "Method & Full & Rare & Non-Rare & Full & Rare & Non-Rare \\\\\n"
        "\\midrule\n"
        "my\\_model \\& 50\\% & 25.00 & 50.00 & - & 30.00 & 12.35 & 100.00 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_markdown_has_one_column_per_setting_and_split_and_the_notes():
    assert markdown(RESULT, "mine") == (
        "| mAP (%) | Default Full | Default Rare | Default Non-Rare | Known Object Full | Known Object Rare "
        "| Known Object Non-Rare |\n"
        "|:--|--:|--:|--:|--:|--:|--:|\n"
        "| mine | 25.00 | 50.00 | - | 30.00 | 12.35 | 100.00 |\n"
        "\n`p/v|x:1`\n\nsomething to know.\n"
    )


def test_percent_of_nothing_is_a_dash():
    assert (percent(0.5), percent(math.nan), percent(1 / 3, 1)) == ("50.00", "-", "33.3")


def test_per_class_figures_keep_every_digit(tmp_path):
    write_per_class(RESULT, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text() == 'id,object,AP_default\n0,cup,0.1\n1,"a ""b"", c",nan\n'
    with pytest.raises(UsageError, match=r"c\.xlsx: per-class figures are written as \.csv or \.parquet"):
        write_per_class(RESULT, tmp_path / "c.xlsx")
