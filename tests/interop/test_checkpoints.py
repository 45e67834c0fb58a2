"""Checkpoints both ways with torch, views and ties, and files that are truncated, corrupt or hostile."""

import collections
import io
import json
import os
import pickle
import random
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import rsnn
from rsnn import serialization

torch = pytest.importorskip("torch", reason="torch is the oracle")

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"]


def numbers(t):
    name = str(t.dtype).split(".")[-1]
    t = t.detach()
    return (t.float() if name == "bfloat16" else t).numpy()


def same(a, b):
    assert tuple(a.shape) == tuple(b.shape)
    assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
    np.testing.assert_array_equal(numbers(a), numbers(b))


def sample(lib):
    base = lib.arange(24).to(lib.float32).reshape(4, 6)
    state = collections.OrderedDict(weight=base, view=base[1:3, ::2].t(), bias=lib.ones(3, requires_grad=True))
    state["empty"], state["scalar"] = lib.zeros(0, 3), lib.tensor(3)
    for name in DTYPES:
        state[name] = lib.tensor([0, 1, 2, 1]).to(getattr(lib, name))
    return {
        "state": state,
        "parameter": lib.nn.Parameter(lib.ones(2, 2)),
        "frozen": lib.nn.Parameter(lib.ones(2), requires_grad=False),
        "size": base.shape,
        "dtype": lib.float16,
        "plain": [1, 2.5, None, True, "text", (1, (2,)), {"a": -(2**70)}, b"\x00\xff", {3}],
    }


def check(got, want, lib):
    assert isinstance(got["state"], collections.OrderedDict)
    assert list(got["state"]) == list(want["state"])
    for name in want["state"]:
        same(got["state"][name], want["state"][name])
    assert got["state"]["bias"].requires_grad
    assert got["state"]["view"].stride() == (2, 6)
    got["state"]["weight"][1, 0] = 99  # views stay views of one storage
    assert got["state"]["view"][0, 0].item() == 99
    assert type(got["parameter"]) is lib.nn.Parameter and got["parameter"].requires_grad
    assert type(got["frozen"]) is lib.nn.Parameter and not got["frozen"].requires_grad
    assert tuple(got["size"]) == (4, 6) and got["dtype"] == lib.float16
    assert got["plain"] == want["plain"]


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_what_rsnn_writes(tmp_path, mmap):
    rsnn.save(sample(rsnn), tmp_path / "model.pt")
    got = torch.load(tmp_path / "model.pt", weights_only=True, mmap=mmap)
    check(got, sample(torch), torch)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("mmap", [False, True])
def test_rsnn_reads_what_torch_writes(tmp_path, new_format, mmap):
    torch.save(sample(torch), tmp_path / "model.pt", _use_new_zipfile_serialization=new_format)
    check(rsnn.load(tmp_path / "model.pt", mmap=mmap), sample(torch), rsnn)


def test_own_round_trip_in_memory():
    file = io.BytesIO()
    rsnn.save(sample(rsnn), file)
    file.seek(0)
    check(rsnn.load(file), sample(torch), rsnn)


def test_module_and_optimizer_state(tmp_path):
    ours = rsnn.nn.Sequential(rsnn.nn.Linear(3, 4), rsnn.nn.BatchNorm1d(4))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    rsnn.save(ours.state_dict(), tmp_path / "a.pt")
    theirs.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    torch.save(theirs.state_dict(), tmp_path / "b.pt")
    result = ours.load_state_dict(rsnn.load(tmp_path / "b.pt"))
    assert not result.missing_keys and not result.unexpected_keys
    assert rsnn.load(tmp_path / "b.pt")._metadata[""] == {"version": 1}
    optimizer = rsnn.optim.AdamW(ours.parameters(), lr=0.1)
    ours(rsnn.ones(5, 3)).sum().backward()
    optimizer.step()
    rsnn.save(optimizer.state_dict(), tmp_path / "c.pt")
    loaded = torch.optim.AdamW(theirs.parameters(), lr=0.1)
    loaded.load_state_dict(torch.load(tmp_path / "c.pt", weights_only=True))
    for a, b in zip(ours.parameters(), theirs.parameters()):
        same(optimizer.state[a]["exp_avg_sq"], loaded.state[b]["exp_avg_sq"])


