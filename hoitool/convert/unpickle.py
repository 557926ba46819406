"""Foreign pickles without running what is in them.

A pickle names the functions and classes that it wants called. Allowed are those that build NumPy arrays and numbers,
by functions of our own; a class that nobody knows counts as a dict (UPT's cache class is one) as long as it is made
without arguments. Everything else is refused by its name, before it is looked up.
"""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.errors import DataError
from hoitool.files import reading, require

PICKLED = (b"\x80", b"(", b"]", b"}", b"c")  # first bytes of pickles, of protocol 2 and later and of 0 and 1


def load_pickle(path: Path, what: str) -> Any:
    """The value in a pickle: dicts, lists, tuples, numbers, strings, NumPy arrays. Raises DataError for others."""
    require(path, what)
    collecting = gc.isenabled()
    gc.disable()  # millions of small objects, none of them garbage
    try:
        with reading(path, what), path.open("rb") as stream:
            return _Unpickler(stream, path).load()
    finally:
        if collecting:
            gc.enable()


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """What a global of the pickle becomes."""
        found = ALLOWED.get((module.replace("numpy.core", "numpy._core"), name))
        if found is not None:
            return found
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names or package in ("__builtin__", "numpy", "torch") or "." in name:
            raise _refused(self._path, f"{module}.{name}")
        return _stand_in(self._path, f"{module}.{name}")


def _refused(path: Path, name: str) -> DataError:
    return DataError(
        f"{path}: the pickle wants {name}, which is not loaded: only dicts, lists, numbers and NumPy arrays are; "
        "write it again with plain lists"
    )


def _stand_in(path: Path, name: str) -> type[dict[Any, Any]]:
    """A dict in place of an unknown class, which refuses to be made with arguments or to take a state."""

    class StandIn(dict[Any, Any]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            if arguments or options:
                raise _refused(path, name)
            super().__init__()

        def __setstate__(self, state: Any) -> None:
            if not isinstance(state, dict):
                raise _refused(path, name)

    return StandIn


def _empty_array(*_: Any) -> np.ndarray[Any, Any]:
    """The array that a pickled one starts as: without a size, which its state brings with the data."""
    return np.ndarray((0,), np.int8)


def _scalar(dtype: Any, content: Any = None) -> Any:
    if isinstance(content, str):
        content = content.encode("latin1")
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(content, bytes):
        raise ValueError("a NumPy number without its bytes")
    return np.frombuffer(content, dtype, count=1)[0]


def _encoded(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise ValueError(f"text in the encoding {codec!r}")
    return text.encode("latin1")


def _dict(*arguments: Any) -> dict[Any, Any]:
    if any(not isinstance(value, type(None)) for value in arguments):
        raise ValueError("a dict made with arguments")
    return {}


def _reconstructed(kind: Any, base: Any, state: Any) -> Any:
    """copyreg's way of protocols 0 and 1: an object of a class whose base is dict."""
    made = kind()
    if not isinstance(made, dict) or not isinstance(state, dict):
        raise ValueError("an object that is not a dict")
    made.update(state)
    return made


ALLOWED: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("builtins", "dict"): dict,
    ("__builtin__", "dict"): dict,
}
