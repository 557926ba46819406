"""A comparison as Markdown and LaTeX (booktabs): a row for each system, the best figure bold, the second underlined.

A dagger marks figures that differ from the first system's by more than noise.
"""

from __future__ import annotations

from collections.abc import Callable

from hoitool.diagnose.comparison import Compared, Comparison
from hoitool.report.layout import RANKS, figure, title
from hoitool.report.tables import booktabs, tex

Marked = Callable[[str], str]


def headline(found: Comparison) -> list[Compared]:
    """The figures that papers print: those of mAP, all where there is none."""
    return [each for each in found.figures if each.metric == "mAP"] or list(found.figures)


def markdown(found: Comparison) -> str:
    """A Markdown table in per cent, the sentences below it, and how the comparison was made."""
    columns = headline(found)
    heads = [f"{title(each.setting)} {title(each.split)}{_metric(each)}" for each in columns]
    marks: tuple[Marked, Marked] = (lambda text: f"**{text}**", lambda text: f"<u>{text}</u>")
    cells = [_cells(each, *marks, " †") for each in columns]
    lines = [f"| % | {' | '.join(heads)} |", f"|:--|{'--:|' * len(heads)}"]
    for i, name in enumerate(found.systems):
        lines.append(f"| {name.replace('|', chr(92) + '|')} | {' | '.join(column[i] for column in cells)} |")
    told = "\n".join(f"- {sentence}" for sentence in found.sentences())
    notes = "".join(f"\n{note}.\n" for note in found.notes)
    return "\n".join(lines) + f"\n\n{_legend(found)}\n\n{told}\n\n`{found.signature}`\n{notes}"


def latex(found: Comparison) -> str:
    """A booktabs table in per cent, splits grouped under their settings."""
    columns = headline(found)
    heads = [
        (title(setting), [title(each.split) + _metric(each) for each in columns if each.setting == setting])
        for setting in dict.fromkeys(each.setting for each in columns)
    ]
    cells = [_cells(each, r"\textbf{{{}}}".format, r"\underline{{{}}}".format, r"$^\dagger$") for each in columns]
    rows = [(tex(name), [column[i] for column in cells]) for i, name in enumerate(found.systems)]
    return booktabs([found.signature, _legend(found), *found.sentences()], heads, rows)


def _metric(each: Compared) -> str:
    return "" if each.metric == "mAP" else f" {each.metric}"


def _legend(found: Comparison) -> str:
    held = found.sampling
    permuted = f", p of {held['permutations']:,} permutations after Holm" if held["permutations"] else ""
    told = f"{100 * held['level']:g} % interval of {held['resamples']:,} image resamples{permuted}"
    return f"Best bold, second underlined; † differs from {found.systems[0]} by more than noise ({told})."


def _cells(each: Compared, best: Marked, second: Marked, dagger: str) -> list[str]:
    """The figures of a column as printed, marked; figures that print alike are marked alike."""
    shown = [figure(each.metric, value) for value in each.values]
    order = sorted({float(text) for text in shown if text != "-"}, reverse=each.metric not in RANKS)
    marks = dict(zip(order, (best, second), strict=False))
    sure = [False, *(not difference.noise for difference in each.differences)]
    made = [text if text == "-" else marks.get(float(text), str)(text) for text in shown]
    return [f"{text}{dagger if more else ''}" for text, more in zip(made, sure, strict=True)]
