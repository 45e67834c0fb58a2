"""Reads the little of protobuf that ONNX models and tensors need; follows onnx.proto3."""

import struct
from dataclasses import dataclass, field

import numpy as np

# TensorProto.DataType -> (numpy dtype, field that holds the numbers when raw_data does not)
DTYPES = {
    1: ("float32", 4), 2: ("uint8", 5), 3: ("int8", 5), 4: ("uint16", 5), 5: ("int16", 5), 6: ("int32", 5), 7: ("int64", 7),
    9: ("bool", 5), 10: ("float16", 5), 11: ("float64", 10), 12: ("uint32", 11), 13: ("uint64", 11), 16: ("bfloat16", 5),
}  # fmt: skip


class Unreadable(Exception):
    """Holds what ONNX has and we do not: strings, sequences, complex numbers."""


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """Return {field number: [values]}: ints for varints, bytes for everything else."""
    out, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at : at + size], at + size
        out.setdefault(key >> 3, []).append(value)
    return out


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def integers(values):
    """Return repeated integers, packed or not."""
    out = []
    for value in values:
        if isinstance(value, int):
            out.append(signed(value))
        else:
            at = 0
            while at < len(value):
                number, at = varint(value, at)
                out.append(signed(number))
    return out


def tensor(data):
    """Return (name, array, whether it is bfloat16) of a TensorProto; bfloat16 comes as float32."""
    f = fields(data)
    kind = f.get(2, [0])[0]
    if kind not in DTYPES:
        raise Unreadable(f"tensor data type {kind}")
    dtype, where = DTYPES[kind]
    bits = {"float16": "uint16", "bfloat16": "uint16"}.get(dtype, dtype)
    if 9 in f:
        flat = np.frombuffer(f[9][0], dtype=bits)
    elif where in (4, 10):
        flat = np.frombuffer(b"".join(f.get(where, [])), dtype=dtype)
    else:
        flat = np.array(integers(f.get(where, []))).astype(bits)
    if dtype == "float16":
        flat = flat.view("float16")
    elif dtype == "bfloat16":
        flat = (flat.astype("uint32") << 16).view("float32")
    name = f.get(8, [b""])[0].decode()
    return name, flat.reshape(integers(f.get(1, []))), dtype == "bfloat16"


def attribute(data):
    f = fields(data)
    name, kind = f[1][0].decode(), f.get(20, [0])[0]
    if kind == 1:
        return name, struct.unpack("<f", f.get(2, [b"\0\0\0\0"])[0])[0]
    if kind == 2:
        return name, signed(f.get(3, [0])[0])
    if kind == 3:
        return name, f.get(4, [b""])[0].decode(errors="replace")
    if kind == 4:
        return name, tensor(f[5][0])[1]
    if kind == 6:
        return name, np.frombuffer(b"".join(f.get(7, [])), dtype="<f4").tolist()
    if kind == 7:
        return name, integers(f.get(8, []))
    raise Unreadable(f"attribute {name} of type {kind}")


@dataclass
class Node:
    op: str
    inputs: list
    outputs: list
    attributes: dict


@dataclass
class Model:
    version: int
    nodes: list
    inputs: list
    outputs: list
    constants: dict = field(default_factory=dict)


def model(data):
    """Return the graph of a ModelProto."""
    m = fields(data)
    opsets = [fields(o) for o in m[8]]
    version = next((o[2][0] for o in opsets if not o.get(1, [b""])[0]), 0)
    g = fields(m[7][0])
    nodes = []
    for raw in g.get(1, []):
        n = fields(raw)
        names = [[v.decode() for v in n.get(k, [])] for k in (1, 2)]
        nodes.append(Node(n[4][0].decode(), *names, dict(attribute(a) for a in n.get(5, []))))
    infos = [[fields(v) for v in g.get(k, [])] for k in (11, 12)]
    for info in infos[0] + infos[1]:
        if 2 in info and 1 not in fields(info[2][0]):
            raise Unreadable("a sequence or an optional value")
    inputs, outputs = ([info[1][0].decode() for info in part] for part in infos)
    constants = {name: (array, half) for name, array, half in map(tensor, g.get(5, []))}
    return Model(version, nodes, [i for i in inputs if i not in constants], outputs, constants)
