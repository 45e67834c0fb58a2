"""Read checkpoint containers: torch zip, torch legacy (one pickle after another), torch tar, safetensors.

Takes a file's bytes and returns objects; opening files and naming them in errors is `serialization.py`'s part.
"""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import rsnn

from . import _rsnn, _safetensors
from ._torch_pickle import ITEM_SIZES, CheckpointError, Storage, StorageType, WeightsUnpickler, rebuild_tensor

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
FORMAT_ERRORS = (
    ValueError,
    EOFError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
)


class Reader:
    """Read one file: keeps its storages, its map_location and its unpickler."""

    def __init__(self, name: str, map_location: Any, unpickler: type, encoding: str, copy: bool):
        self.name, self.map_location, self.unpickler = name, map_location, unpickler
        self.encoding, self.copy = encoding, copy
        self.storages: dict[str, Storage] = {}
        self.swap = False
        self.consumed = 0

    def read(self, data: memoryview) -> Any:
        head = bytes(data[:512])
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return self.read_zip(data)
        if head[257:262] == b"ustar" or _is_old_tar(head):
            return self.read_tar(data)
        if _safetensors.looks_like(head, len(data)):
            return self.read_safetensors(data)
        if head[:1] == b"\x80":
            return self.read_legacy(data)
        raise CheckpointError("not a torch checkpoint (zip, legacy, tar) and not a safetensors file")

    def unpickle(self, file: Any, persistent_load: Callable) -> Any:
        return self.unpickler(file, persistent_load, self.encoding).load()

    # - zip

    def read_zip(self, data: memoryview) -> Any:
        with zipfile.ZipFile(_ViewIO(data)) as archive:
            infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if "constants.pkl" in infos:
                raise CheckpointError(
                    "a TorchScript archive, expected a checkpoint. Save its state_dict() with torch.save"
                )
            if "data.pkl" not in infos:
                raise CheckpointError("the zip archive has no data.pkl record")
            if "byteorder" in infos:
                self.swap = bytes(self.record(data, infos["byteorder"])).strip() != sys.byteorder.encode()
            text = io.BytesIO(self.record(data, infos["data.pkl"]))

            def persistent_load(pid: Any) -> Storage:
                dtype, key, location, numel = _check_pid(pid)
                if key not in self.storages:
                    if f"data/{key}" not in infos:
                        raise CheckpointError(f"record data/{key} is missing")
                    raw = self.record(data, infos[f"data/{key}"])
                    self.storages[key] = Storage(self.tensor(raw, dtype, numel, location))
                return self.storages[key]

            return self.unpickle(text, persistent_load)

    def record(self, data: memoryview, info: zipfile.ZipInfo) -> Any:
        """Return a record's bytes, without a copy when it is stored plain, checked against its CRC unless mapped."""
        at = info.header_offset
        header = bytes(data[at : at + 30])
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise CheckpointError(f"record {info.filename!r} has no header")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        begin = at + 30 + name_length + extra_length
        raw: Any = data[begin : begin + info.compress_size]
        if len(raw) != info.compress_size:
            raise CheckpointError(f"record {info.filename!r} has {len(raw)} of {info.compress_size} bytes")
        if info.compress_type == zipfile.ZIP_DEFLATED:
            raw = memoryview(zlib.decompressobj(-15).decompress(raw, info.file_size + 1))
        elif info.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(f"record {info.filename!r} is compressed by method {info.compress_type}")
        if len(raw) != info.file_size:
            raise CheckpointError(f"record {info.filename!r} has {len(raw)} of {info.file_size} bytes")
        # torch writes 0 when told not to compute checksums.
        if self.copy and info.CRC and zlib.crc32(raw) != info.CRC:
            raise CheckpointError(f"record {info.filename!r} does not match its checksum")
        return raw

    # - legacy: five pickles, then the storages' bytes

    def read_legacy(self, data: memoryview) -> Any:
        file = _ViewIO(data)
        refuse = _no_persistent_id
        if WeightsUnpickler(file, refuse).load() != LEGACY_MAGIC:
            raise CheckpointError("the magic number is not torch's")
        protocol = WeightsUnpickler(file, refuse).load()
        if protocol != LEGACY_PROTOCOL:
            raise CheckpointError(f"protocol version {protocol}, expected {LEGACY_PROTOCOL}")
        system = WeightsUnpickler(file, refuse).load()
        self.swap = system.get("little_endian", True) != (sys.byteorder == "little")
        pending: dict[str, tuple] = {}

        def persistent_load(pid: Any) -> Any:
            if isinstance(pid, tuple) and pid and pid[0] == "module":
                return pid[1]  # (class, source file, source): the source is not compared
            view = pid[5] if isinstance(pid, tuple) and len(pid) == 6 else None
            dtype, key, location, numel = _check_pid(pid[:5] if isinstance(pid, tuple) else pid)
            if key not in self.storages:
                if numel * ITEM_SIZES[dtype] > len(data):
                    raise CheckpointError(f"storage {key} of {numel} elements in a file of {len(data)} bytes")
                base = self.place(rsnn.empty(numel, dtype=getattr(rsnn, dtype)), location)
                self.storages[key] = Storage(base)
                pending[key] = (dtype, numel)
            root = self.storages[key]
            return root if view is None else Storage(root.base, int(view[1]))

        result = self.unpickle(file, persistent_load)
        for key in WeightsUnpickler(file, refuse).load():
            if key not in pending:
                raise CheckpointError(f"storage {key!r} is not used by any tensor")
            dtype, numel = pending.pop(key)
            count = struct.unpack("<q" if not self.swap else ">q", file.take(8))[0]
            if count != numel:
                raise CheckpointError(f"storage {key} has {count} elements, expected {numel}")
            if numel:
                raw = file.take(numel * ITEM_SIZES[dtype])
                self.storages[key].base.copy_(self.tensor(raw, dtype, numel, "cpu", place=False))
        if pending:
            raise CheckpointError(f"storages {sorted(pending)} have no bytes (truncated?)")
        self.consumed = file.tell()
        return result

    # - tar: torch before 0.1.10

    def read_tar(self, data: memoryview) -> Any:
        with tarfile.open(fileobj=_ViewIO(data), mode="r:") as archive:
            members = {name: self.member(archive, name) for name in ("storages", "tensors", "pickle")}
        file = members["storages"]
        for _ in range(_load_int(file)):
            key, location, storage_type = WeightsUnpickler(file, _no_persistent_id).load()
            count = struct.unpack("<q", file.take(8))[0]
            raw = file.take(count * ITEM_SIZES[storage_type.dtype])
            self.storages[str(key)] = Storage(self.tensor(raw, storage_type.dtype, count, location))
        file, tensors = members["tensors"], {}
        for _ in range(_load_int(file)):
            key, storage, _type = WeightsUnpickler(file, _no_persistent_id).load()
            ndim = struct.unpack("<i", file.take(4))[0]
            file.take(4)
            size = struct.unpack(f"<{ndim}q", file.take(8 * ndim))
            stride = struct.unpack(f"<{ndim}q", file.take(8 * ndim))
            offset = struct.unpack("<q", file.take(8))[0]
            tensors[str(key)] = rebuild_tensor(self.storages[str(storage)], offset, size, stride)

        def persistent_load(pid: Any) -> Any:
            found = tensors.get(str(pid)) if not isinstance(pid, tuple) else None
            if found is None:
                raise CheckpointError(f"unknown tensor {pid!r}")
            return found

        return self.unpickle(members["pickle"], persistent_load)

    @staticmethod
    def member(archive: tarfile.TarFile, name: str) -> _ViewIO:
        try:
            file = archive.extractfile(name)
        except KeyError:
            file = None
        if file is None:
            raise CheckpointError(f"the tar archive has no member {name!r}")
        return _ViewIO(memoryview(file.read()))

    # - shared

    def read_safetensors(self, data: memoryview) -> dict[str, Any]:
        tensors = _safetensors.parse(data, self.copy)
        placed: dict[int, Any] = {}
        for t in tensors.values():
            placed.setdefault(id(t), self.place(t, "cpu"))
        return {name: placed[id(t)] for name, t in tensors.items()}

    def tensor(self, raw: Any, dtype: str, numel: int, location: str, place: bool = True) -> Any:
        if len(raw) < numel * ITEM_SIZES[dtype]:
            raise CheckpointError(f"a storage of {numel} {dtype} has only {len(raw)} bytes")
        raw = raw[: numel * ITEM_SIZES[dtype]]
        if numel == 0:
            base = rsnn.empty(0, dtype=getattr(rsnn, dtype))
        elif self.swap and ITEM_SIZES[dtype] > 1:
            import numpy

            swapped = numpy.frombuffer(raw, f"u{ITEM_SIZES[dtype]}").byteswap().tobytes()
            base = _rsnn.frombuffer(swapped, getattr(rsnn, dtype), True)
        else:
            base = _rsnn.frombuffer(raw, getattr(rsnn, dtype), self.copy)
        return self.place(base, location) if place else base

    def place(self, base: Any, location: str) -> Any:
        where = self.map_location
        if callable(where) and not isinstance(where, rsnn.device):
            moved = where(base, location)
            return base if moved is None else moved
        if isinstance(where, dict):
            where = where.get(location, location)
        if where is None:
            where = location
        try:
            device = rsnn.device(where) if isinstance(where, (str, int)) else where
            return base if device.type == "cpu" else base.to(device)
        except (RuntimeError, NotImplementedError) as e:
            raise RuntimeError(
                f"load: '{self.name}' has tensors on {location!r}, which cannot be used here ({e}). "
                "Hint: map_location='cpu' loads them on the CPU"
            ) from e


