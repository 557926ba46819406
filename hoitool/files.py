"""Files: atomic writes, hashes, and safe loading of files that somebody else made.

A file that hoitool writes is complete or absent. A file that hoitool reads is untrusted: nothing in it is
executed, and whatever is wrong with it becomes one line that names it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import math
import mmap
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.errors import DataError, HoitoolError, MissingData, UsageError

SHOWN = 200  # letters of what a parser says
NPZ_LIMIT = 64 * 2**30  # bytes that an .npz may say it unpacks to


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the name `path` when the block ends well, and vanishes when it does not."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Like `atomic` for a folder: what had its name before is replaced as a whole, or stays."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        former = temporary.with_name(f"{temporary.name}.former")
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _exchange(temporary, path, former)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path, former: Path) -> None:
    """Put `new` in the place of `path`, whose content goes by way of `former`, and comes back when that fails."""
    if not path.exists():
        new.replace(path)
        return
    path.replace(former)
    try:
        new.replace(path)
    except OSError:
        former.replace(path)
        raise
    if former.is_dir():
        shutil.rmtree(former)
    else:
        former.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the operating system refuses while `path` is written becomes one line that names it."""
    try:
        yield
    except OSError as error:
        raise HoitoolError(f"{path}: could not be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def refuse_overwrite(path: Path, overwrite: bool, option: str = "") -> None:
    """Raise UsageError when `path`, which nobody named if there is an `option` to name it, exists and has to stay."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; {f'{option} names another, ' if option else ''}--overwrite replaces it")


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes; of a folder, of its visible files' names and bytes in name order."""
    digest = hashlib.sha256()
    if path.is_dir():
        for member in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
            digest.update(f"{member.name}\0{sha256(member)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require(path: Path, what: str) -> Path:
    """`path` itself. Raises MissingData when it is not there and DataError when it is an empty file."""
    if not path.exists():
        raise MissingData(f"{path}: no such file or folder ({what} expected)")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty ({what} expected)")
    return path


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether `path` is a file whose first bytes are `magic`."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def json_object_with(path: Path, *names: str) -> bool:
    """Whether `path` is a file that begins as a JSON object and has all of the names in it, in double quotes."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        if not stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(content.find(f'"{name}"'.encode()) >= 0 for name in names)


@contextlib.contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a foreign file makes a parser raise into one DataError that names the file."""
    try:
        yield
    except (HoitoolError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise MissingData(f"{path}: no such file ({what} expected)") from error
    except PermissionError as error:
        raise HoitoolError(f"{path}: permission denied") from error
    except Exception as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        # parsers quote what the file holds, whatever that is and however long
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in cause[:SHOWN])
        raise DataError(
            f"{path}: not readable as {what} ({shown}); it may be truncated or of another format"
        ) from error


@contextlib.contextmanager
def naming(*paths: Path) -> Iterator[None]:
    """What is wrong with data, in a block that does not know their files, is told with the names of these."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{' against '.join(map(str, paths))}: {error}") from error


def load_json(path: Path, what: str, kind: type, emptied: str | None = None) -> Any:
    """The JSON value of a file, which must be a `kind` (dict or list). Raises DataError, with line and column, else.

    emptied  a member of objects that becomes null as soon as it is read: what is not looked at and would fill memory
    """
    require(path, what)

    def hook(value: dict[str, Any]) -> dict[str, Any]:
        if emptied in value:
            value[emptied] = None
        return value

    with reading(path, what):
        text = path.read_bytes().decode("utf-8-sig")
        found = json.loads(text, object_hook=None if emptied is None else hook)
    if not isinstance(found, kind):
        expected = "an object {...}" if kind is dict else "a list [...]"
        raise DataError(f"{path}: holds a {type(found).__name__}, expected {expected} ({what})")
    return found


def load_npz(path: Path, what: str, names: set[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an .npz file (those of `names`, default all), without pickle.

    Raises DataError, naming the array, for Python objects and for an array that says it is larger than its file.
    """
    require(path, what)
    with reading(path, what):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > NPZ_LIMIT:
                raise DataError(f"{path}: says it unpacks to {unpacked / 2**30:.0f} GiB, more than is read")
            for member in archive.infolist():
                _check_size(path, archive, member)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: _plain(path, arrays, name) for name in arrays.files if names is None or name in names}


def npz_names(path: Path) -> set[str]:
    """The names of the arrays in an .npz file, by its directory alone; none for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return set()


def _check_size(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise DataError when an array says that it is larger than its file, before memory is taken for it."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](stream)
        said = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and said > member.file_size:
        raise DataError(f"{path}, array {member.filename!r}: says it has {said} bytes and has {member.file_size}")


def _plain(path: Path, archive: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(archive[name])
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise DataError(
            f"{path}, array {name!r}: holds Python objects, which are never loaded; "
            "save numbers, or strings as a NumPy string array (dtype 'U')"
        ) from error


def load_mat(path: Path, what: str, names: list[str], optional: list[str] | None = None) -> dict[str, Any]:
    """The variables `names`, and those of `optional` that are there, of a MATLAB file (v4 to v7.2).

    Numeric classes are the stored ones, which may be narrower than double: widen before arithmetic.
    Raises DataError for v7.3 (HDF5) files and where a variable of `names` is missing.
    """
    require(path, what)
    if starts_with(path, b"\x89HDF") or starts_with(path, b"MATLAB 7.3"):
        raise DataError(f"{path}: an HDF5 (MATLAB v7.3) file; in MATLAB, save it again with -v7")
    from scipy.io import loadmat, whosmat

    with reading(path, what), no_garbage_collection():
        content: dict[str, Any] = loadmat(path, variable_names=[*names, *(optional or [])])
        missing = [name for name in names if name not in content]
        if missing:
            held = ", ".join(name for name, _, _ in whosmat(path)) or "nothing"
            raise DataError(f"{path}: no variable {missing[0]!r} ({what} expected); the file holds {held}")
    return content


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """While millions of small objects are made, none of them garbage: looking for some costs a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
