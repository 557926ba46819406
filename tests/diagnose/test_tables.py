"""Tables as papers print them: what is read out of CSV, TSV, Markdown and LaTeX."""

from __future__ import annotations

import pytest

from hoitool.diagnose.published import Names, printouts
from hoitool.diagnose.tables import read_tables
from hoitool.errors import DataError, MissingData, UsageError

SPLITS = {"rf-uc": "rf-uc", "rare-first": "rf-uc", "uo": "uo", "unseen-object": "uo"}
TEX = r"""
\begin{table}
\begin{tabular}{l@{\hskip 2pt}lccc|ccc}
\toprule
 & & \multicolumn{3}{c}{Default} & \multicolumn{3}{c}{\textbf{Known Object}} \\
\cmidrule(lr){3-5} \cmidrule(lr){6-8}
Method & Backbone & Full $\uparrow$ & Rare & Non-Rare & Full & Rare & Non-Rare \\
\midrule
QPIC~\cite{qpic} & R50 & \textbf{29.07} & 21.85 & \underline{31.23} & 31.68 & 24.14 & 33.93 \\[2pt]
% left out & R50 & 1 & 2 & 3
\rowcolor{gray!20} Ours$^\dagger$ & R50 & 34.69$_{\pm 0.2}$ & 31.12 & 35.74 & & & \\
\bottomrule
\end{tabular}
\end{table}
\begin{tabular*}{\linewidth}{llccc}
Method & Type & Unseen & Seen & Full \\ \hline
A & \multirow{2}{*}{RF-UC} & 25.53 & 34.85 & 32.99 \\
B & & 31.29 & 34.41 & 33.78 \\
\multicolumn{5}{c}{\emph{Unseen object}} \\
C & & 16.20 & 30.99 & 28.53 \\
\end{tabular*}
"""
MARKDOWN = """
| Method | Default (Full) | Default (Rare) | Default (Non-Rare) | KO Full | KO Rare | KO NonRare |
|:-------|---------------:|---------------:|-------------------:|--------:|--------:|-----------:|
| [QPIC](https://example.org) | **29.07** | 21.85 | <u>31.23</u> | 31.68 | 24.14 | 33.93 |
| CDN \\| S | 31.44<sup>1</sup> | 27.39 | 32.64 | - | - | - |

Method | RF-UC Unseen | RF-UC Seen | RF-UC Full | UO Unseen | UO Seen | UO Full
--- | --- | --- | --- | --- | --- | ---
A | 25.53 | 34.85 | 32.99 | 16.20 | 30.99 | 28.53
"""


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    names = Names.of(SPLITS)
    return [
        (p.line, p.name, p.setting, p.split, {group: figure.text for group, figure in p.figures.items()})
        for table in read_tables(path)
        for p in printouts(table, names)
    ]


def test_latex_with_spans_marks_and_two_tables(tmp_path):
    assert read(tmp_path, "t.tex", TEX) == [
        (9, "QPIC, R50", "default", "", {"full": "29.07", "rare": "21.85", "non-rare": "31.23"}),
        (9, "QPIC, R50", "known object", "", {"full": "31.68", "rare": "24.14", "non-rare": "33.93"}),
        (11, "Ours, R50", "default", "", {"full": "34.69", "rare": "31.12", "non-rare": "35.74"}),
        (17, "A, RF-UC", "", "rf-uc", {"unseen": "25.53", "seen": "34.85", "full": "32.99"}),
        (18, "B", "", "rf-uc", {"unseen": "31.29", "seen": "34.41", "full": "33.78"}),
        (20, "C", "", "uo", {"unseen": "16.20", "seen": "30.99", "full": "28.53"}),
    ]


