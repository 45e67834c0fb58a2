"""The table of operations: one row per op and variant, `fn(lib, *tensors)` with torch's names on both libraries."""

from dataclasses import dataclass, field

import numpy as np


class In:
    """An input: a shape and how its numbers are drawn. Kinds: normal, (low, high), distinct."""

    def __init__(self, *shape, kind="normal"):
        self.shape, self.kind = shape, kind

    def draw(self, seed):
        state = np.random.RandomState(seed)
        n = int(np.prod(self.shape))
        if self.kind == "normal":
            return state.randn(*self.shape) if self.shape else np.asarray(state.randn())
        if self.kind == "distinct":
            return ((state.permutation(n) - n / 2 + 0.25) / 4).reshape(self.shape)
        return np.asarray(state.uniform(*self.kind, self.shape))


@dataclass
class OpCase:
    """One row. `inputs`: In for floats of the dtype under test, arrays for fixed integers and booleans."""

    name: str
    fn: object
    inputs: tuple
    grad: bool = True
    second: bool = True  # gradgradcheck too
    half: bool = True  # float16 and bfloat16 forward too
    fused: bool = False  # compare with its definition
    empty: tuple | None = None  # shapes that hold no element, where that means something
    f32: float = 2e-5
    f16: float = 4e-3
    covers: tuple = field(default=())

    def arrays(self, dtype="float64"):
        return [x.draw(i + 7).astype(dtype) if isinstance(x, In) else np.array(x) for i, x in enumerate(self.inputs)]

    def floats(self):
        return [i for i, x in enumerate(self.inputs) if isinstance(x, In)]


def F(lib):
    return lib.nn.functional


CASES = []


def row(name, fn, *inputs, **options):
    CASES.append(OpCase(name, fn, inputs, **options))


def I(*values, dtype="int64"):
    return np.array(values, dtype=dtype)


def top(name, *args, **kwargs):
    """Call a function of the library's top level with the tensors first."""
    return lambda lib, *t: getattr(lib, name)(*t, *args, **kwargs)


def fun(name, *args, **kwargs):
    return lambda lib, *t: getattr(F(lib), name)(*t, *args, **kwargs)


X = In(2, 3)
A, B = In(2, 3, kind=(-1.4, 1.4)), In(3, kind=(0.4, 1.6))
MASK = np.array([[True, False, True], [False, True, True]])

# --- pointwise, one input ---------------------------------------------------------------------------------------------
for _n in "neg abs exp exp2 expm1 square sin cos tan atan sinh cosh tanh asinh erf erfc sigmoid deg2rad rad2deg sinc".split():
    row(_n, top(_n), A, empty=(0, 3), f32=1e-4 if _n == "tan" else 2e-5, f16=3e-2 if _n in ("tan", "sinc") else 8e-3)
for _n in "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split():
    row(_n, top(_n), In(2, 3, kind=(0.3, 2.5)), empty=(0, 3), f32=5e-5, f16=4e-2)
for _n in "asin acos atanh erfinv".split():
    row(_n, top(_n), In(2, 3, kind=(-0.8, 0.8)), empty=(0, 3), f16=2e-2)
row("acosh", top("acosh"), In(2, 3, kind=(1.3, 3.0)), f16=2e-2)
row("logit", top("logit"), In(2, 3, kind=(0.2, 0.8)), f16=4e-2)
row("logit:eps", top("logit", 0.3), In(2, 3, kind=(0.05, 0.95)), f16=4e-2)
for _n in "floor ceil round trunc sign sgn".split():
    row(_n, top(_n), A, second=False)
row("frac", top("frac"), A, second=False)
row("nan_to_num", top("nan_to_num", 0.5, 2.0, -2.0), A)
for _n in "isnan isinf isfinite isposinf isneginf signbit logical_not".split():
    row(_n, top(_n), A, grad=False, empty=(0, 3))
row("isnan:values", lambda lib, x: (lib.isnan(x / x), lib.isinf(1 / x), lib.isfinite(1 / x), lib.isposinf(1 / x), lib.isneginf(-1 / x)),
    In(3, kind=(0.0, 0.0)), grad=False)  # fmt: skip
row("bitwise_not", top("bitwise_not"), I(1, -3, 7), grad=False)
row("relu", top("relu"), A, empty=(0, 3), second=True)
for _n in "silu mish softplus gelu logsigmoid hardswish hardsigmoid relu6 hardtanh leaky_relu elu hardshrink softshrink celu selu softsign tanhshrink".split():
    row(_n, fun(_n), A, empty=(0, 3), covers=("log_sigmoid",) if _n == "logsigmoid" else ())
