"""ONNX operators in rsnn's words: arithmetic, reductions, shapes and indexing. `f(a, *inputs)`, `a` the attributes.

Layers and losses are in onnx_layers.py. An operator or a form of it that has no counterpart raises Unsupported.
"""

import functools

import numpy as np
import rsnn

F = rsnn.nn.functional
OPS = {}
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}


class Unsupported(Exception):
    """Says which form of an operator rsnn does not have."""


def op(*names):
    def register(f):
        for name in names:
            OPS[name] = f
        return f

    return register


def plain(function, *names):
    for name in names:
        OPS[name] = lambda a, *x: function(*x)


def dtype(number):
    if number not in DTYPES:
        raise Unsupported(f"data type {number}")
    return getattr(rsnn, DTYPES[number])


def ints(x):
    return None if x is None else x.reshape(-1).tolist()


for _name in (
    "abs acos acosh asin asinh atan atanh ceil cos cosh erf exp floor log neg reciprocal round sigmoid sign sin sinh sqrt tan tanh relu"
).split():
    plain(getattr(rsnn, _name), _name.capitalize())
for _torch, _onnx in {
    "add": "Add", "sub": "Sub", "mul": "Mul", "matmul": "MatMul", "eq": "Equal", "gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual",
    "le": "LessOrEqual", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not", "isnan": "IsNaN",
    "where": "Where",
}.items():  # fmt: skip
    plain(getattr(rsnn, _torch), _onnx)
plain(F.hardswish, "HardSwish")
plain(F.softplus, "Softplus")
plain(F.softsign, "Softsign")
plain(lambda x: x, "Identity")


@op("Div")
def div(a, x, y):
    return rsnn.div(x, y) if x.is_floating_point() else rsnn.div(x, y, rounding_mode="trunc")


@op("Pow")
def pow(a, x, y):
    return rsnn.pow(x, y).to(x.dtype)


@op("Mod")
def mod(a, x, y):
    return rsnn.fmod(x, y) if a.get("fmod") else rsnn.remainder(x, y)


@op("BitShift")
def shift(a, x, y):
    return rsnn.bitwise_left_shift(x, y) if a["direction"] == "LEFT" else rsnn.bitwise_right_shift(x, y)


@op("IsInf")
def isinf(a, x):
    positive, negative = a.get("detect_positive", 1), a.get("detect_negative", 1)
    return rsnn.isinf(x) if positive and negative else rsnn.isposinf(x) if positive else rsnn.isneginf(x)


@op("Sum")
def total(a, *xs):
    return functools.reduce(rsnn.add, xs)


@op("Mean")
def mean(a, *xs):
    return functools.reduce(rsnn.add, xs) / len(xs)


@op("Max")
def maximum(a, *xs):
    return functools.reduce(rsnn.maximum, xs)


@op("Min")
def minimum(a, *xs):
    return functools.reduce(rsnn.minimum, xs)


@op("Clip")
def clip(a, x, low=None, high=None):
    return rsnn.clamp(x, a.get("min", low), a.get("max", high)) if a or low is not None or high is not None else x


@op("Cast")
def cast(a, x):
    return x.to(dtype(a["to"]))


@op("CastLike")
def cast_like(a, x, y):
    return x.to(y.dtype)


# --- reductions and scans ---------------------------------------------------------------------------------------------
def reduction(name, f):
    @op(name)
    def run(a, x, axes=None):
        axes = a.get("axes") if axes is None else ints(axes)
        if not axes and a.get("noop_with_empty_axes"):
            return x
        return f(x, axes or list(range(x.ndim)), bool(a.get("keepdims", 1)))


def product(x, dims, keepdim):
    for d in sorted((d % x.ndim for d in dims), reverse=True):
        x = x.prod(d, keepdim)
    return x


reduction("ReduceSum", lambda x, d, k: x.sum(d, k))
reduction("ReduceMean", lambda x, d, k: x.mean(d, k))
reduction("ReduceMax", lambda x, d, k: x.amax(d, k))
reduction("ReduceMin", lambda x, d, k: x.amin(d, k))
reduction("ReduceProd", product)
reduction("ReduceL1", lambda x, d, k: x.norm(1, d, k))
reduction("ReduceL2", lambda x, d, k: x.norm(2, d, k))
reduction("ReduceLogSum", lambda x, d, k: x.sum(d, k).log())
reduction("ReduceLogSumExp", lambda x, d, k: x.logsumexp(d, k))
reduction("ReduceSumSquare", lambda x, d, k: x.square().sum(d, k))


