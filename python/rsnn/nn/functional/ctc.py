"""Connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

import rsnn

__all__ = ["ctc_loss"]


def _lengths(lengths, batch, name):
    values = lengths.tolist() if isinstance(lengths, rsnn.Tensor) else [int(length) for length in lengths]
    values = values if isinstance(values, list) else [values]
    if len(values) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    return values


def _padded_targets(targets, lengths, blank):
    """Return (N, S) targets, one row per sample, from either form."""
    width = max(lengths, default=0)
    if targets.dim() == 2:
        return targets[:, :width].long()
    rows = targets.new_full((len(lengths), width), blank).long()
    start = 0
    for row, length in enumerate(lengths):
        rows[row, :length] = targets[start : start + length]
        start += length
    return rows


def _neg_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank):
    """Run the forward recursion over (T, N, C) log-probabilities; all samples and states at once."""
    steps, batch, _ = log_probs.shape
    width = targets.shape[1]
    states = 2 * width + 1
    device = log_probs.device
    # Labels with a blank before, between and after them: (N, 2S + 1)
    labels = targets.new_full((batch, states), blank)
    labels[:, 1::2] = targets
    # A state may be entered from two states before when that skips a blank between different labels.
    skip = rsnn.zeros((batch, states), dtype=rsnn.bool, device=device)
    if states > 2:
        skip[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    # A finite stand-in for log 0 keeps the gradient of logsumexp free of NaN.
    low = -1e30
    emitted = log_probs.gather(2, labels.unsqueeze(0).expand(steps, batch, states))
    floor = emitted.new_full((batch, states), low)
    first = rsnn.arange(states, device=device) < 2
    alpha = rsnn.where(first, emitted[0], floor)
    alphas = [alpha]
    pad1, pad2 = floor[:, :1], floor[:, :2]
    for step in range(1, steps):
        one = rsnn.cat([pad1, alpha[:, :-1]], 1)
        two = rsnn.where(skip, rsnn.cat([pad2, alpha], 1)[:, :states], floor)
        alpha = (rsnn.stack([alpha, one, two]).logsumexp(0) + emitted[step]).clamp_min(low)
        alphas.append(alpha)
    last_steps = rsnn.tensor([max(length - 1, 0) for length in input_lengths], device=device)
    # (T, N, states) -> (N, states) at each sample's last step
    final = rsnn.stack(alphas).gather(0, last_steps.view(1, batch, 1).expand(1, batch, states)).squeeze(0)
    ends = rsnn.tensor([2 * length for length in target_lengths], device=device).view(batch, 1)
    at_blank = final.gather(1, ends)
    at_label = final.gather(1, (ends - 1).clamp_min(0)).masked_fill(ends == 0, low)
    return -rsnn.cat([at_blank, at_label], 1).logsumexp(1)


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """Compute the negative log-likelihood of label sequences summed over all alignments.

    Args:
        log_probs: (T, N, C) or (T, C) log-probabilities.
        targets: (N, S), or all sequences joined in one dimension.
        input_lengths, target_lengths: (N,) tensors or sequences of ints.
        blank: the label that stands for no label.
        reduction: "mean" divides each loss by its target length first.
        zero_infinity: replace an infinite loss and its gradient by zero.
    """
    unbatched = log_probs.dim() == 2
    if unbatched:
        log_probs = log_probs.unsqueeze(1)
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    in_lengths = _lengths(input_lengths, batch, "input_lengths")
    out_lengths = _lengths(target_lengths, batch, "target_lengths")
    if any(length > steps for length in in_lengths):
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value {max(in_lengths)}")
    if unbatched and targets.dim() == 1:
        targets = targets.unsqueeze(0)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    rows = _padded_targets(targets, out_lengths, blank)
    loss = _neg_log_likelihood(log_probs, rows, in_lengths, out_lengths, blank)
    impossible = loss.detach() > 1e29
    loss = loss.masked_fill(impossible, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        divisor = rsnn.tensor([max(length, 1) for length in out_lengths], dtype=loss.dtype, device=loss.device)
        return (loss / divisor).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if unbatched else loss