row("gelu:tanh", fun("gelu", approximate="tanh"), A, covers=("gelu_tanh",))
row("softplus:beta", fun("softplus", 2.0, 1.5), A)
row("elu:alpha", fun("elu", 0.7), A)
row("hardtanh:limits", fun("hardtanh", -0.5, 0.8), A)
row("leaky_relu:slope", fun("leaky_relu", 0.2), A)
row("threshold", fun("threshold", 0.1, -3.0), A)
row("rrelu:eval", fun("rrelu", training=False), A)
row("glu", fun("glu", -1), In(2, 4))
row("prelu", fun("prelu"), In(2, 3), In(3))
row("polygamma", lambda lib, x: lib.digamma(x), In(3, kind=(0.5, 2.0)), f32=1e-4, f16=4e-2, covers=("polygamma",))
row("clamp", top("clamp", -0.5, 0.7), A, empty=(0, 3))
row("clamp:min", top("clamp", min=-0.2), A)
row("clamp:max", top("clamp", max=0.2), A)
row("clamp:tensor", top("clamp"), A, In(3, kind=(-0.9, -0.4)), In(3, kind=(0.3, 0.9)))
row("round:decimals", top("round", decimals=1), A, grad=False, half=False)

# --- pointwise, two inputs --------------------------------------------------------------------------------------------
for _n in "add sub mul div maximum minimum atan2 hypot logaddexp logaddexp2 fmax fmin".split():
    row(_n, top(_n), A, B, empty=(0, 3), f16=2e-2)
row("pow", top("pow"), In(2, 3, kind=(0.4, 1.6)), In(3), f16=2e-2)
row("pow:scalar", top("pow", 3), A, f16=2e-2)
row("pow:base", lambda lib, x: lib.pow(2.0, x), A, f16=2e-2)
row("pow:fraction", lambda lib, x: x**0.5 + x**-1, In(2, 3, kind=(0.4, 1.6)), f16=3e-2)
row("add:alpha", lambda lib, x, y: lib.add(x, y, alpha=2.5) - lib.sub(y, x, alpha=0.5), A, B, f16=3e-2)
row("arithmetic:scalars", lambda lib, x: 2 + x * 3 - (1 - x) / 4 + 1 / (x + 3), A, f16=3e-2)
row("div:floor", top("div", rounding_mode="floor"), A, B, second=False, half=False)
row("div:trunc", top("div", rounding_mode="trunc"), A, B, second=False, half=False)
row("floor_divide", top("floor_divide"), A, B, grad=False, half=False)
row("remainder", top("remainder"), A, B, second=False, half=False)
row("fmod", top("fmod"), A, B, second=False, half=False)
row("copysign", top("copysign"), A, In(3), second=False)
row("xlogy", top("xlogy"), A, B, f16=2e-2)
row("ldexp", top("ldexp"), A, I(1, 2, 0))
row("heaviside", top("heaviside"), A, B, grad=False)
row("lerp", top("lerp", 0.3), A, B, f16=1e-2)
row("lerp:tensor", top("lerp"), A, B, In(3), f16=2e-2)
row("addcmul", top("addcmul", value=0.7), A, A, B, f16=2e-2)
row("addcdiv", top("addcdiv", value=0.7), A, A, B, f16=2e-2)
for _n in "eq ne lt le gt ge".split():
    row(_n, top(_n), np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]), grad=False)
    row(_n + ":mixed", top(_n), A, I(0, 1, -1), grad=False)
for _n in "logical_and logical_or logical_xor".split():
    row(_n, top(_n), A, I(0, 1, 1), grad=False)
for _n in "bitwise_and bitwise_or bitwise_xor".split():
    row(_n, top(_n), I(5, -6, 7), I(3, 3, 12), grad=False)
    row(_n + ":bool", top(_n), MASK, I(True, False, True, dtype="bool"), grad=False)
for _n in "bitwise_left_shift bitwise_right_shift".split():
    row(_n, top(_n), I(5, -6, 7), I(1, 2, 3), grad=False)
for _n in "add sub mul floor_divide remainder fmod maximum minimum div pow".split():
    row(_n + ":int", top(_n), I(7, -7, 9), I(2, 2, 4), grad=False)
row("where", lambda lib, m, x, y: lib.where(m, x, y), MASK, A, In(3))
row("where:scalar", lambda lib, m, x: lib.where(m, x, 2.0), MASK, A)

