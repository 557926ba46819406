"""A report from what a user names to a file: find the results, make the sections, write the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoitool.errors import UsageError
from hoitool.files import refuse_overwrite, write_text
from hoitool.lookup import Lookup, unknown_name
from hoitool.report.document.parts import Chart, Document, Part, Section
from hoitool.report.document.sources import Source

FORMATS = Lookup(
    "format of reports",
    {
        "html": "hoitool.report.document.html:html",
        "md": "hoitool.report.document.text:markdown",
        "latex": "hoitool.report.document.text:latex",
        "csv": "hoitool.report.document.text:csv_text",
        "json": "hoitool.report.document.text:json_text",
    },
)
SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json"}
