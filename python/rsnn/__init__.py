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

from ._creation import *
from ._creation import complex as complex
from ._creation import layout, memory_format
from ._dtypes import finfo, iinfo
from ._linalg import *
from ._pointwise import *
from ._random import bernoulli, multinomial, normal, rand, rand_like, randint, randint_like, randn, randn_like, randperm
from ._reduction import *
from ._shape import *
from . import _linalg, _pointwise, _reduction, _shape
from . import _tensor
from . import autograd
from .autograd import enable_grad, grad_mode, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from . import random, return_types
from .random import Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from ._rsnn import get_default_dtype, get_num_threads, set_num_threads
from . import nn
from . import utils
from ._toplevel import *

e = 2.718281828459045
pi = 3.141592653589793
inf = __builtins__["float"]("inf") if isinstance(__builtins__, dict) else __builtins__.float("inf")
nan = inf - inf
newaxis = None

_LAZY = ("optim", "serialization", "testing", "amp", "backends", "cuda", "memory", "func", "gpu")


def __getattr__(name):
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"rsnn.{name}")
    if name in ("save", "load", "save_safetensors", "load_safetensors"):
        return getattr(importlib.import_module("rsnn.serialization"), name)
    if name in ("set_printoptions", "get_printoptions", "printoptions"):
        return getattr(importlib.import_module("rsnn._tensor_str"), name)
    raise AttributeError(f"module 'rsnn' has no attribute '{name}'")
