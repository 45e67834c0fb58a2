"""Wrong calls of creation, random numbers, dtypes, devices and autograd."""

NAN = float("nan")


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


CALLS = {
    "negative size": (lambda L: L.zeros(-1), ""),
    "negative size inside": (lambda L: L.ones(2, -3), "Trying to create tensor with negative dimension -3"),
    "empty negative": (lambda L: L.empty((-1,)), "Trying to create tensor with negative dimension -1"),
    "full negative": (lambda L: L.full((-1,), 1.0), "Trying to create tensor with negative dimension -1"),
    "rand negative": (lambda L: L.rand(-1), "Trying to create tensor with negative dimension -1"),
    "huge size": (lambda L: L.zeros(1 << 40, 1 << 20), ""),
    "overflowing size": (lambda L: L.zeros(1 << 40, 1 << 40), ""),
    "size beyond int64": (lambda L: L.zeros(1 << 64), ""),
    "size float": (lambda L: L.zeros(2.0), ""),
    "size text": (lambda L: L.zeros("2"), ""),
    "size mixed": (lambda L: L.zeros((2, "x")), ""),
    "size none": (lambda L: L.zeros(None), ""),
    "size nothing": (lambda L: L.zeros(), ""),
    "zeros keyword": (lambda L: L.zeros(2, color="red"), ""),
    "device": (lambda L: L.zeros(1, device="nowhere"), "Expected one of cpu"),
    "device index": (lambda L: L.device("cpu:x"), "Invalid device string: 'cpu:x'"),
    "device empty": (lambda L: L.device(""), "Device string must not be empty"),
    "device negative": (lambda L: L.device("cpu", -2), ""),
    "device list": (lambda L: L.device([1]), ""),
    "dtype text": (lambda L: L.zeros(1, dtype="float32"), ""),
    "dtype class": (lambda L: L.zeros(1, dtype=list), ""),
    "requires_grad int": (lambda L: L.ones(2, dtype=L.int64, requires_grad=True), "Only Tensors of floating point and complex dtype can require gradients"),
    "tensor requires_grad int": (lambda L: L.tensor([1], requires_grad=True), "Only Tensors of floating point and complex dtype can require gradients"),
    "ragged list": (lambda L: L.tensor([[1, 2], [3]]), "expected sequence of length 2 at dim 1 (got 1)"),
    "ragged deeper": (lambda L: L.tensor([[[1], [2]], [[3]]]), "expected sequence of length 2 at dim 1 (got 1)"),
    "list and number": (lambda L: L.tensor([[1], 2]), ""),
    "text": (lambda L: L.tensor("x"), "new(): invalid data type 'str'"),
    "list of text": (lambda L: L.tensor(["x"]), "too many dimensions 'str'"),
    "none": (lambda L: L.tensor(None), "Could not infer dtype of NoneType"),
    "list of none": (lambda L: L.tensor([None]), "Could not infer dtype of NoneType"),
    "object": (lambda L: L.tensor(object()), "Could not infer dtype of object"),
    "dict": (lambda L: L.tensor({}), "Could not infer dtype of dict"),
    "tensor nothing": (lambda L: L.tensor(), ""),
    "overflow int8": (lambda L: L.tensor([300], dtype=L.int8), "value cannot be converted to type int8"),
    "overflow int64": (lambda L: L.tensor([1 << 70]), ""),
    "nan to int": (lambda L: L.tensor([NAN], dtype=L.int64), ""),
    "full nothing": (lambda L: L.full((2,)), ""),
    "full text": (lambda L: L.full((2,), "x"), ""),
    "full overflow": (lambda L: L.full((2,), 300, dtype=L.int8), "value cannot be converted to type int8_t without overflow"),
    "arange step": (lambda L: L.arange(0, 3, 0), "step must be nonzero"),
    "arange sign": (lambda L: L.arange(0, 3, -1), "upper bound and lower bound inconsistent with step sign"),
    "arange nan": (lambda L: L.arange(0, NAN), "unsupported range"),
    "arange infinite": (lambda L: L.arange(0, float("inf")), "unsupported range"),
    "arange text": (lambda L: L.arange("x"), ""),
    "arange nothing": (lambda L: L.arange(), ""),
    "linspace steps": (lambda L: L.linspace(0, 1, -1), "number of steps must be non-negative"),
    "linspace nothing": (lambda L: L.linspace(0, 1), ""),
    "logspace steps": (lambda L: L.logspace(0, 1, -1), "number of steps must be non-negative"),
    "eye negative": (lambda L: L.eye(-1), "n must be greater or equal to 0, got -1"),
    "eye columns": (lambda L: L.eye(2, -1), "m must be greater or equal to 0, got -1"),
    "from_numpy list": (lambda L: L.from_numpy([1]), "expected np.ndarray (got list)"),
    "frombuffer count": (lambda L: L.frombuffer(bytearray(4), dtype=L.float32, count=2), ""),
    "frombuffer empty": (lambda L: L.frombuffer(bytearray(0), dtype=L.float32), ""),
    "frombuffer uneven": (lambda L: L.frombuffer(bytearray(3), dtype=L.float32), ""),
    "frombuffer offset": (lambda L: L.frombuffer(bytearray(4), dtype=L.float32, offset=8), ""),
    "zeros_like list": (lambda L: L.zeros_like([1]), ""),
    "as_tensor text": (lambda L: L.as_tensor("x"), ""),
    "default dtype": (lambda L: L.set_default_dtype(L.int64), "only floating-point types are supported as the default type"),
    "finfo of int": (lambda L: L.finfo(L.int64), ""),
    "iinfo of float": (lambda L: L.iinfo(L.float32), ""),
    "finfo text": (lambda L: L.finfo("x"), ""),
    "promote text": (lambda L: L.promote_types("x", L.int8), ""),
    "num_threads": (lambda L: L.set_num_threads(0), "set_num_threads expects a positive integer"),
    # --- random numbers ------------------------------------------------------------------------------------------------
    "randint empty": (lambda L: L.randint(3, 3, (2,)), "random_ expects 'from' to be less than 'to', but got from=3 >= to=3"),
    "randint nothing": (lambda L: L.randint(3), ""),
    "randint dtype": (lambda L: L.randint(0, 300, (2,), dtype=L.int8), "to - 1 is out of bounds for"),
    "randperm negative": (lambda L: L.randperm(-1), ""),
    "randperm float": (lambda L: L.randperm(2.5), ""),
    "rand integers": (lambda L: L.rand(2, dtype=L.int64), "not implemented for 'Long'"),
    "randn integers": (lambda L: L.randn(2, dtype=L.int64), "not implemented for 'Long'"),
    "normal negative": (lambda L: L.normal(0.0, -1.0, (2,)), "normal expects std >= 0.0, but found std -1"),
    "normal_ negative": (lambda L: L.ones(2).normal_(0, -1), "normal expects std >= 0.0, but found std -1"),
    "uniform_ order": (lambda L: L.ones(2).uniform_(2, 1), "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
    "exponential_ rate": (lambda L: L.ones(2).exponential_(0), "exponential_ expects lambda > 0.0, but found lambda=0"),
    "geometric_ p": (lambda L: L.ones(2).geometric_(0.0), "geometric_ expects p to be in (0, 1), but got p=0"),
    "geometric_ one": (lambda L: L.ones(2).geometric_(1.0), "geometric_ expects p to be in (0, 1), but got p=1"),
    "log_normal_ std": (lambda L: L.ones(2).log_normal_(0, 0), "log_normal_ expects std > 0.0, but found std=0"),
    "cauchy_ sigma": (lambda L: L.ones(2).cauchy_(0, 0), "cauchy_ expects sigma > 0.0, but found sigma=0"),
    "bernoulli range": (lambda L: L.bernoulli(L.tensor([1.5])), "Expected p_in >= 0 && p_in <= 1 to be true, but got false"),
    "bernoulli_ p": (lambda L: L.ones(2).bernoulli_(1.5), "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
    "bernoulli integers": (lambda L: L.bernoulli(L.tensor([1])), ""),
    "random_ order": (lambda L: L.ones(2).random_(3, 2), "random_ expects 'from' to be less than 'to', but got from=3 >= to=2"),
    "multinomial nan": (lambda L: L.multinomial(L.tensor([NAN, 1.0]), 1), "probability tensor contains either `inf`, `nan` or element < 0"),
    "multinomial inf": (lambda L: L.multinomial(L.tensor([float("inf"), 1.0]), 1), "probability tensor contains either `inf`, `nan` or element < 0"),
    "multinomial negative": (lambda L: L.multinomial(L.tensor([-1.0, 1.0]), 1), "probability tensor contains either `inf`, `nan` or element < 0"),
    "multinomial too many": (lambda L: L.multinomial(L.ones(2), 3), "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),
    "multinomial none": (lambda L: L.multinomial(L.ones(2), 0), "cannot sample n_sample <= 0 samples"),
    "multinomial rank": (lambda L: L.multinomial(L.ones(1, 1, 1), 1), "prob_dist must be 1 or 2 dim"),
    "multinomial zeros": (lambda L: L.multinomial(L.zeros(2), 1), "invalid multinomial distribution (sum of probabilities <= 0)"),
    "multinomial integers": (lambda L: L.multinomial(L.tensor([1, 1]), 1), "multinomial only supports floating-point dtypes for input, got: Long"),
    "seed text": (lambda L: L.manual_seed("x"), ""),
    "state size": (lambda L: L.set_rng_state(L.zeros(3, dtype=L.uint8)), ""),
    "state dtype": (lambda L: L.set_rng_state(L.zeros(5056)), ""),
    # --- autograd ------------------------------------------------------------------------------------------------------
    "backward many": (lambda L: L.ones(2, requires_grad=True).mul(2).backward(), "grad can be implicitly created only for scalar outputs"),
    "backward nothing": (lambda L: L.ones(1).sum().backward(), "element 0 of tensors does not require grad and does not have a grad_fn"),
    "backward twice": (twice, "Trying to backward through the graph a second time"),
    "backward gradient shape": (lambda L: L.ones(2, requires_grad=True).mul(2).backward(L.ones(3)), "Mismatch in shape: grad_output[0] has a shape of"),
    "backward gradient text": (lambda L: L.ones(2, requires_grad=True).mul(2).backward("x"), ""),
    "grad unused": (lambda L: L.autograd.grad(L.ones(1, requires_grad=True).sum(), L.ones(1, requires_grad=True)), "appears to not have been used in the graph"),
    "grad of nothing": (lambda L: L.autograd.grad(L.ones(1, requires_grad=True).sum(), []), ""),
    "grad input": (lambda L: L.autograd.grad(L.ones(1, requires_grad=True).sum(), L.ones(1)), "One of the differentiated Tensors does not require grad"),
    "grad counts": (lambda L: L.autograd.grad(L.ones(1, requires_grad=True).sum(), L.ones(1, requires_grad=True), [L.ones(()), L.ones(())]), ""),
    "saved changed": (saved_changed, "one of the variables needed for gradient computation has been modified by an inplace operation"),
    "inference saved": (inference, "Inference tensors cannot be saved for backward"),
    "detach_ view": (lambda L: L.ones(2, requires_grad=True).mul(1)[0].detach_(), "Can't detach views in-place"),
    "deepcopy of a result": (lambda L: __import__("copy").deepcopy(L.ones(1, requires_grad=True) * 2), "Only Tensors created explicitly by the user"),
    "retain_grad": (lambda L: L.ones(2).retain_grad(), "can't retain_grad on Tensor that has requires_grad=False"),
    "register_hook": (lambda L: L.ones(2).register_hook(print), "cannot register a hook on a tensor that doesn't require gradient"),
    "retain_graph text": (lambda L: L.ones(1, requires_grad=True).sum().backward(retain_graph="x"), ""),
}  # fmt: skip
