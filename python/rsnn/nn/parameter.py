"""Tensors that a Module registers by itself: Parameter, Buffer, and both before their shape is known."""

from __future__ import annotations

from collections import OrderedDict

import rsnn
from rsnn import Tensor

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class _ParameterMeta(type(Tensor)):
    def __instancecheck__(self, instance) -> bool:
        if self is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """Make a tensor that becomes a module's parameter when assigned as its attribute.

    Args:
        data: the values; an empty tensor without it.
        requires_grad: whether gradients are recorded, on by default.

    A tensor of another subclass keeps its class and still counts as a Parameter.

    >>> layer = rsnn.nn.Linear(2, 2)
    >>> layer.scale = rsnn.nn.Parameter(rsnn.ones(2))
    >>> [name for name, _ in layer.named_parameters()]
    ['weight', 'bias', 'scale']
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = rsnn.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        param = data.detach().requires_grad_(requires_grad)
        if type(param) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(param).__name__} was found instead."
            )
        param._is_param = True
        return param

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        state = dict(self.__dict__)
        if state:
            return _rebuild_parameter_with_state, (self.data, self.requires_grad, OrderedDict(), state)
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    param = Parameter(data, requires_grad)
    param.__dict__.update(state)
    return param


class _BufferMeta(type(Tensor)):
    def __instancecheck__(self, instance) -> bool:
        if self is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """Make a tensor that becomes a module's buffer when assigned as its attribute.

    Args:
        data: the values; an empty tensor without it.
        persistent: whether it belongs to the module's `state_dict`.
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = rsnn.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


class UninitializedTensorMixin:
    """State shared by tensors whose shape comes later: only device and dtype are known."""

    def materialize(self, shape, device=None, dtype=None):
        """Give the tensor its shape (values are not set) and turn it into its final class."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = rsnn.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` to initialize the parameters before accessing their attributes."
        )

    def size(self, *args):
        """Raise: there is no shape yet."""
        return self.shape

    def share_memory_(self):
        """Raise: there is no memory yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto):
        return type(self), (self.requires_grad,)


_UNINITIALIZED_ERROR = (
    "Attempted to use an uninitialized parameter in {}. This error happens when you are using a `LazyModule` or "
    "explicitly manipulating `rsnn.nn.parameter.{}` objects. When using LazyModules Call `forward` with a dummy "
    "batch to initialize the parameters before calling rsnn functions"
)


def _refuse(name):
    def method(self, *args, **kwargs):
        raise ValueError(_UNINITIALIZED_ERROR.format(name, type(self).__name__))

    method.__name__ = name
    method.__doc__ = "Raise: there are no values yet."
    return method


for _name in (
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __matmul__ __rmatmul__ __getitem__ "
    "__pow__ __neg__ add add_ mul mul_ sub sub_ div div_ matmul mm sum mean normal_ uniform_ fill_ zero_ clone "
    "view reshape numel t expand item tolist numpy"
).split():
    setattr(UninitializedTensorMixin, _name, _refuse(_name))


def is_lazy(param) -> bool:
    """Tell whether `param` still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """Make a Parameter whose shape is set by `materialize`, as the Lazy modules do in their first forward."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return Tensor._make_subclass(cls, rsnn.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        memo[id(self)] = result
        return result


class _LateTensor(Tensor):
    """What a materialized buffer is: a native type refuses `__class__` assignment, so this is a tensor by name and in files."""

    _stored_as = Tensor

    def __reduce_ex__(self, proto):
        rebuild, (_, *rest) = super().__reduce_ex__(proto)
        return rebuild, (self._stored_as, *rest)


_LateTensor.__name__ = _LateTensor.__qualname__ = Tensor.__name__
_LateTensor.__module__ = Tensor.__module__


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """Make a buffer whose shape is set by `materialize`."""

    cls_to_become = _LateTensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        buffer = Tensor._make_subclass(cls, rsnn.empty(0, device=device, dtype=dtype), requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype, self.persistent)
        memo[id(self)] = result
        return result
