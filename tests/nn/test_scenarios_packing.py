"""nn.utils.rnn: packing, padding and PackedSequence against torch."""

import copy
import importlib
import pickle

from harness import fill, tensor


def module(lib, name):
    return importlib.import_module(f"{lib.__name__}.nn.utils.{name}")


def test_pack_padded_sequence(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        x = tensor(lib, 5, 3, 2, grad=True)
        p = rnn.pack_padded_sequence(x, [5, 3, 1])
        record(p.data, p.batch_sizes, p.sorted_indices, p.unsorted_indices, type(p).__name__, len(p))
        p.data.square().sum().backward()
        record(x.grad)
        record(list(rnn.pack_padded_sequence(tensor(lib, 3, 5), lib.tensor([4, 4, 2]), batch_first=True)))

    same(scenario)


def test_pack_padded_sequence_sorts(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        x = tensor(lib, 4, 5, 2, grad=True)
        p = rnn.pack_padded_sequence(
            x, lib.tensor([2, 5, 1, 4], dtype=lib.int32), batch_first=True, enforce_sorted=False
        )
        record(p.data, p.batch_sizes, p.sorted_indices, p.unsorted_indices)
        out, lengths = rnn.pad_packed_sequence(p, batch_first=True)
        record(out, lengths)
        out.square().sum().backward()
        record(x.grad)

    same(scenario)


def test_pack_padded_sequence_cuts_what_no_sequence_reaches(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        p = rnn.pack_padded_sequence(tensor(lib, 7, 2, 1), [4, 2])
        record(p.data, p.batch_sizes, rnn.pad_packed_sequence(p))

    same(scenario)


def test_pack_padded_sequence_errors(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        x = tensor(lib, 5, 3, 2)
        record.raises(
            lambda: rnn.pack_padded_sequence(x, [1, 3, 5]), "`lengths` array must be sorted in decreasing order when"
        )
        record.raises(
            lambda: rnn.pack_padded_sequence(x, [5, 3]),
            "Expected `len(lengths)` to be equal to batch_size, but got 2 (batch_size=3)",
        )
        record.raises(
            lambda: rnn.pack_padded_sequence(x, [5, 3, 0]),
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
        )
        record.raises(lambda: rnn.pack_padded_sequence(lib.zeros(2, 0, 1), []))

    same(scenario)


def test_pad_packed_sequence_options(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        p = rnn.pack_padded_sequence(tensor(lib, 4, 3, 2), [4, 2, 1])
        record(
            rnn.pad_packed_sequence(p, batch_first=True, padding_value=-1.0), rnn.pad_packed_sequence(p, total_length=6)
        )
        record.raises(
            lambda: rnn.pad_packed_sequence(p, total_length=3),
            "Expected total_length to be at least the length of the longest sequence in input, but got total_length=3 and max sequence length being 4",
        )

    same(scenario)


def test_pad_packed_sequence_of_integers(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        p = rnn.pack_padded_sequence(lib.arange(6).view(3, 2), [3, 1])
        record(p.data, rnn.pad_packed_sequence(p, padding_value=-1))

    same(scenario)


def test_pack_sequence_and_unpack_sequence(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        parts = [tensor(lib, n, 2) for n in (4, 2, 1)]
        p = rnn.pack_sequence(parts)
        record(p.data, p.batch_sizes, rnn.unpack_sequence(p))
        shuffled = [parts[1], parts[0], parts[2]]
        q = rnn.pack_sequence(shuffled, enforce_sorted=False)
        record(q.data, q.sorted_indices, rnn.unpack_sequence(q))
        record.raises(lambda: rnn.pack_sequence(shuffled), "`lengths` array must be sorted in decreasing order")

    same(scenario)


def test_pad_sequence(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        parts = [tensor(lib, n, 2, grad=True) for n in (2, 4, 1)]
        record(rnn.pad_sequence(parts), rnn.pad_sequence(parts, batch_first=True, padding_value=9.0))
        record(rnn.pad_sequence(parts, True, 0.5, "left"), rnn.pad_sequence(tuple(parts), padding_side="left"))
        (rnn.pad_sequence(parts) * tensor(lib, 4, 3, 2)).sum().backward()
        record([p.grad for p in parts])
        record(
            rnn.pad_sequence([lib.tensor([1, 2]), lib.tensor([3])], padding_value=-1),
            rnn.pad_sequence(tensor(lib, 2, 3)),
        )
        record(rnn.pad_sequence(p for p in parts))

    same(scenario)


def test_pad_sequence_errors(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        record.raises(lambda: rnn.pad_sequence([]), "received an empty list of sequences")
        record.raises(
            lambda: rnn.pad_sequence(3), "pad_sequence: Expected iterable for input sequences, but got arg of type:"
        )
        record.raises(lambda: rnn.pad_sequence([lib.ones(1)], padding_side="up"))
        record.raises(lambda: rnn.pad_sequence([lib.ones(1, 2), lib.ones(1, 3)]))

    same(scenario)


def test_unpad_sequence(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        x = tensor(lib, 3, 4, 2)
        record(rnn.unpad_sequence(x, lib.tensor([4, 1, 2]), batch_first=True))
        record(rnn.unpad_sequence(x.transpose(0, 1).contiguous(), lib.tensor([4, 1, 2])))

    same(scenario)


def test_packed_sequence_conversions(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        p = rnn.pack_sequence([lib.ones(2), lib.ones(3)], enforce_sorted=False)
        for q in (
            p.double(),
            p.half(),
            p.long(),
            p.int(),
            p.short(),
            p.char(),
            p.byte(),
            p.to(lib.float64),
            p.to("cpu", lib.int32),
        ):
            record(str(q.data.dtype).split(".")[1], type(q).__name__, q.unsorted_indices)
        record(p.float() is p, p.to("cpu") is p, p.cpu() is p, p.is_cuda, p.is_pinned(), p.to(p.data.device) is p)

    same(scenario)


def test_packed_sequence_is_a_tuple(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        p = rnn.pack_sequence([lib.ones(2), lib.ones(3)], enforce_sorted=False)
        data, sizes, ordered, back = p
        record(data, sizes, ordered, back, p[0] is p.data, p._fields, isinstance(p, tuple))
        record(
            rnn.PackedSequence(data, sizes), rnn.PackedSequence((data, sizes)), rnn.PackedSequence(data, sizes, ordered)
        )
        twin = copy.deepcopy(p)
        record(twin, type(twin).__name__, type(pickle.loads(pickle.dumps(p))).__name__)
        record(p._replace(data=data * 2).data)

    same(scenario)


def test_invert_permutation(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        record(rnn.invert_permutation(lib.tensor([2, 0, 1])), rnn.invert_permutation(None))

    same(scenario)


def test_packed_sequences_through_a_recurrent_layer(same):
    def scenario(lib, record):
        rnn = module(lib, "rnn")
        for kind in ("RNN", "GRU", "LSTM"):
            m = fill(lib, getattr(lib.nn, kind)(2, 3, batch_first=True))
            p = rnn.pack_padded_sequence(tensor(lib, 3, 4, 2), [2, 4, 1], batch_first=True, enforce_sorted=False)
            out, state = m(p)
            record(rnn.pad_packed_sequence(out, batch_first=True), state)

    same(scenario)
