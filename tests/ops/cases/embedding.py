"""Rows of embeddings and of bags of them."""

from .table import F, I, In, row

W, ROWS = In(5, 3), I([0, 3, 3], [1, 0, 4])
row("embedding", lambda lib, w, i: F(lib).embedding(i, w), W, ROWS)
row("embedding:1d", lambda lib, w, i: F(lib).embedding(i, w), W, I(4, 4, 0))
row("embedding:0-d", lambda lib, w, i: F(lib).embedding(i, w), W, I(2).reshape(()))
row("embedding:int32", lambda lib, w, i: F(lib).embedding(i, w), W, I(1, 2, dtype="int32"))
row("embedding:nothing", lambda lib, w, i: F(lib).embedding(i, w), W, I().reshape(2, 0))
# The row that gets no gradient makes the derivative another one than that of the values.
row("embedding:padding", lambda lib, w, i: F(lib).embedding(i, w, padding_idx=3), W, ROWS, check=False)
row("embedding:negative padding", lambda lib, w, i: F(lib).embedding(i, w, padding_idx=-1), W, ROWS, check=False)
row("embedding:frequency", lambda lib, w, i: F(lib).embedding(i, w, scale_grad_by_freq=True), W, ROWS, check=False)
row("embedding:max_norm", lambda lib, w, i: F(lib).embedding(i, w.detach().clone(), max_norm=1.0), W, ROWS, grad=False)
row("embedding:norm_type", lambda lib, w, i: F(lib).embedding(i, w.detach().clone(), max_norm=0.7, norm_type=1.0), W, ROWS, grad=False)


def renormed(lib, w, i):
    """The table is changed in place, only where it is looked up."""
    w = w.detach().clone()
    F(lib).embedding(i, w, max_norm=0.5)
    return w


row("embedding:renorm", renormed, W, I(1, 3, 3), grad=False, covers=("embedding_renorm_",))


def bag(name, indices, *more, offsets=None, **options):
    """One row; `more` holds the weights of the samples."""

    def fn(lib, w, i, *s):
        if s:
            options["per_sample_weights"] = s[0].reshape(tuple(i.shape))
        return F(lib).embedding_bag(i, w, None if offsets is None else lib.tensor(offsets), **options)

    # torch's gradient for the largest of a bag has no second derivative.
    row("embedding_bag:" + name, fn, W, indices, *more)


FLAT = I(0, 3, 3, 1, 4, 0)
for _m in ("sum", "mean", "max"):
    bag(f"{_m}", ROWS, mode=_m)
    bag(f"{_m} offsets", FLAT, offsets=[0, 2, 5], mode=_m)
    bag(f"{_m} empty bag", FLAT, offsets=[0, 3, 3, 6], mode=_m)
    bag(f"{_m} last offset", FLAT, offsets=[0, 2, 4, 6], mode=_m, include_last_offset=True)
    bag(f"{_m} padding", ROWS, mode=_m, padding_idx=3)
    bag(f"{_m} padding offsets", FLAT, offsets=[0, 1, 3], mode=_m, padding_idx=-2)
    bag(f"{_m} int32", I(1, 2, 0, dtype="int32").reshape(1, 3), mode=_m)
bag("weights", ROWS, In(2, 3), mode="sum")
bag("weights offsets", FLAT, In(6), offsets=[0, 2, 2], mode="sum")
bag("weights padding", FLAT, In(6), offsets=[0, 4], mode="sum", padding_idx=3)
# Each index occurs twice: where counts differ, torch divides by the count of another index.
for _m in ("sum", "mean"):
    row(f"embedding_bag:{_m} frequency", lambda lib, w, i, m=_m: F(lib).embedding_bag(i, w, mode=m, scale_grad_by_freq=True), W, I([0, 3, 3], [4, 0, 4]), check=False)
row("embedding_bag:max_norm", lambda lib, w, i: F(lib).embedding_bag(i, w.detach().clone(), max_norm=1.0, norm_type=2.0), W, ROWS, grad=False)


def modules(name, **options):
    def fn(lib, w, i):
        net = getattr(lib.nn, name)(5, 3, **options).to(w.dtype)
        return lib.func.functional_call(net, {"weight": w}, i)

    return fn


row("Embedding:module", modules("Embedding", padding_idx=1), W, ROWS, check=False)
row("EmbeddingBag:module", modules("EmbeddingBag", mode="max"), W, ROWS)

# --- one hot ----------------------------------------------------------------------------------------------------------
row("one_hot", lambda lib, i: F(lib).one_hot(i, 4), I(0, 3, 1), grad=False)
row("one_hot:inferred", lambda lib, i: F(lib).one_hot(i), I([0, 3], [1, 0]), grad=False)
row("one_hot:0-d", lambda lib, i: F(lib).one_hot(i, 3), I(2).reshape(()), grad=False)
