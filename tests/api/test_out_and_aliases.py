"""`out=`, in-place forms, names of `dim` and `keepdim`, and unknown keywords: a table of functions against torch."""

import warnings

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

UNARY = """abs neg sign ceil floor trunc frac exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin
    acos atan sinh cosh asinh acosh atanh erf erfc erfinv sigmoid tanh deg2rad rad2deg lgamma digamma sinc i0 absolute negative sgn
    fix arcsin arccos arctan arcsinh arccosh arctanh logit nan_to_num round angle logical_not""".split()
BINARY = """add sub mul div floor_divide remainder fmod maximum minimum atan2 eq ne lt le gt ge logical_and logical_or logical_xor
    pow hypot logaddexp logaddexp2 xlogy fmax fmin copysign nextafter igamma igammac true_divide multiply subtract divide
    float_power not_equal less less_equal greater greater_equal heaviside arctan2""".split()
INTEGER = "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift gcd lcm".split()
# name: does it take a dim, and does it keep it on request
REDUCTIONS = dict.fromkeys(
    "sum mean nansum nanmean prod amax amin any all var std argmax argmin logsumexp quantile nanquantile".split(), True
) | dict.fromkeys("cumsum cumprod logcumsumexp softmax log_softmax".split(), False)
PAIRS = "max min median nanmedian mode cummax cummin sort topk kthvalue".split()
IN_PLACE = [n for n in UNARY if n not in ("angle",)] + [n for n in BINARY if n not in "maximum minimum logaddexp logaddexp2 fmax fmin".split()]
EXTRA = {"quantile": (0.5,), "nanquantile": (0.5,), "topk": (2,), "kthvalue": (2,)}
REQUIRED = ("logsumexp", "cumsum", "cumprod", "logcumsumexp", "softmax", "log_softmax", "cummax", "cummin")


def data(lib, name, dtype="float32"):
    values = np.array([[0.25, 0.5, 0.75], [0.1, 0.9, 0.35]])
    if name in ("acosh", "arccosh"):
        values = values + 1
    if name in INTEGER:
        return lib.tensor([[4, 6, 9], [1, 2, 5]])
    return lib.from_numpy(values).to(getattr(lib, dtype))


def operands(lib, name, dtype="float32"):
    x = data(lib, name, dtype)
    if name in INTEGER:
        return x, lib.tensor([2, 3, 1])
    return (x, data(lib, name, dtype)[1] + 0.25) if name in BINARY else (x,)


def plain(value):
    if hasattr(value, "detach"):
        return str(value.dtype).rpartition(".")[2], tuple(value.shape), np.asarray(value.detach().numpy(), "float64")
    return [plain(v) for v in value]


def equal(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a[:2] == b[:2] and np.allclose(a[2], b[2], rtol=1e-5, atol=1e-6, equal_nan=True)


def both(act):
    """Run `act(lib)` with both libraries: a result, or the kind of exception that came."""
    found = []
    for lib in (torch, rsnn):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found.append(plain(act(lib)))
            except Exception as error:
                kinds = [k for k in type(error).__mro__ if k.__module__ == "builtins"]
                found.append(kinds[0])
    return found


def same(act):
    expected, got = both(act)
    if isinstance(expected, type) or isinstance(got, type):
        assert expected is got, f"torch {expected}, rsnn {got}"
    else:
        assert equal(expected, got), f"torch {expected}, rsnn {got}"


def call(lib, name, **kwargs):
    dims = {} if name not in REDUCTIONS and name not in PAIRS else {"dim": 1}
    return getattr(lib, name)(*operands(lib, name), *EXTRA.get(name, ()), **dims, **kwargs)


@pytest.mark.parametrize("name", UNARY + BINARY + INTEGER + list(REDUCTIONS))
def test_out(name):
    """`out=` is filled and returned: empty, of the right size, and strided."""

    def empty(lib):
        like = call(lib, name)
        out = lib.empty(0, dtype=like.dtype)
        assert call(lib, name, out=out) is out
        return out

    def strided(lib):
        like = call(lib, name)
        wide = lib.zeros(*like.shape, 2, dtype=like.dtype)
        out = wide[..., 1]
        call(lib, name, out=out)
        return wide

    def resized(lib):
        out = lib.ones(7, dtype=call(lib, name).dtype)
        call(lib, name, out=out)
        return out

    for act in (empty, strided, resized):
        same(act)


@pytest.mark.parametrize("name", UNARY + BINARY + INTEGER + list(REDUCTIONS))
@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "float16"])
def test_out_of_another_dtype(name, dtype):
    """A result is cast into `out` where torch casts it, and refused where torch refuses."""

    def act(lib):
        out = lib.zeros(2, 3, dtype=getattr(lib, dtype)) if name not in REDUCTIONS else lib.zeros(0, dtype=getattr(lib, dtype))
        call(lib, name, out=out)
        return out

    expected, got = both(act)
    # Where torch's cast is one of its kernels' limits, rsnn may cast.
    if expected is NotImplementedError and got is not TypeError:
        return
    same(act)


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_out_that_is_an_input(name):
    """The result may replace an operand."""

    def act(lib):
        args = operands(lib, name, "float64" if name == "float_power" else "float32")
        if getattr(lib, name)(*args).dtype != args[0].dtype:
            return args[0]
        getattr(lib, name)(*args, out=args[0])
        return args[0]

    same(act)