# --- reductions -------------------------------------------------------------------------------------------------------
D = In(2, 3, 2, kind="distinct")
for _n in "sum mean prod".split():
    row(_n, top(_n), X, f16=2e-2)
    row(_n + ":dim", top(_n, 1, keepdim=True), In(2, 3, 2), empty=(2, 0, 2), f16=2e-2)
for _n in "sum mean nansum nanmean".split():
    row(_n + ":dims", top(_n, (0, -1)), In(2, 3, 2), f16=2e-2)
row("prod:zeros", lambda lib, x, m: (x * m).prod(1), In(3, 3), np.array([[1.0, 0, 1], [0, 0, 1], [1, 1, 1]], dtype="float32"), f16=2e-2)
row("sum:int", top("sum"), I(1, 2, 3, dtype="int32"), grad=False)
row("sum:dtype", lambda lib, x: x.sum(0, dtype=lib.float64), A)
for _n in "amax amin".split():
    row(_n, top(_n, (0, 2)), D)
    row(_n + ":ties", top(_n, 1), np.array([[1.0, 1.0, 0.0]]), grad=False)
for _n in "max min".split():
    row(_n, top(_n), D)
    row(_n + ":dim", top(_n, 1), D, covers=(_n + "_dim",))
for _n in "argmax argmin".split():
    row(_n, top(_n), D, grad=False)
    row(_n + ":dim", top(_n, 1, keepdim=True), D, grad=False)
row("aminmax", lambda lib, x: lib.aminmax(x, dim=1), D)
row("any", top("any", 1), MASK, grad=False)
row("all", top("all"), MASK, grad=False)
row("count_nonzero", top("count_nonzero", 0), MASK, grad=False)
for _n in "var std".split():
    row(_n, top(_n), In(5), f16=1e-2)
    row(_n + ":dim", top(_n, 1, correction=0), In(2, 3, 2), f16=1e-2)
for _n in "var_mean std_mean".split():
    row(_n, top(_n, 1), In(2, 4), f16=1e-2)
row("logsumexp", top("logsumexp", 1), In(2, 3), f16=1e-2)
for _p in (1, 2, 3, float("inf"), 0.5):
    row(f"norm:{_p}", top("norm", _p, 1), D, f16=5e-2)
row("norm", top("norm"), X, f16=1e-2)
row("norm:0", top("norm", 0, 1), D, grad=False)
row("dist", top("dist"), X, In(3), f16=1e-2)
row("median", top("median"), D)
row("median:dim", top("median", 1), D)
row("nanmedian", top("nanmedian"), D)
row("nanmedian:dim", top("nanmedian", 1), D)
row("mode", top("mode", 1), I([1, 1, 2], [3, 2, 3]), grad=False)
row("quantile", top("quantile", 0.3), D, half=False, second=False)
row("bincount", top("bincount"), I(0, 2, 2, 1), grad=False)
row("bincount:weights", lambda lib, i: lib.bincount(i, i.double() * 2, minlength=5), I(0, 2, 2, 1), grad=False)
row("histc", top("histc", 4, -2, 2), In(8), grad=False, half=False)
row("trace", top("trace"), In(3, 3), f16=1e-2)

# --- scans, sorting ---------------------------------------------------------------------------------------------------
for _n in "cumsum cumprod logcumsumexp".split():
    row(_n, top(_n, 1), In(2, 4), empty=(2, 0), f16=2e-2)
for _n in "cummax cummin".split():
    row(_n, top(_n, 1), D)
row("diff", top("diff"), In(2, 4))
row("sort", top("sort", 1), D)
row("sort:descending", top("sort", dim=0, descending=True), D)
row("argsort", top("argsort", 1), D, grad=False)
row("msort", top("msort"), D)
row("topk", top("topk", 2, 1), D)
row("topk:smallest", top("topk", 2, -2, largest=False), D)
row("kthvalue", top("kthvalue", 2, 1), D)
row("unique", top("unique", return_inverse=True, return_counts=True), I(3, 1, 3, 2), grad=False)
row("unique:dim", top("unique", dim=0), I([3, 1], [3, 1], [0, 2]), grad=False)
row("unique_consecutive", top("unique_consecutive", return_counts=True), I(3, 3, 1, 3), grad=False)
row("searchsorted", lambda lib, x: lib.searchsorted(lib.tensor([-1.0, 0.0, 0.5], dtype=x.dtype), x, right=True), X, grad=False, half=False)
row("bucketize", lambda lib, x: lib.bucketize(x, lib.tensor([-1.0, 0.0, 0.5], dtype=x.dtype)), X, grad=False, half=False)