def extreme_index(name, f):
    @op(name)
    def run(a, x):
        axis, keep = a.get("axis", 0), bool(a.get("keepdims", 1))
        if not a.get("select_last_index"):
            return f(x, axis, keep)
        return x.shape[axis] - 1 - f(x.flip(axis), axis, keep)


extreme_index("ArgMax", rsnn.argmax)
extreme_index("ArgMin", rsnn.argmin)


@op("CumSum")
def cumsum(a, x, axis):
    axis = int(axis)
    if a.get("reverse"):
        x = x.flip(axis)
    y = x.cumsum(axis)
    if a.get("exclusive"):
        y = y - x
    return y.flip(axis) if a.get("reverse") else y


@op("TopK")
def topk(a, x, k):
    return tuple(rsnn.topk(x, int(k), a.get("axis", -1), bool(a.get("largest", 1)), bool(a.get("sorted", 1))))


@op("Hardmax")
def hardmax(a, x):
    axis = a.get("axis", -1)
    return rsnn.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1.0)


@op("Unique")
def unique(a, x):
    if not a.get("sorted", 1):
        raise Unsupported("unique in order of appearance")
    values, inverse, counts = rsnn.unique(x, return_inverse=True, return_counts=True, dim=a.get("axis"))
    # Where each value appears first.
    order = rsnn.argsort(inverse.reshape(-1), stable=True)
    first = order[counts.cumsum(0) - counts]
    return values, first, inverse.reshape(-1), counts


@op("Det")
def det(a, x):
    if not hasattr(rsnn, "det"):
        raise Unsupported("determinants")
    return rsnn.det(x)


@op("Einsum")
def einsum(a, *xs):
    return rsnn.einsum(a["equation"], *xs)


@op("Gemm")
def gemm(a, x, y, c=None):
    x, y = x.t() if a.get("transA") else x, y.t() if a.get("transB") else y
    if c is None:
        return rsnn.mm(x, y) * a.get("alpha", 1.0)
    return rsnn.addmm(c, x, y, beta=a.get("beta", 1.0), alpha=a.get("alpha", 1.0))


# --- shapes -----------------------------------------------------------------------------------------------------------
@op("Constant")
def constant(a):
    if "value" in a:
        return rsnn.from_numpy(np.array(a["value"]))
    (value,) = a.values()
    return rsnn.tensor(value)


@op("ConstantOfShape")
def constant_of_shape(a, shape):
    value = rsnn.from_numpy(np.array(a.get("value", np.zeros(1, "float32"))))
    return rsnn.full(ints(shape), value.item(), dtype=value.dtype)


@op("Shape")
def shape(a, x):
    return rsnn.tensor(list(x.shape)[a.get("start", 0) : a.get("end")], dtype=rsnn.int64)


@op("Size")
def size(a, x):
    return rsnn.tensor(x.numel())


@op("Reshape")
def reshape(a, x, sizes=None):
    sizes = a.get("shape") if sizes is None else ints(sizes)
    return x.reshape([x.shape[i] if s == 0 and not a.get("allowzero") else s for i, s in enumerate(sizes)])


@op("Flatten")
def flatten(a, x):
    axis = a.get("axis", 1) % x.ndim if a.get("axis", 1) != x.ndim else x.ndim
    return x.reshape(int(np.prod(x.shape[:axis], dtype=int)), -1)


@op("Transpose")
def transpose(a, x):
    return x.permute(a.get("perm", list(range(x.ndim))[::-1]))


@op("Squeeze")
def squeeze(a, x, axes=None):
    axes = a.get("axes") if axes is None else ints(axes)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@op("Unsqueeze")
def unsqueeze(a, x, axes=None):
    axes = a.get("axes") if axes is None else ints(axes)
    for d in sorted(d % (x.ndim + len(axes)) for d in axes):
        x = x.unsqueeze(d)
    return x


@op("Concat")
def concat(a, *xs):
    return rsnn.cat(xs, a.get("axis", 1))


