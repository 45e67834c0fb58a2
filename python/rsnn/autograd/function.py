"""`Function`: operations with a backward written in Python. Its context is the node of what it made."""

import functools
import inspect
import warnings

from .. import _rsnn as _C

Tensor = _C.Tensor


class FunctionCtx(_C.Node):
    """What `forward` stores for `backward`; also the `grad_fn` of the outputs."""

    needs_input_grad: tuple = ()
    materialize_grads = True
    dirty_tensors: tuple = ()
    non_differentiable: tuple = ()
    to_save: tuple = ()

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs, outputs or others) for `backward`, with torch's check that nobody modifies them."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        """Accept tensors for a `jvp`; forward mode does not exist, so they are not kept."""

    def mark_dirty(self, *tensors):
        """Name inputs that `forward` modified in place; each must be returned too."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        """Name outputs that have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool):
        """Choose whether missing gradients reach `backward` as zeros (True) or as None."""
        self.materialize_grads = bool(value)

    @property
    def saved_tensors(self):
        """The tensors given to `save_for_backward`.

        Raises:
            RuntimeError: one of them was modified in place, or the graph is consumed.
        """
        return _C.function_saved(self)

    @property
    def saved_variables(self):
        """`saved_tensors` under its old name."""
        return self.saved_tensors

    def __repr__(self):
        return object.__repr__(self)

    def _run_backward(self, grads):
        cls = self._forward_cls
        if self.materialize_grads:
            grads = tuple(
                _zeros(meta) if g is None and meta is not None else g for g, meta in zip(grads, self._output_metas)
            )
        if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
                "one of them."
            )
        f = cls.backward if cls.vjp is Function.vjp else cls.vjp
        return self._checked(f(self, *grads))

    def _checked(self, out):
        """Return the gradients of the tensor inputs among what `backward` returned."""
        name, expected = type(self).__name__, len(self._is_tensor)
        if not isinstance(out, tuple):
            out = (out,)
        # More than expected is fine as long as the rest is None.
        if len(out) > expected and all(g is None for g in out[expected:]):
            out = out[:expected]
        if len(out) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {expected}, got {len(out)})"
            )
        found = []
        for i, (g, is_tensor) in enumerate(zip(out, self._is_tensor)):
            if is_tensor:
                if g is not None and not isinstance(g, Tensor):
                    raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
                found.append(g)
            elif g is not None:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {i + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return found


def _zeros(meta):
    shape, dtype, device = meta
    return _C.full(list(shape), 0.0, dtype, device)


class BackwardCFunction(FunctionCtx):
    """Base of the contexts of Functions: for each Function `F` there is a subclass `FBackward`."""

    def apply(self, *grads):
        """Run the Function's `backward` on gradients of its outputs."""
        return type(self)._forward_cls.backward(self, *grads)


_FunctionBase = FunctionCtx


class Function:
    """Base of operations with their own gradient.

    Subclasses define static `forward(ctx, *args)` (or `forward(*args)` with `setup_context(ctx, inputs, output)`) and
    `backward(ctx, *grads)`, and are called by `apply`.

    Example:
        >>> import rsnn
        >>> class Double(rsnn.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return g * 2
        >>> x = rsnn.ones(2, requires_grad=True)
        >>> Double.apply(x).sum().backward()
        >>> x.grad.tolist()
        [2.0, 2.0]
    """

    generate_vmap_rule = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        body = {"_forward_cls": cls, "__module__": "rsnn.autograd.function"}
        cls._backward_cls = type(f"{cls.__name__}Backward", (BackwardCFunction,), body)

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method."
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Compute the result; the first argument is the context unless `setup_context` is defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Fill the context after `forward`, for the form of `forward` that takes none."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Return one gradient per argument of `forward`."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it "
            "with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx, *grad_inputs):
        """Forward mode does not exist here."""
        raise NotImplementedError("autograd.Function.jvp: forward mode AD is not supported")

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` and record it.

        Raises:
            RuntimeError: modified inputs were not returned, or `backward` later returns a wrong number of gradients.
        """
        ctx = cls._backward_cls()
        split = cls.setup_context is not Function.setup_context
        if split:
            args, kwargs = _with_defaults(cls.forward, args, kwargs), {}
        is_tensor = ctx._is_tensor = tuple(isinstance(a, Tensor) for a in args)
        ctx.needs_input_grad = tuple(t and a.requires_grad for a, t in zip(args, is_tensor))
        before = _C.set_grad_mode(False)
        try:
            if split:
                out = cls.forward(*args)
                if cls.setup_context(ctx, args, out) is not None:
                    raise RuntimeError(
                        "Expected the return value of setup_context to be None but got a value; store what "
                        "backward needs on ctx."
                    )
            else:
                out = cls.forward(ctx, *args, **kwargs)
        finally:
            _C.set_grad_mode(before)
        single = not isinstance(out, tuple)
        outs = [out] if single else list(out)
        tensors = [a for a, t in zip(args, is_tensor) if t]
        if before and any(ctx.needs_input_grad) and not _C.is_inference_mode_enabled():
            outs = _record(ctx, tensors, outs)
        elif ctx.dirty_tensors:
            for t in ctx.dirty_tensors:
                _C.bump_version(t)
        return outs[0] if single else tuple(outs)


Function._backward_cls = BackwardCFunction


def _with_defaults(forward, args, kwargs):
    """Return the arguments of `forward` in order, with the defaults of those left out."""
    if not kwargs:
        count = len(inspect.signature(forward).parameters)
        if len(args) == count:
            return args
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _record(ctx, tensors, outs):
    dirty, plain = {id(t) for t in ctx.dirty_tensors}, {id(t) for t in ctx.non_differentiable}
    inputs, returned = {id(t) for t in tensors}, {id(o) for o in outs}
    for t in ctx.dirty_tensors:
        if id(t) not in returned:
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                "are modified inplace must all be outputs of the Function."
            )
        if t.is_leaf and t.requires_grad:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        _C.bump_version(t)
    result, recorded, number = [], [], {}
    for i, o in enumerate(outs):
        if not isinstance(o, Tensor):
            result.append(o)
            recorded.append(None)
            continue
        if id(o) not in dirty and id(o) not in plain:
            original = id(o)
            if original in inputs:
                # An input returned as it is becomes a view with its own history.
                o = _view(o)
            elif o.requires_grad and not o.is_leaf:
                o = o.detach()
            number.setdefault(original, i)
        else:
            number.setdefault(id(o), i)
        result.append(o)
        recorded.append(None if id(o) in plain or not o.is_floating_point() else o)
    ctx._output_metas = tuple(
        (tuple(o.shape), o.dtype, o.device) if isinstance(o, Tensor) and o.is_floating_point() else None for o in result
    )
    _C.attach_function(ctx, type(ctx).__name__, tensors, recorded, [o is not None and id(o) in dirty for o in recorded])
    if ctx.to_save:
        # Outputs are saved by number: with their history they would keep themselves alive.
        _C.function_save(ctx, [None if t is None else (t, _output(t, number, recorded)) for t in ctx.to_save])
        ctx.to_save = ()
    return result


def _output(t, number, recorded):
    i = number.get(id(t))
    return i if i is not None and recorded[i] is not None and recorded[i].grad_fn is not None else None


def _view(t):
    mode = _C.set_grad_mode(False)
    try:
        return _C.alias(t.detach())
    finally:
        _C.set_grad_mode(mode)


def once_differentiable(fn):
    """Mark a `backward` that is not differentiable itself: a second derivative through it raises."""

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        mode = _C.set_grad_mode(False)
        try:
            out = fn(ctx, *args)
        finally:
            _C.set_grad_mode(mode)
        if not mode or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return out
        single = not isinstance(out, tuple)
        tensors = [a for a in args if isinstance(a, Tensor)]
        outs = tuple(None if o is None else _Refuse.apply(*tensors, o) for o in ((out,) if single else out))
        return outs[0] if single else outs

    return wrapper


class _Refuse(Function):
    @staticmethod
    def forward(ctx, *args):
        return args[-1].clone()

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class InplaceFunction(Function):
    """`Function` under the name that code for in-place operations uses."""
