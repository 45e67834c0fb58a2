"""Every name of torch's public surface is here with torch's parameters, or refused with a reason; the lists lie in surface/."""

import inspect

import make_parity
import pytest
import rsnn
from rsnn._arguments import required
from rsnn._refused import reason

# Parameters of torch's overloads that stay out: name -> why.
LEFT_OUT = {
    "out_dtype": "products into another dtype exist on CUDA only",
}


# Overloads in torch's stubs that torch itself does not take, or that say less than its documentation.
NOT_TORCH = {
    ("rsnn", "tensor"): "the stub lets pass by place what torch wants by name",
    ("Tensor", "new_tensor"): "the stub lets pass by place what torch wants by name",
    ("Tensor", "requires_grad_"): "the stub calls its parameter `mode`",
    ("Tensor", "new"): "the stub has a class in front",
    ("Tensor", "copy_"): "the stub calls its parameter `other`, torch's documentation `src`",
    ("rsnn", "set_num_threads"): "torch takes no keyword",
    ("rsnn", "set_num_interop_threads"): "torch takes no keyword",
}


def parameters(function, bound):
    """Write a signature as the lists do: `a,b=,c=`; the first parameter of a method is left out."""
    listed = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    optional = lambda p: p.default is not p.empty and p.default is not required
    return ",".join(p.name + ("=" if optional(p) else "") for p in listed)


def rows():
    for name in make_parity.LISTS:
        yield from ((name, *row) for row in make_parity.read(name))


@pytest.mark.parametrize("name", make_parity.LISTS)
def test_names(name):
    """What is missing has a reason; nothing of tier 1 is missing without one."""
    missing = make_parity.absent(name)
    unexplained = [n for n in missing["1"] + missing["2"] if reason(n) is None]
    assert not unexplained, f"{name}: missing without a reason: {unexplained}"


def test_names_beyond_the_lists():
    unexplained = [f"{o}.{n}" for o, n in make_parity.beyond() if reason(n) is None]
    assert not unexplained, f"missing without a reason: {unexplained}"


def test_a_missing_name_says_why():
    with pytest.raises(AttributeError, match="no attribute 'sparse_coo_tensor': sparse tensors are not supported"):
        rsnn.sparse_coo_tensor  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'polar': complex dtypes are not supported"):
        rsnn.polar  # noqa: B018
    assert not hasattr(rsnn, "quantize_per_tensor")


@pytest.mark.parametrize("name", make_parity.LISTS)
def test_parameters(name):
    """Names, order and defaults of parameters are torch's, where torch has a signature to compare with."""
    space, wrong = make_parity.owner(name), []
    for n, tier, expected in make_parity.read(name):
        # torch's dispatchers between two functions show no more than `args, kwargs`.
        if not expected or expected == "args,kwargs" or tier != "1" or not hasattr(space, n):
            continue
        got = parameters(getattr(space, n), bound=inspect.isclass(space))
        if got != expected:
            wrong.append(f"{n}({got}), torch: ({expected})")
    assert not wrong, f"{name}: " + "; ".join(wrong)


def accepts(function, overload):
    """Tell whether a function can be called as torch's overload, by place and by name; returns the complaint."""
    signature = inspect.signature(function)
    places, names, keyword = [], {}, False
    for part in filter(None, overload.split(",")):
        if part == "*":
            keyword = True
        elif part.startswith("*"):
            places += [1, 2]  # any number of sizes
            keyword = True
        elif part.rstrip("=") not in LEFT_OUT:
            name = part.rstrip("=")
            if keyword:
                names[name] = 0
            else:
                places.append(name)
    try:
        signature.bind(*places, **names)
        if not any(isinstance(p, int) for p in places):
            first = places[:1] if places and places[0] == "self" else []
            signature.bind(*first, **{p: 0 for p in places[len(first) :]}, **names)
    except TypeError as error:
        return f"({overload}): {error}"
    return None


def overloads():
    found = {}
    for owner, name, text in make_parity.read("overloads"):
        if (owner, name) in NOT_TORCH:
            continue
        found.setdefault((owner, name), []).append(text)
    return found


@pytest.mark.parametrize("owner", ["rsnn", "Tensor"])
def test_overloads(owner):
    """Built-ins can be called as every overload of torch's, with arguments by place and by name."""
    space, wrong = make_parity.owner(owner), []
    for (o, name), texts in overloads().items():
        if o != owner or not hasattr(space, name):
            continue
        try:
            inspect.signature(getattr(space, name))
        except (TypeError, ValueError):
            wrong.append(f"{name}: no signature")
            continue
        wrong += [f"{name}{problem}" for problem in (accepts(getattr(space, name), t) for t in texts) if problem]
    assert not wrong, f"{len(wrong)} overloads of {owner}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("owner", ["rsnn", "Tensor"])
def test_the_only_overload(owner):
    """Where torch has one overload, the parameters that it takes by place come first and in torch's order."""
    space, wrong = make_parity.owner(owner), []
    for (o, name), texts in overloads().items():
        if o != owner or len(texts) > 1 or not hasattr(space, name) or "*" in texts[0].split(",*,")[0]:
            continue
        expected = [p.rstrip("=") for p in texts[0].split(",*,")[0].split(",")]
        got = list(inspect.signature(getattr(space, name)).parameters)[: len(expected)]
        if name not in ("lstm", "gru") and got[1:] != expected[1:] and got[0] != "args":
            wrong.append(f"{name}({', '.join(got)}), torch: ({', '.join(expected)})")
    assert not wrong, "; ".join(wrong)


def test_page():
    """docs/parity.md is what scripts/make_parity.py writes."""
    assert make_parity.PAGE.read_text() == make_parity.page(), "run python scripts/make_parity.py"