def test_records_are_aligned(tmp_path):
    rsnn.save(sample(rsnn), tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive, open(tmp_path / "m.pt", "rb") as file:
        assert archive.testzip() is None
        for info in archive.infolist():
            file.seek(info.header_offset)
            name, extra = struct.unpack("<HH", file.read(30)[26:])
            assert (info.header_offset + 30 + name + extra) % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED


def test_tied_weights_stay_tied(tmp_path):
    weight = rsnn.ones(3, 3)
    rsnn.save({"a": weight, "b": weight}, tmp_path / "m.pt")
    got = rsnn.load(tmp_path / "m.pt")
    got["a"].zero_()
    assert got["b"].sum().item() == 0
    assert os.path.getsize(tmp_path / "m.pt") < 3000


def test_map_location(tmp_path):
    rsnn.save({"a": rsnn.ones(2)}, tmp_path / "m.pt")
    seen = []
    for where in ("cpu", rsnn.device("cpu"), {"cpu": "cpu"}, lambda storage, location: seen.append(location)):
        same(rsnn.load(tmp_path / "m.pt", map_location=where)["a"], torch.ones(2))
    assert seen == ["cpu"]


def test_mmap_does_not_write_to_the_file(tmp_path):
    rsnn.save({"a": rsnn.ones(4)}, tmp_path / "m.pt")
    before = (tmp_path / "m.pt").read_bytes()
    rsnn.load(tmp_path / "m.pt", mmap=True)["a"].zero_()
    assert (tmp_path / "m.pt").read_bytes() == before
    with pytest.raises(ValueError, match="mmap"):
        rsnn.load(io.BytesIO(before), mmap=True)


def test_big_endian_file(tmp_path):
    torch.save({"a": torch.tensor([1.5, 2.0])}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif name.endswith("data/0"):
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            new.writestr(name, data)
    same(rsnn.load(tmp_path / "big.pt")["a"], torch.tensor([1.5, 2.0]))


def test_tar_format(tmp_path):
    def members():
        storages = pickle.dumps(1, 2) + pickle.dumps(("7", "cpu", torch.FloatStorage), 2)
        yield "storages", storages + struct.pack("<q", 6) + np.arange(6, dtype="<f4").tobytes()
        tensors = pickle.dumps(1, 2) + pickle.dumps((9, "7", torch.FloatTensor), 2)
        yield "tensors", tensors + struct.pack("<iiqqqqq", 2, 0, 2, 2, 3, 1, 1)

        class Pickler(pickle.Pickler):
            def persistent_id(self, obj):
                return 9 if obj == "the tensor" else None

        out = io.BytesIO()
        Pickler(out, 2).dump({"w": "the tensor"})
        yield "pickle", out.getvalue()

    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        for name, data in members():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    same(rsnn.load(tmp_path / "old.tar")["w"], torch.tensor([[1.0, 2.0], [4.0, 5.0]]))


def test_whole_module_needs_an_explicit_word(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "m.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed.*m.pt.*was not an allowed global"):
        rsnn.load(tmp_path / "m.pt")
    loaded = rsnn.load(tmp_path / "m.pt", weights_only=False)
    assert type(loaded) is rsnn.nn.Linear and loaded.weight.shape == (3, 2)


class Config:
    def __init__(self, width):
        self.width = width


def test_safe_globals(tmp_path):
    torch.save({"config": Config(3)}, tmp_path / "m.pt")
    with pytest.raises(pickle.UnpicklingError, match="Config"):
        rsnn.load(tmp_path / "m.pt")
    with serialization.safe_globals([Config]):
        assert serialization.get_safe_globals() == [Config]
        assert rsnn.load(tmp_path / "m.pt")["config"].width == 3
    serialization.add_safe_globals([Config])
    assert rsnn.load(tmp_path / "m.pt")["config"].width == 3
    serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        rsnn.load(tmp_path / "m.pt")


# --- hostile and broken files


def archive_with(pickle_bytes, path, data=b"\0" * 16):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle_bytes)
        archive.writestr("m/data/0", data)
        archive.writestr("m/version", "3\n")


def tensor_pickle(offset=0, size=(4,), stride=(1,), numel=4, key="0", storage="FloatStorage"):
    def number(n):
        return b"J" + struct.pack("<i", n)

    def numbers_(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    text = f"ctorch\n{storage}\n".encode()
    pid = b"(X\x07\0\0\0storage" + text + b"X" + struct.pack("<I", len(key)) + key.encode() + b"X\x03\0\0\0cpu"
    pid += number(numel) + b"tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return b"\x80\x02" + rebuild + pid + number(offset) + numbers_(size) + numbers_(stride) + b"\x89}tR."


def test_the_handwritten_pickle_is_valid(tmp_path):
    archive_with(tensor_pickle(), tmp_path / "m.pt")
    assert rsnn.load(tmp_path / "m.pt").tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "bad",
    [
        {"offset": 1},
        {"offset": -1},
        {"size": (5,)},
        {"size": (4, 4), "stride": (1, 1)},
        {"size": (2,), "stride": (4,)},
        {"size": (2,), "stride": (-1,)},
        {"size": (2, 2)},
        {"size": (2**31 - 1, 2**31 - 1, 2**31 - 1), "stride": (0, 0, 1)},
        {"numel": 5},
        {"numel": 2**31 - 1},
        {"numel": -1},
        {"key": "1"},
        {"storage": "ComplexFloatStorage"},
    ],
    ids=str,
)
def test_tensor_outside_its_storage(tmp_path, bad):
    archive_with(tensor_pickle(**bad), tmp_path / "m.pt")
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match="m.pt"):
        rsnn.load(tmp_path / "m.pt")