# --- views and shapes -------------------------------------------------------------------------------------------------
V = In(2, 3, 4)
for _name, _fn in {
    "view": lambda lib, x: x.view(6, 4), "reshape": lambda lib, x: x.transpose(0, 1).reshape(-1, 2),
    "permute": lambda lib, x: x.permute(2, 0, 1), "transpose": lambda lib, x: x.transpose(0, -1),
    "squeeze": lambda lib, x: x[:1].squeeze(0), "unsqueeze": lambda lib, x: x.unsqueeze(-2),
    "expand": lambda lib, x: x[:, :1].expand(2, 5, 4) * 2, "flatten": lambda lib, x: x.flatten(1),
    "unflatten": lambda lib, x: x.unflatten(2, (2, 2)), "narrow": lambda lib, x: x.narrow(1, 1, 2),
    "select": lambda lib, x: x.select(1, -1), "diagonal": lambda lib, x: x.diagonal(1, 1, 2),
    "unfold": lambda lib, x: x.unfold(2, 3, 1), "as_strided": lambda lib, x: x.as_strided((2, 3), (1, 2), 1),
    "movedim": lambda lib, x: x.movedim(0, 2), "swapaxes": lambda lib, x: x.swapaxes(0, 1), "T": lambda lib, x: x[0].T + 1,
    "split": lambda lib, x: x.split(2, 1), "split:sizes": lambda lib, x: x.split([1, 3], 2), "chunk": lambda lib, x: x.chunk(2, 2),
    "tensor_split": lambda lib, x: x.tensor_split(2, 1), "unbind": lambda lib, x: x.unbind(1), "flip": lambda lib, x: x.flip(0, 2),
    "roll": lambda lib, x: x.roll((1, -1), (0, 2)), "roll:flat": lambda lib, x: x.roll(3), "rot90": lambda lib, x: lib.rot90(x, 1, (0, 2)),
    "repeat": lambda lib, x: x.repeat(2, 1, 1), "tile": lambda lib, x: x[0].tile(2, 1, 1),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(2, 1),
    "repeat_interleave:counts": lambda lib, x: x.repeat_interleave(lib.tensor([1, 0, 2]), 1),
    "tril": lambda lib, x: x.tril(-1), "triu": lambda lib, x: x.triu(1), "diag_embed": lambda lib, x: lib.diag_embed(x[0]),
    "diag": lambda lib, x: lib.diag(x[0, 0]), "contiguous": lambda lib, x: x.transpose(1, 2).contiguous(), "clone": lambda lib, x: x.clone(),
    "getitem:slice": lambda lib, x: x[:, 1:, ::2], "getitem:ellipsis": lambda lib, x: x[..., -1, None],
    "getitem:list": lambda lib, x: x[:, [0, 2, 0]], "getitem:mask": lambda lib, x: x[:, lib.tensor([True, False, True])],
    "getitem:pairs": lambda lib, x: x[lib.tensor([0, 1]), :, lib.tensor([3, 0])],
    "getitem:broadcast": lambda lib, x: x[lib.tensor([[0], [1]]), lib.tensor([1, 2])], "getitem:negative": lambda lib, x: x[-1, lib.tensor([-1, -2])],
    "alias": lambda lib, x: x[...] * 2, "cat": lambda lib, x: lib.cat([x, x[:, :1]], 1), "stack": lambda lib, x: lib.stack([x, x * 2], -1),
    "hstack": lambda lib, x: lib.hstack([x, x]), "vstack": lambda lib, x: lib.vstack([x, x]), "block_diag": lambda lib, x: lib.block_diag(x[0], x[1]),
    "meshgrid": lambda lib, x: lib.meshgrid(x[0, 0], x[1, 0], indexing="ij"), "atleast_3d": lambda lib, x: lib.atleast_3d(x[0]),
    "select_scatter": lambda lib, x: lib.select_scatter(x, x[:, 0] * 2, 1, 2), "slice_scatter": lambda lib, x: lib.slice_scatter(x, x[:, :1] * 2, 1, 1, 2),
    "diagonal_scatter": lambda lib, x: lib.diagonal_scatter(x[0, :, :3], x[1, :, 0]), "split_with_sizes": lambda lib, x: lib.split_with_sizes(x, [1, 2], 1),
    "to:dtype": lambda lib, x: x.to(lib.float64) * 2, "cartesian_prod": lambda lib, x: lib.cartesian_prod(x[0, 0], x[1, 1]),
    "column_stack": lambda lib, x: lib.column_stack([x[0], x[1]]), "pad": lambda lib, x: F(lib).pad(x, (1, -1, 2, 0), value=0.5),
    "pad:reflect": lambda lib, x: F(lib).pad(x, (1, 2), mode="reflect"),
}.items():  # fmt: skip
    row(_name, _fn, V)
