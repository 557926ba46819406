"""Markdown and LaTeX (booktabs) tables in the layout of papers, with the signature that makes them traceable."""

from __future__ import annotations

from collections.abc import Sequence

from hoitool.eval import Result
from hoitool.report.layout import main_metrics, sampled, two_groups

INTERVAL = r"{} {{\scriptsize {}}}"  # of a figure and its interval in LaTeX


def markdown(result: Result, name: str) -> str:
    """A Markdown table of the main metrics in per cent, one column per setting and split."""
    groups, metrics = two_groups(result, name), main_metrics(result)
    heads = [f"{setting} {split}" for setting, splits in groups.heads for split in splits]
    lines = [
        f"| {f'{metrics[0]} (%)' if len(metrics) == 1 else '%'} | {' | '.join(heads)} |",
        f"|:--|{'--:|' * len(heads)}",
    ]
    lines += [f"| {label} | {' | '.join(values)} |" for label, values in groups.cells("{} {}")]
    notes = "".join(f"\n{note}.\n" for note in (*sampled(result), *result.notes))
    return "\n".join(lines) + f"\n\n`{result.signature}`\n{notes}"


def latex(result: Result, name: str) -> str:
    """A booktabs table of the main metrics in per cent, splits grouped under their settings."""
    groups = two_groups(result, name)
    rows = [(tex(label), values) for label, values in groups.cells(INTERVAL)]
    return booktabs([result.signature, *sampled(result)], groups.heads, rows)


def booktabs(
    comments: Sequence[str], heads: Sequence[tuple[str, Sequence[str]]], rows: Sequence[tuple[str, Sequence[str]]]
) -> str:
    """A table of methods, columns grouped under their settings; names of columns are plain text, rows are LaTeX."""
    spans, rules, at = [], [], 2
    for setting, splits in heads:
        spans.append(rf"\multicolumn{{{len(splits)}}}{{c}}{{{tex(setting)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(splits) - 1}}}")
        at += len(splits)
    lines = [
        *(f"% {line}" for line in comments),
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'c' * (at - 2)}}}",
        r"\toprule",
        f" & {' & '.join(spans)} " + r"\\",
        " ".join(rules),
        f"Method & {' & '.join(tex(split) for _, splits in heads for split in splits)} " + r"\\",
        r"\midrule",
        *(f"{label} & {' & '.join(values)} " + r"\\" for label, values in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """Plain text as LaTeX has it."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in text)
