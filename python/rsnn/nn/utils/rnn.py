"""Batches of sequences of different lengths: padding and packing."""

from __future__ import annotations

from collections import namedtuple

import rsnn
from rsnn import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip

PackedSequence_ = namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
PackedSequence_.__annotations__ = {
    "data": Tensor,
    "batch_sizes": Tensor,
    "sorted_indices": Tensor | None,
    "unsorted_indices": Tensor | None,
}


def bind(optional, fn):
    """Return fn(optional), or None for None."""
    return None if optional is None else fn(optional)


class PackedSequence(PackedSequence_):
    """Hold the elements of a batch of sequences, time step by time step.

    `batch_sizes` counts the sequences still running at each step; `sorted_indices` sorted them by length and
    `unsorted_indices` undoes that. Make one with `pack_padded_sequence` or `pack_sequence`.
    """

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("if batch_sizes is None, data must be a list or tuple of length 2")
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They "
                "should be instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """Move the data, and the indices with it to the same device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(
            data,
            self.batch_sizes,
            bind(self.sorted_indices, lambda t: t.to(data.device)),
            bind(self.unsorted_indices, lambda t: t.to(data.device)),
        )

    def pin_memory(self):
        """Copy to page-locked memory."""
        return type(self)(
            self.data.pin_memory(),
            self.batch_sizes,
            bind(self.sorted_indices, lambda t: t.pin_memory()),
            bind(self.unsorted_indices, lambda t: t.pin_memory()),
        )

    def cuda(self, *args, **kwargs):
        """Move to the GPU."""
        return self.to(*args, device="cuda", **kwargs)

    def cpu(self, *args, **kwargs):
        """Move to the CPU."""
        return self.to(*args, device="cpu", **kwargs)

    def double(self):
        """Cast to float64."""
        return self.to(dtype=rsnn.float64)

    def float(self):
        """Cast to float32."""
        return self.to(dtype=rsnn.float32)

    def half(self):
        """Cast to float16."""
        return self.to(dtype=rsnn.float16)

    def long(self):
        """Cast to int64."""
        return self.to(dtype=rsnn.int64)

    def int(self):
        """Cast to int32."""
        return self.to(dtype=rsnn.int32)

    def short(self):
        """Cast to int16."""
        return self.to(dtype=rsnn.int16)

    def char(self):
        """Cast to int8."""
        return self.to(dtype=rsnn.int8)

    def byte(self):
        """Cast to uint8."""
        return self.to(dtype=rsnn.uint8)

    @property
    def is_cuda(self):
        """Tell whether the data is on the GPU."""
        return self.data.is_cuda

    def is_pinned(self):
        """Tell whether the data is in page-locked memory."""
        return self.data.is_pinned()


def invert_permutation(permutation):
    """Return the permutation that undoes `permutation`, or None for None."""
    if permutation is None:
        return None
    output = rsnn.empty_like(permutation)
    output.scatter_(0, permutation, rsnn.arange(0, permutation.numel(), device=permutation.device))
    return output


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack a padded batch.

    Args:
        input: (T, N, *), or (N, T, *) with `batch_first`.
        lengths: length of each sequence, a list or a CPU tensor.
        enforce_sorted: the sequences come longest first; else they are sorted here.

    Raises: RuntimeError for lengths below one, unsorted or not one per sequence.
    """
    if not isinstance(lengths, Tensor):
        lengths = rsnn.tensor([int(length) for length in lengths], dtype=rsnn.int64)
    elif lengths.device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device} Long tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = lengths.sort(descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    counts = lengths.tolist()
    if batch_first:
        input = input.transpose(0, 1)
    if not counts:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(counts) != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={input.shape[1]})"
        )
    if counts[-1] <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")  # fmt: skip  # noqa: E501
    if any(later > earlier for earlier, later in zip(counts, counts[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
            "need ONNX exportability."
        )
    if counts[0] > input.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {input.shape[0]}, but got {counts[0]}")
    running = rsnn.arange(counts[0]).unsqueeze(1) < lengths
    # (T, N, *) -> (T·N, *), then the rows that are data, in order of time.
    flat = input[: counts[0]].reshape(-1, *input.shape[2:])
    data = flat.index_select(0, _positions(running, input.device))
    return PackedSequence(data, running.sum(1), sorted_indices, None)


def _positions(mask, device):
    """Return where `mask`, read row by row, is True."""
    return mask.reshape(-1).nonzero().squeeze(1).to(device)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """Return the padded batch of a PackedSequence, and the lengths.

    Args:
        total_length: pad to this length; it is at least the longest one.
    """
    sizes = sequence.batch_sizes
    length = sizes.shape[0]
    if total_length is not None:
        if total_length < length:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {length}"
            )
        length = total_length
    data, batch = sequence.data, int(sizes[0])
    running = rsnn.arange(batch) < sizes.unsqueeze(1)
    flat = data.new_full((length * batch, *data.shape[1:]), padding_value)
    padded = flat.index_copy(0, _positions(running, data.device), data).view(length, batch, *data.shape[1:])
    lengths = running.sum(0)
    if batch_first:
        padded = padded.transpose(0, 1)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices.cpu())
    return padded, lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stack (L_i, *) tensors into one (T, N, *) or, with `batch_first`, (N, T, *) tensor.

    Args:
        padding_side: where shorter sequences are filled with `padding_value`, "right" or "left".
    """
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    if isinstance(sequences, Tensor):
        sequences = sequences.unbind(0)
    elif not hasattr(sequences, "__iter__"):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    length = max(sequence.shape[0] for sequence in sequences)
    rows = []
    for sequence in sequences:
        missing = length - sequence.shape[0]
        if missing:
            fill = sequence.new_full((missing, *sequence.shape[1:]), padding_value)
            sequence = rsnn.cat([sequence, fill] if padding_side == "right" else [fill, sequence])
        rows.append(sequence)
    return rsnn.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """Cut a padded batch into a list of tensors of their own lengths."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    counts = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    return [sequence[:length] for sequence, length in zip(padded_sequences.unbind(0), counts, strict=True)]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack a list of (L_i, *) tensors."""
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """Return the list of tensors a PackedSequence was made from."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