row("T:2d", lambda lib, x: x.t() @ x, In(3, 2), f16=1e-2)
row("tril_indices", lambda lib, x: (lib.tril_indices(3, 2, -1), lib.triu_indices(3, 4, 1)), X, grad=False, covers=("triu_indices",))

# --- gather, scatter, index, masks ------------------------------------------------------------------------------------
IDX = I([0, 1, 1], [1, 0, 1])
row("gather", lambda lib, x, i: x.gather(0, i), X, IDX)
row("take_along_dim", lambda lib, x, i: lib.take_along_dim(x, i, 0), X, IDX)
row("scatter", lambda lib, x, i, s: x.scatter(1, i, s), In(2, 4), I([0, 2], [3, 1]), In(2, 2))
row("scatter:value", lambda lib, x, i: x.scatter(1, i, 1.5), In(2, 4), I([0, 2], [3, 1]))
row("scatter_add", lambda lib, x, i, s: x.scatter_add(0, i, s), X, IDX, In(2, 3), f16=2e-2)
for _r in "sum mean amax amin prod".split():
    row(f"scatter_reduce:{_r}", lambda lib, x, i, s, r=_r: x.scatter_reduce(0, i, s, r), X, IDX, In(2, 3), second=False, f16=3e-2)
row("index_select", lambda lib, x, i: x.index_select(1, i), X, I(2, 0, 2))
row("index_add", lambda lib, x, i, s: x.index_add(0, i, s, alpha=2), In(3, 2), I(0, 2, 0), In(3, 2), f16=2e-2)
row("index_copy", lambda lib, x, i, s: x.index_copy(0, i, s), In(3, 2), I(0, 2), In(2, 2))
row("index_fill", lambda lib, x, i: x.index_fill(0, i, 2.0), In(3, 2), I(0, 2))
row("index_put", lambda lib, x, i, s: x.index_put((i,), s), In(3, 2), I(0, 2), In(2, 2))
row("index_put:accumulate", lambda lib, x, i, s: x.index_put((i,), s, accumulate=True), In(3, 2), I(0, 2, 0), In(3, 2), f16=2e-2)
row("take", lambda lib, x, i: lib.take(x, i), X, I(0, 5, -1, 0))
row("put", lambda lib, x, i, s: x.clone().put_(i, s), X, I(0, 5), In(2))
row("masked_fill", lambda lib, x, m: x.masked_fill(m, 2.0), X, MASK)
row("masked_select", lambda lib, x, m: x.masked_select(m), X, MASK)
row("masked_scatter", lambda lib, x, m, s: x.masked_scatter(m, s), X, MASK, In(5))
row("nonzero", top("nonzero"), MASK, grad=False)
row("nonzero:tuple", top("nonzero", as_tuple=True), MASK, grad=False)
row("argwhere", top("argwhere"), MASK, grad=False)
row("embedding", lambda lib, w, i: F(lib).embedding(i, w), In(4, 3), I([0, 3], [1, 0]))
row("embedding:padding", lambda lib, w, i: F(lib).embedding(i, w, padding_idx=0), In(4, 3), I([0, 3], [1, 0]), grad=False)
row("one_hot", lambda lib, i: F(lib).one_hot(i, 4), I(0, 3, 1), grad=False)