EVIL = [
    b"cos\nsystem\n(X\x04\0\0\0truetR.",
    b"cbuiltins\neval\n(X\x01\0\0\x001tR.",
    b"c__builtin__\ngetattr\n(ctorch\nTensor\nX\x03\0\0\0newtR.",
    b"ctorch\nTensor\n(J\xff\xff\xff\x7ftR.",  # memory that the file does not hold
    b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.",
    b"cbuiltins\ndict\n}X\x01\0\0\0aK\x01sb.",  # state of a class
    b"ctorch._utils\n_rebuild_tensor_v2\n}X\x08\0\0\0__code__K\x01sb.",
    b"ccollections\nOrderedDict\n(X\x01\0\0\0a\x85tR.",
    b"\x8c\x02os\x8c\x06system\x93(X\x04\0\0\0truetR.",
    b"ctorch.nn.parameter\nParameter\n(K\x01tR.",
    b"K\x01K\x02\x85R.",  # a number is not callable
    b"(ios\nsystem\n.",
    b"(lp0\nPfoo\n.",
    b"\x82\x01.",
    b"\x96" + struct.pack("<Q", 2**40) + b".",
    b"X\xff\xff\xff\x7fabc.",
    b"h\x07.",
    b".",
    b"",
    b"t.",
    b"]K\x01",
]


@pytest.mark.parametrize("body", EVIL, ids=lambda b: repr(b[:30]))
def test_hostile_pickles_are_refused(tmp_path, body):
    before = dict(vars(collections.OrderedDict))
    archive_with(b"\x80\x02" + body, tmp_path / "m.pt")
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match="m.pt"):
        rsnn.load(tmp_path / "m.pt")
    assert dict(vars(collections.OrderedDict)) == before


