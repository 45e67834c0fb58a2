"""Wrong calls of reductions, scans, sorting and searching."""

CALLS = {}
for _n in "sum mean prod amax amin argmax argmin any all var std logsumexp nansum cumsum cumprod cummax cummin logcumsumexp sort argsort median mode softmax log_softmax".split():
    CALLS[f"{_n} dim"] = (lambda L, n=_n: getattr(L, n)(L.ones(2, 3), 2), "Dimension out of range (expected to be in range of [-2, 1], but got 2)")
    CALLS[f"{_n} negative dim"] = (lambda L, n=_n: getattr(L, n)(L.ones(2, 3), -3), "Dimension out of range (expected to be in range of [-2, 1], but got -3)")
for _n in "max min".split():
    CALLS[f"{_n} dim"] = (lambda L, n=_n: getattr(L.ones(2, 3), n)(3), "Dimension out of range")
    CALLS[f"{_n} empty"] = (lambda L, n=_n: getattr(L.ones(0), n)(), "Expected reduction dim to be specified for input.numel() == 0")
    CALLS[f"{_n} empty dim"] = (lambda L, n=_n: getattr(L.ones(2, 0), n)(1), "Expected reduction dim 1 to have non-zero size")
for _n in "argmax argmin amax amin".split():
    CALLS[f"{_n} empty"] = (lambda L, n=_n: getattr(L.ones(0), n)(), "Expected reduction dim to be specified for input.numel() == 0")
    CALLS[f"{_n} empty dim"] = (lambda L, n=_n: getattr(L.ones(2, 0), n)(1), "Expected reduction dim 1 to have non-zero size")
for _n in "sum mean amax var logsumexp norm".split():
    CALLS[f"{_n} twice"] = (lambda L, n=_n: getattr(L, n)(L.ones(2, 3), dim=(0, -2)), "appears multiple times in the list of dims")
for _n in "mean var std logsumexp".split():
    CALLS[f"{_n} text"] = (lambda L, n=_n: getattr(L, n)(L.ones(2, 3), "x"), "")
