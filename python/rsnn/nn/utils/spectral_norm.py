"""Spectral normalization by a hook, torch's older form; `parametrizations.spectral_norm` is the newer one."""

from __future__ import annotations

import rsnn
from rsnn.nn import functional as F
from rsnn.nn.parameter import Parameter, is_lazy

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The forward pre-hook that divides a weight by its largest singular value."""

    _version = 1

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight):
        """Return the weight as a matrix whose rows run over dimension `dim`."""
        order = [self.dim, *(d for d in range(weight.dim()) if d != self.dim)]
        weight = weight.permute(order) if self.dim != 0 else weight
        return weight.reshape(weight.size(0), -1)

    def compute_weight(self, module, do_power_iteration):
        """Return weight / σ, improving the singular vectors first when asked to."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with rsnn.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
                # Backward must see the vectors of this forward, not those of a later one.
                u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def remove(self, module) -> None:
        """Put the normalized weight back as a parameter."""
        with rsnn.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module, inputs) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    @staticmethod
    def apply(module, name, n_power_iterations, dim, eps):
        """Replace parameter `name` by `<name>_orig` and the two singular vectors."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        fn = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy "
                "forward before applying spectral normalization"
            )
        with rsnn.no_grad():
            rows, columns = fn.reshape_weight_to_matrix(weight).shape
            u = F.normalize(weight.new_empty(rows).normal_(0, 1), dim=0, eps=eps)
            v = F.normalize(weight.new_empty(columns).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        # Code that looks at the attribute before the first call finds the unchanged values.
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(fn)
        module._register_state_dict_hook(_SaveVersion(fn))
        module._register_load_state_dict_pre_hook(_LoadOld(fn))
        return fn


class _SaveVersion:
    """Record in the metadata how the vectors were saved, as torch does."""

    def __init__(self, fn) -> None:
        self.fn = fn

    def __call__(self, module, state_dict, prefix, local_metadata) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        versions[self.fn.name + ".version"] = SpectralNorm._version


class _LoadOld:
    """Compute the right singular vector, which state dicts from before version 1 did not hold."""

    def __init__(self, fn) -> None:
        self.fn = fn

    def __call__(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs) -> None:
        if local_metadata.get("spectral_norm", {}).get(self.fn.name + ".version", 0) >= 1:
            return
        key = prefix + self.fn.name
        if key not in state_dict and all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v")):
            return  # of today's form, only the metadata is lost
        missing = [key + suffix for suffix in ("_orig", "", "_u") if key + suffix not in state_dict]
        if missing:
            if strict:
                missing_keys.extend(missing)
            return
        with rsnn.no_grad():
            original, u = state_dict[key + "_orig"], state_dict[key + "_u"]
            sigma = (original / state_dict.pop(key)).mean()
            matrix = self.fn.reshape_weight_to_matrix(original)
            v = _shortest_solution(matrix.double(), u.double()).to(u.dtype)
            state_dict[key + "_v"] = v * (sigma / u.dot(matrix.mv(v)))


def _shortest_solution(matrix, target):
    """Return the shortest x with the smallest ‖matrix·x − target‖, by conjugate gradients from zero."""
    x, rest = target.new_zeros(matrix.shape[1]), target
    gradient = matrix.t().mv(rest)
    step, size = gradient, gradient.dot(gradient)
    floor = 1e-28 * float(size)
    for _ in range(4 * min(matrix.shape)):
        if float(size) <= floor:
            break
        image = matrix.mv(step)
        length = size / image.dot(image)
        x, rest = x + length * step, rest - length * image
        gradient = matrix.t().mv(rest)
        step, size = gradient + gradient.dot(gradient) / size * step, gradient.dot(gradient)
    return x


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a parameter by its largest singular value, found by power iteration (Miyato et al. 2018).

    Args:
        n_power_iterations: steps in each training forward.
        dim: the dimension of the outputs; 1 for transposed convolutions and 0 for others without it.
    """
    if dim is None:
        from rsnn import nn

        transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module, name="weight"):
    """Undo `spectral_norm`."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for key, hook in module._state_dict_hooks.items():
        if isinstance(hook, _SaveVersion) and hook.fn.name == name:
            del module._state_dict_hooks[key]
            break
    for key, hook in module._load_state_dict_pre_hooks.items():
        if isinstance(hook, _LoadOld) and hook.fn.name == name:
            del module._load_state_dict_pre_hooks[key]
            break
    return module
