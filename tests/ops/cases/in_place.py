"""Rows of in-place functions, and of views whose base is written."""

from .table import MASK, A, B, I, In, X, row


def inplace(name, change, *inputs, **options):
    def fn(lib, x, *rest):
        y = x * 1
        change(lib, y, *rest)
        return y

    row(name, fn, *inputs, **options)


inplace("add_", lambda lib, y, o: y.add_(o, alpha=2), X, In(3))
inplace("sub_", lambda lib, y, o: y.sub_(o), X, In(3))
inplace("mul_", lambda lib, y, o: y.mul_(o), X, In(3))
inplace("div_", lambda lib, y, o: y.div_(o), X, B)
inplace("pow_", lambda lib, y: y.pow_(2), X)
inplace("exp_", lambda lib, y: y.exp_(), A)
inplace("relu_", lambda lib, y: y.relu_(), X)
inplace("clamp_", lambda lib, y: y.clamp_(-0.5, 0.5), X)
inplace("masked_fill_", lambda lib, y, m: y.masked_fill_(m, 2.0), X, MASK)
inplace("masked_scatter_", lambda lib, y, m, s: y.masked_scatter_(m, s), X, MASK, In(5))
inplace("index_put_", lambda lib, y, i, s: y.index_put_((i,), s), In(3, 2), I(0, 2), In(2, 2))
inplace("index_add_", lambda lib, y, i, s: y.index_add_(0, i, s), In(3, 2), I(0, 2), In(2, 2))
inplace("index_copy_", lambda lib, y, i, s: y.index_copy_(0, i, s), In(3, 2), I(0, 2), In(2, 2))
inplace("index_fill_", lambda lib, y, i: y.index_fill_(0, i, 1.0), In(3, 2), I(0, 2))
inplace("scatter_", lambda lib, y, i, s: y.scatter_(0, i, s), In(3, 2), I([0, 1]), In(1, 2))
inplace("scatter_add_", lambda lib, y, i, s: y.scatter_add_(0, i, s), In(3, 2), I([0, 1]), In(1, 2))
inplace("scatter_reduce_", lambda lib, y, i, s: y.scatter_reduce_(0, i, s, "sum"), In(3, 2), I([0, 1]), In(1, 2))
inplace("copy_", lambda lib, y, o: y.copy_(o), X, In(3))
inplace("fill_", lambda lib, y: y.fill_(2.0), X)
inplace("zero_", lambda lib, y: y[0].zero_(), X)
inplace("tril_", lambda lib, y: y.tril_(), In(3, 3))
inplace("triu_", lambda lib, y: y.triu_(), In(3, 3))
inplace("unary_", lambda lib, y: y.sin_().tanh_(), X)
inplace("rebase:slice", lambda lib, y: y[1:3].mul_(2), In(4, 3))
inplace("rebase:view", lambda lib, y: y.view(-1)[2:5].add_(1), In(4, 3), strided=False)
inplace("rebase:transpose", lambda lib, y, o: y.t()[0].mul_(o), In(3, 2), In(3))
inplace("rebase:diagonal", lambda lib, y: y.diagonal().mul_(3), In(3, 3))
inplace("rebase:two views", lambda lib, y: (y[0].mul_(2), y[:, 1].exp_()), In(3, 2))
inplace("setitem:slice", lambda lib, y, o: y.__setitem__((slice(None), 1), o), In(3, 2), In(3))
inplace("setitem:mask", lambda lib, y, m, o: y.__setitem__(m, o), X, MASK, In(4))
inplace("setitem:list", lambda lib, y, o: y.__setitem__([0, 2], o), In(3, 2), In(2))
inplace("setitem:number", lambda lib, y: y.__setitem__((Ellipsis, 0), 3.5), X)
row("rebase:read view", lambda lib, x: (lambda y: (lambda v: (y.mul_(2), v + y[0]))(y[0])[1])(x * 1), In(3, 2))
