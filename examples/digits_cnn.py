"""Classify handwritten digits with a small convolutional network; reaches 98 % of unseen images in seconds.

Run `python examples/digits_cnn.py`; needs `pip install scikit-learn` for its 1797 images of 8 by 8 pixels.
"""

from __future__ import annotations

import sys

import rsnn
from rsnn import nn
from rsnn.nn import functional as F
from rsnn.utils.data import DataLoader, TensorDataset


def load_digits() -> tuple[rsnn.Tensor, rsnn.Tensor]:
    try:
        from sklearn import datasets
    except ImportError:
        sys.exit("The images are in scikit-learn. Run: pip install scikit-learn")
    digits = datasets.load_digits()
    images = rsnn.from_numpy(digits.images.astype("float32")).unsqueeze(1) / 16  # (N, 1, 8, 8)
    return images, rsnn.from_numpy(digits.target.astype("int64"))


def block(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def make_model() -> nn.Sequential:
    return nn.Sequential(
        block(1, 32),
        block(32, 32),
        nn.MaxPool2d(2),
        block(32, 64),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(256, 10),
    )


def main(epochs: int = 12) -> float:
    rsnn.manual_seed(0)
    images, labels = load_digits()
    order = rsnn.randperm(len(images))
    images, labels = images[order], labels[order]
    cut = 1400
    loader = DataLoader(TensorDataset(images[:cut], labels[:cut]), batch_size=64, shuffle=True)
    model = make_model()
    optimizer = rsnn.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = rsnn.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs=epochs, steps_per_epoch=len(loader))
    accuracy = 0.0
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(x)
        model.eval()
        with rsnn.no_grad():
            accuracy = (model(images[cut:]).argmax(1) == labels[cut:]).float().mean().item()
        print(f"epoch {epoch + 1:2d}  loss {total / cut:.4f}  unseen images right {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    sys.exit(0 if main() >= 0.98 else 1)
