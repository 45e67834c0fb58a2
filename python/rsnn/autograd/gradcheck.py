"""Compare gradients with finite differences: gradcheck and gradgradcheck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rsnn

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Report gradients that differ from finite differences."""


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _wanted(values: tuple) -> list[Any]:
    return [v for v in values if isinstance(v, rsnn.Tensor) and v.requires_grad]


def _outputs(values: Any) -> list[Any]:
    return [v for v in _tuple(values) if isinstance(v, rsnn.Tensor) and v.is_floating_point()]


def _places(t: Any) -> list[tuple]:
    """List the index of every element."""
    places: list[tuple] = [()]
    for size in t.shape:
        places = [place + (i,) for place in places for i in range(size)]
    return places


def _check_inputs(inputs: tuple) -> list[Any]:
    wanted = _wanted(inputs)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, "
            "but none of the them have requires_grad=True."
        )
    for i, t in enumerate(wanted):
        if any(stride == 0 and size > 1 for stride, size in zip(t.stride(), t.shape)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
    return wanted


def _shifted(run: Callable[[Any, Any], list[Any]], x: Any, shift: Any) -> list[Any]:
    """Run with x moved by a shift; x itself stays as it is, for the graphs that saved it."""
    with rsnn.no_grad():
        moved = x.detach().clone()
        moved += shift
        return [o.detach().clone() for o in run(x, moved.requires_grad_())]


def _numerical(run: Callable[[Any, Any], list[Any]], x: Any, eps: float) -> list[Any]:
    """Return d output / d x for every output, as matrices (elements of x, elements of the output)."""
    rows = []
    for place in _places(x):
        shift = rsnn.zeros_like(x)
        shift[place] = eps
        ends = _shifted(run, x, shift), _shifted(run, x, -shift)
        rows.append([((high - low) / (2 * eps)).reshape(-1) for high, low in zip(*ends)])
    return [rsnn.stack(column) for column in zip(*rows)]


def _analytical(output: Any, inputs: list[Any]) -> list[Any]:
    """Return the same matrices for one output, one backward pass per element."""
    columns = []
    for place in _places(output):
        one = rsnn.zeros_like(output)
        one[place] = 1
        grads = rsnn.autograd.grad(output, inputs, one, retain_graph=True, allow_unused=True)
        columns.append([rsnn.zeros_like(x) if g is None else g for g, x in zip(grads, inputs)])
        for g, x in zip(columns[-1], inputs):
            if g.shape != x.shape:
                raise GradcheckError(
                    f"Analytical gradient has incorrect size: {tuple(g.shape)}, input {tuple(x.shape)}"
                )
    return [rsnn.stack([g.detach().reshape(-1) for g in column], dim=1) for column in zip(*columns)]


def _compare(numeric: Any, analytic: Any, i: int, j: int, atol: float, rtol: float) -> None:
    if not rsnn.allclose(analytic.to(numeric.dtype), numeric, rtol=rtol, atol=atol):
        raise GradcheckError(
            f"Jacobian mismatch for output {i} with respect to input {j},\nnumerical:{numeric}\nanalytical:{analytic}\n"
        )


def _slow(run, wanted, outputs, eps, atol, rtol, nondet_tol) -> None:
    numeric = [_numerical(run, x, eps) for x in wanted]  # numeric[input][output]
    for i, output in enumerate(outputs):
        if output.numel() == 0:
            continue
        analytic = _analytical(output, wanted)
        for a, b in zip(analytic, _analytical(output, wanted)):
            if a.numel() and (a - b).abs().max().item() > nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                    "times gives different values, although analytical gradient matches numerical gradient. "
                    f"The tolerance for nondeterminism was {nondet_tol}."
                )
        for j, x in enumerate(wanted):
            if x.numel():
                _compare(numeric[j][i], analytic[j], i, j, atol, rtol)


