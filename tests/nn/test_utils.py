"""nn.utils: clipping, vectors, fusion, parametrizations, pruning and functional calls against torch."""

import copy
import importlib

import pytest
from harness import fill, tensor


def util(lib, name):
    return importlib.import_module(f"{lib.nn.__name__}.utils.{name}")


def small(lib):
    nn = lib.nn
    return fill(lib, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))


def test_clipping(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        for norm_type in (2.0, 1.0, float("inf")):
            m = small(lib)
            (m(tensor(lib, 5, 3)).sum() * 10).backward()
            record(utils.clip_grad_norm_(m.parameters(), 1.5, norm_type), [p.grad for p in m.parameters()])
            record(utils.get_total_norm([p.grad for p in m.parameters()], norm_type))
            utils.clip_grad_value_(m.parameters(), 0.05)
            record([p.grad for p in m.parameters()])
        utils.clip_grads_with_norm_(m.parameters(), 0.01, lib.tensor(2.0))
        record([p.grad for p in m.parameters()], utils.clip_grad_norm_([], 1.0))
        m[0].weight.grad.fill_(float("nan"))
        record.raises(
            lambda: utils.clip_grad_norm_(m.parameters(), 1.0, error_if_nonfinite=True),
            "is non-finite, so it cannot be clipped",
        )

    same(scenario)


def test_vectors(same):
    def scenario(lib, record):
        m = small(lib)
        vector = lib.nn.utils.parameters_to_vector(m.parameters())
        record(vector, vector.requires_grad)
        lib.nn.utils.vector_to_parameters(vector.detach() * 2, m.parameters())
        record(dict(m.state_dict()))

    same(scenario)


def test_fusion(same):
    def scenario(lib, record):
        nn = lib.nn
        conv, bn = fill(lib, nn.Conv2d(2, 3, 2)), fill(lib, nn.BatchNorm2d(3))
        bn(conv(tensor(lib, 4, 2, 5, 5)))
        fused = nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
        record(fused.weight, fused.bias, fused(tensor(lib, 1, 2, 4, 4)))
        linear, bn1 = fill(lib, nn.Linear(2, 3, bias=False)), fill(lib, nn.BatchNorm1d(3))
        bn1(linear(tensor(lib, 4, 2)))
        fused = nn.utils.fuse_linear_bn_eval(linear.eval(), bn1.eval())
        record(fused.weight, fused.bias)
        transposed = fill(lib, nn.ConvTranspose2d(2, 3, 2)).eval()
        record(nn.utils.fuse_conv_bn_eval(transposed, bn, transpose=True).weight)

    same(scenario)


def test_old_weight_norm(same):
    def scenario(lib, record):
        m = lib.nn.utils.weight_norm(fill(lib, lib.nn.Linear(3, 4)), dim=0)
        x = tensor(lib, 2, 3)
        record(list(m.state_dict()), m(x))
        m(x).sum().backward()
        record([p.grad for p in m.parameters()])
        lib.nn.utils.remove_weight_norm(m)
        record(list(m.state_dict()), m(x), len(m._forward_pre_hooks))
        record.raises(lambda: lib.nn.utils.remove_weight_norm(m), "weight_norm of 'weight' not found in")

    same(scenario)


def test_old_spectral_norm(same):
    def scenario(lib, record):
        lib.manual_seed(2)
        m = lib.nn.utils.spectral_norm(fill(lib, lib.nn.Linear(3, 4)), n_power_iterations=2)
        x = tensor(lib, 2, 3)
        record(list(m.state_dict()), m(x), m(x), m.eval()(x), m.weight_u)
        m(x).sum().backward()
        record(m.weight_orig.grad, m.state_dict()._metadata[""])
        lib.nn.utils.remove_spectral_norm(m)
        record(list(m.state_dict()), m(x))

    same(scenario, tolerance=1e-4)


def test_register_parametrization(same):
    def scenario(lib, record):
        nn, P = lib.nn, util(lib, "parametrize")

        class Symmetric(nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).transpose(0, 1)

            def right_inverse(self, y):
                return y.triu()

        class Double(nn.Module):
            def forward(self, x):
                return x * 2

            def right_inverse(self, y):
                return y / 2

        m = fill(lib, nn.Linear(3, 3))
        original = m.weight
        P.register_parametrization(m, "weight", Symmetric())
        P.register_parametrization(m, "weight", Double())
        record(repr(m), type(m).__name__, P.is_parametrized(m), P.is_parametrized(m, "bias"), list(m.state_dict()))
        record(m.weight, m.parametrizations.weight.original is original, P.type_before_parametrizations(m).__name__)
        m.weight = lib.ones(3, 3)
        record(m.weight, m.parametrizations.weight.original)
        with P.cached():
            record(m.weight is m.weight)
        m(tensor(lib, 2, 3)).sum().backward()
        record(original.grad)
        twin = copy.deepcopy(m)
        record(twin.weight, twin.parametrizations.weight.original is original)
        other = fill(lib, nn.Linear(3, 3), seed=9)
        P.transfer_parametrizations_and_params(m, other)
        record(other.weight, P.is_parametrized(other, "weight"))
        P.remove_parametrizations(m, "weight")
        record(type(m).__name__, m.weight, list(m.state_dict()), isinstance(m.weight, nn.Parameter))
        record.raises(
            lambda: P.register_parametrization(m, "nope", Double()),
            "does not have a parameter, a buffer, or a parametrized element",
        )

        class Shrink(nn.Module):
            def forward(self, x):
                return x[:1]

        record.raises(
            lambda: P.register_parametrization(m, "weight", Shrink()), "may not change the shape of the tensor"
        )
        record(list(m.state_dict()))
        P.register_parametrization(m, "bias", Double())
        P.remove_parametrizations(m, "bias", leave_parametrized=False)
        record(m.bias)

    same(scenario)


def test_new_weight_norm(same):
    def scenario(lib, record):
        PZ, P = util(lib, "parametrizations"), util(lib, "parametrize")
        for dim in (0, 1, None):
            m = PZ.weight_norm(fill(lib, lib.nn.Linear(3, 4)), dim=dim)
            m(tensor(lib, 2, 3)).square().sum().backward()
            record(repr(m), dict(m.state_dict()), [p.grad for p in m.parameters()], m.weight)
        m = PZ.weight_norm(lib.nn.Linear(3, 4))
        m.load_state_dict({"bias": lib.ones(4), "weight_g": lib.ones(4, 1), "weight_v": lib.ones(4, 3)})
        record(m.weight)
        P.remove_parametrizations(m, "weight")
        record(list(m.state_dict()))

    same(scenario)


def test_new_spectral_norm(same):
    def scenario(lib, record):
        PZ = util(lib, "parametrizations")
        lib.manual_seed(4)
        m = PZ.spectral_norm(fill(lib, lib.nn.Conv2d(2, 3, 2)))
        record(m.weight, m.eval().weight, list(m.state_dict()))
        m(tensor(lib, 1, 2, 3, 3)).sum().backward()
        record(m.parametrizations.weight.original.grad)

    same(scenario, tolerance=1e-4)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal(same, shape, orthogonal_map):
    def scenario(lib, record):
        PZ = util(lib, "parametrizations")
        lib.manual_seed(4)
        m = PZ.orthogonal(fill(lib, lib.nn.Linear(shape[1], shape[0])), orthogonal_map=orthogonal_map)
        w = m.weight
        product = w @ w.t() if shape[0] <= shape[1] else w.t() @ w
        record(
            product,
            m.parametrizations.weight.original,
            w if shape[0] == shape[1] or orthogonal_map == "householder" else 0,
        )
        with lib.no_grad():
            m.parametrizations.weight.original.add_(tensor(lib, *shape).tril(-1) * 0.1)
        w = m.weight
        product = w @ w.t() if shape[0] <= shape[1] else w.t() @ w
        record(product)

    same(scenario, tolerance=1e-4)


def test_pruning(same):
    def scenario(lib, record):
        prune = util(lib, "prune")
        m = small(lib)
        prune.l1_unstructured(m[0], "weight", 0.5)
        record(m[0].weight, m[0].weight_mask, list(m.state_dict()), prune.is_pruned(m))
        prune.ln_structured(m[0], "weight", 1, n=2, dim=0)
        record(m[0].weight, len(m[0]._forward_pre_hooks))
        prune.custom_from_mask(m[2], "bias", lib.tensor([0, 1]))
        record(m[2].bias, m(tensor(lib, 2, 3)))
        prune.remove(m[0], "weight")
        record(m[0].weight, list(m.state_dict()), isinstance(m[0].weight, lib.nn.Parameter))
        n = small(lib)
        prune.global_unstructured([(n[0], "weight"), (n[2], "weight")], prune.L1Unstructured, amount=7)
        record(n[0].weight_mask, n[2].weight_mask)
        prune.identity(n[0], "bias")
        prune.random_unstructured(n[2], "bias", 1)
        record(n[0].bias_mask, n[2].bias_mask.sum())
        prune.random_structured(small(lib)[0], "weight", 1, 1)
        record.raises(lambda: prune.remove(m[0], "bias"), "has to be pruned before pruning can be removed")
        record.raises(lambda: prune.l1_unstructured(m[0], "bias", 1.5), "should either be a float in the range [0, 1]")
        record.raises(
            lambda: prune.ln_structured(m[0], "bias", 1, 2, 0),
            "Structured pruning can only be applied to multidimensional",
        )

    same(scenario)


def test_functional_call(same):
    def scenario(lib, record):
        S = util(lib, "stateless")
        m = small(lib)
        given = {name: (p.detach() * 2).requires_grad_() for name, p in m.named_parameters()}
        x = tensor(lib, 2, 3)
        out = S.functional_call(m, given, (x,))
        out.sum().backward()
        record(out, m(x), [g.grad for g in given.values()], [p.grad for p in m.parameters()])
        record(S.functional_call(m, {"0.weight": lib.zeros(4, 3)}, x))
        record.raises(lambda: S.functional_call(m, {"0.weight": lib.zeros(4, 3)}, x, strict=True), "Missing key(s): ")
        record.raises(lambda: S.functional_call(m, {**given, "q": x}, x, strict=True), "Unexpected key(s): 'q'")
        tied = lib.nn.ModuleList([lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)])
        tied[1].weight = tied[0].weight
        seq = lib.nn.Sequential(*tied)
        fill(lib, seq)
        record(S.functional_call(seq, {"0.weight": lib.ones(2, 2)}, tensor(lib, 1, 2)))
        record(isinstance(seq[0].weight, lib.nn.Parameter))

    same(scenario)


def test_sdpa_kernel_is_accepted(rsnn):
    from rsnn.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        pass
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        pass
    with pytest.raises(AssertionError), sdpa_kernel("math"):
        pass


def test_func(same):
    def scenario(lib, record):
        func = importlib.import_module(f"{lib.__name__}.func")
        m = small(lib)
        x = tensor(lib, 2, 3)
        params = {name: p.detach() for name, p in m.named_parameters()}
        record(func.functional_call(m, (params, {}), (x,)))
        loss = lambda p, x: func.functional_call(m, p, (x,)).square().sum()  # noqa: E731
        record(func.grad(loss)(params, x), func.grad_and_value(loss, argnums=(0, 1))(params, x))
        f = lambda x: x.sin().sum()  # noqa: E731
        record(func.grad(lambda x: func.grad(f)(x).sum())(x))
        out, pull_back = func.vjp(lambda x: x.square(), x)
        record(out, pull_back(lib.ones(2, 3)))
        record(func.stack_module_state([m, small(lib)])[0])
        record.raises(lambda: func.functional_call(m, [params, params], (x,)), "appeared in multiple dictionaries")

    same(scenario)
