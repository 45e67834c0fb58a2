"""Constructors by type, such as `FloatTensor`: torch's oldest way to make a tensor and to ask for its dtype."""

from . import _rsnn as _C
from ._creation import _shape, tensor

Tensor = _C.Tensor


class _OfType(type):
    """Makes `isinstance` ask for the dtype, and a call make a tensor of it."""

    def __instancecheck__(cls, obj):
        return isinstance(obj, Tensor) and obj.dtype == cls.dtype

    def __call__(cls, *data):
        if len(data) == 1 and not isinstance(data[0], int):
            return _C.empty(list(data[0]), cls.dtype) if type(data[0]).__name__ == "Size" else tensor(data[0], dtype=cls.dtype)
        return _C.empty(_shape(data) if data else [0], cls.dtype)


def _make(name, dtype):
    doc = f"Make a tensor of {dtype.name} from sizes (uninitialised) or from data."
    globals()[name] = _OfType(name, (), {"dtype": dtype, "is_sparse": False, "__module__": __name__, "__doc__": doc})


for _name, _dtype in {
    "FloatTensor": _C.float32, "DoubleTensor": _C.float64, "HalfTensor": _C.float16, "BFloat16Tensor": _C.bfloat16,
    "ByteTensor": _C.uint8, "CharTensor": _C.int8, "ShortTensor": _C.int16, "IntTensor": _C.int32, "LongTensor": _C.int64,
    "BoolTensor": _C.bool,
}.items():  # fmt: skip
    _make(_name, _dtype)
