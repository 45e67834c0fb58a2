"""Wrong calls of activations, dropout and normalizations."""


def F(L):
    return L.nn.functional


X = (2, 3)
CALLS = {
    "dropout p": (lambda L: F(L).dropout(L.ones(2), 1.5), "dropout probability has to be between 0 and 1, but got 1.5"),
    "dropout negative": (lambda L: F(L).dropout(L.ones(2), -0.1), "dropout probability has to be between 0 and 1, but got -0.1"),
    "dropout nan": (lambda L: F(L).dropout(L.ones(2), float("nan")), ""),
    "dropout1d rank": (lambda L: F(L).dropout1d(L.ones(2)), "Expected 2D or 3D input, but received a 1D input"),
    "dropout integers": (lambda L: F(L).dropout(L.ones(2).long()), ""),
    "gelu approximate": (lambda L: F(L).gelu(L.ones(2), approximate="x"), "approximate argument must be either none or tanh."),
    "glu odd": (lambda L: F(L).glu(L.ones(3)), "Halving dimension must be even, but dimension 0 is size 3"),
    "glu 0-d": (lambda L: F(L).glu(L.tensor(1.0)), "glu does not support scalars because halving size must be even"),
    "glu dim": (lambda L: F(L).glu(L.ones(2), 1), "Dimension out of range"),
    "hardtanh order": (lambda L: F(L).hardtanh(L.ones(2), 2.0, 1.0), "min_val cannot be greater than max_val"),
    "softshrink lambda": (lambda L: F(L).softshrink(L.ones(2), -1.0), "lambda must be in range [0, 3.40282e+38] for input dtype Float, but found -1"),
    "celu alpha": (lambda L: F(L).celu(L.ones(2), 0.0), "ZeroDivisionError: alpha cannot be 0 for CELU"),
    "prelu channels": (lambda L: F(L).prelu(L.ones(2, 3), L.ones(2)), "Mismatch of parameter numbers and input channel size. Found parameter numbers = 2 and channel size = 3."),
    "prelu rank": (lambda L: F(L).prelu(L.ones(2, 3), L.ones(3, 1)), "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = 2"),
    "prelu 0-d": (lambda L: F(L).prelu(L.tensor(1.0), L.ones(2)), "Not allow zero-dim input tensor."),
    "prelu dtypes": (lambda L: F(L).prelu(L.ones(2, 3), L.ones(3).double()), "prelu: Type promoting not supported. Got Float and Double"),
    "rrelu order": (lambda L: F(L).rrelu(L.ones(2), 0.5, 0.1, True), "Lower bound should be less than or equal to the upper bound"),
    "softmax dim": (lambda L: F(L).softmax(L.ones(2), 1), "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    "log_softmax dim": (lambda L: F(L).log_softmax(L.ones(2), 1), "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    "softmin dim": (lambda L: F(L).softmin(L.ones(2), 1), "Dimension out of range"),
    "gumbel dim": (lambda L: F(L).gumbel_softmax(L.ones(2), dim=1), "Dimension out of range"),
    "threshold nothing": (lambda L: F(L).threshold(L.ones(2)), "missing 2 required positional arguments: 'threshold' and 'value'"),
    "silu keyword": (lambda L: F(L).silu(L.ones(2), beta=1), "unexpected keyword argument 'beta'"),
    "relu nothing": (lambda L: F(L).relu(), "missing 1 required positional argument: 'input'"),
    "relu text": (lambda L: F(L).relu("x"), ""),
    "elu leaf in place": (lambda L: F(L).elu(L.ones(2, requires_grad=True), inplace=True), "a leaf Variable that requires grad is being used in an in-place operation"),
    "relu leaf in place": (lambda L: F(L).relu(L.ones(2, requires_grad=True), inplace=True), "a leaf Variable that requires grad is being used in an in-place operation"),
    # --- normalizations -------------------------------------------------------------------------------------------------
    "layer_norm shape": (lambda L: F(L).layer_norm(L.ones(*X), (4,)), "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 3]"),
    "layer_norm nothing": (lambda L: F(L).layer_norm(L.ones(*X), ()), "Expected normalized_shape to be at least 1-dimensional"),
    "layer_norm weight": (lambda L: F(L).layer_norm(L.ones(*X), (3,), L.ones(2)), "Expected weight to be of same shape as normalized_shape, but got weight of shape [2] and normalized_shape = [3]"),
    "layer_norm bias": (lambda L: F(L).layer_norm(L.ones(*X), (3,), None, L.ones(2)), "Expected bias to be of same shape as normalized_shape, but got bias of shape [2] and normalized_shape = [3]"),
    "layer_norm integers": (lambda L: F(L).layer_norm(L.ones(*X).long(), (3,)), "not implemented for 'Long'"),
    "layer_norm int shape": (lambda L: F(L).layer_norm(L.ones(*X), 3), ""),
    "layer_norm dtypes": (lambda L: F(L).layer_norm(L.ones(*X), (3,), L.ones(3).double()), "mixed dtype (CPU): expect parameter to have scalar type of Float"),
    "rms_norm shape": (lambda L: F(L).rms_norm(L.ones(*X), (4,)), "Given normalized_shape=[4], expected input with shape [*"),
    "rms_norm weight": (lambda L: F(L).rms_norm(L.ones(*X), (3,), L.ones(2)), "Expected weight to be of same shape as normalized_shape, but got weight of shape [2] and normalized_shape = [3]"),
    "group_norm groups": (lambda L: F(L).group_norm(L.ones(2, 3, 4), 2), "Expected number of channels in input to be divisible by num_groups, but got input of shape [2, 3, 4] and num_groups=2"),
    "group_norm weight": (lambda L: F(L).group_norm(L.ones(2, 4, 4), 2, L.ones(2)), "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape [2] and input of shape [2, 4, 4]"),
    "group_norm one": (lambda L: F(L).group_norm(L.ones(1, 2), 2), "Expected more than 1 value per channel when training, got input size"),
    "group_norm rank": (lambda L: F(L).group_norm(L.ones(2), 2), ""),
    "batch_norm one": (lambda L: F(L).batch_norm(L.ones(1, 3), None, None, training=True), "Expected more than 1 value per channel when training, got input size"),
    "batch_norm statistics": (lambda L: F(L).batch_norm(L.ones(*X), None, None), "running_mean must be defined in evaluation mode"),
    "batch_norm mean size": (lambda L: F(L).batch_norm(L.ones(*X), L.ones(2), L.ones(2)), "running_mean should contain 3 elements not 2"),
    "batch_norm var size": (lambda L: F(L).batch_norm(L.ones(*X), L.ones(3), L.ones(2)), "running_var should contain 3 elements not 2"),
    "batch_norm weight": (lambda L: F(L).batch_norm(L.ones(*X), L.ones(3), L.ones(3), L.ones(2)), "weight should contain 3 elements not 2"),
    "batch_norm bias": (lambda L: F(L).batch_norm(L.ones(*X), L.ones(3), L.ones(3), None, L.ones(2)), "bias should contain 3 elements not 2"),
    "batch_norm rank": (lambda L: F(L).batch_norm(L.ones(3), L.ones(3), L.ones(3)), ""),
    "batch_norm dtypes": (lambda L: F(L).batch_norm(L.ones(*X), L.ones(3).double(), L.ones(3).double()), ""),
    "instance_norm one": (lambda L: F(L).instance_norm(L.ones(1, 2, 1)), "Expected more than 1 spatial element when training, got input size torch.Size([1, 2, 1])"),
    "instance_norm statistics": (lambda L: F(L).instance_norm(L.ones(1, 2, 3), use_input_stats=False), "Expected running_mean and running_var to be defined when use_input_stats is false"),
    "local_response rank": (lambda L: F(L).local_response_norm(L.ones(2, 2), 2), "Expected 3D or higher dimensionality"),
    "normalize dim": (lambda L: F(L).normalize(L.ones(2)), "Dimension out of range"),
}  # fmt: skip
for _n in "relu6 elu selu celu leaky_relu gelu silu mish hardswish hardsigmoid softplus logsigmoid hardshrink softshrink tanhshrink softsign".split():
    CALLS[f"{_n} nothing"] = (lambda L, n=_n: getattr(F(L), n)(), "")
    CALLS[f"{_n} text"] = (lambda L, n=_n: getattr(F(L), n)("x"), "")
for _n in "gelu silu mish hardswish hardsigmoid softplus logsigmoid hardshrink softshrink elu leaky_relu".split():
    CALLS[f"{_n} integers"] = (lambda L, n=_n: getattr(F(L), n)(L.ones(2).long()), "not implemented for 'Long'")
