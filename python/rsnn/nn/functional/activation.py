"""Activation functions."""

from __future__ import annotations

import warnings

import rsnn
from rsnn import _rsnn as _C

from .arguments import in_place, scalar_type

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu",
    "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus",
    "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

# Klambauer et al. 2017, "Self-Normalizing Neural Networks".
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def relu(input, inplace=False):
    """Apply max(x, 0)."""
    return input.relu_() if inplace else _C.relu(input)


def relu_(input):
    """Apply `relu` in place."""
    return input.relu_()


def relu6(input, inplace=False):
    """Apply min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """Clamp to [min_val, max_val]; the gradient is zero on the borders."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if inplace:
        return in_place(input, lambda x: _C.hardtanh(x, min_val, max_val))
    return _C.hardtanh(input, min_val, max_val)


def hardtanh_(input, min_val=-1.0, max_val=1.0):
    """Apply `hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def threshold(input, threshold, value, inplace=False):
    """Replace every x <= threshold by `value`."""
    mask = input <= threshold
    return input.masked_fill_(mask, value) if inplace else input.masked_fill(mask, value)


def threshold_(input, threshold, value):
    """Apply `threshold` in place."""
    return input.masked_fill_(input <= threshold, value)


def _elu(input, alpha, scale, input_scale, inplace):
    if inplace:
        return in_place(input, lambda x: _C.elu(x, alpha, scale, input_scale))
    return _C.elu(input, alpha, scale, input_scale)


def elu(input, alpha=1.0, inplace=False):
    """Apply x for x > 0 and alpha·(exp(x) − 1) below."""
    return _elu(input, alpha, 1.0, 1.0, inplace)


def elu_(input, alpha=1.0):
    """Apply `elu` in place."""
    return _elu(input, alpha, 1.0, 1.0, True)


def selu(input, inplace=False):
    """Apply scale·elu(x, alpha) with the two constants of self-normalizing networks."""
    return _elu(input, SELU_ALPHA, SELU_SCALE, 1.0, inplace)


def selu_(input):
    """Apply `selu` in place."""
    return selu(input, True)


def celu(input, alpha=1.0, inplace=False):
    """Apply max(0, x) + min(0, alpha·(exp(x / alpha) − 1))."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(input, alpha, 1.0, 1.0 / alpha, inplace)


def celu_(input, alpha=1.0):
    """Apply `celu` in place."""
    return celu(input, alpha, True)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """Apply x for x > 0 and negative_slope·x below."""
    if inplace:
        return in_place(input, lambda x: _C.leaky_relu(x, negative_slope))
    return _C.leaky_relu(input, negative_slope)


def leaky_relu_(input, negative_slope=0.01):
    """Apply `leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def prelu(input, weight):
    """Apply x for x > 0 and weight·x below, with one weight or one per channel (dimension 1)."""
    if weight.dtype != input.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {scalar_type(input)} and {scalar_type(weight)}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.dim() > 1 else 1
        if weight.dim() != 1:
            raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.dim()}")
        if input.dim() == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if weight.numel() != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
        if input.dim() > 2:
            weight = weight.view(-1, *([1] * (input.dim() - 2)))
    elif weight.dim():
        weight = weight.view(())
    positive = input > 0
    # Zeroed before the product: an infinite number has no part in the weight's gradient, nor an infinite weight in the other.
    return rsnn.where(positive, input, weight * input.masked_fill(positive, 0))


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Apply x for x > 0 and a·x below; a is drawn from [lower, upper] in training, else their mean."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)

    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")

    def apply(x):
        slope = rsnn.empty_like(x).uniform_(lower, upper).detach()
        return rsnn.where(x > 0, x, slope * x)

    return in_place(input, apply) if inplace else apply(input)


def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """Apply `rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


def gelu(input, *, approximate="none"):
    """Apply x·Φ(x), Φ the normal distribution function, or its tanh approximation.

    Args:
        approximate: "none" or "tanh".

    Raises: RuntimeError for another `approximate`.
    """
    if approximate == "none":
        return _C.gelu(input, False)
    if approximate == "tanh":
        return _C.gelu(input, True)
    raise RuntimeError("approximate argument must be either none or tanh.")


def silu(input, inplace=False):
    """Apply x·sigmoid(x)."""
    return in_place(input, _C.silu) if inplace else _C.silu(input)


def mish(input, inplace=False):
    """Apply x·tanh(softplus(x))."""
    return in_place(input, _C.mish) if inplace else _C.mish(input)


def hardswish(input, inplace=False):
    """Apply x·relu6(x + 3) / 6."""
    return in_place(input, _C.hardswish) if inplace else _C.hardswish(input)


def hardsigmoid(input, inplace=False):
    """Apply relu6(x + 3) / 6."""
    return in_place(input, _C.hardsigmoid) if inplace else _C.hardsigmoid(input)


def sigmoid(input):
    """Apply 1 / (1 + exp(−x))."""
    return _C.sigmoid(input)


def tanh(input):
    """Apply tanh."""
    return _C.tanh(input)


def logsigmoid(input):
    """Apply log(sigmoid(x))."""
    return _C.log_sigmoid(input)


def softplus(input, beta=1, threshold=20):
    """Apply log(1 + exp(beta·x)) / beta, and x itself where beta·x > threshold."""
    return _C.softplus(input, float(beta), float(threshold))


def softsign(input):
    """Apply x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    """Apply x − tanh(x)."""
    return input - input.tanh()


def hardshrink(input, lambd=0.5):
    """Replace every x in [−lambd, lambd] by zero."""
    return _C.hardshrink(input, lambd)


def softshrink(input, lambd=0.5):
    """Move x by lambd towards zero, and to zero inside [−lambd, lambd]."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be in range [0, 3.40282e+38] for input dtype Float, but found {lambd:g}")
    return _C.softshrink(input, lambd)


def glu(input, dim=-1):
    """Apply a·sigmoid(b) with a and b the halves of `input` along `dim`."""
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    if not -input.dim() <= dim < input.dim():
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got {dim})"
        )
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim % input.dim()} is size {size}")
    return _C.glu(input, dim)


def _implicit_dim(name, ndim):
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Apply exp(x) / Σ exp(x) along `dim`.

    Args:
        dim: the dimension that sums to one.
        dtype: cast the input to this first.
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.dim())
    return _C.softmax(input if dtype is None else input.to(dtype), dim)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """Apply softmax(−x) along `dim`."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim())
    return softmax(-input, dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Apply log(softmax(x)) along `dim`, without overflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim())
    return _C.log_softmax(input if dtype is None else input.to(dtype), dim)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Sample from the Gumbel-Softmax distribution (Jang et al. 2017).

    Args:
        tau: temperature, above zero.
        hard: return one-hot samples whose gradient is that of the soft ones.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -rsnn.empty_like(logits).exponential_().log()
    soft = _C.softmax((logits + noise.detach()) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().max(dim, keepdim=True)[1]
    return rsnn.zeros_like(soft.detach()).scatter_(dim, index, 1.0) - soft.detach() + soft