# --- linear algebra ---------------------------------------------------------------------------------------------------
M = dict(f16=3e-2, f32=5e-5)
row("matmul", top("matmul"), In(3, 4), In(4, 2), empty=((3, 0), (0, 2)), **M)
row("matmul:1d", top("matmul"), In(4), In(4), **M)
row("matmul:2d1d", top("matmul"), In(3, 4), In(4), **M)
row("matmul:1d2d", top("matmul"), In(4), In(4, 2), **M)
row("matmul:batch", top("matmul"), In(2, 1, 2, 3), In(2, 3, 2), **M)
row("matmul:transposed", lambda lib, x, y: x.transpose(0, 1) @ y.t(), In(4, 3), In(2, 4), **M)
row("mm", top("mm"), In(3, 4), In(4, 2), **M)
row("bmm", top("bmm"), In(2, 3, 2), In(2, 2, 3), **M)
row("mv", top("mv"), In(3, 4), In(4), **M)
row("dot", top("dot"), In(4), In(4), **M)
row("outer", top("outer"), In(3), In(4), **M)
row("inner", top("inner"), In(3), In(3), **M)
row("addmm", top("addmm", beta=0.5, alpha=2), In(2), In(3, 4), In(4, 2), **M)
row("addmv", top("addmv"), In(3), In(3, 2), In(2), **M)
row("baddbmm", top("baddbmm"), In(2, 2, 2), In(2, 2, 3), In(2, 3, 2), **M)
row("kron", top("kron"), In(2, 2), In(2, 3), **M)
row("cross", top("cross", dim=1), In(2, 3), In(2, 3), **M)
row("tensordot", lambda lib, x, y: lib.tensordot(x, y, 1), In(2, 3), In(3, 2), **M)
for _i, _e in enumerate(("ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "ii->i", "ij->", "ij,ij->i", "...i,i->...")):
    _s = {0: ((2, 3), (3, 2)), 1: ((2, 3), (4, 3)), 2: ((2, 2, 3), (2, 3, 2)), 3: ((3, 3),), 4: ((2, 3),), 5: ((2, 3), (2, 3)), 6: ((2, 3), (3,))}[_i]
    row(f"einsum:{_e}", lambda lib, *t, e=_e: lib.einsum(e, *t), *[In(*s) for s in _s], **M)
row("cdist", lambda lib, x, y: lib.cdist(x, y), In(2, 3), In(3, 3), second=False, half=False, f32=1e-4)
row("cosine_similarity", fun("cosine_similarity"), In(2, 3), In(2, 3), second=False, f16=2e-2)

# --- fused rows -------------------------------------------------------------------------------------------------------
N = dict(fused=True, f16=2e-2, f32=5e-5)
row("softmax", fun("softmax", -1), In(2, 4), empty=(0, 4), **N)
row("softmax:dim", fun("softmax", 0), In(3, 2), **N)
row("log_softmax", fun("log_softmax", 1), In(2, 4), empty=(0, 4), **N)
row("log_softmax:dim", fun("log_softmax", 0), In(3, 2), **N)
row("layer_norm", lambda lib, x, w, b: F(lib).layer_norm(x, (4,), w, b), In(3, 4), In(4), In(4), **N)
row("layer_norm:plain", lambda lib, x: F(lib).layer_norm(x, (2, 2)), In(3, 2, 2), **N)
row("rms_norm", lambda lib, x, w: F(lib).rms_norm(x, (4,), w, 1e-5), In(3, 4), In(4), **N)
row("linear", fun("linear"), In(3, 4), In(2, 4), In(2), empty=((0, 4), (2, 4), (2,)), **N)
row("linear:plain", fun("linear"), In(2, 2, 3), In(2, 3), **N)
row("linear:1d", fun("linear"), In(3), In(2, 3), In(2), **N)
for _r in "mean sum none".split():
    row(f"cross_entropy:{_r}", lambda lib, x, t, r=_r: F(lib).cross_entropy(x, t, reduction=r), In(3, 4), I(0, 3, 1), **N)
row("cross_entropy:ignore", lambda lib, x, t: F(lib).cross_entropy(x, t, ignore_index=3), In(3, 4), I(0, 3, 1), **N)
row("cross_entropy:weight", lambda lib, x, t, w: F(lib).cross_entropy(x, t, w.to(x.dtype), label_smoothing=0.2), In(3, 4), I(0, 3, 1), np.array([0.5, 1.5, 1.0, 0.7]), **N)
row("cross_entropy:spatial", lambda lib, x, t: F(lib).cross_entropy(x, t), In(2, 3, 2), I([0, 2], [1, 1]), **N)
row("cross_entropy:probabilities", lambda lib, x, t: F(lib).cross_entropy(x, t.softmax(1)), In(3, 4), In(3, 4), **N)
row("nll_loss", lambda lib, x, t: F(lib).nll_loss(x, t), In(3, 4), I(0, 3, 1))
S = lambda **k: lambda lib, q, key, v, *m: F(lib).scaled_dot_product_attention(q, key, v, *m, **k)  # noqa: E731
Q, K, W = In(1, 2, 3, 2), In(1, 2, 4, 2), In(1, 2, 4, 3)
row("scaled_dot_product_attention", S(), Q, K, W, **N)
row("scaled_dot_product_attention:causal", S(is_causal=True), Q, In(1, 2, 3, 2), In(1, 2, 3, 2), **N)
row("scaled_dot_product_attention:scale", S(scale=0.3), Q, K, W, **N)
row("scaled_dot_product_attention:bool", S(), Q, K, W, np.array([[True, False, True, True], [True] * 4, [False, True, True, False]]), **N)
row("scaled_dot_product_attention:float", lambda lib, q, k, v, m: F(lib).scaled_dot_product_attention(q, k, v, m), Q, K, W, In(3, 4), **N)
row("scaled_dot_product_attention:gqa", S(enable_gqa=True), In(1, 2, 2, 2), In(1, 1, 3, 2), In(1, 1, 3, 2), **N)
row("batch_norm:train", lambda lib, x, w, b: F(lib).batch_norm(x, None, None, w, b, True), In(4, 2), In(2), In(2), **N)
row("batch_norm:eval", lambda lib, x, w, b: F(lib).batch_norm(x, lib.zeros(2, dtype=x.dtype), lib.ones(2, dtype=x.dtype) * 2, w, b), In(3, 2, 2), In(2), In(2), **N)
row("group_norm", lambda lib, x, w, b: F(lib).group_norm(x, 2, w, b), In(2, 4, 2), In(4), In(4), **N)
row("instance_norm", lambda lib, x: F(lib).instance_norm(x), In(2, 2, 4), f16=2e-2)

# --- convolution, pooling, vision -------------------------------------------------------------------------------------
row("conv1d", lambda lib, x, w, b: F(lib).conv1d(x, w, b, padding=1), In(1, 2, 5), In(2, 2, 3), In(2), **M)
row("conv2d", lambda lib, x, w, b: F(lib).conv2d(x, w, b, stride=2, padding=1), In(1, 2, 4, 4), In(2, 2, 3, 3), In(2), **M)
row("conv2d:groups", lambda lib, x, w: F(lib).conv2d(x, w, groups=2, dilation=(1, 2)), In(1, 2, 3, 4), In(2, 1, 2, 2), **M)
row("conv3d", lambda lib, x, w: F(lib).conv3d(x, w), In(1, 1, 3, 3, 3), In(1, 1, 2, 2, 2), **M)
row("conv_transpose1d", lambda lib, x, w, b: F(lib).conv_transpose1d(x, w, b, stride=2, padding=1), In(1, 2, 3), In(2, 2, 3), In(2), **M)
row("conv_transpose2d", lambda lib, x, w: F(lib).conv_transpose2d(x, w, stride=2, output_padding=1), In(1, 1, 2, 2), In(1, 2, 2, 2), **M)
P = In(1, 2, 4, 4, kind="distinct")
row("max_pool2d", lambda lib, x: F(lib).max_pool2d(x, 2), P)
row("max_pool2d:pad", lambda lib, x: F(lib).max_pool2d(x, 3, 2, 1, return_indices=True), P)
row("max_pool1d", lambda lib, x: F(lib).max_pool1d(x, 2, 1), In(1, 2, 5, kind="distinct"))
row("avg_pool2d", lambda lib, x: F(lib).avg_pool2d(x, 3, 2, 1, count_include_pad=False), P, f16=1e-2)
row("avg_pool1d", lambda lib, x: F(lib).avg_pool1d(x, 2), In(1, 2, 6), f16=1e-2)
row("adaptive_avg_pool2d", lambda lib, x: F(lib).adaptive_avg_pool2d(x, 3), P, f16=1e-2)
row("adaptive_max_pool2d", lambda lib, x: F(lib).adaptive_max_pool2d(x, 2), P)
row("interpolate", lambda lib, x: F(lib).interpolate(x, scale_factor=2, mode="bilinear"), In(1, 1, 2, 3), half=False)
row("pixel_shuffle", lambda lib, x: F(lib).pixel_shuffle(x, 2), In(1, 4, 2, 2))
row("F.unfold", lambda lib, x: F(lib).unfold(x, 2), In(1, 1, 3, 3))
row("F.fold", lambda lib, x: F(lib).fold(x, (3, 3), 2), In(1, 4, 4), f16=2e-2)

# --- losses -----------------------------------------------------------------------------------------------------------
for _n in "mse_loss l1_loss smooth_l1_loss huber_loss".split():
    row(_n, fun(_n), In(2, 3), In(2, 3), f16=2e-2)
row("binary_cross_entropy_with_logits", fun("binary_cross_entropy_with_logits"), In(2, 3), In(2, 3, kind=(0.1, 0.9)), f16=1e-2)
row("binary_cross_entropy", fun("binary_cross_entropy"), In(2, 3, kind=(0.1, 0.9)), In(2, 3, kind=(0.1, 0.9)), f16=1e-2, second=False)
row("kl_div", fun("kl_div", reduction="sum"), In(2, 3), In(2, 3, kind=(0.1, 0.9)), f16=2e-2)


# --- in place, and views whose base is written ------------------------------------------------------------------------
def inplace(name, change, *inputs, **options):
    def fn(lib, x, *rest):
        y = x * 1
        change(lib, y, *rest)
        return y

    row(name, fn, *inputs, **options)


inplace("add_", lambda lib, y, o: y.add_(o, alpha=2), X, In(3), f16=2e-2)
inplace("sub_", lambda lib, y, o: y.sub_(o), X, In(3), f16=1e-2)
inplace("mul_", lambda lib, y, o: y.mul_(o), X, In(3), f16=1e-2)
inplace("div_", lambda lib, y, o: y.div_(o), X, B, f16=2e-2)
inplace("pow_", lambda lib, y: y.pow_(2), X, f16=2e-2)
inplace("exp_", lambda lib, y: y.exp_(), A, f16=2e-2)
inplace("relu_", lambda lib, y: y.relu_(), X)
inplace("clamp_", lambda lib, y: y.clamp_(-0.5, 0.5), X)
inplace("masked_fill_", lambda lib, y, m: y.masked_fill_(m, 2.0), X, MASK)
inplace("masked_scatter_", lambda lib, y, m, s: y.masked_scatter_(m, s), X, MASK, In(5))
inplace("index_put_", lambda lib, y, i, s: y.index_put_((i,), s), In(3, 2), I(0, 2), In(2, 2))
inplace("index_add_", lambda lib, y, i, s: y.index_add_(0, i, s), In(3, 2), I(0, 2), In(2, 2), f16=2e-2)
inplace("index_copy_", lambda lib, y, i, s: y.index_copy_(0, i, s), In(3, 2), I(0, 2), In(2, 2))
inplace("index_fill_", lambda lib, y, i: y.index_fill_(0, i, 1.0), In(3, 2), I(0, 2))
inplace("scatter_", lambda lib, y, i, s: y.scatter_(0, i, s), In(3, 2), I([0, 1]), In(1, 2))
inplace("scatter_add_", lambda lib, y, i, s: y.scatter_add_(0, i, s), In(3, 2), I([0, 1]), In(1, 2), f16=2e-2)
inplace("scatter_reduce_", lambda lib, y, i, s: y.scatter_reduce_(0, i, s, "sum"), In(3, 2), I([0, 1]), In(1, 2), f16=2e-2)
inplace("copy_", lambda lib, y, o: y.copy_(o), X, In(3))
inplace("fill_", lambda lib, y: y.fill_(2.0), X)
inplace("zero_", lambda lib, y: y[0].zero_(), X)
inplace("tril_", lambda lib, y: y.tril_(), In(3, 3))
inplace("triu_", lambda lib, y: y.triu_(), In(3, 3))
inplace("unary_", lambda lib, y: y.sin_().tanh_(), X, f16=1e-2)
inplace("rebase:slice", lambda lib, y: y[1:3].mul_(2), In(4, 3))
inplace("rebase:view", lambda lib, y: y.view(-1)[2:5].add_(1), In(4, 3))
inplace("rebase:transpose", lambda lib, y, o: y.t()[0].mul_(o), In(3, 2), In(3), f16=1e-2)
inplace("rebase:diagonal", lambda lib, y: y.diagonal().mul_(3), In(3, 3), f16=1e-2)
inplace("rebase:two views", lambda lib, y: (y[0].mul_(2), y[:, 1].exp_()), In(3, 2), f16=2e-2)
inplace("setitem:slice", lambda lib, y, o: y.__setitem__((slice(None), 1), o), In(3, 2), In(3))
inplace("setitem:mask", lambda lib, y, m, o: y.__setitem__(m, o), X, MASK, In(4))
inplace("setitem:list", lambda lib, y, o: y.__setitem__([0, 2], o), In(3, 2), In(2))
inplace("setitem:number", lambda lib, y: y.__setitem__((Ellipsis, 0), 3.5), X)
row("rebase:read view", lambda lib, x: (lambda y: (lambda v: (y.mul_(2), v + y[0]))(y[0])[1])(x * 1), In(3, 2), f16=1e-2)
