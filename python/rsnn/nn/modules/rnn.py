"""Recurrent layers and cells."""

from __future__ import annotations

import math
import numbers
import warnings

import rsnn
from rsnn.nn import init
from rsnn.nn.functional.recurrent import recurrent, recurrent_cell
from rsnn.nn.module import Module
from rsnn.nn.parameter import Parameter
from rsnn.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """Weights, checks and the call that RNN, LSTM and GRU share.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: features of an input.
        hidden_size: features of a state.
        num_layers: layers on top of each other.
        bias: learn biases.
        batch_first: inputs and outputs are (N, L, *) instead of (L, N, *); states are not.
        dropout: probability of dropout between layers.
        bidirectional: run a second set of layers backwards.
        proj_size: project an LSTM's hidden state to this size.
    """

    def __init__(
        self,
        mode,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_arguments(dropout)
        gate_size = _GATES[mode] * hidden_size
        output_size = proj_size if proj_size > 0 else hidden_size
        directions = 2 if bidirectional else 1
        self._all_weights = []
        for layer in range(num_layers):
            for direction in range(directions):
                in_size = input_size if layer == 0 else output_size * directions
                shapes = {"weight_ih": (gate_size, in_size), "weight_hh": (gate_size, output_size)}
                if bias:
                    shapes |= {"bias_ih": (gate_size,), "bias_hh": (gate_size,)}
                if proj_size > 0:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                suffix = f"_l{layer}{'_reverse' if direction else ''}"
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(rsnn.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    def _check_arguments(self, dropout) -> None:
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    @property
    def _flat_weights_names(self):
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self):
        return [getattr(self, name, None) for name in self._flat_weights_names]

    @property
    def all_weights(self):
        """Return the parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Accept torch's call; weights need no joint memory here."""

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    def __setstate__(self, state) -> None:
        state = {key: value for key, value in state.items() if key not in ("_flat_weights_names", "_flat_weights", "_flat_weight_refs")}  # fmt: skip  # noqa: E501
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)

    def check_input(self, input, batch_sizes) -> None:
        """Raise when the input's dtype or sizes do not fit."""
        weight = getattr(self, self._all_weights[0][0])
        if input.dtype != weight.dtype and not rsnn._rsnn.autocast_acts():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def _state_shapes(self, batch):
        """Return the shape of each state: hidden, and for an LSTM the cell."""
        slots = self.num_layers * (2 if self.bidirectional else 1)
        hidden = (slots, batch, self.proj_size if self.proj_size > 0 else self.hidden_size)
        return [hidden, (slots, batch, self.hidden_size)] if self.mode == "LSTM" else [hidden]

    def check_hidden_size(self, hx, expected_hidden_size, msg="Expected hidden size {}, got {}") -> None:
        """Raise when a state has another size."""
        if tuple(hx.size()) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.size())))

    def _check_batched_state(self, hx, batched) -> None:
        dims = 3 if batched else 2
        if all(state.dim() == dims for state in hx):
            return
        arrived = ", ".join(f"{state.dim()}-D" for state in hx)
        if self.mode == "LSTM":
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx and cx should also be {dims}-D but got ({arrived}) tensors")
        kind = "batched 3-D" if batched else "unbatched 2-D"
        raise RuntimeError(f"For {kind} input, hx should also be {dims}-D but got {arrived} tensor")

    def forward(self, input, hx=None):
        """Run the layers over `input`.

        Args:
            input: (L, N, I), (L, I), (N, L, I) with `batch_first`, or a PackedSequence.
            hx: the first state (layers·directions, N, H), for an LSTM the pair of hidden and cell state; zeros without it.

        Returns: the last layer's outputs, and the state at the end of each layer.
        """
        packed = isinstance(input, PackedSequence)
        states = None if hx is None else tuple(hx) if self.mode == "LSTM" else (hx,)
        batched, sorted_indices, unsorted_indices, batch_sizes = True, None, None, None
        if packed:
            data, batch_sizes, sorted_indices, unsorted_indices = input
            batch = int(batch_sizes[0])
        else:
            if input.dim() not in (2, 3):
                suffix = " tensor" if self.mode.startswith("RNN") else ""
                name = "RNN" if self.mode.startswith("RNN") else self.mode
                raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D{suffix} instead")
            batched = input.dim() == 3
            if states is not None:
                self._check_batched_state(states, batched)
            data = input if batched else input.unsqueeze(0 if self.batch_first else 1)
            if not batched and states is not None:
                states = tuple(state.unsqueeze(1) for state in states)
            batch = data.shape[0 if self.batch_first else 1]
        self.check_input(data, batch_sizes)
        shapes = self._state_shapes(batch)
        if states is None:
            states = tuple(rsnn.zeros(shape, dtype=data.dtype, device=data.device) for shape in shapes)
        else:
            messages = ("Expected hidden[0] size {}, got {}", "Expected hidden[1] size {}, got {}")
            for i, (state, shape) in enumerate(zip(states, shapes, strict=True)):
                self.check_hidden_size(state, shape, *(messages[i : i + 1] if self.mode == "LSTM" else ()))
            if sorted_indices is not None:
                states = tuple(state.index_select(1, sorted_indices) for state in states)
        output, states = recurrent(
            self.mode,
            data,
            states,
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            None if batch_sizes is None else batch_sizes.tolist(),
        )
        if packed:
            output = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
            if unsorted_indices is not None:
                states = tuple(state.index_select(1, unsorted_indices) for state in states)
        elif not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = tuple(state.squeeze(1) for state in states)
        return output, states if self.mode == "LSTM" else states[0]


class RNN(RNNBase):
    """Run an Elman network: h_t = tanh(W_ih·x_t + b_ih + W_hh·h_(t−1) + b_hh).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in RNNBase.
        nonlinearity: "tanh" or "relu".
    """

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.__dict__["nonlinearity"] = args[3]
            args = args[:3] + args[4:]
        else:
            self.__dict__["nonlinearity"] = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)


class LSTM(RNNBase):
    """Run a long short-term memory network (Hochreiter & Schmidhuber 1997); arguments as in RNNBase without mode.

    >>> output, (hidden, cell) = rsnn.nn.LSTM(10, 20, 2)(rsnn.zeros(5, 3, 10))
    >>> tuple(output.shape), tuple(cell.shape)
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Run a network of gated recurrent units (Cho et al. 2014); arguments as in RNNBase without mode."""

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """Weights and checks that the cells share."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(rsnn.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(rsnn.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            param = Parameter(rsnn.empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _step(self, mode, input, states, names):
        """Check the input and states and take one step; without a batch dimension there is none in the result."""
        kind = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{kind}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for state, name in zip(states, names, strict=True):
            if state is not None and state.dim() not in (1, 2):
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {state.dim()}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}")
        x = input if input.dim() == 2 else input.unsqueeze(0)
        out = []
        for state in states:
            if state is None:
                state = rsnn.zeros((x.shape[0], self.hidden_size), dtype=x.dtype, device=x.device)
            elif input.dim() == 1:
                state = state.unsqueeze(0)
            if state.shape[-1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden has inconsistent hidden_size: got {state.shape[-1]}, expected {self.hidden_size}"
                )
            if state.shape[0] != x.shape[0]:
                raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden batch size {state.shape[0]}")
            out.append(state)
        out = recurrent_cell(mode, x, out, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if input.dim() == 2:
            return out
        return tuple(state.squeeze(0) for state in out) if mode == "LSTM" else out.squeeze(0)


class RNNCell(RNNCellBase):
    """Take one Elman step: tanh(W_ih·x + b_ih + W_hh·h + b_hh).

    Args:
        nonlinearity: "tanh" or "relu".
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step("RNN_" + self.nonlinearity.upper(), input, (hx,), ("hidden",))


class LSTMCell(RNNCellBase):
    """Take one LSTM step; takes and returns (hidden, cell)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input, hx=None):
        states = (None, None) if hx is None else tuple(hx)
        return self._step("LSTM", input, states, ("hx[0]", "hx[1]"))


class GRUCell(RNNCellBase):
    """Take one GRU step."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input, hx=None):
        return self._step("GRU", input, (hx,), ("hidden",))