def test_not_a_checkpoint(tmp_path):
    for name, content in {"empty": b"", "text": b"hello world", "html": b"<html>" * 300, "zeros": bytes(1000)}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RuntimeError, match=name):
            rsnn.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        rsnn.load(tmp_path / "absent")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_at_every_length(tmp_path, kind):
    state = {"a": rsnn.arange(8).to(rsnn.float32), "b": rsnn.ones(2)}
    if kind == "zip":
        rsnn.save(state, tmp_path / "whole")
    elif kind == "legacy":
        old = {"a": torch.arange(8).float(), "b": torch.ones(2)}
        torch.save(old, tmp_path / "whole", _use_new_zipfile_serialization=False)
    else:
        rsnn.save_safetensors(state, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="cut"):
            rsnn.load(tmp_path / "cut")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_flipped_bytes_never_crash(tmp_path, kind):
    rng = random.Random(0)
    state = {"a": rsnn.arange(8).to(rsnn.float32), "b": rsnn.ones(2)}
    if kind == "zip":
        rsnn.save(state, tmp_path / "whole")
    elif kind == "legacy":
        old = {"a": torch.arange(8).float(), "b": torch.ones(2)}
        torch.save(old, tmp_path / "whole", _use_new_zipfile_serialization=False)
    else:
        rsnn.save_safetensors(state, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            rsnn.load(io.BytesIO(bytes(broken)))
        except (RuntimeError, pickle.UnpicklingError) as error:
            assert "BytesIO" in str(error)


def test_corrupt_weights_are_noticed(tmp_path):
    rsnn.save({"a": rsnn.arange(100).to(rsnn.float32)}, tmp_path / "m.pt")
    data = bytearray((tmp_path / "m.pt").read_bytes())
    at = data.index(np.arange(100, dtype=np.float32).tobytes()) + 40
    data[at] ^= 1
    (tmp_path / "m.pt").write_bytes(bytes(data))
    with pytest.raises(RuntimeError, match=r"m\.pt.*checksum"):
        rsnn.load(tmp_path / "m.pt")


def test_a_failing_save_leaves_the_old_file(tmp_path):
    rsnn.save({"a": 1}, tmp_path / "m.pt")
    with pytest.raises(Exception, match="pickle|local object|lambda"):
        rsnn.save({"a": lambda: 1}, tmp_path / "m.pt")
    assert rsnn.load(tmp_path / "m.pt") == {"a": 1}
    assert os.listdir(tmp_path) == ["m.pt"]
    with pytest.raises(RuntimeError, match="Parent directory"):
        rsnn.save({}, tmp_path / "absent" / "m.pt")


# --- safetensors


def test_safetensors_round_trip_and_ties(tmp_path):
    weight = rsnn.arange(6).to(rsnn.float32).reshape(2, 3)
    state = {"a": weight, "tied": weight, "view": weight[:, 1], "empty": rsnn.zeros(0, 2), "scalar": rsnn.tensor(1)}
    state |= {name: rsnn.tensor([0, 1, 2]).to(getattr(rsnn, name)) for name in DTYPES}
    rsnn.save_safetensors(state, tmp_path / "m.safetensors", metadata={"format": "pt"})
    for got in (rsnn.load(tmp_path / "m.safetensors"), rsnn.load_safetensors(tmp_path / "m.safetensors", mmap=True)):
        assert sorted(got) == sorted(state)
        for name in state:
            same(got[name], state[name])
        assert got["a"] is got["tied"]


def test_safetensors_with_the_other_library(tmp_path):
    library = pytest.importorskip("safetensors.torch", reason="safetensors is the oracle")
    state = {"b": rsnn.ones(3).to(rsnn.bfloat16), "a": rsnn.arange(5)}
    rsnn.save_safetensors(state, tmp_path / "ours")
    for name, value in library.load_file(tmp_path / "ours").items():
        same(value, state[name])
    theirs = {"x": torch.randn(2, 3), "flag": torch.tensor([True, False])}
    library.save_file(theirs, tmp_path / "theirs", metadata={"format": "pt"})
    for name, value in rsnn.load(tmp_path / "theirs").items():
        same(value, theirs[name])


def header(entries, payload=b"\0" * 16):
    text = json.dumps(entries).encode() if isinstance(entries, dict) else entries
    return struct.pack("<Q", len(text)) + text + payload


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10) + b"{}",
        header(b"{not json"),
        header(b'{"a":1'),
        header({"a": 3}),
        header({"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}}),
        header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}}),
        header({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]}}),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        header(
            {
                "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
            }
        ),
        header(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}'
        ),
        header(b"[" * 100000 + b"]" * 100000),
    ],
    ids=lambda d: repr(d[8:40]),
)
def test_bad_safetensors_headers(tmp_path, data):
    (tmp_path / "bad.safetensors").write_bytes(data)
    with pytest.raises(RuntimeError, match="bad.safetensors"):
        rsnn.load_safetensors(tmp_path / "bad.safetensors")
