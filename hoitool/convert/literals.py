"""Values out of text that somebody's script dumped: JSON, a string inside JSON, or what Python prints of its lists.

CDN, GEN-VLKT and HOICLIP write `json.dumps(str({"preds": ..., "gts": ...}))` and read it back with eval(). Nothing is
run here: Python's spelling of plain values (quotes, None, nan, tuples, `np.float32(0.5)`, `array([1., 2.])`) is
translated into JSON's, and what is not a plain value is refused where the JSON parser meets it.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from pathlib import Path
from typing import Any

from hoitool.errors import DataError
from hoitool.files import reading, require

WORDS = {"None": "null", "True": "true", "False": "false", "nan": "NaN", "inf": "Infinity", "(": "[", ")": "]"}
TOKEN = re.compile(
    r"""(?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")
    | (?:np|numpy)\.\w+\((?P<scalar>[^()'"]*)\)
    | (?:np\.|numpy\.)?array\((?P<array>[\[\]\s\w.,+-]*?)(?:,\s*dtype=[\w.]+)?\)
    | (?P<word>\b(?:None|True|False|nan|inf)\b|[()])""",
    re.VERBOSE | re.DOTALL,
)
PRINTED = re.compile(r"\s*[\[{]\s*\{?\s*'")  # no JSON begins so
SCALARS = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8")
NO_QUOTED_PARENTHESES = re.compile(r"(?:[^']*+'[^'()]*+')*+[^']*+\Z")
BARE_POINT = re.compile(r"(\d)\.(?![\d])")  # `1.`, as NumPy prints it inside arrays


def load_literal(path: Path, what: str) -> Any:
    """The value that a file holds as JSON, as text inside a JSON string, or as Python prints it.

    Raises MissingData, and DataError for what is none of these; nothing in the file is ever run.
    """
    require(path, what)
    with reading(path, what):
        text = path.read_bytes().decode("utf-8-sig")
        if PRINTED.match(text):
            return parse_python(text, str(path))
        value = json.loads(text)
        del text
        return _inside(value, str(path)) if isinstance(value, str) else value


def _inside(text: str, where: str) -> Any:
    """The value of a text that was a JSON string: JSON again, or Python's spelling."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return parse_python(text, where)


def parse_python(text: str, where: str) -> Any:
    """The plain value that Python printed as `text`. Raises DataError, naming `where`, for anything else."""
    if '"' not in text and "\\" not in text:  # then every quote begins or ends a string
        try:
            return json.loads(_without_scalar_types(text).replace("'", '"'))
        except json.JSONDecodeError:
            pass  # it has more than numbers and strings
    text = TOKEN.sub(_translated, text)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        found = text[error.pos : error.pos + 30]
        came = f"{found!r} at its character {error.pos}" if found else "that it ends too early"
        raise DataError(
            f"{where}: the text inside holds {came}, expected only numbers, strings, lists and objects as Python "
            "prints them (nothing in it is run)"
        ) from error


def _without_scalar_types(text: str) -> str:
    """`np.float32(0.5)` as `0.5`, where these are the only parentheses; the text as it is where they are not."""
    opened = text.count("(")
    if not opened or opened != text.count(")") or not NO_QUOTED_PARENTHESES.match(text):
        return text
    made = text
    for name in SCALARS:
        made = made.replace(f"np.{name}(", "")
    return text if "(" in made else made.replace(")", "")


def _translated(token: re.Match[str]) -> str:
    """JSON's spelling of a token that Python spells otherwise."""
    kind, text = token.lastgroup, token[token.lastgroup or 0]
    if kind == "string":
        return json.dumps(text[1:-1] if "\\" not in text else _unescaped(text))
    if kind == "word":
        return WORDS[text]
    inner = TOKEN.sub(_translated, text)
    return BARE_POINT.sub(r"\1.0", inner)


def _unescaped(text: str) -> str:
    """The string of one quoted Python string."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes that Python does not know stay as they are
        return str(ast.literal_eval(text))
