"""Fit a two-layer network to a sine curve: the shortest complete program.

Run `python examples/mlp.py`; needs nothing but rsnn.
"""

import math

import rsnn
from rsnn import nn


def main(steps: int = 1000) -> float:
    rsnn.manual_seed(0)
    x = rsnn.linspace(-math.pi, math.pi, 256).unsqueeze(1)  # (256, 1)
    y = rsnn.sin(x)
    model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = rsnn.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = rsnn.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % (steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.6f}")
    print(f"final loss {loss.item():.2e}")
    return loss.item()


if __name__ == "__main__":
    main()
