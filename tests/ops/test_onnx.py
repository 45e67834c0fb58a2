"""ONNX's own test vectors, an oracle that is not torch. Debian's package libonnx-testdata holds them."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import onnx_layers  # noqa: F401  (fills the table of operators)
import onnx_reader as reader
import pytest
import rsnn
from onnx_ops import OPS, Unsupported

ROOT = Path(os.environ.get("ONNX_TESTDATA", "/usr/lib/python3/dist-packages/onnx/backend/test/data"))
SETS = ("node", "pytorch-converted", "pytorch-operator", "simple")
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-9}
# What ONNX defines in another way than torch does.
DIFFERENT = {
    "test_hannwindow_expanded": "its numbers come from a shorter pi",
    "test_hannwindow_symmetric_expanded": "its numbers come from a shorter pi",
    "test_maxunpool_export_with_output_shape": "its positions count in the smaller image",
    "test_resize_downsample_scales_cubic_align_corners": "the step comes from the fractional size",
    "test_resize_downsample_scales_linear_align_corners": "the step comes from the fractional size",
    "test_resize_downsample_sizes_linear_pytorch_half_pixel": "one output position samples position 0",
}


def folders():
    return [f for s in SETS for f in sorted((ROOT / s).glob("test_*")) if (f / "model.onnx").is_file()]


def as_tensor(array, bfloat16):
    if array.dtype in (np.uint16, np.uint32, np.uint64):
        raise Unsupported(f"data type {array.dtype}")
    t = rsnn.from_numpy(np.array(array))
    return t.bfloat16() if bfloat16 else t


def execute(model, values):
    """Run the nodes in order; return the tensors of the graph's outputs."""
    env = {"": None, **{k: as_tensor(*v) for k, v in model.constants.items()}, **values}
    for node in model.nodes:
        if node.op not in OPS:
            raise Unsupported(f"operator {node.op}")
        attributes = {**node.attributes}
        if node.op in ("Softmax", "LogSoftmax"):
            attributes["opset"] = model.version
        if node.op == "Split":
            attributes["outputs"] = len(node.outputs)
        out = OPS[node.op](attributes, *[env[i] for i in node.inputs])
        env.update(zip(node.outputs, out if isinstance(out, tuple) else (out,)))
    return [env[name] for name in model.outputs]


def read(folder, kind):
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda f: int(f.stem.rpartition("_")[2]))
    return [as_tensor(*reader.tensor(f.read_bytes())[1:]) for f in files]


def check(folder):
    """Compare every data set of one model; return how many there were."""
    model = reader.model((folder / "model.onnx").read_bytes())
    sets = sorted(folder.glob("test_data_set_*"))
    for data in sets:
        expected = read(data, "output")
        got = execute(model, dict(zip(model.inputs, read(data, "input"))))
        assert len(got) == len(expected)
        for e, g in zip(expected, got):
            assert g.shape == e.shape, f"shape: ONNX {tuple(e.shape)}, rsnn {tuple(g.shape)}"
            name = str(e.dtype).rpartition(".")[2]
            assert g.dtype == e.dtype, f"dtype: ONNX {e.dtype}, rsnn {g.dtype}"
            if name == "bfloat16":
                e, g = e.float(), g.float()
            tolerance = TOLERANCE.get(name, 0)
            np.testing.assert_allclose(g.detach().numpy(), e.numpy(), rtol=tolerance * 10, atol=tolerance, equal_nan=True)
    return len(sets)


@pytest.mark.skipif(not ROOT.is_dir(), reason="ONNX test vectors are absent: apt-get install libonnx-testdata")
def test_vectors():
    passed, failures, left_out = 0, {}, Counter()
    for folder in folders():
        try:
            if folder.name in DIFFERENT:
                left_out[DIFFERENT[folder.name]] += 1
            else:
                passed += check(folder)
        except (Unsupported, reader.Unreadable) as error:
            left_out[str(error)] += 1
        except Exception as error:
            failures[folder.name] = f"{type(error).__name__}: {error}"[:400]
    assert not failures, f"{len(failures)} of {passed + len(failures)} differ:\n" + "\n".join(f"{k}: {v}" for k, v in failures.items())
    assert passed >= 900, f"only {passed} vectors compared; left out: {dict(left_out)}"
