"""Figures of matplotlib: one look, and one way into files.

No display is needed, and the same values give the same bytes. Colours are Okabe and Ito's, told apart by colour-blind
people.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hoitool.errors import UsageError
from hoitool.files import atomic

FORMS = ("png", "svg", "pdf")
USUAL = FORMS[:2]  # what figures are written as where nothing is said
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Mapping[str, Any] = {
    "text.parse_math": False,  # names are no formulas
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "hoitool",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
UNDATED: Mapping[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Producer": None},
}


def check_form(path: Path, forms: Sequence[str]) -> None:
    """Raise UsageError when a picture's suffix is none of `forms`."""
    if path.suffix.lower().removeprefix(".") not in forms:
        raise UsageError(f"{path}: pictures are written as {' or '.join(f'.{form}' for form in forms)}")


def write(
    paint: Callable[[Any], None],
    size: tuple[float, float],
    paths: Sequence[Path],
    style: Mapping[str, Any] = STYLE,
    dpi: int = 200,
) -> None:
    """Write what `paint` puts on a figure of a size in inches into files, whose suffixes are of FORMS."""
    for path in paths:
        check_form(path, FORMS)
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = dict(style)
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in other scripts show as boxes
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        for path in paths:
            form = path.suffix.lower().removeprefix(".")
            with atomic(path) as temporary:
                figure.savefig(temporary, dpi=dpi, format=form, metadata=UNDATED[form])


def plain_counts(axis: Any) -> None:
    """1, 10, 100, 1,000 as they are on a log scale."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())
