"""nn.utils: clipping, vectors, the older norms, fusion and skip_init against torch."""

import importlib

import pytest
from harness import fill, tensor


def module(lib, name):
    return importlib.import_module(f"{lib.__name__}.nn.utils.{name}")


def net(lib):
    nn = lib.nn
    return fill(lib, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))


def with_grads(lib, scale=10.0):
    m = net(lib)
    (m(tensor(lib, 5, 3)).sum() * scale).backward()
    return m


# Clipping


@pytest.mark.parametrize("norm_type", [2, 2.0, 1, 3.0, float("inf"), 0.5, -float("inf"), 0])
def test_clip_grad_norm(same, norm_type):
    def scenario(lib, record):
        m = with_grads(lib)
        record(lib.nn.utils.clip_grad_norm_(m.parameters(), 1.5, norm_type), [p.grad for p in m.parameters()])

    same(scenario)


def test_clip_grad_norm_leaves_small_gradients(same):
    def scenario(lib, record):
        m = with_grads(lib, 0.001)
        before = [p.grad.clone() for p in m.parameters()]
        record(lib.nn.utils.clip_grad_norm_(m.parameters(), 100.0))
        record([bool((p.grad == b).all()) for p, b in zip(m.parameters(), before)])

    same(scenario)


def test_clip_grad_norm_takes_one_tensor_and_skips_missing_gradients(same):
    def scenario(lib, record):
        m = with_grads(lib)
        record(lib.nn.utils.clip_grad_norm_(m[0].weight, 0.5), m[0].weight.grad)
        m[0].weight.grad = None
        record(lib.nn.utils.clip_grad_norm_(list(m.parameters()), 0.5), [p.grad for p in m.parameters()])
        m.zero_grad()
        record(lib.nn.utils.clip_grad_norm_(m.parameters(), 0.5))

    same(scenario)


def test_clip_grad_norm_of_nothing(same):
    def scenario(lib, record):
        clip = lib.nn.utils.clip_grad_norm_
        record(record.warns(lambda: clip([], 1.0), "empty generator"))
        record(
            record.warns(
                lambda: clip((p for p in []), 1.0),
                "`parameters` is an empty generator, no gradient clipping will occur.",
            )
        )
        record(record.warns(lambda: clip(lib.nn.ReLU().parameters(), 1.0), "`parameters` is an empty generator"))

    same(scenario)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_clip_grad_norm_of_what_is_not_finite(same, value):
    def scenario(lib, record):
        m = with_grads(lib)
        m[0].bias.grad[0] = value
        record.raises(
            lambda: lib.nn.utils.clip_grad_norm_(m.parameters(), 1.0, error_if_nonfinite=True),
            "The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped.",
        )
        record(lib.nn.utils.clip_grad_norm_(m.parameters(), 1.0), [p.grad for p in m.parameters()])

    same(scenario)


def test_clip_grad_norm_with_mixed_dtypes(same):
    def scenario(lib, record):
        m = lib.nn.ModuleList([fill(lib, lib.nn.Linear(2, 2)), fill(lib, lib.nn.Linear(2, 2)).double()])
        m[0](tensor(lib, 3, 2)).sum().backward()
        m[1](tensor(lib, 3, 2, dtype="float64")).sum().backward()
        record(lib.nn.utils.clip_grad_norm_(m.parameters(), 0.5), [p.grad for p in m.parameters()])

    same(scenario)


def test_clip_grad_norm_of_half_gradients(same):
    def scenario(lib, record):
        for dtype in (lib.bfloat16, lib.float16):
            p = lib.nn.Parameter(lib.ones(8, dtype=dtype))
            p.grad = tensor(lib, 8).to(dtype) * 4
            record(lib.nn.utils.clip_grad_norm_([p], 1.0), p.grad)

    same(scenario)


def test_clip_grad_norm_old_name(same):
    def scenario(lib, record):
        m = with_grads(lib)
        record(record.warns(lambda: lib.nn.utils.clip_grad_norm(m.parameters(), 1.0), "is now deprecated in favor of"))

    same(scenario)


def test_clip_grad_value(same):
    def scenario(lib, record):
        m = with_grads(lib)
        record(lib.nn.utils.clip_grad_value_(m.parameters(), 0.5), [p.grad for p in m.parameters()])
        lib.nn.utils.clip_grad_value_(m[0].weight, 0.1)
        m[0].bias.grad = None
        lib.nn.utils.clip_grad_value_(m.parameters(), 0.2, foreach=False)
        record([p.grad for p in m.parameters()])

    same(scenario)