def test_markdown_with_settings_and_splits_side_by_side(tmp_path):
    assert read(tmp_path, "t.md", MARKDOWN) == [
        (4, "QPIC", "default", "", {"full": "29.07", "rare": "21.85", "non-rare": "31.23"}),
        (4, "QPIC", "ko", "", {"full": "31.68", "rare": "24.14", "non-rare": "33.93"}),
        (5, "CDN | S", "default", "", {"full": "31.44", "rare": "27.39", "non-rare": "32.64"}),
        (9, "A", "", "rf-uc", {"unseen": "25.53", "seen": "34.85", "full": "32.99"}),
        (9, "A", "", "uo", {"unseen": "16.20", "seen": "30.99", "full": "28.53"}),
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
def test_separated_with_settings_above_their_groups(tmp_path, name, delimiter):
    rows = [
        ["", "Default", "", "", "Known Object", "", ""],
        ["Method", "Full mAP", "Rare", "Non Rare", "Full mAP", "Rare", "Non Rare"],
        ['"Ours, large"', "29.07", "21.85", "31.23", "31.68", "24.14", "33.93"],
    ]
    text = "\n".join(delimiter.join(row) for row in rows)
    assert read(tmp_path, name, text) == [
        (3, "Ours, large", "default", "", {"full": "29.07", "rare": "21.85", "non-rare": "31.23"}),
        (3, "Ours, large", "known object", "", {"full": "31.68", "rare": "24.14", "non-rare": "33.93"}),
    ]


def test_groups_that_come_twice_under_no_setting_are_two_blocks(tmp_path):
    text = "Full,Rare,Non-Rare,Full,Rare,Non-Rare\n1.0,2.0,3.0,4.0,5.0,6.0\n"
    assert [p[4]["full"] for p in read(tmp_path, "t.csv", text)] == ["1.0", "4.0"]


@pytest.mark.parametrize(
    "cell",
    [
        r"$29.07_{\pm 0.2}$",
        r"$29.07_{\pm{0.2}}^{*}$",
        r"$\mathbf{29.07}_{\pm.12}$",
        r"\phantom{0}29.07",
        r"\hspace{2mm}29.07",
        r"\scalebox{0.9}{29.07}",
        r"\colorbox{red!10}{29.07}",
        r"\textcolor{red}{\textbf{29.07}}",
        r"29.07\textsubscript{+1.2}",
        r"\makecell{29.07\\(+1.2)}",
    ],
)
@pytest.mark.parametrize("suffix", ["tex", "md"])
def test_figures_are_read_without_what_is_about_them(tmp_path, cell, suffix):
    if suffix == "tex":
        text = rf"\begin{{tabular}}{{ccc}} Full & Rare & Non-Rare \\ {cell} & 21.85 & 31.23 \\ \end{{tabular}}"
    else:
        text = f"| Full | Rare | Non-Rare |\n|---|---|---|\n| {cell} | _21.85_ | __31.23__ |\n"
    ((*_, figures),) = read(tmp_path, f"t.{suffix}", text)
    assert figures == {"full": "29.07", "rare": "21.85", "non-rare": "31.23"}


def test_headings_of_several_lines_are_one_heading(tmp_path):
    text = r"""
\begin{tabular}{lccc}
Method & \makecell{Full \\ (600)} & \begin{tabular}[c]{@{}c@{}}Rare\\ (138)\end{tabular} & \shortstack{Non-\\Rare} \\
A & 29.07 & 21.85 & 31.23 \\
\end{tabular}
"""
    assert read(tmp_path, "t.tex", text) == [(4, "A", "", "", {"full": "29.07", "rare": "21.85", "non-rare": "31.23"})]


def test_a_brace_that_is_not_closed_does_not_join_rows(tmp_path):
    text = r"\begin{tabular}{ccc} Full & Rare & Non-Rare \\ {\bf 1.0 & 2.0 & 3.0 \\ 4.0 & 5.0 & 6.0 \\ \end{tabular}"
    assert [figures["full"] for *_, figures in read(tmp_path, "t.tex", text)] == ["1.0", "4.0"]


def test_a_decimal_comma_is_a_point(tmp_path):
    text = "Method;Full;Rare;Non-Rare\nA;29,07;21,85;31,23\n"
    assert read(tmp_path, "t.csv", text) == [(2, "A", "", "", {"full": "29.07", "rare": "21.85", "non-rare": "31.23"})]


def test_figures_after_the_cells_that_name_them(tmp_path):
    text = "method,setting,metric1,value1,metric2,value2,metric3,value3\nA,RF-UC,unseen,21.36,seen,32.91,full,30.56\n"
    assert read(tmp_path, "t.csv", text) == [
        (2, "A, RF-UC", "", "rf-uc", {"unseen": "21.36", "seen": "32.91", "full": "30.56"})
    ]


def test_a_split_named_in_a_row_does_not_hold_for_rows_with_another_name(tmp_path):
    text = "Method,Type,Unseen,Seen,Full\nA,UO,1,2,3\nB,,1,2,3\nC,other,1,2,3\nD,,1,2,3\n"
    assert [p[3] for p in read(tmp_path, "t.csv", text)] == ["uo", "uo", "", ""]


@pytest.mark.parametrize(
    ("name", "text", "error", "told"),
    [
        ("t.xlsx", "x", UsageError, "ends in .csv"),
        ("t.csv", "", DataError, "empty"),
        ("t.csv", "\n,,\n", DataError, "holds no table"),
        ("t.csv", '"never closed', DataError, "not readable as a table"),
        ("t.md", "no table here\n", DataError, "holds no table"),
        ("t.tex", r"\begin{tabular}{c} a & b", DataError, "holds no table"),
        ("t.tex", "{" * 2**20 + "}", DataError, "at most 1 MiB"),
        ("t.csv", "Full,Rare," * 300, DataError, "line 1: 601 cells, expected a table"),
    ],
)
def test_what_holds_no_table_is_refused(tmp_path, name, text, error, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=told):
        read_tables(tmp_path / name)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(MissingData):
        read_tables(tmp_path / "t.csv")
