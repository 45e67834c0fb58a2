"""Every registered operation and every native function has a row in the table, by name."""

import inspect
import sys
from pathlib import Path

import pytest
import rsnn

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))

from cases import CASES  # noqa: E402

native = rsnn._rsnn

# Why a native name needs no row: another test holds it.
EXEMPT = {
    "sqrt_zero_slope": "the slope of norm at zero: rows norm",
    "adam_step sgd_step adadelta_step adagrad_step adamax_step asgd_step nadam_step radam_step rmsprop_step rprop_step": "tests/optim",
    "lstm lstm_cell gru gru_cell rnn_tanh rnn_tanh_cell rnn_relu rnn_relu_cell": "recurrent layers: tests/nn",
    "make_natively bare_object": "making a no_grad: tests/autograd",
    "read_natively call_natively": "slots of Module: tests/nn/test_member_lookup",
    "slices_stay": "what makes slices of a Size a Size: test_smoke",
    "arange tensor empty full linspace frombuffer from_numpy randn rand randint randperm normal bernoulli multinomial"
    " poisson binomial bernoulli_ uniform_ normal_ exponential_ geometric_ log_normal_ cauchy_ random_ dropout"
    " default_generator": "creation and random numbers: test_ops.test_random, test_dropout, test_smoke",
    "attach_function backward grad grad_accumulator output_nr register_hook retain_grad retains_grad function_save"
    " function_saved current_graph_task_id will_engine_execute_node watch_engine disable_saved_hooks"
    " set_anomaly anomaly set_transform_level depends_on_outer"
    " register_post_accumulate_grad_hook pop_saved_hooks push_saved_hooks bump_version assign is_grad_enabled"
    " is_inference_mode_enabled set_grad_mode set_inference_mode detach_ become_view": "autograd machinery: tests/autograd, test_smoke",
    "array_interface item tolist storage_bytes same_storage to_device to_dtype reinterpret resize_ test interleave_index"
    " binary_names unary_names use_define promote_types result_type": "conversion and introspection: tests/api, tests/interop",
    "autocast_is_enabled autocast_set_enabled autocast_dtype autocast_set_dtype is_autocast_cache_enabled autocast_acts"
    " set_autocast_cache_enabled clear_autocast_cache autocast_increment_nesting autocast_decrement_nesting autocast_call": "tests/autograd: autocast",
    "profile_start profile_stop profile_now profile_note": "tests/autograd: the profiler",
    "to_dlpack from_dlpack_capsule dlpack_device": "tests/interop: DLPack",
    "median_all nanmedian_all": "rows median and nanmedian without a dimension",
    "get_default_dtype set_default_dtype get_num_threads set_num_threads memory_stats empty_cache": "settings and counters: test_smoke",
    "index": "what Tensor.__getitem__ does: row getitem",
    "gpu_device_count gpu_device_name gpu_synchronize": "the GPU: rsnn.gpu, on a machine that has one",
    "embedding_renorm_": "tests/nn: Embedding with max_norm",
}  # fmt: skip
EXEMPTED = {name for names in EXEMPT for name in names.split()}


class Recorder:
    """Stands in for the native module in a Python module and writes down what is called."""

    def __init__(self, seen):
        self._seen, self.twice, self.differentiable, self.second = seen, set(), set(), False

    def __getattr__(self, name):
        value = getattr(native, name)
        if not inspect.isbuiltin(value):
            return value

        def call(*args, **kwargs):
            self._seen.add(name)
            if name in ("unary", "unary_", "test", "binary", "binary_"):
                self._seen.add(args[0])
            out = value(*args, **kwargs)
            if follows(args) and follows([out]):
                named = args[0] if isinstance(args[0], str) else name
                self.differentiable.add(named)
                if self.second:
                    self.twice.add(named)
            return out

        return call


def follows(values):
    """Tell whether a tensor among values and the lists among them takes part in autograd."""
    for value in values:
        if isinstance(value, native.Tensor) and value.requires_grad or isinstance(value, (list, tuple)) and follows(value):
            return True
    return False


def is_native(value):
    return inspect.isbuiltin(value) and getattr(native, value.__name__, None) is value


def covered():
    seen = set()
    recorder = Recorder(seen)
    users = [(m, k, v) for n, m in list(sys.modules.items()) if n.startswith("rsnn") and m is not native and m is not rsnn
             for k, v in list(vars(m).items()) if v is native or is_native(v)]  # fmt: skip
    for module, key, value in users:
        setattr(module, key, recorder if value is native else getattr(recorder, value.__name__))
    try:
        for case in CASES:
            seen.add(case.name.partition(":")[0])
            seen.update(case.covers)
            args = [rsnn.from_numpy(a) for a in case.arrays()]
            for i in case.differentiated():
                args[i].requires_grad_()
            recorder.second = case.second and case.check
            try:
                case.fn(rsnn, *[arg.detach() for arg in args])
                case.fn(rsnn, *args)
            except Exception:  # test_ops reports it
                pass
    finally:
        for module, key, value in users:
            setattr(module, key, value)
    return seen, recorder


@pytest.fixture(scope="module")
def record():
    return covered()


@pytest.fixture(scope="module")
def seen(record):
    return record[0]


def test_unary(seen):
    missing = sorted(set(native.unary_names()) - seen - EXEMPTED)
    assert not missing, f"unary operations without a row: {missing}"


def test_binary(seen):
    missing = sorted(set(native.binary_names()) - seen - EXEMPTED)
    assert not missing, f"binary operations without a row: {missing}"


def test_native(seen):
    public = {n for n in dir(native) if not n.startswith("_") and inspect.isbuiltin(getattr(native, n))}
    missing = sorted(public - seen - EXEMPTED)
    assert not missing, f"native functions without a row: {missing}"


# Why a differentiable function needs no row with second derivatives.
ONCE = {n: "its slope is constant" for n in "ceil copysign floor floor_divide fmod frac neg remainder round trunc".split()}


def test_second_derivatives(record):
    missing = sorted(record[1].differentiable - record[1].twice - set(ONCE))
    assert len(record[1].twice) > 100
    assert not missing, f"differentiable, but no row checks second derivatives: {missing}"


def test_no_stale_exemption():
    stale = {n for n in EXEMPTED - set(dir(native)) - set(native.unary_names()) if not n.startswith("gpu_")}
    assert not stale, f"exempted, but not there: {sorted(stale)}"
