"""The rows of `compare.py`, by topic; each makes the function to time for the library it is given."""

from __future__ import annotations

from . import attention, convolution, dispatch, gemm, layers, models, norms, optimizers, pointwise, recurrent
from .case import Case

TOPICS = (dispatch, gemm, attention, norms, pointwise, convolution, recurrent, optimizers, layers, models)
CASES: dict[str, Case] = {case.name: case for topic in TOPICS for case in topic.CASES}