def _check_pid(pid: Any) -> tuple[str, str, str, int]:
    ok = isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], StorageType)
    if not ok or not isinstance(pid[4], int) or pid[4] < 0 or not isinstance(pid[3], str):
        raise CheckpointError(f"persistent id {pid!r}, expected ('storage', type, key, location, numel)")
    return pid[1].dtype, str(pid[2]), pid[3], pid[4]


def _no_persistent_id(pid: Any) -> Any:
    raise CheckpointError(f"unexpected persistent id {pid!r}")


def _load_int(file: Any) -> int:
    count = WeightsUnpickler(file, _no_persistent_id).load()
    if not isinstance(count, int):
        raise CheckpointError(f"{count!r}, expected a count")
    return count


def _is_old_tar(head: bytes) -> bool:
    """Recognise a tar header without the `ustar` word by its checksum."""
    if len(head) < 512:
        return False
    try:
        stored = int(head[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    return stored == sum(head[:148]) + 8 * 32 + sum(head[156:512])


class _ViewIO(io.RawIOBase):
    """Read a buffer as a file without copying it."""

    def __init__(self, view: memoryview):
        self.view, self.at = view, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = max(0, (0, self.at, len(self.view))[whence] + offset)
        return self.at

    def read(self, size=-1):
        end = len(self.view) if size is None or size < 0 else min(len(self.view), self.at + size)
        data = bytes(self.view[self.at : end])
        self.at = max(self.at, end)
        return data

    def readinto(self, out):
        data = self.read(len(out))
        out[: len(data)] = data
        return len(data)

    def readline(self, size=-1):
        piece = bytes(self.view[self.at : self.at + 4096])
        end = piece.find(b"\n")
        return self.read(end + 1 if end >= 0 else len(piece))

    def take(self, size: int) -> memoryview:
        if size < 0 or self.at + size > len(self.view):
            raise CheckpointError(f"{size} bytes wanted, {len(self.view) - self.at} left (truncated?)")
        self.at += size
        return self.view[self.at - size : self.at]