def test_total_norm_and_clipping_with_it(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        m = with_grads(lib)
        grads = [p.grad for p in m.parameters()]
        total = utils.get_total_norm(grads)
        record(
            total, utils.get_total_norm(grads, float("inf")), utils.get_total_norm(grads[0]), utils.get_total_norm([])
        )
        record(utils.get_total_norm((g for g in grads), 1, foreach=False), total.requires_grad)
        utils.clip_grads_with_norm_(m.parameters(), 0.3, total)
        record([p.grad for p in m.parameters()])
        record.raises(
            lambda: utils.get_total_norm([lib.tensor([float("inf")])], error_if_nonfinite=True), "is non-finite"
        )

    same(scenario)


# Vectors


def test_parameters_to_vector_and_back(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        m = net(lib)
        v = utils.parameters_to_vector(m.parameters())
        record(v, v.requires_grad)
        v.sum().backward()
        record([p.grad for p in m.parameters()])
        ids = [id(p) for p in m.parameters()]
        utils.vector_to_parameters(lib.arange(26.0), m.parameters())
        record(
            [id(p) for p in m.parameters()] == ids,
            [p for p in m.parameters()],
            [p.requires_grad for p in m.parameters()],
        )
        record.raises(lambda: utils.vector_to_parameters([1.0], m.parameters()), "Tensor, but got: list")

    same(scenario)


# The older norms


def test_old_weight_norm_on_convolutions_and_none(same):
    def scenario(lib, record):
        for dim in (0, 1, None):
            m = fill(lib, lib.nn.Conv1d(2, 3, 2))
            record(record.warns(lambda m=m, d=dim: lib.nn.utils.weight_norm(m, dim=d), "deprecated") is m)
            record(dict(m.state_dict()), m(tensor(lib, 1, 2, 4)), [n for n, _ in m.named_parameters()])

    same(scenario)


def test_old_weight_norm_errors(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        m = utils.weight_norm(lib.nn.Linear(2, 2))
        record.raises(
            lambda: utils.weight_norm(m), "Cannot register two weight_norm hooks on the same parameter weight"
        )
        record.raises(lambda: utils.remove_weight_norm(m, "bias"), "weight_norm of 'bias' not found in Linear")

    same(scenario)


def test_old_weight_norm_trains(same):
    def scenario(lib, record):
        m = lib.nn.utils.weight_norm(fill(lib, lib.nn.Linear(3, 2)))
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            m(tensor(lib, 4, 3, seed=i)).square().sum().backward()
            optimizer.step()
        record(dict(m.state_dict()))
        lib.nn.utils.remove_weight_norm(m)
        record(dict(m.state_dict()), m.weight.requires_grad)

    same(scenario)


def test_old_spectral_norm_names_modes_and_errors(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        lib.manual_seed(1)
        m = utils.spectral_norm(fill(lib, lib.nn.ConvTranspose1d(2, 3, 2)))
        record(list(m.state_dict()), tuple(m.weight_u.shape), [n for n, _ in m.named_buffers()])
        record(m.eval()(tensor(lib, 1, 2, 4)), m.weight_u, m.train()(tensor(lib, 1, 2, 4)), m.weight_u)
        record.raises(
            lambda: utils.spectral_norm(m), "Cannot register two spectral_norm hooks on the same parameter weight"
        )
        record.raises(
            lambda: utils.spectral_norm(lib.nn.Linear(2, 2, bias=False), "bias"),
            "`SpectralNorm` cannot be applied as parameter `bias` is None",
        )
        record.raises(
            lambda: utils.spectral_norm(lib.nn.Linear(2, 2), n_power_iterations=0),
            "Expected n_power_iterations to be positive",
        )
        record.raises(lambda: utils.remove_spectral_norm(m, "bias"), "spectral_norm of 'bias' not found in")

    same(scenario, tolerance=1e-4)


def test_old_spectral_norm_state_dict(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        lib.manual_seed(1)
        a, b = (utils.spectral_norm(fill(lib, lib.nn.Linear(3, 4), seed=s)) for s in (0, 7))
        a(tensor(lib, 1, 3))
        state = a.state_dict()
        record(list(state), dict(state._metadata[""]), str(b.load_state_dict(state)), b.eval()(tensor(lib, 1, 3)))
        plain = {k: v for k, v in state.items() if k != "weight_v"}
        record.raises(lambda: b.load_state_dict(plain), 'Missing key(s) in state_dict: "weight')
        utils.remove_spectral_norm(a)
        record(list(a.state_dict()), len(a._state_dict_hooks), len(a._load_state_dict_pre_hooks), a.weight)

    same(scenario, tolerance=1e-4)


def test_old_spectral_norm_reads_states_from_before_version_one(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        lib.manual_seed(1)
        a, b = (utils.spectral_norm(fill(lib, lib.nn.Linear(3, 4), seed=s)) for s in (0, 7))
        a(tensor(lib, 1, 3))
        state = a.state_dict()
        old = type(state)((k, v) for k, v in state.items() if k != "weight_v")
        old["weight"] = a.weight.detach()
        old._metadata = {"": {"version": 1}}
        b.load_state_dict(old)
        record(b.eval()(tensor(lib, 2, 3)), b.weight_v)

    same(scenario, tolerance=1e-3)


# Fusion


def test_fusion_without_affine_and_without_bias(same):
    def scenario(lib, record):
        nn, utils = lib.nn, lib.nn.utils
        for bias in (True, False):
            for affine in (True, False):
                conv = fill(lib, nn.Conv2d(2, 3, 2, bias=bias)).eval()
                bn = fill(lib, nn.BatchNorm2d(3, affine=affine))
                bn(conv(tensor(lib, 4, 2, 5, 5)))
                bn.eval()
                x = tensor(lib, 1, 2, 4, 4)
                fused = utils.fuse_conv_bn_eval(conv, bn)
                record(fused.weight, fused.bias, fused.weight.requires_grad, fused.bias.requires_grad)
                rsnn_or_torch = (fused(x) - bn(conv(x))).abs().max().item() < 1e-5
                record(rsnn_or_torch, fused is conv, isinstance(fused.bias, nn.Parameter))

    same(scenario)


def test_fusion_of_transposed_convolutions(same):
    def scenario(lib, record):
        nn = lib.nn
        for n in (1, 2, 3):
            conv = fill(lib, getattr(nn, f"ConvTranspose{n}d")(2, 3, 2)).eval()
            bn = fill(lib, getattr(nn, f"BatchNorm{n}d")(3))
            bn(conv(tensor(lib, 2, 2, *[3] * n)))
            fused = nn.utils.fuse_conv_bn_eval(conv, bn.eval(), transpose=True)
            record(fused.weight, fused.bias, fused(tensor(lib, 1, 2, *[3] * n)))

    same(scenario)


def test_fusion_of_linear_layers(same):
    def scenario(lib, record):
        nn = lib.nn
        for features in (3, 1):
            for bias in (True, False):
                linear, bn = fill(lib, nn.Linear(2, 3, bias=bias)).eval(), fill(lib, nn.BatchNorm1d(features)).eval()
                fused = nn.utils.fuse_linear_bn_eval(linear, bn)
                record(fused.weight, fused.bias, fused.weight.requires_grad, fused.bias.requires_grad)

    same(scenario)


def test_fusion_errors(same):
    def scenario(lib, record):
        nn, utils = lib.nn, lib.nn.utils
        record.raises(
            lambda: utils.fuse_conv_bn_eval(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1).eval()), "Fusion only for eval!"
        )
        record.raises(
            lambda: utils.fuse_linear_bn_eval(nn.Linear(1, 1), nn.BatchNorm1d(1).eval()), "Fusion only for eval!"
        )
        record.raises(
            lambda: utils.fuse_conv_bn_eval(
                nn.Conv1d(1, 1, 1).eval(), nn.BatchNorm1d(1, track_running_stats=False).eval()
            ),
            "bn.running_mean and bn.running_var must not be None",
        )
        record.raises(
            lambda: utils.fuse_linear_bn_eval(nn.Linear(1, 3).eval(), nn.BatchNorm1d(2).eval()),
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1",
        )

    same(scenario)


# Sizes and prefixes


def test_names_of_modules_utils(same):
    def scenario(lib, record):
        u = importlib.import_module(f"{lib.__name__}.nn.modules.utils")
        record(
            u._single(1),
            u._pair(2),
            u._triple((1, 2, 3)),
            u._quadruple([4]),
            u._ntuple(2)(5),
            u._pair(lib.ones(2).shape),
        )
        state = lib.nn.Sequential(lib.nn.Linear(1, 1)).state_dict(prefix="module.")
        state["other"] = 1
        u.consume_prefix_in_state_dict_if_present(state, "module.")
        record(list(state), list(state._metadata))
        u.consume_prefix_in_state_dict_if_present(state, "nothing.")
        record(list(state))

    same(scenario)


# skip_init and memory formats


def test_skip_init(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        lib.manual_seed(3)
        m = utils.skip_init(lib.nn.Linear, 5, 2, bias=False)
        record(repr(m), tuple(m.weight.shape), str(m.weight.device), m.weight.requires_grad)
        # Nothing is drawn.
        record(lib.nn.Linear(2, 2).weight)
        record(str(utils.skip_init(lib.nn.Linear, 2, 2, device="cpu", dtype=lib.float64).weight.dtype).split(".")[1])
        record.raises(lambda: utils.skip_init(lib.Tensor, 2), "Expected a Module; got")
        record.raises(lambda: utils.skip_init(lib.nn.ReLU), "Module must support a 'device' arg to skip initialization")

    same(scenario)


def test_memory_formats(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        m = fill(lib, lib.nn.Sequential(lib.nn.Conv2d(2, 3, 2), lib.nn.ConvTranspose2d(3, 2, 2)))
        expected = m(tensor(lib, 1, 2, 3, 3))
        record(utils.convert_conv2d_weight_memory_format(m, lib.channels_last) is m)
        record([layer.weight.is_contiguous(memory_format=lib.channels_last) for layer in m])
        record((m(tensor(lib, 1, 2, 3, 3)) - expected).abs().max().item() < 1e-5)

    same(scenario)