CALLS |= {
    "mean integers": (lambda L: L.ones(2).long().mean(), "could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Long"),
    "mean booleans": (lambda L: L.tensor([True]).mean(), "could not infer output dtype"),
    "std integers": (lambda L: L.ones(2).long().std(), "std and var only support floating point and complex dtypes"),
    "norm integers": (lambda L: L.ones(2).long().norm(), "floating point"),
    "norm text": (lambda L: L.ones(2).norm("x"), ""),
    "norm nuc rank": (lambda L: L.ones(2).norm("nuc"), ""),
    "dist shapes": (lambda L: L.dist(L.ones(2), L.ones(3)), "must match"),
    "count_nonzero dim": (lambda L: L.count_nonzero(L.ones(2), 1), "Dimension out of range"),
    "topk k": (lambda L: L.ones(3).topk(4), "selected index k out of range"),
    "topk negative": (lambda L: L.ones(3).topk(-1), "selected index k out of range"),
    "topk dim": (lambda L: L.ones(3).topk(1, 1), "Dimension out of range"),
    "topk float": (lambda L: L.ones(3).topk(1.5), ""),
    "kthvalue k": (lambda L: L.ones(3).kthvalue(4), "selected number k out of range for dimension 0"),
    "kthvalue zero": (lambda L: L.ones(3).kthvalue(0), "selected number k out of range for dimension 0"),
    "kthvalue dim": (lambda L: L.ones(3).kthvalue(1, 1), "Dimension out of range"),
    "mode empty": (lambda L: L.ones(2, 0).mode(1), "Expected reduction dim 1 to have non-zero size"),
    "quantile range": (lambda L: L.quantile(L.ones(3), 1.5), "quantile() q"),
    "quantile negative": (lambda L: L.quantile(L.ones(3), -0.5), "quantile() q"),
    "quantile integers": (lambda L: L.quantile(L.ones(3).long(), 0.5), "quantile() input tensor must be either float or double dtype"),
    "quantile dtype": (lambda L: L.quantile(L.ones(3), L.tensor([0.5]).double()), "quantile() q tensor must be same dtype as the input tensor"),
    "quantile interpolation": (lambda L: L.quantile(L.ones(3), 0.5, interpolation="x"), "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got x"),
    "quantile empty": (lambda L: L.quantile(L.ones(0), 0.5), "quantile() input tensor must be non-empty"),
    "quantile rank": (lambda L: L.quantile(L.ones(3), L.ones(1, 1)), "quantile() q must be a scalar or 1D tensor"),
    "bincount negative": (lambda L: L.bincount(L.tensor([-1])), "bincount only supports 1-d non-negative integral inputs"),
    "bincount floats": (lambda L: L.bincount(L.ones(2)), ""),
    "bincount rank": (lambda L: L.bincount(L.ones(2, 2).long()), "bincount only supports 1-d non-negative integral inputs"),
    "bincount weights": (lambda L: L.bincount(L.tensor([1, 2]), L.ones(3)), "weights should be 1-d and have the same length as input"),
    "bincount minlength": (lambda L: L.bincount(L.tensor([1, 2]), minlength=-1), "minlength should be >= 0"),
    "histc bins": (lambda L: L.histc(L.ones(2), 0), "bins must be > 0"),
    "histc order": (lambda L: L.histc(L.ones(2), 2, 3, 1), "max must be larger than min"),
    "histc nan": (lambda L: L.histc(L.tensor([float("nan")]), 2), "range of [nan, nan] is not finite"),
    "trace rank": (lambda L: L.trace(L.ones(2)), "trace: expected a matrix, but got tensor with dim 1"),
    "searchsorted shapes": (lambda L: L.searchsorted(L.ones(2, 3), L.ones(3, 3)), "the first N-1 dimensions of boundaries tensor and input value tensor must match"),
    "searchsorted side": (lambda L: L.searchsorted(L.ones(3), L.ones(2), side="x"), "side can only be 'left' or 'right' but got x"),
    "searchsorted sides": (lambda L: L.searchsorted(L.ones(3), L.ones(2), right=True, side="left"), "side and right can't be set to opposites"),
    "bucketize rank": (lambda L: L.bucketize(L.ones(2), L.ones(2, 2)), "boundaries tensor must be 1 dimension"),
    "unique dim": (lambda L: L.unique(L.ones(2), dim=1), "Dimension out of range"),
    "diff order": (lambda L: L.diff(L.ones(3), -1), "order must be non-negative but got -1"),
    "diff 0-d": (lambda L: L.diff(L.tensor(1.0)), "diff expects input to be at least one-dimensional"),
    "diff dim": (lambda L: L.diff(L.ones(3), 1, 1), "Dimension out of range"),
    "cumsum text": (lambda L: L.cumsum(L.ones(3), "x"), ""),
    "cumsum nothing": (lambda L: L.cumsum(L.ones(3)), ""),
    "sum text": (lambda L: L.sum("x"), ""),
    "sum dtype": (lambda L: L.sum(L.ones(2), dtype="float"), ""),
    "sum keyword": (lambda L: L.sum(L.ones(2), dims=0), ""),
    "sum float dim": (lambda L: L.sum(L.ones(2), 0.5), ""),
    "aminmax dim": (lambda L: L.aminmax(L.ones(2), dim=1), "Dimension out of range"),
    "aminmax empty": (lambda L: L.aminmax(L.ones(0)), ""),
    "sort text": (lambda L: L.sort("x"), ""),
    "cummax 0-d dim": (lambda L: L.cummax(L.tensor(1.0), 1), ""),
    "softmax integers": (lambda L: L.ones(2).long().softmax(0), "not implemented for 'Long'"),
    "log_softmax integers": (lambda L: L.ones(2).long().log_softmax(0), "not implemented for 'Long'"),
    "any text": (lambda L: L.any("x"), ""),
}  # fmt: skip
