"""Markdown and LaTeX (booktabs) tables in the layout of papers, with the signature that makes them traceable."""

from __future__ import annotations

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
    columns = sum(len(splits) for _, splits in groups.heads)
    spans, rules, at = [], [], 2
    for setting, splits in groups.heads:
        spans.append(rf"\multicolumn{{{len(splits)}}}{{c}}{{{_tex(setting)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(splits) - 1}}}")
        at += len(splits)
    lines = [
        f"% {result.signature}",
        *(f"% {line}" for line in sampled(result)),
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'c' * columns}}}",
        r"\toprule",
        f" & {' & '.join(spans)} " + r"\\",
        " ".join(rules),
        f"Method & {' & '.join(_tex(split) for _, splits in groups.heads for split in splits)} " + r"\\",
        r"\midrule",
        *(f"{_tex(label)} & {' & '.join(values)} " + r"\\" for label, values in groups.cells(INTERVAL)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in text)
