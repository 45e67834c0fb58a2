"""Model code as a user writes it; pyright must find nothing wrong in it. Nothing here is run."""

from collections.abc import Iterator

import rsnn
import rsnn.nn.functional as F
from rsnn import Tensor, nn
from rsnn.utils.data import DataLoader, TensorDataset


class Classifier(nn.Module):
    scale: Tensor

    def __init__(self, width: int, classes: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Linear(width, 4 * width)
        self.rest = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, classes))
        self.register_buffer("scale", rsnn.ones(width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.first(x * self.scale)
        if mask is not None:
            hidden = hidden.masked_fill(mask, 0.0)
        return self.rest(F.relu(hidden)).log_softmax(dim=-1)


def batches(x: Tensor, y: Tensor, size: int) -> Iterator[list[Tensor]]:
    yield from DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)


def train(model: nn.Module, x: Tensor, y: Tensor) -> float:
    optimizer = rsnn.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = rsnn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    loss = rsnn.tensor(0.0)
    for xs, ys in batches(x, y, 32):
        loss = F.nll_loss(model(xs), ys)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with rsnn.no_grad():
        best: Tensor = model(x).argmax(-1)
    rows: int = best.shape[0]
    return float(loss) + rows * best.float().mean().item()


def save(model: nn.Module, path: str) -> dict[str, Tensor]:
    rsnn.save(model.state_dict(), path)
    state = rsnn.load(path)
    model.load_state_dict(state)
    return {name: p.detach().to(rsnn.float16) for name, p in model.named_parameters() if p.requires_grad}
