"""torch's recurrent functions over flat lists of weights, and their cells."""

from . import _rsnn as _C
from .nn.functional.recurrent import recurrent, recurrent_cell

Tensor = _C.Tensor


def _is_packed(mode, args, kwargs):
    """Tell the packed form (data, batch_sizes, hx, params, ...) from the padded one (input, hx, params, ...)."""
    if "data" in kwargs or "batch_sizes" in kwargs:
        return True
    if len(args) < 3 or not isinstance(args[1], Tensor):
        return False
    return mode == "LSTM" or isinstance(args[2], Tensor)


def _run(mode, name, args, kwargs):
    names = ["input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"]
    packed = _is_packed(mode, args, kwargs)
    if packed:
        names = ["data", "batch_sizes", *names[1:-1]]
    given = dict(zip(names, args)) | kwargs
    for key in given:
        if key not in names:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    if len(given) < len(names) or len(args) > len(names):
        missing = next((n for n in names if n not in given), names[-1])
        raise TypeError(f'{name}() missing 1 required positional arguments: "{missing}", expected {", ".join(names)}')
    states = tuple(given["hx"]) if mode == "LSTM" else (given["hx"],)
    options = [given[n] for n in ("has_biases", "num_layers", "dropout", "train", "bidirectional")]
    batch_sizes = given["batch_sizes"].tolist() if packed else None
    y, finals = recurrent(mode, given[names[0]], states, list(given["params"]), *options, given.get("batch_first", False), batch_sizes)
    return (y, *finals)


def lstm(*args, **kwargs):
    """Run an LSTM over (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first).

    Args:
        input: (T, N, I), or (N, T, I) with `batch_first`; or packed `data` and `batch_sizes` in its place.
        hx: the initial hidden and cell states, each (layers·directions, N, H).
        params: w_ih, w_hh, then b_ih, b_hh with `has_biases`, then w_hr of a projection, for each layer and direction.

    Returns: the outputs, the final hidden states and the final cell states.
    """
    return _run("LSTM", "lstm", args, kwargs)


def gru(*args, **kwargs):
    """Run a GRU; parameters as in `lstm`, with one state. Returns the outputs and the final states."""
    return _run("GRU", "gru", args, kwargs)


def rnn_tanh(*args, **kwargs):
    """Run an Elman network with tanh; parameters as in `lstm`, with one state. Returns the outputs and the final states."""
    return _run("RNN_TANH", "rnn_tanh", args, kwargs)


def rnn_relu(*args, **kwargs):
    """Run an Elman network with ReLU; parameters as in `lstm`, with one state. Returns the outputs and the final states."""
    return _run("RNN_RELU", "rnn_relu", args, kwargs)


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """Take one LSTM step from hx = (hidden, cell), each (N, H); returns both."""
    return recurrent_cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """Take one GRU step from the hidden state (N, H)."""
    return recurrent_cell("GRU", input, (hx,), w_ih, w_hh, b_ih, b_hh)


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """Take one Elman step with tanh from the hidden state (N, H)."""
    return recurrent_cell("RNN_TANH", input, (hx,), w_ih, w_hh, b_ih, b_hh)


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """Take one Elman step with ReLU from the hidden state (N, H)."""
    return recurrent_cell("RNN_RELU", input, (hx,), w_ih, w_hh, b_ih, b_hh)
