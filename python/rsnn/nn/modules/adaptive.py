"""Adaptive softmax for large vocabularies (Grave et al. 2017)."""

from __future__ import annotations

from collections import namedtuple

import rsnn
from rsnn.nn import functional as F
from rsnn.nn.module import Module

from .container import ModuleList, Sequential
from .linear import Linear

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Score frequent classes in the head and the rest in clusters with smaller projections.

    Args:
        in_features: size of the input.
        n_classes: number of classes, sorted by frequency.
        cutoffs: class numbers where clusters begin, increasing.
        div_value: each cluster's projection is this factor smaller than the one before.
        head_bias: learn a bias in the head.
    """

    def __init__(
        self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(cutoff) != cutoff for cutoff in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        where = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **where)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            inner = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, inner, bias=False, **where), Linear(inner, size, bias=False, **where))
            )

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        self.head.reset_parameters()
        for inner, outer in self.tail:
            inner.reset_parameters()
            outer.reset_parameters()

    def forward(self, input_, target_):
        """Return the log-probability of each target, and their negative mean, as (output, loss)."""
        if target_.dim() == 1:
            if input_.size(0) != target_.size(0):
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input_.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input_.size()}"
                )
        elif target_.dim() == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input_.size()}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        output = self._target_log_probs(input, target)
        loss = -output.mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _target_log_probs(self, input, target):
        low, high = int(target.min()), int(target.max())
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] were found. "
            )
        head = F.log_softmax(self.head(input), 1)
        in_head = target < self.shortlist_size
        # A target in a cluster first needs the cluster's own entry in the head.
        index = target
        tails = rsnn.zeros(target.shape, dtype=head.dtype, device=head.device)
        for i in range(self.n_clusters):
            rows = ((target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            log_probs = F.log_softmax(self.tail[i](input.index_select(0, rows)), 1)
            inside = (target.index_select(0, rows) - self.cutoffs[i]).unsqueeze(1)
            tails = tails.index_add(0, rows, log_probs.gather(1, inside).squeeze(1))
            index = index.index_fill(0, rows, self.shortlist_size + i)
        return head.gather(1, index.unsqueeze(1)).squeeze(1) + tails.masked_fill(in_head, 0.0)

    def log_prob(self, input):
        """Return the (N, n_classes) log-probabilities of all classes."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            entry = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(tail(input), 1) + entry)
        return rsnn.cat(parts, 1)

    def predict(self, input):
        """Return the most probable class of each row, looking into clusters only where it is not in the head."""
        head = self.head(input)
        output = head.argmax(1)
        rows = (output >= self.shortlist_size).nonzero().squeeze(1)
        if rows.numel():
            best = self.log_prob(input.index_select(0, rows)).argmax(1)
            output = output.index_copy(0, rows, best)
        return output
