"""Wrong calls of losses."""


def F(L):
    return L.nn.functional


CALLS = {
    "cross_entropy range": (lambda L: F(L).cross_entropy(L.ones(1, 3), L.tensor([5])), "Target 5 is out of bounds."),
    "cross_entropy negative": (lambda L: F(L).cross_entropy(L.ones(1, 3), L.tensor([-1])), "Target -1 is out of bounds."),
    "cross_entropy batch": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.tensor([1])), "Expected input batch_size (2) to match target batch_size (1)."),
    "cross_entropy spatial": (lambda L: F(L).cross_entropy(L.ones(2, 3, 4), L.zeros(2, 5).long()), "Expected target size [2, 4], got [2, 5]"),
    "cross_entropy float class": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.ones(2)), "expected target dtype to be Long or Byte, but got Float"),
    "cross_entropy smoothing": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.tensor([1, 2]), label_smoothing=1.5), "label_smoothing must be between 0.0 and 1.0. Got: 1.5"),
    "cross_entropy weight": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.tensor([1, 2]), L.ones(2)), "weight tensor should be defined either for all 3 classes or no classes"),
    "cross_entropy weight dtype": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.tensor([1, 2]), L.ones(3).double()), "expected scalar type Float but found Double"),
    "cross_entropy 0-d": (lambda L: F(L).cross_entropy(L.tensor(1.0), L.tensor(0)), ""),
    "cross_entropy integers": (lambda L: F(L).cross_entropy(L.ones(2, 3).long(), L.tensor([1, 2])), "not implemented for 'Long'"),
    "nll_loss range": (lambda L: F(L).nll_loss(L.ones(1, 3), L.tensor([5])), "Target 5 is out of bounds."),
    "nll_loss batch": (lambda L: F(L).nll_loss(L.ones(2, 3), L.tensor([1])), "Expected input batch_size (2) to match target batch_size (1)."),
    "nll_loss float class": (lambda L: F(L).nll_loss(L.ones(2, 3), L.ones(2)), "expected target dtype to be Long or Byte, but got Float"),
    "nll_loss weight": (lambda L: F(L).nll_loss(L.ones(2, 3), L.tensor([1, 2]), L.ones(2)), "weight tensor should be defined either for all 3 classes or no classes"),
    "linear_cross_entropy shapes": (lambda L: F(L).linear_cross_entropy(L.ones(2, 3), L.ones(4, 2), L.tensor([1, 2])), ""),
    "linear_cross_entropy range": (lambda L: F(L).linear_cross_entropy(L.ones(2, 3), L.ones(4, 3), L.tensor([1, 9])), "out of bounds"),
    "mse shapes": (lambda L: F(L).mse_loss(L.ones(2, 3), L.ones(4)), "must match"),
    "mse weight": (lambda L: F(L).mse_loss(L.ones(2), L.ones(2), weight=L.ones(3)), "Weights and input must have the same size."),
    "l1 shapes": (lambda L: F(L).l1_loss(L.ones(2, 3), L.ones(4)), "must match"),
    "l1 weight": (lambda L: F(L).l1_loss(L.ones(2), L.ones(2), weight=L.ones(3)), "Weights and input must have the same size."),
    "smooth_l1 beta": (lambda L: F(L).smooth_l1_loss(L.ones(2), L.ones(2), beta=-1.0), "smooth_l1_loss does not support negative values for beta"),
    "huber delta": (lambda L: F(L).huber_loss(L.ones(2), L.ones(2), delta=0.0), "huber_loss does not support non-positive values for delta."),
    "bce range": (lambda L: F(L).binary_cross_entropy(L.ones(2) * 2, L.ones(2)), "all elements of input should be between 0 and 1"),
    "bce nan": (lambda L: F(L).binary_cross_entropy(L.ones(2) * float("nan"), L.ones(2)), "all elements of input should be between 0 and 1"),
    "bce target": (lambda L: F(L).binary_cross_entropy(L.ones(2), L.ones(2) * 2), "all elements of target should be between 0 and 1"),
    "bce shapes": (lambda L: F(L).binary_cross_entropy(L.ones(2), L.ones(3)), "that is different to the input size"),
    "bce dtype": (lambda L: F(L).binary_cross_entropy(L.ones(2), L.ones(2).double()), "Found dtype Double but expected Float"),
    "bce integers": (lambda L: F(L).binary_cross_entropy(L.ones(2), L.ones(2).long()), "Found dtype Long but expected Float"),
    "bce_with_logits shapes": (lambda L: F(L).binary_cross_entropy_with_logits(L.ones(2), L.ones(3)), "must be the same as input size"),
    "bce_with_logits pos_weight": (lambda L: F(L).binary_cross_entropy_with_logits(L.ones(2), L.ones(2), pos_weight=L.ones(3)), "must match"),
    "kl_div shapes": (lambda L: F(L).kl_div(L.ones(2), L.ones(3)), "must match"),
    "kl_div integers": (lambda L: F(L).kl_div(L.ones(2).long(), L.ones(2).long()), "kl_div: Integral inputs not supported."),
    "margin_ranking ranks": (lambda L: F(L).margin_ranking_loss(L.ones(2), L.ones(2), L.ones(1, 2)), "margin_ranking_loss : All input tensors should have same dimension but got sizes"),
    "margin_ranking sizes": (lambda L: F(L).margin_ranking_loss(L.ones(2), L.ones(3), L.ones(2)), "must match"),
    "hinge shapes": (lambda L: F(L).hinge_embedding_loss(L.ones(2), L.ones(3)), "must match"),
    "soft_margin shapes": (lambda L: F(L).soft_margin_loss(L.ones(2), L.ones(3)), "must match"),
    "cosine_embedding 1d target": (lambda L: F(L).cosine_embedding_loss(L.ones(2), L.ones(2), L.ones(1)), "1D target tensor expects 2D input tensors, but found inputs with sizes [2] and [2]."),
    "cosine_embedding 0d target": (lambda L: F(L).cosine_embedding_loss(L.ones(2, 2), L.ones(2, 2), L.tensor(1)), "0D target tensor expects 1D input tensors, but found inputs with sizes [2, 2] and [2, 2]."),
    "cosine_embedding target": (lambda L: F(L).cosine_embedding_loss(L.ones(2, 2), L.ones(2, 2), L.ones(2, 2)), "0D or 1D target tensor expected, multi-target not supported"),
    "multi_margin p": (lambda L: F(L).multi_margin_loss(L.ones(2, 3), L.tensor([1, 2]), p=3), "only p == 1 and p == 2 supported"),
    "multi_margin weight": (lambda L: F(L).multi_margin_loss(L.ones(2, 3), L.tensor([1, 2]), weight=L.ones(1, 3)), "weight must be one-dimensional"),
    "multi_margin weight size": (lambda L: F(L).multi_margin_loss(L.ones(2, 3), L.tensor([1, 2]), weight=L.ones(2)), "inconsistent weight size, expected 3 but got [2]"),
    "multi_margin target": (lambda L: F(L).multi_margin_loss(L.ones(2, 3), L.tensor([1])), "target tensor should be 1-D with size equal to the number of input samples (batch size). Expected target size [2], but got [1]."),
    "multi_margin range": (lambda L: F(L).multi_margin_loss(L.ones(1, 3), L.tensor([3])), "target out of range"),
    "multilabel_margin size": (lambda L: F(L).multilabel_margin_loss(L.ones(2, 3), L.zeros(2, 2).long()), "inconsistent target size: [2, 2] for input of size: [2, 3]"),
    "multilabel_margin range": (lambda L: F(L).multilabel_margin_loss(L.ones(1, 3), L.tensor([[3, 0, 0]])), "argument #2 'target' is out of range"),
    "multilabel_margin below": (lambda L: F(L).multilabel_margin_loss(L.ones(1, 3), L.tensor([[-2, 0, 0]])), "argument #2 'target' is out of range"),
    "multilabel_margin floats": (lambda L: F(L).multilabel_margin_loss(L.ones(1, 3), L.zeros(1, 3)), "expected scalar type Long but found Float"),
    "multilabel_soft shapes": (lambda L: F(L).multilabel_soft_margin_loss(L.ones(2, 3), L.ones(2, 4)), "must match"),
    "triplet margin": (lambda L: F(L).triplet_margin_loss(L.ones(2, 3), L.ones(2, 3), L.ones(2, 3), margin=0), "margin must be greater than 0, got 0"),
    "triplet ranks": (lambda L: F(L).triplet_margin_loss(L.ones(2, 3), L.ones(2, 3), L.ones(3)), "The anchor, positive, and negative tensors are expected to have the same number of dimensions"),
    "triplet distance margin": (lambda L: F(L).triplet_margin_with_distance_loss(L.ones(2, 3), L.ones(2, 3), L.ones(2, 3), margin=-1.0), "margin must be greater than 0, got -1.0"),
    "triplet distance ranks": (lambda L: F(L).triplet_margin_with_distance_loss(L.ones(2, 3), L.ones(2, 3), L.ones(3)), "The anchor, positive, and negative tensors are expected to have the same number of dimensions"),
    "gaussian variance": (lambda L: F(L).gaussian_nll_loss(L.ones(2), L.ones(2), -L.ones(2)), "var has negative entry/entries"),
    "gaussian float variance": (lambda L: F(L).gaussian_nll_loss(L.ones(2), L.ones(2), -1.0), "var has negative entry/entries"),
    "gaussian variance size": (lambda L: F(L).gaussian_nll_loss(L.ones(2, 3), L.ones(2, 3), L.ones(2, 2)), "var is of incorrect size"),
    "ctc blank": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3), L.tensor([[1]]), (4,), (1,), blank=3), "blank must be in label range"),
    "ctc input length": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3), L.tensor([[1]]), (5,), (1,)), "Expected input_lengths to have value at most 4, but got value 5"),
    "ctc input lengths": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3), L.tensor([[1]]), (4, 4), (1,)), "input_lengths must be of size batch_size"),
    "ctc target lengths": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3), L.tensor([[1]]), (4,), (1, 1)), "target_lengths must be of size batch_size"),
    "ctc integers": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3).long(), L.tensor([[1]]), (4,), (1,)), ""),
}  # fmt: skip
for _n in "mse_loss l1_loss smooth_l1_loss huber_loss soft_margin_loss binary_cross_entropy binary_cross_entropy_with_logits poisson_nll_loss hinge_embedding_loss multilabel_soft_margin_loss".split():
    CALLS[f"{_n} reduction"] = (lambda L, n=_n: getattr(F(L), n)(L.ones(2, 3), L.ones(2, 3), reduction="avg"), "")
    CALLS[f"{_n} nothing"] = (lambda L, n=_n: getattr(F(L), n)(L.ones(2)), "missing 1 required positional argument: 'target'")
    CALLS[f"{_n} keyword"] = (lambda L, n=_n: getattr(F(L), n)(L.ones(2), L.ones(2), colour=1), "unexpected keyword argument")
for _n in "cross_entropy nll_loss multi_margin_loss".split():
    CALLS[f"{_n} reduction"] = (lambda L, n=_n: getattr(F(L), n)(L.ones(2, 3), L.tensor([0, 1]), reduction="avg"), "avg is not a valid value for reduction")
CALLS |= {
    "kl_div reduction": (lambda L: F(L).kl_div(L.ones(2), L.ones(2), reduction="avg"), "avg is not a valid value for reduction"),
    "gaussian reduction": (lambda L: F(L).gaussian_nll_loss(L.ones(2), L.ones(2), L.ones(2), reduction="avg"), "avg is not valid"),
    "margin_ranking reduction": (lambda L: F(L).margin_ranking_loss(L.ones(2), L.ones(2), L.ones(2), reduction="avg"), "avg is not a valid value for reduction"),
    "triplet reduction": (lambda L: F(L).triplet_margin_loss(L.ones(2, 2), L.ones(2, 2), L.ones(2, 2), reduction="avg"), "avg is not a valid value for reduction"),
    "ctc reduction": (lambda L: F(L).ctc_loss(L.ones(4, 1, 3), L.tensor([[1]]), (4,), (1,), reduction="avg"), "avg is not a valid value for reduction"),
}  # fmt: skip
