"""Ready parametrizations: orthogonal, spectral norm and weight norm."""

from __future__ import annotations

import rsnn
from rsnn.nn import functional as F
from rsnn.nn import init
from rsnn.nn.module import Module

from . import parametrize
from .weight_norm import norm_except_dim, scaled

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _eye(x):
    return rsnn.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _inverse(matrix):
    """Invert a small well-conditioned matrix by Gauss-Jordan elimination without pivoting."""
    n = matrix.shape[-1]
    left, right = matrix, _eye(matrix).expand(matrix.shape)
    for i in range(n):
        pivot = left[..., i : i + 1, i : i + 1]
        row_left, row_right = left[..., i : i + 1, :] / pivot, right[..., i : i + 1, :] / pivot
        factor = left[..., :, i : i + 1]
        keep = rsnn.arange(n, device=matrix.device).view(n, 1) != i
        left = rsnn.where(keep, left - factor * row_left, row_left)
        right = rsnn.where(keep, right - factor * row_right, row_right)
    return right


def _matrix_exp(matrix):
    """Compute exp of a matrix by scaling, a Taylor series of degree 12, and squaring."""
    norm = float(matrix.detach().abs().sum(-1).max()) if matrix.numel() else 0.0
    squarings = 0
    while norm > 0.5:
        norm /= 2
        squarings += 1
    x = matrix / 2**squarings
    term = out = _eye(matrix) + x * 0
    for k in range(1, 13):
        term = term.matmul(x) / k
        out = out + term
    for _ in range(squarings):
        out = out.matmul(out)
    return out


def _householder(matrix):
    """Return the product of the reflections that the columns below the diagonal of `matrix` describe."""
    rows, columns = matrix.shape[-2:]
    out = rsnn.eye(rows, columns, dtype=matrix.dtype, device=matrix.device).expand(matrix.shape)
    for k in reversed(range(columns)):
        # v = (0, ..., 0, 1, matrix[k+1:, k]), tau = 2 / ‖v‖²
        column = matrix[..., k + 1 :, k]
        head = matrix.new_zeros((*matrix.shape[:-2], k))
        one = matrix.new_ones((*matrix.shape[:-2], 1))
        v = rsnn.cat([head, one, column], -1).unsqueeze(-1)
        tau = 2.0 / (1.0 + column.square().sum(-1, keepdim=True)).unsqueeze(-1)
        out = out - tau * v * (v.transpose(-2, -1).matmul(out))
    # The diagonal holds the sign of each column.
    return out * matrix.detach().diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def _reflections(q):
    """Return the matrix that `_householder` turns into the orthogonal matrix `q`."""
    work = q.to(rsnn.float64).clone()
    rows, columns = work.shape
    out = rsnn.zeros_like(work)
    for k in range(columns):
        x = work[k:, k].clone()
        alpha = -x.norm() if float(x[0]) >= 0 else x.norm()
        head = x[0] - alpha
        out[k + 1 :, k] = x[1:] / head
        out[k, k] = alpha.sign()
        v = rsnn.cat([rsnn.ones(1, dtype=work.dtype), out[k + 1 :, k]]).unsqueeze(1)
        work[k:] = work[k:] - 2.0 / v.square().sum() * v * v.t().matmul(work[k:])
    return out.to(q.dtype)


class _Orthogonal(Module):
    def __init__(self, weight, orthogonal_map, use_trivialization) -> None:
        super().__init__()
        self.orthogonal_map = orthogonal_map
        self.shape = tuple(weight.shape)
        if use_trivialization:
            self.register_buffer("base", None)
        self.use_trivialization = use_trivialization

    def forward(self, x):
        transposed = x.shape[-2] < x.shape[-1]
        if transposed:
            x = x.transpose(-2, -1)
        rows, columns = x.shape[-2:]
        if self.orthogonal_map == "householder":
            q = _householder(x)
        else:
            lower = x.tril()
            if rows != columns:
                fill = lower.new_zeros((*lower.shape[:-1], rows - columns))
                lower = rsnn.cat([lower, fill], -1)
            skew = lower - lower.transpose(-2, -1)
            if self.orthogonal_map == "matrix_exp":
                q = _matrix_exp(skew)
            else:
                # (I + A/2)(I − A/2)⁻¹
                q = (_eye(skew) + skew / 2).matmul(_inverse(_eye(skew) - skew / 2))
            q = q[..., :columns]
        if self.use_trivialization and self.base is not None:
            q = self.base.matmul(q)
        return q.transpose(-2, -1) if transposed else q

    def right_inverse(self, q):
        if tuple(q.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        transposed = q.shape[-2] < q.shape[-1]
        tall = q.transpose(-2, -1) if transposed else q
        rows, columns = tall.shape[-2:]
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            flat = tall.reshape(-1, rows, columns).unbind(0)
            out = rsnn.stack([_reflections(init._orthonormal(matrix)) for matrix in flat]).view(tall.shape)
            return out.transpose(-2, -1) if transposed else out
        square = tall
        if rows != columns:
            extra = tall.new_empty((*tall.shape[:-2], rows, rows - columns)).normal_()
            square = rsnn.cat([tall, extra], -1)
        flat = square.reshape(-1, rows, rows).unbind(0)
        self.base = rsnn.stack([init._orthonormal(matrix) for matrix in flat]).view(square.shape).detach()
        # Minus the identity is the point that every map sends to the identity.
        start = rsnn.zeros_like(q)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a matrix orthogonal: Q·Qᵀ = I, or Qᵀ·Q = I for a tall one.

    Args:
        orthogonal_map: "matrix_exp", "cayley" or "householder"; the first for square matrices and the last for others
            without it.
        use_trivialization: store the difference to a base (Lezcano-Casado 2019), so that any orthogonal value can be set.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, rsnn.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    return parametrize.register_parametrization(
        module, name, _Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True
    )


class _WeightNorm(Module):
    def __init__(self, dim=0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return scaled(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Split a parameter into length and direction: w = g·v / ‖v‖ (Salimans & Kingma 2016).

    Args:
        dim: the length is kept per index of this dimension; None for one length in all.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def load_old(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        old_g, old_v = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if old_g in state_dict and old_v in state_dict:
            state_dict[f"{prefix}parametrizations.{name}.original0"] = state_dict.pop(old_g)
            state_dict[f"{prefix}parametrizations.{name}.original1"] = state_dict.pop(old_v)

    module._register_load_state_dict_pre_hook(load_old)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with rsnn.no_grad():
                matrix = self._matrix(weight)
                rows, columns = matrix.shape
                u = matrix.new_empty(rows).normal_(0, 1)
                v = matrix.new_empty(columns).normal_(0, 1)
                self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
                self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
                self._power_method(matrix, 15)

    def _matrix(self, weight):
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.dim()) if d != self.dim))
        return weight.flatten(1)

    def _power_method(self, matrix, steps) -> None:
        with rsnn.no_grad():
            for _ in range(steps):
                self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Backward must see the vectors of this forward, not those of a later one.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a parameter by its largest singular value, found by power iteration (Miyato et al. 2018).

    Args:
        n_power_iterations: steps in each training forward.
        dim: the dimension of the outputs; 1 for transposed convolutions and 0 for others without it.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, rsnn.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        from rsnn import nn

        transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
