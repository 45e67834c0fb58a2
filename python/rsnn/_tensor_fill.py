"""Methods that make tensors like this one, fill it, or change what it holds."""

import math

from . import _creation
from . import _rsnn as _C
from ._creation import _number
from ._creation import _shape as _sizes
from ._method import method

Tensor = _C.Tensor


@method
def copy_(self, src, non_blocking=False):
    """Copy elements of `src`, broadcast and converted."""
    return _C.copy_(self, src if isinstance(src, Tensor) else _C.tensor(src, None))


@method
def fill_(input, value):
    """Set every element to a number or to a 0-d tensor's value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        if value.requires_grad:
            return _C.copy_(input, value)
        value = value.item()
    if isinstance(value, int) and abs(value) > 2**53:  # not exact as a float
        return _C.copy_(input, _C.tensor(value, None))
    return _C.fill_(input, _number(value, input.dtype))


@method
def zero_(input):
    """Set every element to zero."""
    return _C.fill_(input, 0.0)


@method
def fill_diagonal_(self, fill_value, wrap=False):
    """Set the diagonal to a value; with `wrap` a tall matrix gets another diagonal below each block."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    n, m = self.shape[0], self.shape[1]
    value = _number(fill_value, self.dtype)
    if wrap and self.ndim == 2 and m and n > m + 1:
        at = _C.arange(0.0, float(n * m), float(m + 1), _C.int64)
        self[at // m, at % m] = value
    elif self.numel():
        _C.fill_(_C.as_strided(self, [min(self.shape)], [sum(self.stride())], self.storage_offset()), value)
    return self


@method
def set_(self, source=None, storage_offset=None, size=None, stride=None):
    """Share the data of another tensor."""
    if source is None:
        self.data = _C.empty([0], self.dtype)
    else:
        if not isinstance(source, Tensor):
            source = source._tensor
        source = source.detach()
        self.data = source if size is None else _C.as_strided(source, list(size), list(stride), storage_offset or 0).detach()
    _C.bump_version(self)
    return self


@method
def resize_(self, *sizes, size=None, memory_format=None):
    """Change the size in place; new elements are uninitialised."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    return _C.resize_(self, _sizes(sizes) if size is None else list(size))


@method
def resize_as_(input, the_template, *, memory_format=None):
    """Change the size in place to that of another tensor."""
    return input.resize_(list(the_template.shape))


@method
def resize(self, *sizes):
    """Give another size of as many elements; torch's old out-of-place form."""
    sizes = _sizes(sizes)
    if math.prod(sizes) != self.numel():
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, sizes))} ({math.prod(sizes)} elements in total), but the given tensor has a size "
            f"of {'x'.join(map(str, self.shape))} ({self.numel()} elements). autograd's resize can only change the shape of a given "
            "tensor, while preserving the number of elements. "
        )
    return self.contiguous().view(sizes)


@method
def resize_as(self, tensor):
    """Give the size of a tensor of as many elements; torch's old out-of-place form."""
    return self.resize(list(tensor.shape))


@method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """Make a tensor from data with this tensor's dtype and device."""
    return _creation.tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def _new(name, make):
    def f(self, *sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        dtype, device = dtype or self.dtype, device or self.device
        return make(*sizes, size=size, dtype=dtype, device=device, requires_grad=requires_grad, layout=layout)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Make a tensor like `rsnn.{name[4:]}` with this tensor's dtype and device."
    setattr(Tensor, name, f)


_new("new_empty", _creation.empty)
_new("new_zeros", _creation.zeros)
_new("new_ones", _creation.ones)


@method
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Make a tensor of one value with this tensor's dtype and device."""
    dtype, device = dtype or self.dtype, device or self.device
    return _creation.full(size, fill_value, dtype=dtype, device=device, requires_grad=requires_grad, layout=layout)


@method
def new_empty_strided(self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Make an uninitialised tensor with given strides."""
    dtype, device = dtype or self.dtype, device or self.device
    return _creation.empty_strided(size, stride, dtype=dtype, device=device, requires_grad=requires_grad)


@method
def new(self, *args):
    """Make a tensor of this dtype from sizes or data."""
    if len(args) == 1 and not isinstance(args[0], int):
        return _creation.tensor(args[0], dtype=self.dtype)
    return _creation.empty(*(args or (0,)), dtype=self.dtype)


def _drawn(name, self, named, *values, generator):
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return getattr(_C, name)(self, *[float(v) for v in values], generator)


@method
def uniform_(self, from_=0.0, to=1.0, *, generator=None, **named):
    """Fill with numbers drawn uniformly from [from, to)."""
    return _drawn("uniform_", self, named, named.pop("from", from_), to, generator=generator)


@method
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normally distributed numbers."""
    return _C.normal_(self, float(mean), float(std), generator)


@method
def exponential_(self, lambd=1.0, *, generator=None):
    """Fill with exponentially distributed numbers of rate lambd."""
    return _C.exponential_(self, float(lambd), generator)


@method
def geometric_(self, p, *, generator=None):
    """Fill with numbers of trials until the first success of probability p."""
    return _C.geometric_(self, float(p), generator)


@method
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fill with numbers whose logarithm is normally distributed."""
    return _C.log_normal_(self, float(mean), float(std), generator)


@method
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fill with Cauchy distributed numbers."""
    return _C.cauchy_(self, float(median), float(sigma), generator)


@method
def random_(self, from_=None, to=None, *, generator=None, **named):
    """Fill with integers drawn from [from, to), or from all that the dtype holds exactly."""
    from_ = named.pop("from", from_)
    if named:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(named))}'")
    if from_ is not None and to is None:
        from_, to = 0, from_
    return _C.random_(self, from_, to, generator)


@method
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 0 and 1 drawn with probability p, a number or a tensor."""
    return _C.bernoulli_(self, p, generator)
