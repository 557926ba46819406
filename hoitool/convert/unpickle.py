"""Foreign pickles without running what is in them.

A pickle names the functions and classes that it wants called. Allowed are those that build NumPy arrays and numbers,
by functions of our own; a class that nobody knows counts as a dict (UPT's cache class is one) as long as it is made
without arguments. Everything else is refused by its name, before it is looked up.
"""

from __future__ import annotations

import gc
import math
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.errors import DataError
from hoitool.files import reading, require

NUMBER = re.compile("b1|[iu][1248]|f[248]")
PICKLED = (b"\x80", b"(", b"]", b"}", b"c")  # first bytes of pickles, of protocol 2 and later and of 0 and 1


def load_pickle(path: Path, what: str) -> Any:
    """The value in a pickle: dicts, lists, tuples, numbers, strings, NumPy arrays. Raises DataError for others."""
    require(path, what)
    collecting = gc.isenabled()
    gc.disable()  # millions of small objects, none of them garbage
    try:
        with reading(path, what), path.open("rb") as stream:
            return _Unpickler(stream, path).load()
    except MemoryError as error:
        raise DataError(f"{path}: not readable as {what} (says that it needs more memory than there is)") from error
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
        def __new__(cls, *arguments: Any, **options: Any) -> StandIn:
            if arguments or options:
                raise _refused(path, name)
            return super().__new__(cls)

        def __setstate__(self, state: Any) -> None:
            if not isinstance(state, dict):
                raise _refused(path, name)

    return StandIn


class _Number:
    """A NumPy type as its pickle describes it: numbers only, never Python objects or records of several."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not NUMBER.fullmatch(code):
            raise ValueError(f"a NumPy array of type {code!r:.40}, expected numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise ValueError("a NumPy array of records")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """The array that a pickled one starts as: without a size, which its state brings with the data."""

    def __setstate__(self, state: Any) -> None:
        shape, kind, by_column, content = state[-4:]
        content = content.encode("latin1") if isinstance(content, str) else content
        _check(kind, content)
        if (
            not isinstance(shape, tuple)
            or math.prod(shape) * kind.dtype.itemsize != len(content)
            or min(shape, default=0) < 0
        ):
            raise ValueError(f"a NumPy array of shape {shape!r:.40} with {len(content)} bytes")
        state = (1, shape, kind.dtype, bool(by_column), bytes(content))
        super().__setstate__(state)


def _check(kind: Any, content: Any) -> None:
    if not isinstance(kind, _Number) or not isinstance(content, bytes | bytearray):
        raise ValueError("a NumPy array or number without its type or its bytes")


def _empty_array(*_: Any) -> _Array:
    return _Array((0,), np.int8)


def _array(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    """An array as protocol 5 has it."""
    _check(kind, content)
    return np.frombuffer(content, kind.dtype).reshape(shape, order=order)


def _scalar(kind: Any, content: Any = None) -> Any:
    content = content.encode("latin1") if isinstance(content, str) else content
    _check(kind, content)
    return np.frombuffer(content, kind.dtype, count=1)[0]


def _named(*_: Any) -> Any:
    """What is allowed as an argument, such as the class of an array or what a defaultdict holds, but not as a call."""
    raise ValueError("a class that is not called")


def _encoded(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise ValueError(f"text in the encoding {codec!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _dict(*arguments: Any) -> dict[Any, Any]:
    if any(value is not None and value is not _named for value in arguments):
        raise ValueError("a dict made with arguments")
    return {}


def _reconstructed(kind: Any, base: Any, state: Any) -> Any:
    """copyreg's way of protocols 0 and 1: an object of a class whose base is dict."""
    if not isinstance(kind, type) or not issubclass(kind, dict) or not isinstance(state, dict):
        raise ValueError("an object that is not a dict")
    made = kind()
    made.update(state)
    return made


ALLOWED: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _array,
    ("numpy", "ndarray"): _named,
    ("numpy", "dtype"): _Number,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "dict"): dict,
    ("__builtin__", "dict"): dict,
}
ALLOWED |= {(module, name): _named for module in ("builtins", "__builtin__") for name in ("float", "int", "list")}
