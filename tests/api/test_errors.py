"""Wrong calls: the exception's type is torch's and the text holds the phrase that torch's text holds."""

import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")


def F(lib):
    return lib.nn.functional


# name: (call(lib), phrase of both texts; "" compares the type only)
CALLS = {
    "add shapes": (lambda L: L.ones(2, 3) + L.ones(4), "must match"),
    "matmul shapes": (lambda L: L.ones(2, 3) @ L.ones(2, 3), "shapes cannot be multiplied"),
    "matmul dtypes": (lambda L: L.ones(2, 3) @ L.ones(3, 2).double(), "dtype"),
    "matmul scalar": (lambda L: L.tensor(1.0) @ L.ones(2), ""),
    "bmm rank": (lambda L: L.bmm(L.ones(2, 3), L.ones(3, 2)), "3D tensor"),
    "mm rank": (lambda L: L.mm(L.ones(2), L.ones(2, 2)), ""),
    "dot length": (lambda L: L.dot(L.ones(2), L.ones(3)), ""),
    "sum dim": (lambda L: L.ones(2, 3).sum(2), "Dimension out of range"),
    "softmax dim": (lambda L: L.ones(2).softmax(1), "Dimension out of range"),
    "max dim": (lambda L: L.ones(2).max(3), "Dimension out of range"),
    "transpose dim": (lambda L: L.ones(2, 3).transpose(0, 2), "Dimension out of range"),
    "squeeze dim": (lambda L: L.ones(2).squeeze(4), "Dimension out of range"),
    "unsqueeze dim": (lambda L: L.ones(2).unsqueeze(4), "Dimension out of range"),
    "cat dim": (lambda L: L.cat([L.ones(2), L.ones(2)], 1), "Dimension out of range"),
    "cat sizes": (lambda L: L.cat([L.ones(2, 3), L.ones(2, 4)], 0), "must match"),
    "cat nothing": (lambda L: L.cat([]), ""),
    "stack sizes": (lambda L: L.stack([L.ones(2), L.ones(3)]), "equal size"),
    "view size": (lambda L: L.ones(6).view(4), "is invalid for input of size 6"),
    "reshape two unknown": (lambda L: L.ones(6).reshape(-1, -1), "only one dimension can be inferred"),
    "view strides": (lambda L: L.ones(2, 3).t().view(6), "view size is not compatible"),
    "expand": (lambda L: L.ones(2).expand(3), "must match the existing size"),
    "permute": (lambda L: L.ones(2, 3).permute(0, 0), ""),
    "permute count": (lambda L: L.ones(2, 3).permute(0), ""),
    "narrow": (lambda L: L.ones(3).narrow(0, 2, 2), "exceeds dimension size"),
    "index range": (lambda L: L.ones(3)[3], "out of bounds"),
    "index negative": (lambda L: L.ones(3)[-4], "out of bounds"),
    "index too many": (lambda L: L.ones(3)[0, 0], "too many indices"),
    "index tensor range": (lambda L: L.ones(3)[L.tensor([5])], "out of bounds"),
    "index float": (lambda L: L.ones(3)[L.tensor([0.5])], ""),
    "index mask shape": (lambda L: L.ones(3)[L.tensor([True, False])], "does not match"),
    "index step": (lambda L: L.ones(3)[::-1], "step must be greater than zero"),
    "index_select range": (lambda L: L.ones(3).index_select(0, L.tensor([7])), ""),
    "gather range": (lambda L: L.ones(3).gather(0, L.tensor([7])), "out of bounds"),
    "gather dtype": (lambda L: L.ones(3).gather(0, L.tensor([0.0])), ""),
    "scatter range": (lambda L: L.ones(3).scatter(0, L.tensor([7]), 1.0), "out of bounds"),
    "embedding range": (lambda L: F(L).embedding(L.tensor([9]), L.ones(3, 2)), "out of range"),
    "cross_entropy range": (lambda L: F(L).cross_entropy(L.ones(1, 3), L.tensor([5])), "out of bounds"),
    "cross_entropy batch": (lambda L: F(L).cross_entropy(L.ones(2, 3), L.tensor([1])), "batch_size"),
    "linear shape": (lambda L: F(L).linear(L.ones(2, 3), L.ones(2, 4)), "shapes cannot be multiplied"),
    "layer_norm shape": (lambda L: F(L).layer_norm(L.ones(2, 3), (4,)), "normalized_shape"),
    "conv rank": (lambda L: F(L).conv2d(L.ones(2, 3), L.ones(1, 1, 2, 2)), ""),
    "conv channels": (lambda L: F(L).conv2d(L.ones(1, 3, 4, 4), L.ones(1, 2, 2, 2)), "channels"),
    "dropout p": (lambda L: F(L).dropout(L.ones(2), 1.5), "between 0 and 1"),
    "topk k": (lambda L: L.ones(3).topk(4), "out of range"),
    "kthvalue k": (lambda L: L.ones(3).kthvalue(4), ""),
    "masked_fill mask": (lambda L: L.ones(3).masked_fill(L.tensor([1, 0, 1]), 1.0), "bool"),
    "masked_select mask": (lambda L: L.ones(3).masked_select(L.tensor([1, 0, 1])), ""),
    "argmax empty": (lambda L: L.ones(0).argmax(), ""),
    "max empty": (lambda L: L.ones(0).max(), ""),
    "item many": (lambda L: L.ones(2).item(), ""),
    "bool many": (lambda L: bool(L.ones(2)), "is ambiguous"),
    "bool empty": (lambda L: bool(L.ones(0)), "ambiguous"),
    "backward many": (lambda L: L.ones(2, requires_grad=True).mul(2).backward(), "grad can be implicitly created only for scalar outputs"),
    "backward nothing": (lambda L: L.ones(1).sum().backward(), "does not require grad"),
    "backward twice": (lambda L: twice(L), "backward through the graph a second time"),
    "saved changed": (lambda L: saved_changed(L), "modified by an inplace operation"),
    "leaf in place": (lambda L: L.ones(2, requires_grad=True).mul_(2), "a leaf Variable that requires grad is being used in an in-place operation"),
    "requires_grad int": (lambda L: L.ones(2, dtype=L.int64, requires_grad=True), "floating point"),
    "in place shape": (lambda L: L.ones(2).add_(L.ones(3, 2)), ""),
    "in place dtype": (lambda L: L.ones(2, dtype=L.int64).add_(0.5), "can't be cast"),
    "in place expanded": (lambda L: L.ones(1).expand(3).add_(1), "more than one element"),
    "bitwise float": (lambda L: L.ones(2) & L.ones(2), "not implemented for 'Float'"),
    "numpy with grad": (lambda L: L.ones(2, requires_grad=True).numpy(), "requires grad"),
    "multinomial nan": (lambda L: L.multinomial(L.tensor([float("nan"), 1.0]), 1), "probability tensor contains"),
    "multinomial negative": (lambda L: L.multinomial(L.tensor([-1.0, 1.0]), 1), "probability tensor contains"),
    "multinomial too many": (lambda L: L.multinomial(L.ones(2), 3), "without replacement"),
    "bernoulli range": (lambda L: L.bernoulli(L.tensor([1.5])), ""),
    "negative size": (lambda L: L.zeros(-1), ""),
    "huge size": (lambda L: L.zeros(1 << 40, 1 << 20), ""),
    "overflowing size": (lambda L: L.zeros(1 << 40, 1 << 40), ""),
    "closed device": (lambda L: L.zeros(1, device="nowhere"), ""),
    "ragged list": (lambda L: L.tensor([[1, 2], [3]]), "expected sequence of length"),
    "text": (lambda L: L.tensor("x"), ""),
    "arange step": (lambda L: L.arange(0, 3, 0), "step must be nonzero"),
    "arange sign": (lambda L: L.arange(0, 3, -1), ""),
    "randint empty": (lambda L: L.randint(3, 3, (2,)), ""),
    "einsum operands": (lambda L: L.einsum("ij,jk->ik", L.ones(2, 3)), ""),
    "einsum size": (lambda L: L.einsum("ij,jk->ik", L.ones(2, 3), L.ones(2, 3)), ""),
    "split size": (lambda L: L.ones(3).split([1, 1]), "split_with_sizes expects"),
    "repeat count": (lambda L: L.ones(2, 3).repeat(2), ""),
    "flip twice": (lambda L: L.ones(2).flip(0, 0), ""),
    "cumsum dim": (lambda L: L.ones(2).cumsum(1), "Dimension out of range"),
    "tril rank": (lambda L: L.ones(2).tril(), ""),
    "load": (lambda L: L.nn.Linear(2, 3).load_state_dict({"x": L.ones(1)}), "Error(s) in loading state_dict"),
    "parameter": (lambda L: L.nn.Module().register_parameter("a.b", None), "parameter name"),
    "mse shapes": (lambda L: F(L).mse_loss(L.ones(2, 3), L.ones(4)), ""),
    "sdpa shapes": (lambda L: F(L).scaled_dot_product_attention(L.ones(1, 2, 3), L.ones(1, 2, 4), L.ones(1, 2, 4)), ""),
    "where shapes": (lambda L: L.where(L.tensor([True, False]), L.ones(3), L.ones(3)), "must match"),
    "len of 0-d": (lambda L: len(L.tensor(1.0)), "len() of a 0-d tensor"),
    "iterate 0-d": (lambda L: list(L.tensor(1.0)), "iteration over a 0-d tensor"),
    "inference": (lambda L: inference(L), "nference"),
}  # fmt: skip


def twice(L):
    y = L.ones(1, requires_grad=True).exp().sum()
    y.backward()
    y.backward()


def saved_changed(L):
    x = L.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def inference(L):
    with L.inference_mode():
        x = L.ones(2)
    (L.ones(2, requires_grad=True) * x).sum().backward()


def caught(call, lib):
    try:
        call(lib)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("name", CALLS)
def test_error(name):
    call, phrase = CALLS[name]
    expected, got = caught(call, torch), caught(call, rsnn)
    assert expected is not None, "torch accepts this call: the table is wrong"
    assert got is not None, f"rsnn accepts it; torch: {type(expected).__name__}: {expected}"
    kinds = [k for k in type(expected).__mro__ if k.__module__ == "builtins"]
    assert isinstance(got, kinds[0]), f"torch {expected!r}, rsnn {got!r}"
    assert phrase in str(expected), f"torch's text lacks the phrase: {expected}"
    assert phrase in str(got), f"torch {expected!r}, rsnn {got!r}"
    assert "internal error" not in str(got) and str(got)