def test_out_refuses_history():
    for name in ("exp", "add", "sum", "matmul", "cumsum"):
        x = rsnn.ones(2, 2, requires_grad=True)
        args = (x, x) if name in ("add", "matmul") else (x, 0) if name == "cumsum" else (x,)
        with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
            getattr(rsnn, name)(*args, out=rsnn.empty(0))
        with rsnn.no_grad():
            getattr(rsnn, name)(*args, out=rsnn.empty(0))
        with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
            getattr(rsnn, name)(*[a.detach() if hasattr(a, "detach") else a for a in args], out=rsnn.empty(0, requires_grad=True))


def test_out_warns_when_it_resizes():
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        rsnn.exp(rsnn.ones(2), out=rsnn.ones(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rsnn.exp(rsnn.ones(2), out=rsnn.ones(0))


def test_out_has_to_be_a_tensor():
    for out in (1, [rsnn.ones(2)], "x"):
        with pytest.raises(TypeError, match="argument 'out' must be Tensor"):
            rsnn.exp(rsnn.ones(2), out=out)
    with pytest.raises(TypeError):
        rsnn.max(rsnn.ones(2), 0, out=rsnn.ones(1))


@pytest.mark.parametrize("name", PAIRS)
def test_two_outs(name):
    def act(lib):
        like = call(lib, name)
        outs = tuple(lib.empty(0, dtype=t.dtype) for t in like)
        got = call(lib, name, out=outs)
        assert all(a is b for a, b in zip(got, outs))
        return list(outs)

    same(act)


@pytest.mark.parametrize("name", IN_PLACE + INTEGER)
def test_in_place(name):
    """`x.name_()` gives torch's value, keeps the dtype, and refuses what does not fit."""

    def act(lib):
        args = operands(lib, name, "float64" if name == "float_power" else "float32")
        x = args[0].clone()
        assert getattr(x, name + "_")(*args[1:]) is x
        return x

    def integers(lib):
        x = lib.tensor([[1, 2, 3], [3, 2, 1]])
        other = [lib.tensor([1, 2, 1])] if name in BINARY + INTEGER else []
        return getattr(x, name + "_")(*other)

    def growing(lib):
        x = operands(lib, name)[0]
        return getattr(x[0], name + "_")(x)

    same(act)
    same(integers)
    if name in BINARY:
        same(growing)


@pytest.mark.parametrize("name", [*REDUCTIONS, *PAIRS])
def test_names_of_dim(name):
    """numpy's `axis` and `keepdims` mean `dim` and `keepdim`."""
    x, extra = data(rsnn, name), EXTRA.get(name, ())
    f = getattr(rsnn, name)
    listed = lambda v: plain(v if hasattr(v, "detach") else list(v))
    assert equal(listed(f(x, *extra, axis=1)), listed(f(x, *extra, dim=1)))
    keeps = REDUCTIONS.get(name, name in "max min median nanmedian mode kthvalue".split())
    if keeps:
        assert equal(listed(f(x, *extra, axis=1, keepdims=True)), listed(f(x, *extra, dim=1, keepdim=True)))
    if name in REQUIRED:
        with pytest.raises(TypeError, match="missing 1 required positional arguments: \"dim\""):
            f(x, *extra)
        with pytest.raises(TypeError, match="multiple values for argument 'dim'"):
            f(x, *extra, 1, axis=1)


@pytest.mark.parametrize("name", UNARY + BINARY + INTEGER + list(REDUCTIONS) + PAIRS)
def test_unknown_keywords(name):
    """A keyword that torch does not know is a TypeError, as in torch; in in-place forms `out` is one of them."""
    assert both(lambda lib: call(lib, name, nonsense=1)) == [TypeError, TypeError]
    if name in IN_PLACE:
        assert both(lambda lib: getattr(operands(lib, name)[0], name + "_")(*operands(lib, name)[1:], out=1)) == [TypeError, TypeError]


def test_joins_and_shapes_take_axis():
    x = rsnn.ones(2, 1, 3)
    assert rsnn.cat([x, x], axis=1).shape == rsnn.cat([x, x], dim=1).shape == (2, 2, 3)
    assert rsnn.stack([x, x], axis=-1).shape == (2, 1, 3, 2)
    assert x.squeeze(axis=1).shape == rsnn.squeeze(x, axis=1).shape == (2, 3)
    assert rsnn.unsqueeze(x, axis=0).shape == (1, 2, 1, 3)
    assert len(rsnn.unbind(x, axis=2)) == 3
