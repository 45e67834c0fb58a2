"""`einsum`: products and sums named by subscripts, contracted from left to right by batched matrix products."""

import string

from . import _rsnn as _C

_PUNCTUATION = " .,->"
_NOTHING = (
    "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list"
)


def _check_letters(equation):
    right = equation.partition("->")[2]
    for i, c in enumerate(equation):
        if c not in _PUNCTUATION and not (c.isascii() and c.isalpha()):
            raise RuntimeError(f"einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z]")
    for c in right.replace(" ", "").replace("...", ""):
        if right.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")


def _parse(equation, operands):
    if not operands:
        raise ValueError(_NOTHING)
    _check_letters(equation)
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            "einsum(): fewer operands were provided than specified in the equation"
            if len(terms) > len(operands)
            else "einsum(): more operands were provided than specified in the equation"
        )
    # Dimensions behind "..." get names of their own, aligned at the end.
    wide = max((t.ndim - len(s.replace("...", "")) for s, t in zip(terms, operands) if "..." in s), default=0)
    dots = [f"<{i}>" for i in range(wide)]
    names = []
    for s, t in zip(terms, operands):
        head, has, tail = s.partition("...")
        n = t.ndim - len(head) - len(tail)
        if n < 0 or (n > 0 and not has):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(s)}) does not match the number of dimensions ({t.ndim}) for operand {len(names)} and no ellipsis was given"
            )
        names.append(list(head) + (dots[wide - n :] if has else []) + list(tail))
    if arrow:
        head, has, tail = right.partition("...")
        out = list(head) + (dots if has else []) + list(tail)
    else:
        flat = [n for term in names for n in term]
        out = dots + sorted(n for n in set(flat) if flat.count(n) == 1 and n not in dots)
    for n in out:
        if not any(n in term for term in names):
            raise RuntimeError(f"einsum(): output subscript {n} does not appear in the equation for any input operand")
    return names, out


def _merge_repeats(t, names, operand):
    while len(set(names)) < len(names):
        n = next(n for n in names if names.count(n) > 1)
        i = names.index(n)
        j = names.index(n, i + 1)
        if t.shape[i] != t.shape[j]:
            raise RuntimeError(f"einsum(): subscript {n} is repeated for operand {operand} but the sizes don't match, {t.shape[j]} != {t.shape[i]}")
        t = _C.diagonal(t, 0, i, j)
        names = [x for k, x in enumerate(names) if k not in (i, j)] + [n]
    return t, names


def _sum_out(t, names, keep):
    gone = [i for i, n in enumerate(names) if n not in keep]
    if gone:
        t = _C.sum(t, gone, False, None)
        names = [n for n in names if n in keep]
    return t, names


def _pair(a, na, b, nb, keep):
    a, na = _sum_out(a, na, set(nb) | keep)
    b, nb = _sum_out(b, nb, set(na) | keep)
    size = dict(zip(nb, b.shape))
    for n, s in zip(na, a.shape):
        size[n] = s if size.get(n, 1) == 1 else size[n]
        if n in nb and 1 not in (s, b.shape[nb.index(n)]) and s != b.shape[nb.index(n)]:
            raise RuntimeError(f"einsum(): operands do not broadcast with remapped shapes: subscript {n} has sizes {s} and {b.shape[nb.index(n)]}")
    batch = [n for n in na if n in nb and n in keep]
    inner = [n for n in na if n in nb and n not in keep]
    left = [n for n in na if n not in nb]
    right = [n for n in nb if n not in na]

    if not inner:
        # No sum is left: a product by broadcasting.
        def spread(t, names):
            for n in batch + left + right:
                if n not in names:
                    t, names = t.unsqueeze(-1), [*names, n]
            return t.permute([names.index(n) for n in batch + left + right])

        return _C.mul(spread(a, na), spread(b, nb)), batch + left + right

    def shaped(t, names, first, second):
        t = t.permute([names.index(n) for n in batch + first + second])
        t = _C.expand(t, [size[n] for n in batch + first + second])
        count = lambda ns: _product(size[n] for n in ns)
        return t.reshape([size[n] for n in batch] + [count(first), count(second)])

    y = _C.matmul(shaped(a, na, left, inner), shaped(b, nb, inner, right))
    names = batch + left + right
    return y.reshape([size[n] for n in names]), names


def _from_sublists(args):
    """Return the equation and operands of the form `x, [0, 1], y, [1, 2], [0, 2]`."""
    if len(args) < 2:
        raise ValueError(_NOTHING)

    def letters(subscripts):
        return "".join("..." if s is Ellipsis else string.ascii_letters[_in_range(s)] for s in subscripts)

    terms = [letters(subscripts) for subscripts in args[1::2]]
    return ",".join(terms) + ("->" + letters(args[-1]) if len(args) % 2 else ""), args[: len(args) // 2 * 2 : 2]


def _in_range(subscript):
    if not 0 <= subscript < 52:
        raise ValueError(f"einsum(): subscript {subscript} is not within the valid range [0, 52)")
    return subscript


def _product(values):
    n = 1
    for v in values:
        n *= v
    return n


def einsum(*args):
    """Multiply tensors and add up over the subscripts that the output does not name.

    Args:
        equation: such as "bij,bjk->bik"; "..." stands for broadcast dimensions.
        operands: the tensors. In place of an equation, each may be followed by a list of subscripts (numbers below 52, or
            Ellipsis); a last list names the output's.

    Raises:
        RuntimeError: when subscripts and dimensions do not fit.

    Example:
        >>> import rsnn
        >>> rsnn.einsum("ij,jk->ik", rsnn.ones(2, 3), rsnn.ones(3, 4)).shape
        rsnn.Size([2, 4])
    """
    equation, operands = (args[0], args[1:]) if args and isinstance(args[0], str) else _from_sublists(args)
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = operands[0]
    names, out = _parse(equation, operands)
    pairs = [_merge_repeats(t, n, i) for i, (t, n) in enumerate(zip(operands, names))]
    t, current = pairs[0]
    for i, (b, nb) in enumerate(pairs[1:], 1):
        later = {n for _, term in pairs[i + 1 :] for n in term}
        t, current = _pair(t, current, b, nb, set(out) | later)
    t, current = _sum_out(t, current, set(out))
    return t.permute([current.index(n) for n in out]) if current != out else t
