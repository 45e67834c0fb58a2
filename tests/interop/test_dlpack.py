"""DLPack both ways with numpy and torch: memory is shared, versions, dtypes, flags and refusals."""

import gc

import numpy as np
import pytest
import rsnn
from rsnn.utils.dlpack import from_dlpack, to_dlpack

NAMES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: nothing to exchange with")


@pytest.mark.parametrize("name", NAMES)
def test_numpy_both_ways(name):
    a = np.arange(6).reshape(2, 3).astype(name)
    t = rsnn.from_dlpack(a)
    assert str(t.dtype) == f"rsnn.{name}" and t.tolist() == a.tolist() and t.data_ptr() == a.ctypes.data
    back = np.from_dlpack(t)
    assert back.dtype == a.dtype and back.ctypes.data == a.ctypes.data
    assert np.array_equal(np.from_dlpack(rsnn.from_dlpack(a.T)), a.T)


@pytest.mark.parametrize("name", [*NAMES, "bfloat16"])
def test_torch_both_ways(torch, name):
    a = torch.arange(6).reshape(2, 3).to(getattr(torch, name))
    t = rsnn.from_dlpack(a)
    assert str(t.dtype) == f"rsnn.{name}" and t.data_ptr() == a.data_ptr() and t.tolist() == a.tolist()
    back = torch.from_dlpack(t[:, 1:])
    assert back.dtype == a.dtype and torch.equal(back, a[:, 1:]) and back.data_ptr() == a[:, 1:].data_ptr()


def test_writes_are_seen_on_both_sides():
    a = np.zeros(3, dtype=np.float32)
    t = rsnn.from_dlpack(a)
    t[0] = 5.0
    a[1] = 7.0
    assert a.tolist() == t.tolist() == [5, 7, 0]


def test_memory_outlives_its_maker():
    t = rsnn.from_dlpack(np.arange(1000, dtype=np.float64))
    view = np.from_dlpack(rsnn.arange(1000))
    gc.collect()
    assert t.sum().item() == view.sum() == 499500


def test_read_only_memory_is_copied():
    a = np.zeros(3, dtype=np.float32)
    a.flags.writeable = False
    t = rsnn.from_dlpack(a)
    t.add_(1)
    assert a.tolist() == [0, 0, 0] and t.tolist() == [1, 1, 1]
    with pytest.raises(BufferError, match="read-only"):
        rsnn.from_dlpack(a, copy=False)


def test_copies():
    a = np.zeros(3, dtype=np.float32)
    assert rsnn.from_dlpack(a, copy=True).data_ptr() != a.ctypes.data
    assert rsnn.from_dlpack(a, copy=False).data_ptr() == rsnn.from_dlpack(a, device="cpu").data_ptr() == a.ctypes.data
    t = rsnn.zeros(3)
    assert from_dlpack(t.__dlpack__(copy=True)).data_ptr() != t.data_ptr()
    assert from_dlpack(t.__dlpack__(copy=False)).data_ptr() == t.data_ptr()


def test_capsules():
    t = rsnn.arange(3)
    assert '"dltensor"' in repr(t.__dlpack__()) and '"dltensor"' in repr(t.__dlpack__(max_version=(0, 8)))
    assert '"dltensor_versioned"' in repr(t.__dlpack__(max_version=(1, 1))) and t.__dlpack_device__() == (1, 0)
    for capsule in (to_dlpack(t), rsnn.to_dlpack(t), t.__dlpack__(max_version=(1, 0))):
        assert rsnn.from_dlpack(capsule).data_ptr() == t.data_ptr()
        with pytest.raises(RuntimeError, match="consumed only once"):
            rsnn.from_dlpack(capsule)
    del capsule
    t.__dlpack__()  # dies unused
    gc.collect()


class Old:
    """A producer from before DLPack 1.0."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, stream=None):
        return self.tensor.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


def test_old_producers():
    t = rsnn.arange(3)
    assert rsnn.from_dlpack(Old(t)).data_ptr() == t.data_ptr()


def test_shapes():
    for shape in ((), (0, 3), (1,), (2, 1, 3)):
        a = np.ones(shape, dtype=np.float32)
        assert rsnn.from_dlpack(a).shape == shape
        assert np.from_dlpack(rsnn.ones(shape)).shape == shape


def test_refusals():
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        np.from_dlpack(rsnn.ones(2, requires_grad=True))
    with pytest.raises(AssertionError, match="stream should be None on cpu"):
        rsnn.ones(2).__dlpack__(stream=1)
    with pytest.raises(BufferError, match="dl_device"):
        rsnn.ones(2).__dlpack__(dl_device=(2, 0))
    for wrong in (3, "x", None):
        with pytest.raises(RuntimeError, match="invalid capsule"):
            rsnn.from_dlpack(wrong)
    for dtype in (np.uint16, np.complex64):
        with pytest.raises(BufferError, match="Unsupported DLPack dtype"):
            rsnn.from_dlpack(np.zeros(2, dtype=dtype))
    with pytest.raises(BufferError, match="negative strides"):
        rsnn.from_dlpack(np.zeros(3)[::-1])


def test_numpy_knows_no_bfloat16(torch):
    errors = []
    for lib in (torch, rsnn):
        t = lib.ones(2, dtype=lib.bfloat16)
        with pytest.raises(TypeError) as caught:
            t.numpy()
        errors.append(str(caught.value))
        with pytest.raises((RuntimeError, BufferError)):
            np.from_dlpack(t)
    assert errors[0] == errors[1] == "Got unsupported ScalarType BFloat16"


def test_imports_without_numpy():
    import subprocess
    import sys

    code = "import sys; sys.modules['numpy'] = None; import rsnn; t = rsnn.arange(3); print(rsnn.from_dlpack(t).tolist())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[0, 1, 2]\n"
