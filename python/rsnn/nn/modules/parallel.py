"""torch's wrapper for several GPUs, for code and checkpoints that have it."""

from __future__ import annotations

from rsnn.nn.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Run `module` as it is, on the one device its parameters are on.

    Args:
        module: the wrapped module; its state has the prefix "module." as in torch.
        device_ids, output_device, dim: accepted; more than one device raises NotImplementedError.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise NotImplementedError(f"DataParallel: got {len(device_ids)} devices, expected at most one")
        self.module = module
        self.dim = dim
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