def _fast(run, wanted, outputs, eps, atol, rtol) -> None:
    """Compare one random projection per pair instead of whole matrices."""
    generator = rsnn.Generator()
    generator.manual_seed(0)

    def direction(t: Any) -> Any:
        v = rsnn.randn(tuple(t.shape), generator=generator, dtype=t.dtype).to(t.device)
        return v / v.norm().clamp(min=1e-12)

    for j, x in enumerate(wanted):
        v = direction(x)
        ends = _shifted(run, x, eps * v), _shifted(run, x, -eps * v)
        for i, (output, high, low) in enumerate(zip(outputs, *ends)):
            u = direction(output)
            numeric = ((high - low) / (2 * eps) * u).sum()
            (grad,) = rsnn.autograd.grad(output, [x], u, retain_graph=True, allow_unused=True)
            analytic = numeric.new_zeros(()) if grad is None else (grad.detach() * v).sum()
            _compare(numeric, analytic, i, j, atol, rtol)


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare backward gradients with (f(x + eps) − f(x − eps)) / 2·eps, element by element.

    Args:
        func: from tensors to a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those with `requires_grad` are checked, best in float64.
        eps: the shift.
        atol, rtol: tolerances.
        raise_exception: False returns False instead of raising.
        nondet_tol: how much two backward passes may differ.
        fast_mode: compare one random projection only.

    Raises:
        GradcheckError: gradients differ.

    Example:
        >>> rsnn.autograd.gradcheck(rsnn.tanh, rsnn.randn(3, dtype=rsnn.float64, requires_grad=True))
        True
    """
    if check_forward_ad or check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: forward mode and batched gradients, expected backward only")
    inputs = _tuple(inputs)
    wanted = _check_inputs(inputs)
    try:
        found = _outputs(func(*inputs))
        kept = [i for i, o in enumerate(found) if o.requires_grad]
        outputs = [found[i] for i in kept]
        if check_grad_dtypes:
            _check_dtypes(outputs, wanted)

        def run(old: Any, new: Any) -> list[Any]:
            moved = _outputs(func(*(new if value is old else value for value in inputs)))
            return [moved[i] for i in kept]

        if fast_mode:
            _fast(run, wanted, outputs, eps, atol, rtol)
        else:
            _slow(run, wanted, outputs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_dtypes(outputs: list[Any], wanted: list[Any]) -> None:
    for output in outputs:
        grads = rsnn.autograd.grad(output, wanted, rsnn.ones_like(output), retain_graph=True, allow_unused=True)
        for grad, x in zip(grads, wanted):
            if grad is not None and grad.dtype != x.dtype:
                raise GradcheckError("Gradient has dtype mismatch")


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives with finite differences of the first.

    Args:
        func: from tensors to a tensor or a tuple of tensors.
        inputs: a tensor or a tuple.
        grad_outputs: gradients of the outputs; random ones without a value.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.

    Raises:
        GradcheckError: derivatives differ.

    Example:
        >>> rsnn.autograd.gradgradcheck(rsnn.tanh, rsnn.randn(3, dtype=rsnn.float64, requires_grad=True))
        True
    """
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck: forward over reverse mode, expected reverse over reverse")
    inputs = _tuple(inputs)
    outputs = [o for o in _outputs(func(*inputs)) if o.requires_grad]
    if grad_outputs is None:
        grad_outputs = []
        for o in outputs:
            g = rsnn.randn(tuple(o.shape), dtype=o.dtype).to(o.device)
            if gen_non_contig_grad_outputs and g.numel() > 1:
                g = rsnn.stack([g, g], dim=-1)[..., 0]
            grad_outputs.append(g.detach().requires_grad_())
    grad_outputs = _tuple(grad_outputs)
    count = len(inputs)

    def first(*args: Any) -> tuple:
        inner = [o for o in _outputs(func(*args[:count])) if o.requires_grad]
        wanted = _wanted(args[:count])
        with rsnn.enable_grad():
            grads = rsnn.autograd.grad(inner, wanted, args[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in grads if g is not None)

    def with_grad(*args: Any) -> tuple:
        with rsnn.enable_grad():  # the inner derivative needs a graph even where the outer does not
            return first(*args)

    return gradcheck(
        with_grad,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )
