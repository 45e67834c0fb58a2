"""The layers, one file per kind."""

from rsnn.nn.module import Module

from . import module
from .activation import *
from .adaptive import *
from .attention import *
from .batchnorm import *
from .container import *
from .conv import *
from .distance import *
from .dropout import *
from .linear import *
from .loss import *
from .norm import *
from .padding import *
from .parallel import *
from .parameters import *
from .pooling import *
from .rnn import *
from .shape import *
from .sparse import *
from .transformer import *
