"""`Function`: operations with a backward written in Python."""

from .. import _rsnn as _C

Tensor = _C.Tensor


class FunctionCtx:
    """What `forward` stores for `backward`."""

    def __init__(self):
        self._saved = ()
        self._materialize = True
        self._non_differentiable = ()
        self._dirty = ()
        self._released = False
        self.needs_input_grad = ()

    def save_for_backward(self, *tensors):
        """Keep tensors for `backward`, with torch's check that they are not modified in between."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._to_save = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors):
        """Name inputs that `forward` modified in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Name outputs that have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool):
        """Choose whether missing gradients reach `backward` as zeros (True) or as None."""
        self._materialize = bool(value)

    @property
    def saved_tensors(self):
        """The tensors given to `save_for_backward`."""
        if self._released:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they "
                "have already been freed). Saved intermediate values of the graph are freed when you call "
                ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
                "graph a second time or if you need to access saved tensors after calling backward."
            )
        out = []
        for item in self._saved:
            if item is None:
                out.append(None)
                continue
            t, version, unpack = item
            if unpack is not None:
                out.append(unpack(t))
                continue
            if t._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: [{list(t.shape)}] is at version {t._version}; expected version {version} instead."
                )
            out.append(t)
        return tuple(out)

    saved_variables = saved_tensors

    def _pack(self, inputs, outputs):
        from .graph import _current_hooks

        saved = []
        hooks = _current_hooks()
        for t in getattr(self, "_to_save", ()):
            if t is None:
                saved.append(None)
            elif hooks is not None:
                saved.append((hooks[0](t), None, hooks[1]))
            else:
                saved.append((t, t._version, None))
        self._saved = tuple(saved)
        self._to_save = ()

    def _release(self):
        self._saved = ()
        self._released = True

    def _run_backward(self, grads):
        cls = self._function
        if self._materialize:
            grads = tuple(
                _zeros(meta) if g is None and meta is not None else g for g, meta in zip(grads, self._output_metas)
            )
        if cls.backward is Function.backward and cls.vjp is Function.vjp:
            raise NotImplementedError(
                "You must implement either the backward or vjp method for your custom autograd.Function to use it "
                "with backward mode AD."
            )
        out = cls.backward(self, *grads) if cls.backward is not Function.backward else cls.vjp(self, *grads)
        if not isinstance(out, tuple):
            out = tuple(out) if isinstance(out, list) else (out,)
        if len(out) != len(self._is_tensor):
            extra = out[len(self._is_tensor) :]
            if len(out) < len(self._is_tensor) or any(e is not None for e in extra):
                raise RuntimeError(
                    f"function {cls.__name__}Backward returned an incorrect number of gradients "
                    f"(expected {len(self._is_tensor)}, got {len(out)})"
                )
        found = []
        for i, is_tensor in enumerate(self._is_tensor):
            g = out[i]
            if is_tensor:
                if g is not None and not isinstance(g, Tensor):
                    raise TypeError(
                        f"function {cls.__name__}Backward returned a gradient of type {type(g).__name__} at index {i}"
                    )
                found.append(g)
            elif g is not None:
                raise RuntimeError(
                    f"function {cls.__name__}Backward returned a gradient different from None at position {i + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return found


def _zeros(meta):
    shape, dtype, device = meta
    return _C.full(list(shape), 0.0, dtype, device)


BackwardCFunction = FunctionCtx


class Function:
    """Base of operations with their own gradient.

    Subclasses define static `forward(ctx, *args)` and `backward(ctx, *grads)`, and are called by `apply`.

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

    def __init__(self, *args, **kwargs):
        raise RuntimeError(f"{type(self)} should not be instantiated. Use {type(self).__name__}.apply")

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
        raise NotImplementedError("You must implement either the backward or vjp method.")

    vjp = backward

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` and record it.

        Raises:
            RuntimeError: when `backward` later returns a wrong number of gradients.
        """
        ctx = FunctionCtx()
        ctx._function = cls
        ctx._is_tensor = tuple(isinstance(a, Tensor) for a in args)
        recording = _C.is_grad_enabled()
        tensors = [a for a, t in zip(args, ctx._is_tensor) if t]
        ctx.needs_input_grad = tuple(t and recording and a.requires_grad for a, t in zip(args, ctx._is_tensor))
        split = cls.setup_context is not Function.setup_context
        before = _C.set_grad_mode(False)
        try:
            if split:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args, **kwargs)
        finally:
            _C.set_grad_mode(before)
        single = not isinstance(out, (tuple, list))
        outs = [out] if single else list(out)
        if any(ctx.needs_input_grad):
            outs = cls._record(ctx, tensors, outs)
        return outs[0] if single else tuple(outs)

    @classmethod
    def _record(cls, ctx, tensors, outs):
        from ._inplace import check

        dirty = {id(t) for t in ctx._dirty}
        plain = {id(t) for t in ctx._non_differentiable}
        before = {id(t): t for t in tensors}
        for t in ctx._dirty:
            check(t)
        result, recorded = [], []
        for o in outs:
            if not isinstance(o, Tensor):
                result.append(o)
                recorded.append(None)
                continue
            if id(o) in before and id(o) not in dirty:
                # An input returned as it is becomes a view with its own history.
                mode = _C.set_grad_mode(False)
                o = _C.alias(o.detach())
                _C.set_grad_mode(mode)
            elif o.requires_grad and id(o) not in dirty and not o.is_leaf:
                o = o.detach()
            result.append(o)
            recorded.append(None if id(o) in plain or not o.is_floating_point() else o)
        ctx._output_metas = tuple(None if o is None else (tuple(o.shape), o.dtype, o.device) for o in recorded)
        _C.attach_function(ctx, f"{cls.__name__}Backward", tensors, recorded)
        ctx._pack(tensors, result)
        return result


def once_differentiable(fn):
    """Mark a `backward` that is not differentiable itself: a second derivative through it raises."""
    import functools

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
        outs = (out,) if single else out
        outs = tuple(_Refuse.apply(*[a for a in args if isinstance(a, Tensor)], o) if o is not None else None for o in outs)
        return outs[0] if single else outs

    return wrapper


class _Refuse(Function):
    @staticmethod
    def forward(ctx, *args):
        return args[-1].clone()

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
