"""The safetensors format: an 8-byte length, a JSON header, then the tensors' bytes.

Pure Python; follows the format's own rules (offsets without holes, header at most 100 MB).
"""

from __future__ import annotations

import json
import math
from typing import Any

import rsnn

from . import _rsnn
from ._torch_pickle import ITEM_SIZES, dtype_name

MAX_HEADER = 100_000_000
TAGS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
NAMES = {name: tag for tag, name in TAGS.items()}


def looks_like(head: bytes, size: int) -> bool:
    """Tell whether a file's first bytes are a safetensors header."""
    if len(head) < 9 or head[8:9] != b"{":
        return False
    return int.from_bytes(head[:8], "little") <= max(size - 8, MAX_HEADER)


def _unique(pairs: list) -> dict:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice in the header")
    return table


def read_header(data: memoryview) -> tuple[dict[str, Any], dict[str, str], int]:
    """Check a header and return its entries, its metadata and where the tensors' bytes start.

    Raises:
        ValueError: the header does not describe the bytes that follow it.
    """
    if len(data) < 8:
        raise ValueError("the file is shorter than its 8-byte header length")
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER, len(data) - 8):
        raise ValueError(f"header of {length} bytes in a file of {len(data)} bytes (truncated?)")
    try:
        header = json.loads(bytes(data[8 : 8 + length]).decode(), object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
        raise ValueError(f"the header is not JSON: {e}") from e
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("__metadata__ is not a map of strings")
    start, end = 8 + length, 0
    for name, entry in sorted(header.items(), key=_begin):
        end = _check_entry(name, entry, end)
    if start + end != len(data):
        raise ValueError(f"the tensors need {start + end} bytes, the file has {len(data)} (truncated?)")
    return header, metadata, start


def _begin(item: tuple[str, Any]) -> int:
    try:
        begin, end = item[1]["data_offsets"]
        return int(begin) * 2 + (begin != end)
    except (TypeError, KeyError, ValueError) as e:
        raise ValueError(f"tensor {item[0]!r} has no valid data_offsets") from e


def _check_entry(name: str, entry: dict, previous_end: int) -> int:
    begin, end = entry["data_offsets"]
    shape, tag = entry.get("shape"), entry.get("dtype")
    if tag not in TAGS:
        raise ValueError(f"tensor {name!r} has dtype {tag!r}, expected one of {', '.join(TAGS)}")
    if not isinstance(shape, list) or not all(type(s) is int and s >= 0 for s in shape):
        raise ValueError(f"tensor {name!r} has shape {shape!r}")
    need = math.prod(shape) * ITEM_SIZES[TAGS[tag]]
    if type(begin) is not int or type(end) is not int or begin != previous_end or end - begin != need:
        raise ValueError(f"tensor {name!r} has offsets {begin}..{end}, expected {previous_end}..{previous_end + need}")
    return end


def parse(data: memoryview, copy: bool = True) -> dict[str, Any]:
    """Return the tensors of a safetensors buffer; aliases written by `dump` come back as one tensor."""
    header, metadata, start = read_header(data)
    tensors: dict[str, Any] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = getattr(rsnn, TAGS[entry["dtype"]])
        if begin == end:
            tensors[name] = rsnn.empty(entry["shape"], dtype=dtype)
        else:
            # An unaligned buffer cannot be borrowed.
            aligned = (start + begin) % ITEM_SIZES[TAGS[entry["dtype"]]] == 0
            flat = _rsnn.frombuffer(data[start + begin : start + end], dtype, copy or not aligned)
            tensors[name] = flat.view(entry["shape"])
    for alias, kept in metadata.items():
        if alias not in tensors and kept in tensors:
            tensors[alias] = tensors[kept]
    return tensors


def _raw(tensor: Any) -> memoryview:
    whole = tensor.detach().cpu().contiguous()
    size = ITEM_SIZES[dtype_name(whole.dtype)]
    data = memoryview(_rsnn.storage_bytes(whole))
    begin = whole.storage_offset() * size
    return data[begin : begin + whole.numel() * size]


def dump(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> list[Any]:
    """Return the byte chunks of a safetensors file; tied tensors are stored once and named in the metadata."""
    metadata = dict(metadata or {})
    seen: dict[tuple, str] = {}
    kept: list[tuple[str, Any]] = []
    for name, t in tensors.items():
        if dtype_name(t.dtype) not in NAMES:
            raise NotImplementedError(
                f"save_safetensors: {name!r} of dtype {t.dtype}, expected one of {', '.join(NAMES)}"
            )
        identity = (t._storage_key(), t.storage_offset(), tuple(t.shape), tuple(t.stride()), t.dtype)
        if t.numel() and identity in seen:
            metadata[name] = seen[identity]
        else:
            seen[identity] = name
            kept.append((name, t))
    # Widest items first keeps every tensor aligned to its item size.
    kept.sort(key=lambda item: (-ITEM_SIZES[dtype_name(item[1].dtype)], item[0]))
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, t in kept:
        begin, end = end, end + t.numel() * ITEM_SIZES[dtype_name(t.dtype)]
        header[name] = {"dtype": NAMES[dtype_name(t.dtype)], "shape": list(t.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *(_raw(t) for _, t in kept)]
