"""Save and load: torch's zip format out; torch zip, torch legacy, torch tar and safetensors in, found by content.

Holds the containers and the files; what a pickle may contain is in `_torch_pickle.py`.
"""

from __future__ import annotations

import contextlib
import io
import mmap as _mmap
import os
import pickle
import stat
import struct
import sys
import zipfile
from collections.abc import Callable
from typing import IO, Any

import rsnn

from . import _safetensors
from ._checkpoint import FORMAT_ERRORS, Reader
from ._torch_pickle import (
    FullUnpickler,
    WeightsUnpickler,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from ._torch_pickler import TorchPickler

__all__ = [
    "save",
    "load",
    "save_safetensors",
    "load_safetensors",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "safe_globals",
]

FileLike = str | os.PathLike | IO[bytes]
MapLocation = Any  # None, a device or its name, a dict of locations, or a function

ALIGNMENT = 64


# --- save -------------------------------------------------------------------------------------------------------


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save an object in torch's zip format; `torch.load` reads the file.

    Tensors that share memory still share it after loading. A path is written to a temporary file first and renamed,
    so a crash leaves the old file in place.

    Args:
        obj: tensors, modules, state dicts, or any object that pickles.
        f: a path, or a writable binary file.

    Example:
        >>> rsnn.save(model.state_dict(), "model.pt")
    """
    if pickle_module is not pickle:
        raise NotImplementedError("save: got another pickle_module, expected the standard pickle")
    data = io.BytesIO()
    pickler = TorchPickler(data, max(2, pickle_protocol))
    pickler.dump(obj)
    name = "archive"
    if isinstance(f, (str, os.PathLike)):
        name = os.path.splitext(os.path.basename(os.fspath(f)))[0] or name
    with _writing(f) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        _add_record(archive, f"{name}/data.pkl", data.getvalue())
        _add_record(archive, f"{name}/.format_version", b"1")
        _add_record(archive, f"{name}/.storage_alignment", str(ALIGNMENT).encode())
        if not _disable_byteorder_record:
            _add_record(archive, f"{name}/byteorder", sys.byteorder.encode())
        for key, (_, raw) in enumerate(pickler.storages):
            _add_record(archive, f"{name}/data/{key}", raw)
        _add_record(archive, f"{name}/version", b"3\n")


def _add_record(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name)
    start = archive.fp.tell() + 30 + len(name.encode())  # type: ignore[union-attr]
    if len(data) * 1.05 > zipfile.ZIP64_LIMIT:
        start += 20  # the zip64 field that zipfile writes in front
    pad = -(start + 4) % ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", pad) + b"Z" * pad
    archive.writestr(info, data)


@contextlib.contextmanager
def _writing(f: FileLike):
    """Give a file to write to; a regular path is replaced in one step when the block ends without an error."""
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError(
                f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f)}"
            )
        yield f
        return
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "wb") as out:
            yield out
        return
    if not os.path.isdir(os.path.dirname(path)):
        raise RuntimeError(f"Parent directory {os.path.dirname(os.fspath(f)) or '.'} does not exist.")
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        if os.path.exists(path):
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(os.path.dirname(path))


def _sync_directory(path: str) -> None:
    with contextlib.suppress(OSError):  # not every system lets a directory be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- load -------------------------------------------------------------------------------------------------------


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load a torch checkpoint (zip, legacy or tar) or a safetensors file, recognised by content.

    Args:
        f: a path, or a readable binary file.
        map_location: device, device string, dict of locations, or a function `(storage, location) -> storage`.
        weights_only: True (default) reads tensors, plain containers and allowed globals. False runs whatever code the
            file's pickle names: only for files you trust.
        mmap: True maps the file and reads pages when they are used; needs a path.

    Raises:
        pickle.UnpicklingError: the file holds something that `weights_only=True` does not allow.
        RuntimeError: the file is truncated, corrupt or of no known format; the message names it.

    Example:
        >>> model.load_state_dict(rsnn.load("model.pt"))
    """
    if pickle_module not in (None, pickle):
        raise NotImplementedError("load: got another pickle_module, expected the standard pickle")
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args:
        raise TypeError(f"load: got unexpected arguments {sorted(pickle_load_args)}")
    name = os.fspath(f) if isinstance(f, (str, os.PathLike)) else getattr(f, "name", f"<{type(f).__name__}>")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file filename in order to use the mmap argument")
    full = weights_only is not None and not weights_only
    reader = Reader(str(name), map_location, FullUnpickler if full else WeightsUnpickler, encoding, not mmap)
    data, rest = _bytes_of(f, bool(mmap))
    try:
        return reader.read(data)
    except pickle.UnpicklingError as e:
        if full:
            raise RuntimeError(f"load: '{name}' is truncated or corrupt: {e}") from e
        raise pickle.UnpicklingError(f"Weights only load failed. '{name}': {e}") from None
    except FORMAT_ERRORS as e:
        raise RuntimeError(f"load: '{name}' is truncated or corrupt: {e}") from e
    finally:
        rest(reader.consumed)


def _bytes_of(f: FileLike, private: bool) -> tuple[memoryview, Callable[[int], None]]:
    """Return a file's bytes from where it stands, and what to call with the number of bytes that were used."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return memoryview(file.read()), lambda used: None
            if os.fstat(file.fileno()).st_size == 0:
                raise RuntimeError(f"load: '{os.fspath(f)}' is empty")
            # A private mapping: writing to a loaded tensor does not write to the file.
            access = _mmap.ACCESS_COPY if private else _mmap.ACCESS_READ
            return memoryview(_mmap.mmap(file.fileno(), 0, access=access)), lambda used: None
    if not hasattr(f, "read"):
        raise AttributeError(f"'{type(f).__name__}' object has no attribute 'read'")
    seekable = getattr(f, "seekable", lambda: False)()
    begin = f.tell() if seekable else 0
    data = f.read()

    def rest(used: int) -> None:
        # Legacy files may follow one another in a stream: leave the position after the one that was read.
        if seekable:
            f.seek(begin + (used or len(data)))

    return memoryview(data), rest


# --- safetensors ------------------------------------------------------------------------------------------------


def save_safetensors(tensors: Any, filename: str | os.PathLike, metadata: dict[str, str] | None = None) -> None:
    """Save a dict of tensors, or a module's state dict, as safetensors.

    Tied tensors are stored once; the metadata names the others, so loading ties them again.

    Args:
        tensors: `{name: tensor}`, or a module.
        filename: where to write; replaced in one step.
        metadata: strings to store beside the tensors.

    Example:
        >>> rsnn.save_safetensors(model, "model.safetensors")
    """
    named = tensors if isinstance(tensors, dict) else tensors.state_dict()
    for name, t in named.items():
        if not isinstance(name, str) or not isinstance(t, rsnn.Tensor):
            raise TypeError(f"save_safetensors: {name!r}: {type(t).__name__}, expected names with tensors")
    chunks = _safetensors.dump(named, metadata)
    with _writing(filename) as out:
        for chunk in chunks:
            out.write(chunk)


def load_safetensors(filename: FileLike, device: Any = "cpu", mmap: bool = False) -> dict[str, Any]:
    """Load a safetensors file as a dict of tensors.

    Args:
        filename: a path, or a readable binary file.
        device: where the tensors go.
        mmap: True maps the file and reads pages when they are used.

    Example:
        >>> model.load_state_dict(rsnn.load_safetensors("model.safetensors"))
    """
    name = os.fspath(filename) if isinstance(filename, (str, os.PathLike)) else getattr(filename, "name", "<file>")
    reader = Reader(str(name), device, WeightsUnpickler, "utf-8", not mmap)
    data, _ = _bytes_of(filename, mmap)
    try:
        return reader.read_safetensors(data)
    except FORMAT_ERRORS as e:
        raise RuntimeError(f"load_safetensors: '{name}' is truncated or corrupt: {e}") from e
