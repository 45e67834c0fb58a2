"""ParameterList and ParameterDict: every operator and method against torch."""

import copy
from collections import OrderedDict

# ParameterList


def test_parameter_list_converts_tensors(same):
    def scenario(lib, record):
        nn = lib.nn
        p = nn.ParameterList([nn.Parameter(lib.ones(2)), lib.zeros(3), "text", 5, None])
        record(len(p), [type(v).__name__ for v in p], list(p.state_dict()), [q.requires_grad for q in p.parameters()])
        record(repr(p).replace(lib.__name__, "lib"), p[2], p[3], p[-1], p[1].requires_grad)

    same(scenario)


def test_parameter_list_indexing_and_slices(same):
    def scenario(lib, record):
        p = lib.nn.ParameterList([lib.full((i + 1,), float(i)) for i in range(4)])
        record(
            p[0],
            p[-1],
            type(p[1:3]).__name__,
            [q.shape[0] for q in p[::-1]],
            p[1:][0] is p[1],
            list(p[1:].state_dict()),
        )
        record.raises(lambda: p[4], "index 4 is out of range")
        record.raises(lambda: p["0"], "'str' object cannot be interpreted as an integer")
        p[1] = lib.ones(7)
        p[-1] = lib.nn.Parameter(lib.ones(8), requires_grad=False)
        record([(q.shape[0], q.requires_grad) for q in p])
        record.raises(lambda: p.__setitem__(9, lib.ones(1)), "index 9 is out of range")

    same(scenario)


def test_parameter_list_growth(same):
    def scenario(lib, record):
        p = lib.nn.ParameterList()
        record(p.append(lib.ones(1)) is p, p.extend([lib.ones(2), lib.ones(3)]) is p, len(p))
        p += (lib.ones(4) for _ in range(2))
        p.extend(lib.nn.ParameterList([lib.ones(5)]))
        record([q.shape[0] for q in p], list(p.state_dict()))
        record.raises(
            lambda: p.extend(lib.ones(3)), "ParameterList.extend should be called with an iterable, but got Tensor"
        )
        record.raises(lambda: p.extend(1), "ParameterList.extend should be called with an iterable, but got int")
        record.raises(lambda: p(), "ParameterList should not be called.")
        record([n for n in dir(p) if n.isdigit()])

    same(scenario)


def test_parameter_list_trains_and_copies(same):
    def scenario(lib, record):
        p = lib.nn.ParameterList([lib.ones(2), lib.ones(2)])
        (p[0] * p[1] * 3).sum().backward()
        record([q.grad for q in p.parameters()])
        twin = copy.deepcopy(p)
        record(len(twin), twin[0] is p[0], twin[1])
        twin.load_state_dict({"0": lib.zeros(2), "1": lib.full((2,), 4.0)})
        record(twin[1])

    same(scenario)


# ParameterDict


def test_parameter_dict_reading(same):
    def scenario(lib, record):
        d = lib.nn.ParameterDict({"b": lib.ones(1), "a": lib.nn.Parameter(lib.ones(2)), "s": 3})
        record(
            list(d), len(d), "a" in d, list(d.keys()), [k for k, _ in d.items()], [type(v).__name__ for v in d.values()]
        )
        record(
            list(reversed(d)),
            d["s"],
            d.a is d["a"],
            d.get("a") is d["a"],
            d.get("q"),
            d.get("q", 4),
            list(d.state_dict()),
        )
        record(repr(d).replace(lib.__name__, "lib"))
        record.raises(lambda: d["q"], "'ParameterDict' object has no attribute 'q'")
        record.raises(lambda: d[3], "cannot be used as a key as it is not a string (type is 'int')")
        record.raises(lambda: d(1), "ParameterDict should not be called.")

    same(scenario)


def test_parameter_dict_writing(same):
    def scenario(lib, record):
        d = lib.nn.ParameterDict()
        d["x"] = lib.ones(1)
        d["y"] = lib.nn.Parameter(lib.ones(2))
        d["x"] = lib.ones(3)
        record(
            [(k, v.shape[0]) for k, v in d.items()], d.setdefault("y").shape[0], d.setdefault("z", lib.ones(9)).shape[0]
        )
        record(d.pop("x").shape[0], list(d), d.popitem()[0], list(d), list(d.state_dict()))
        del d["y"]
        record(len(d), d.setdefault("k"), list(d))
        d.clear()
        record(len(d))
        record.raises(lambda: d.pop("x"), "'ParameterDict' object has no attribute 'x'")
        record.raises(lambda: d.popitem(), "popitem(): dictionary is empty")
        record.raises(lambda: d.__delitem__("x"), "x")

    same(scenario)


def test_parameter_dict_update_forms(same):
    def scenario(lib, record):
        ones = lib.ones
        d = lib.nn.ParameterDict({"b": ones(1), "a": ones(2)})
        record(list(d))
        d = lib.nn.ParameterDict(OrderedDict(b=ones(1), a=ones(2)))
        d.update([("z", ones(3)), ("y", ones(4))])
        d.update({"n": ones(1), "m": ones(1)})
        d.update(lib.nn.ParameterDict({"k": ones(1)}))
        record(list(d))
        record.raises(
            lambda: d.update(3),
            "ParametersDict.update should be called with an iterable of key/value pairs, but got int",
        )
        record.raises(lambda: d.update([3]), "ParameterDict update sequence element #0 should be Iterable; is")
        record.raises(
            lambda: d.update([(1, 2, 3)]), "ParameterDict update sequence element #0 has length 3; 2 is required"
        )

    same(scenario)


def test_parameter_dict_operators(same):
    def scenario(lib, record):
        nn = lib.nn
        a = nn.ParameterDict({"x": lib.ones(1), "y": lib.ones(2)})
        b = nn.ParameterDict({"y": lib.ones(3), "z": lib.ones(4)})
        show = lambda d: [(k, v.shape[0]) for k, v in d.items()]  # noqa: E731
        record(show(a | b), show(b | a), type(a | b).__name__, show(a), show({"q": lib.ones(5)} | a))
        a |= b
        record(show(a), a["z"] is b["z"])
        c = a.copy()
        record(show(c), c["x"] is a["x"], c is a, show(a.fromkeys(["u", "v"], lib.ones(1))))

    same(scenario)


def test_parameter_dict_trains_and_copies(same):
    def scenario(lib, record):
        d = lib.nn.ParameterDict({"left": lib.ones(2), "right": lib.ones(2)})
        (d["left"] * d["right"] * 3).sum().backward()
        record([(n, p.grad) for n, p in d.named_parameters()])
        twin = copy.deepcopy(d)
        record(list(twin), twin["left"] is d["left"])

    same(scenario)
