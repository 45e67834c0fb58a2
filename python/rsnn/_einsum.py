"""`einsum`: products and sums named by subscripts, contracted from left to right by batched matrix products."""

from . import _rsnn as _C


def _parse(equation, operands):
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


def _merge_repeats(t, names):
    while len(set(names)) < len(names):
        n = next(n for n in names if names.count(n) > 1)
        i = names.index(n)
        j = names.index(n, i + 1)
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

    def shaped(t, names, first, second):
        t = t.permute([names.index(n) for n in batch + first + second])
        t = _C.expand(t, [size[n] for n in batch + first + second])
        count = lambda ns: _product(size[n] for n in ns)
        return t.reshape([size[n] for n in batch] + [count(first), count(second)])

    y = _C.matmul(shaped(a, na, left, inner), shaped(b, nb, inner, right))
    names = batch + left + right
    return y.reshape([size[n] for n in names]), names


def _product(values):
    n = 1
    for v in values:
        n *= v
    return n


def einsum(*args):
    """Multiply tensors and add up over the subscripts that the output does not name.

    Args:
        equation: such as "bij,bjk->bik"; "..." stands for broadcast dimensions.
        operands: the tensors.

    Raises:
        RuntimeError: when subscripts and dimensions do not fit.

    Example:
        >>> import rsnn
        >>> rsnn.einsum("ij,jk->ik", rsnn.ones(2, 3), rsnn.ones(3, 4)).shape
        rsnn.Size([2, 4])
    """
    equation, operands = args[0], args[1:]
    if not isinstance(equation, str):
        raise TypeError("einsum(): expected an equation string first")
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = operands[0]
    names, out = _parse(equation, operands)
    pairs = [_merge_repeats(t, n) for t, n in zip(operands, names)]
    t, current = pairs[0]
    for i, (b, nb) in enumerate(pairs[1:], 1):
        later = {n for _, term in pairs[i + 1 :] for n in term}
        t, current = _pair(t, current, b, nb, set(out) | later)
    t, current = _sum_out(t, current, set(out))
    return t.permute([current.index(n) for n in out]) if current != out else t
