"""Rows of views and of functions that change shapes."""

from .table import F, In, X, row

V = In(2, 3, 4)
for _name, _fn in {
    "view": lambda lib, x: x.view(6, 4), "reshape": lambda lib, x: x.transpose(0, 1).reshape(-1, 2),
    "permute": lambda lib, x: x.permute(2, 0, 1), "transpose": lambda lib, x: x.transpose(0, -1),
    "squeeze": lambda lib, x: x[:1].squeeze(0), "unsqueeze": lambda lib, x: x.unsqueeze(-2),
    "expand": lambda lib, x: x[:, :1].expand(2, 5, 4) * 2, "flatten": lambda lib, x: x.flatten(1),
    "unflatten": lambda lib, x: x.unflatten(2, (2, 2)), "narrow": lambda lib, x: x.narrow(1, 1, 2),
    "select": lambda lib, x: x.select(1, -1), "diagonal": lambda lib, x: x.diagonal(1, 1, 2),
    "unfold": lambda lib, x: x.unfold(2, 3, 1), "as_strided": lambda lib, x: x.as_strided((2, 3), (1, 2), 1),
    "movedim": lambda lib, x: x.movedim(0, 2), "swapaxes": lambda lib, x: x.swapaxes(0, 1), "T": lambda lib, x: x[0].T + 1,
    "split": lambda lib, x: x.split(2, 1), "split:sizes": lambda lib, x: x.split([1, 3], 2), "chunk": lambda lib, x: x.chunk(2, 2),
    "tensor_split": lambda lib, x: x.tensor_split(2, 1), "unbind": lambda lib, x: x.unbind(1), "flip": lambda lib, x: x.flip(0, 2),
    "roll": lambda lib, x: x.roll((1, -1), (0, 2)), "roll:flat": lambda lib, x: x.roll(3), "rot90": lambda lib, x: lib.rot90(x, 1, (0, 2)),
    "repeat": lambda lib, x: x.repeat(2, 1, 1), "tile": lambda lib, x: x[0].tile(2, 1, 1),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(2, 1),
    "repeat_interleave:counts": lambda lib, x: x.repeat_interleave(lib.tensor([1, 0, 2]), 1),
    "tril": lambda lib, x: x.tril(-1), "triu": lambda lib, x: x.triu(1), "diag_embed": lambda lib, x: lib.diag_embed(x[0]),
    "diag": lambda lib, x: lib.diag(x[0, 0]), "contiguous": lambda lib, x: x.transpose(1, 2).contiguous(), "clone": lambda lib, x: x.clone(),
    "getitem:slice": lambda lib, x: x[:, 1:, ::2], "getitem:ellipsis": lambda lib, x: x[..., -1, None],
    "getitem:list": lambda lib, x: x[:, [0, 2, 0]], "getitem:mask": lambda lib, x: x[:, lib.tensor([True, False, True])],
    "getitem:pairs": lambda lib, x: x[lib.tensor([0, 1]), :, lib.tensor([3, 0])],
    "getitem:broadcast": lambda lib, x: x[lib.tensor([[0], [1]]), lib.tensor([1, 2])], "getitem:negative": lambda lib, x: x[-1, lib.tensor([-1, -2])],
    "alias": lambda lib, x: x[...] * 2, "cat": lambda lib, x: lib.cat([x, x[:, :1]], 1), "stack": lambda lib, x: lib.stack([x, x * 2], -1),
    "hstack": lambda lib, x: lib.hstack([x, x]), "vstack": lambda lib, x: lib.vstack([x, x]), "block_diag": lambda lib, x: lib.block_diag(x[0], x[1]),
    "meshgrid": lambda lib, x: lib.meshgrid(x[0, 0], x[1, 0], indexing="ij"), "atleast_3d": lambda lib, x: lib.atleast_3d(x[0]),
    "select_scatter": lambda lib, x: lib.select_scatter(x, x[:, 0] * 2, 1, 2), "slice_scatter": lambda lib, x: lib.slice_scatter(x, x[:, :1] * 2, 1, 1, 2),
    "diagonal_scatter": lambda lib, x: lib.diagonal_scatter(x[0, :, :3], x[1, :, 0]), "split_with_sizes": lambda lib, x: lib.split_with_sizes(x, [1, 2], 1),
    "to:dtype": lambda lib, x: x.to(lib.float64) * 2, "cartesian_prod": lambda lib, x: lib.cartesian_prod(x[0, 0], x[1, 1]),
    "column_stack": lambda lib, x: lib.column_stack([x[0], x[1]]), "pad": lambda lib, x: F(lib).pad(x, (1, -1, 2, 0), value=0.5),
    "pad:reflect": lambda lib, x: F(lib).pad(x, (1, 2), mode="reflect"),
}.items():  # fmt: skip
    row(_name, _fn, V, strided=_name not in ("view", "as_strided"))
row("T:2d", lambda lib, x: x.t() @ x, In(3, 2))
row("tril_indices", lambda lib, x: (lib.tril_indices(3, 2, -1), lib.triu_indices(3, 4, 1)), X, grad=False, covers=("triu_indices",))
