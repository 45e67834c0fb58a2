"""The two models of `make demo`."""

import importlib
import importlib.util
import sys
from pathlib import Path

from .case import Case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(lib, name):
    """Load an example with the library's modules in the place of rsnn's."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    if lib.__name__ != "rsnn":
        for part in ("", ".nn", ".nn.functional"):
            sys.modules["rsnn" + part] = importlib.import_module(lib.__name__ + part)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def demo_step(lib):
    shakespeare = example(lib, "shakespeare")
    model = shakespeare.Transformer(84)
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3)
    tokens, targets = (lib.randint(0, 84, (16, 128)) for _ in range(2))

    def step():
        loss = shakespeare.loss_of(model, tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def minilm(lib):
    bert = example(lib, "minilm")
    config = bert.Config(30522, 384, 6, 12, 1536, 512, 2, 1e-12)
    model = bert.Bert(config).eval()
    tokens, mask = lib.randint(0, 30522, (16, 32)), lib.ones(16, 32, dtype=lib.int64)

    def run():
        with lib.no_grad():
            model(tokens, mask)

    return run


CASES = [Case("demo: training step", demo_step, bar=1.3), Case("MiniLM: 16 sentences of 32 tokens", minilm, bar=1.0)]
