"""Functions without state: what the modules of `rsnn.nn` compute."""

from .activation import *  # noqa: I001
from .attention import (
    _canonical_mask,
    _in_projection,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
    multi_head_attention_forward,
    scaled_dot_product_attention,
)
from .classification import *
from .conv import *
from .ctc import ctc_loss
from .dense import *
from .drop import *
from .fold import *
from .margin import *
from .norm import *
from .padding import pad
from .pooling import *
from .regression import *
from .sparse import *
from .vision import *
from rsnn.amp import policy as _policy

_policy.install(globals())