@op("Split")
def split(a, x, sizes=None):
    sizes = a.get("split") if sizes is None else ints(sizes)
    axis = a.get("axis", 0)
    return tuple(rsnn.tensor_split(x, a["outputs"], axis) if sizes is None else x.split(sizes, axis))


@op("Slice")
def slice_(a, x, starts=None, ends=None, axes=None, steps=None):
    starts, ends = (a["starts"], a["ends"]) if starts is None else (ints(starts), ints(ends))
    axes = ints(axes) or a.get("axes") or list(range(len(starts)))
    for start, end, axis, step in zip(starts, ends, axes, ints(steps) or [1] * len(starts)):
        if step > 0:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
        else:
            x = x.index_select(axis, rsnn.tensor(list(range(x.shape[axis]))[start:end:step]))
    return x


@op("Expand")
def expand(a, x, sizes):
    return x.expand(rsnn.broadcast_shapes(x.shape, ints(sizes)))


@op("Tile")
def tile(a, x, repeats):
    return x.repeat(ints(repeats))


@op("Range")
def range_(a, start, end, step):
    return rsnn.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


@op("EyeLike")
def eye_like(a, x):
    wide = rsnn.diag_embed(rsnn.ones(x.shape[0] + x.shape[1]), a.get("k", 0))[: x.shape[0], : x.shape[1]]
    return wide.to(dtype(a["dtype"]) if "dtype" in a else x.dtype)


@op("Trilu")
def trilu(a, x, k=None):
    return (rsnn.triu if a.get("upper", 1) else rsnn.tril)(x, 0 if k is None else int(k))


@op("NonZero")
def nonzero(a, x):
    return rsnn.nonzero(x).t()


# --- gather and scatter -----------------------------------------------------------------------------------------------
def wrapped(index, size):
    return rsnn.where(index < 0, index + size, index)


@op("Gather")
def gather(a, x, index):
    axis = a.get("axis", 0)
    flat = wrapped(index.reshape(-1), x.shape[axis])
    return x.index_select(axis, flat).unflatten(axis, tuple(index.shape)) if index.ndim else x.select(axis, int(index))


@op("GatherElements")
def gather_elements(a, x, index):
    return x.gather(a.get("axis", 0), wrapped(index.long(), x.shape[a.get("axis", 0)]))


@op("GatherND")
def gather_nd(a, x, index):
    if a.get("batch_dims"):
        return rsnn.stack([gather_nd({}, *pair) for pair in zip(x, index)])
    return x[tuple(index.unbind(-1))]


@op("ScatterElements", "Scatter")
def scatter_elements(a, x, index, values):
    axis, how = a.get("axis", 0), a.get("reduction", "none")
    index = wrapped(index, x.shape[axis])
    if how == "none":
        return x.scatter(axis, index, values)
    return x.scatter_reduce(axis, index, values, {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[how])


@op("ScatterND")
def scatter_nd(a, x, index, values):
    where = tuple(index.unbind(-1))
    how = a.get("reduction", "none")
    if how != "mul":
        return x.index_put(where, values, accumulate=how == "add")
    out = x.clone()
    for i, row in enumerate(index.tolist()):
        out[tuple(row)] *= values[i]
    return out


@op("Compress")
def compress(a, x, keep):
    if "axis" not in a:
        return x.reshape(-1)[: keep.numel()][keep]
    axis = a["axis"]
    return x.narrow(axis, 0, min(keep.numel(), x.shape[axis])).index_select(axis, keep.nonzero().squeeze(1))


@op("OneHot")
def one_hot(a, index, depth, values):
    depth, axis = int(depth), a.get("axis", -1)
    hot = F.one_hot(rsnn.remainder(index.long(), depth), depth).movedim(-1, axis)
    return rsnn.where(hot.bool(), values[1], values[0])


@op("ReverseSequence")
def reverse_sequence(a, x, lengths):
    batch, time = a.get("batch_axis", 1), a.get("time_axis", 0)
    x = x.clone()
    for i, n in enumerate(lengths.tolist()):
        row = x.select(batch, i)
        part = row.narrow(time - (batch < time), 0, n)
        part.copy_(part.flip(time - (batch < time)))
    return x
