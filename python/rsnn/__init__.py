"""rsnn: torch.nn without torch. PyTorch's names, semantics and checkpoints on a Rust core."""

from . import _rsnn

__version__ = "0.1.0"

from . import _rsnn as _C
from ._rsnn import OutOfMemoryError, Tensor, device, dtype
from ._rsnn import bfloat16, float16, float32, float64, int8, int16, int32, int64, uint8
from ._rsnn import bool as bool
from ._size import Size

float = float32
double = float64
half = float16
int = int32
long = int64
short = int16


def _export(*modules):
    """Make the public functions and classes that modules define this module's own."""
    for module in modules:
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__:
                globals()[name] = value


from . import _dtypes, _layout, _settings
from . import _calculus, _creation, _decompositions, _indexing, _join, _linalg, _order, _pointwise, _predicates, _random, _reduction
from . import _special_math, _statistics, _views, _windows

_export(_dtypes, _layout, _settings, _calculus, _creation, _indexing, _join, _linalg, _order, _pointwise, _predicates, _random)
_export(_decompositions, _reduction, _special_math, _statistics, _views, _windows)
from ._einsum import einsum
from . import _tensor
from . import autograd
from .autograd import enable_grad, grad_mode, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from . import random, return_types
from .random import Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from ._rsnn import get_default_dtype, get_num_threads, set_num_threads
from .amp.autocast_mode import autocast
from .amp.state import *
from . import nn
from . import utils
from . import _functional, _inplace, _legacy, _recurrent, _toplevel

_export(_functional, _legacy, _recurrent, _toplevel)
globals().update({name: getattr(_functional, name) for name in _functional._SHARED})
globals().update({name: getattr(Tensor, name) for name in _inplace.NAMES})

e = 2.718281828459045
pi = 3.141592653589793
inf = __builtins__["float"]("inf") if isinstance(__builtins__, dict) else __builtins__.float("inf")
nan = inf - inf
newaxis = None

_LAZY = ("optim", "serialization", "testing", "amp", "backends", "cuda", "memory", "func", "gpu", "linalg", "special")


_LAZY_NAMES = {
    "save": "serialization",
    "load": "serialization",
    "save_safetensors": "serialization",
    "load_safetensors": "serialization",
    "vmap": "func",
    "set_printoptions": "_tensor_str",
    "get_printoptions": "_tensor_str",
    "printoptions": "_tensor_str",
    "GradScaler": "amp",
}


def __dir__():
    return sorted({*globals(), *_LAZY, *_LAZY_NAMES})


def __getattr__(name):
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"rsnn.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"rsnn.{_LAZY_NAMES[name]}"), name)
    from ._refused import reason

    why = None if name.startswith("_") else reason(name)
    raise AttributeError(f"module 'rsnn' has no attribute '{name}'" + (f": {why}" if why else ""))
