"""Sequential, ModuleList, ModuleDict: every operator and method against torch."""

import copy
from collections import OrderedDict

from harness import fill, tensor


def layers(lib, count=3):
    return [lib.nn.Linear(i + 1, i + 2) for i in range(count)]


def sizes(container):
    return [(name, module.in_features) for name, module in container.named_children()]


# Sequential


def test_sequential_from_modules_and_from_an_ordered_dict(same):
    def scenario(lib, record):
        nn = lib.nn
        s = nn.Sequential(OrderedDict([("a", nn.Linear(2, 3)), ("act", nn.ReLU()), ("b", nn.Linear(3, 1))]))
        record(list(s.state_dict()), [n for n, _ in s.named_modules()], repr(s), type(s.act).__name__)
        record(list(nn.Sequential(*s).state_dict()), len(nn.Sequential()), repr(nn.Sequential()))
        fill(lib, s)
        record(s(tensor(lib, 4, 2)))

    same(scenario)


def test_sequential_without_modules_returns_its_input(same):
    def scenario(lib, record):
        x = tensor(lib, 2)
        record(lib.nn.Sequential()(x) is x)

    same(scenario)


def test_sequential_takes_one_argument_only(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(lib.nn.Bilinear(2, 2, 2))
        record.raises(lambda: s(tensor(lib, 1, 2), tensor(lib, 1, 2)), "takes 2 positional arguments but 3 were given")

    same(scenario)


def test_sequential_rejects_what_is_no_module(same):
    def scenario(lib, record):
        record.raises(lambda: lib.nn.Sequential(3), "int is not a Module subclass")
        record.raises(lambda: lib.nn.Sequential([lib.nn.ReLU()]), "list is not a Module subclass")

    same(scenario)


def test_sequential_indexing(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(*layers(lib))
        record(s[0].in_features, s[-1].in_features, s[True].in_features, [m.in_features for m in s])
        record.raises(lambda: s[3], "index 3 is out of range")
        record.raises(lambda: s[-4], "index -4 is out of range")
        record.raises(lambda: s["0"], "'str' object cannot be interpreted as an integer")
        record.raises(lambda: lib.nn.Sequential()[0], "index 0 is out of range")

    same(scenario)


def test_sequential_slices_keep_class_names_and_modules(same):
    def scenario(lib, record):
        class Mine(lib.nn.Sequential):
            pass

        s = Mine(*layers(lib, 4))
        record(type(s[1:3]).__name__, sizes(s[1:3]), sizes(s[::-1]), sizes(s[::2]), sizes(s[5:]))
        record(s[1:][0] is s[1], list(s[1:].state_dict()))

    same(scenario)


def test_sequential_assignment(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(1, 2), b=lib.nn.Linear(2, 3)))
        s[1] = lib.nn.Linear(7, 7)
        s[-2] = lib.nn.Linear(6, 6)
        record(sizes(s), s.b.in_features)
        s.b = lib.nn.Linear(5, 5)
        record(s[1].in_features)
        s[0] = None
        record(list(s._modules), s[0])
        record.raises(lambda: s.__setitem__(2, lib.nn.ReLU()), "index 2 is out of range")
        record.raises(lambda: s.__setitem__(1, 5), "cannot assign 'int' as child module 'b'")

    same(scenario)


def test_sequential_deletion_renumbers(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(*layers(lib, 5))
        del s[1]
        record(sizes(s))
        del s[-1]
        record(sizes(s))
        del s[::2]
        record(sizes(s))
        named = lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(1, 2), b=lib.nn.Linear(2, 3)))
        del named[0]
        record(sizes(named))
        record.raises(lambda: named.__delitem__(4), "index 4 is out of range")
        del named.__dict__["_modules"]["0"]
        record(len(named))

    same(scenario)


def test_sequential_addition(same):
    def scenario(lib, record):
        nn = lib.nn
        a, b = nn.Sequential(*layers(lib, 2)), nn.Sequential(OrderedDict(x=nn.Linear(9, 9)))
        c = a + b
        record(sizes(c), sizes(a), c[0] is a[0], c[2] is b[0])
        a += b
        record(sizes(a), a[2] is b[0])
        record.raises(lambda: a + [nn.ReLU()], "add operator supports only objects of Sequential class, but")
        record.raises(lambda: a.__iadd__(nn.ReLU()), "add operator supports only objects of Sequential class, but")

        class Mine(nn.Sequential):
            pass

        record(type(Mine(nn.ReLU()) + Mine(nn.ReLU())).__name__)

    same(scenario)


def test_sequential_multiplication_shares_modules(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(*layers(lib, 2))
        t, u = s * 2, 3 * s
        record(sizes(t), [m.in_features for m in u], t[0] is t[2], len(list(t.parameters())), len(t.state_dict()))
        s *= 2
        record([m.in_features for m in s], s[1] is s[3])
        s *= 1
        record(len(s))
        record.raises(lambda: s * 0, "Non-positive multiplication factor 0 for ")
        record.raises(lambda: s * 1.5, "unsupported operand type(s) for *:")
        record.raises(lambda: s.__imul__("a"), "unsupported operand type(s) for *:")
        record.raises(lambda: s.__imul__(-1), "Non-positive multiplication factor -1 for ")

    same(scenario)


def test_sequential_append_and_extend_chain(same):
    def scenario(lib, record):
        s = lib.nn.Sequential()
        record(s.append(lib.nn.Linear(1, 1)) is s, s.extend(layers(lib, 2)) is s, sizes(s))
        s.append(lib.nn.Linear(8, 8)).extend(lib.nn.Sequential(lib.nn.Linear(9, 9)))
        record(sizes(s))
        record.raises(lambda: s.append("x"), "str is not a Module subclass")
        record.raises(lambda: s.extend(3), "'int' object is not iterable")
        record.raises(lambda: s.extend([3]), "int is not a Module subclass")

    same(scenario)


def test_sequential_insert(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(*layers(lib, 2))
        record(s.insert(1, lib.nn.Linear(7, 7)) is s, sizes(s))
        s.insert(-1, lib.nn.Linear(8, 8))
        record(sizes(s))
        s.insert(len(s), lib.nn.Linear(9, 9))
        s.insert(-len(s), lib.nn.Linear(10, 10))
        record([m.in_features for m in s], list(s.state_dict()))
        record.raises(lambda: s.insert(99, lib.nn.ReLU()), "Index out of range: 99")
        record.raises(lambda: s.insert(-99, lib.nn.ReLU()), "Index out of range: -99")
        record.raises(lambda: s.insert(0, 3), "module should be of type:")

    same(scenario)


def test_sequential_pop(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(*layers(lib, 4))
        record(s.pop(1).in_features, sizes(s), s.pop(-1).in_features, sizes(s), type(s.pop(slice(0, 1))).__name__)
        record(sizes(s))
        record.raises(lambda: s.pop(1), "index 1 is out of range")

    same(scenario)


def test_sequential_training_follows_the_container(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(lib.nn.Dropout(0.5), lib.nn.BatchNorm1d(2)).eval()
        s.append(lib.nn.Dropout())
        record([m.training for m in s.modules()])
        record([m.training for m in s.train().modules()])

    same(scenario)


def test_sequential_subclass_with_its_own_iteration(same):
    def scenario(lib, record):
        class Backwards(lib.nn.Sequential):
            def __iter__(self):
                return iter(reversed(self._modules.values()))

        s = Backwards(lib.nn.ReLU(), lib.nn.Threshold(2.0, -1.0))
        record(s(lib.tensor([1.0, 3.0])))

    same(scenario)


def test_sequential_dir_hides_numbers(same):
    def scenario(lib, record):
        s = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.ReLU())
        record([n for n in dir(s) if n.isdigit()], "append" in dir(s), getattr(s, "1") is s[1])

    same(scenario)


def test_sequential_deepcopy_and_state(same):
    def scenario(lib, record):
        s = fill(lib, lib.nn.Sequential(*layers(lib, 2)))
        twin = copy.deepcopy(s)
        record(twin[0] is s[0], dict(twin.state_dict()), repr(twin) == repr(s))
        shallow = copy.copy(s)
        record(shallow[0] is s[0], len(shallow))
        other = lib.nn.Sequential(*layers(lib, 2))
        record(str(other.load_state_dict(s.state_dict())), other[1].weight)

    same(scenario)


def test_hooks_on_a_slice_reach_the_whole(same):
    def scenario(lib, record):
        s = fill(lib, lib.nn.Sequential(*layers(lib, 3)))
        seen = []
        s[1:][0].register_forward_hook(lambda m, i, o: seen.append(tuple(o.shape)))
        record(s(tensor(lib, 2, 1)), seen)

    same(scenario)


# ModuleList


def test_module_list_indexing_and_slices(same):
    def scenario(lib, record):
        m = lib.nn.ModuleList(layers(lib, 4))
        record(m[0].in_features, m[-1].in_features, type(m[1:3]).__name__, sizes(m[1:3]), sizes(m[::-1]), len(m))
        record([x.in_features for x in m], m[2] in m, lib.nn.ReLU() in m, list(reversed(list(m)))[0].in_features)
        record.raises(lambda: m[4], "index 4 is out of range")
        record.raises(lambda: m[-5], "index -5 is out of range")
        record.raises(lambda: m["a"], "'str' object cannot be interpreted as an integer")

    same(scenario)


def test_module_list_assignment_and_deletion(same):
    def scenario(lib, record):
        m = lib.nn.ModuleList(layers(lib, 5))
        m[0] = lib.nn.Linear(9, 9)
        m[-1] = lib.nn.Linear(8, 8)
        record(sizes(m))
        del m[1]
        record(sizes(m))
        del m[-1]
        del m[1:]
        record(sizes(m), list(m.state_dict()))
        record.raises(lambda: m.__setitem__(5, lib.nn.ReLU()), "index 5 is out of range")
        record.raises(lambda: m.__delitem__(5), "index 5 is out of range")
        record.raises(lambda: m.__setitem__(0, 1), "cannot assign 'int' as child module '0'")

    same(scenario)


def test_module_list_growth(same):
    def scenario(lib, record):
        m = lib.nn.ModuleList()
        record(m.append(lib.nn.Linear(1, 1)) is m, m.extend(layers(lib, 2)) is m, m.insert(1, lib.nn.Linear(7, 7)))
        record(sizes(m))
        m += [lib.nn.Linear(8, 8)]
        m.extend(x for x in layers(lib, 1))
        m.insert(0, lib.nn.Linear(9, 9))
        record(sizes(m), m.pop(0).in_features, m.pop(-1).in_features, len(m))
        both = m + [lib.nn.Linear(5, 5)]
        record(type(both).__name__, sizes(both), both[0] is m[0], len(m))
        record.raises(lambda: m.extend(3), "ModuleList.extend should be called with an iterable, but got int")
        record.raises(lambda: m.append(3), "int is not a Module subclass")
        record.raises(lambda: m.__iadd__(None), "ModuleList.extend should be called with an iterable, but got NoneType")
        record.raises(lambda: m + 3, "'int' object is not iterable")
        record.raises(lambda: lib.nn.ModuleList([1]), "int is not a Module subclass")

    same(scenario)


def test_module_list_has_no_forward(same):
    def scenario(lib, record):
        record.raises(lambda: lib.nn.ModuleList([lib.nn.ReLU()])(1), 'is missing the required "forward" function')
        record.raises(lambda: lib.nn.ModuleDict()(1), 'is missing the required "forward" function')

    same(scenario)


def test_module_list_repr_joins_equal_neighbours(same):
    def scenario(lib, record):
        nn = lib.nn
        record(repr(nn.ModuleList()), repr(nn.ModuleList([nn.ReLU()])))
        record(repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(1, 2), nn.ReLU(), nn.ReLU(), nn.ReLU()])))
        block = nn.Sequential(nn.Linear(1, 1), nn.ModuleList([nn.Tanh(), nn.Tanh()]))
        record(repr(nn.ModuleList([block, block])), str(nn.ModuleList([nn.ModuleList([nn.ReLU()] * 3)] * 2)))

    same(scenario)


def test_module_list_of_the_same_module_counts_it_once(same):
    def scenario(lib, record):
        layer = lib.nn.Linear(2, 2)
        m = lib.nn.ModuleList([layer] * 3)
        record(len(m), len(list(m.parameters())), list(m.state_dict()), len(list(m.children())))

    same(scenario)


def test_module_list_deepcopy_and_dir(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.ModuleList(layers(lib, 2)))
        twin = copy.deepcopy(m)
        record(twin[1] is m[1], twin[1].weight, [n for n in dir(m) if n.isdigit()])

    same(scenario)


def test_module_list_modules_may_be_none(same):
    def scenario(lib, record):
        m = lib.nn.ModuleList([lib.nn.Linear(1, 1), None])
        record(len(m), m[1], list(m.state_dict()), len(list(m.children())))

    same(scenario)


# ModuleDict


def test_module_dict_reading(same):
    def scenario(lib, record):
        nn = lib.nn
        d = nn.ModuleDict({"b": nn.Linear(1, 2), "a": nn.Linear(2, 3)})
        record(list(d), len(d), "a" in d, "z" in d, list(d.keys()), [m.in_features for m in d.values()])
        record([(k, m.in_features) for k, m in d.items()], d["a"].in_features, d.a is d["a"], repr(d), bool(d))
        record(list(d.state_dict()), bool(nn.ModuleDict()), repr(nn.ModuleDict()))
        record.raises(lambda: d["z"], "z")

    same(scenario)


def test_module_dict_writing(same):
    def scenario(lib, record):
        nn = lib.nn
        d = nn.ModuleDict()
        d["x"] = nn.Linear(1, 1)
        d["y"] = nn.Linear(2, 2)
        d["x"] = nn.Linear(3, 3)
        record(sizes(d), d.pop("x").in_features, sizes(d))
        del d["y"]
        record(len(d))
        d["n"] = None
        record(d["n"], list(d))
        d.clear()
        record(list(d))
        record.raises(lambda: d.pop("x"), "x")
        record.raises(lambda: d.__delitem__("x"), "x")
        record.raises(lambda: d.__setitem__("k", 1), "int is not a Module subclass")
        record.raises(lambda: d.__setitem__(1, nn.ReLU()), "module name should be a string. Got int")

    same(scenario)


def test_module_dict_names_that_are_refused(same):
    def scenario(lib, record):
        nn = lib.nn
        d = nn.ModuleDict()
        record.raises(lambda: d.__setitem__("keys", nn.ReLU()), "attribute 'keys' already exists")
        record.raises(lambda: d.__setitem__("a.b", nn.ReLU()), 't contain ".", got: a.b')
        record.raises(lambda: d.__setitem__("", nn.ReLU()), 'be empty string ""')
        record.raises(lambda: nn.ModuleDict({"type": nn.ReLU()}), "attribute 'type' already exists")

    same(scenario)


def test_module_dict_update_forms(same):
    def scenario(lib, record):
        nn = lib.nn
        d = nn.ModuleDict([("b", nn.Linear(1, 1)), ["a", nn.Linear(2, 2)]])
        d.update({"z": nn.Linear(3, 3), "c": nn.Linear(4, 4)})
        d.update(OrderedDict(b=nn.Linear(5, 5)))
        d.update(nn.ModuleDict({"q": nn.Linear(6, 6)}))
        d.update((k, nn.Linear(7, 7)) for k in "mn")
        record(sizes(d))
        record.raises(
            lambda: d.update(3), "ModuleDict.update should be called with an iterable of key/value pairs, but got int"
        )
        record.raises(lambda: d.update([3]), "ModuleDict update sequence element #0 should be Iterable; is")
        record.raises(lambda: d.update([("a",)]), "ModuleDict update sequence element #0 has length 1; 2 is required")

    same(scenario)


def test_module_dict_as_a_switch(same):
    def scenario(lib, record):
        nn = lib.nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.choices = nn.ModuleDict({"conv": nn.Conv1d(1, 1, 1), "lin": nn.Linear(3, 3)})
                self.activations = nn.ModuleDict([["lrelu", nn.LeakyReLU()], ["prelu", nn.PReLU()]])

            def forward(self, x, choice, act):
                return self.activations[act](self.choices[choice](x))

        net = fill(lib, Net())
        net(tensor(lib, 1, 3), "lin", "prelu").sum().backward()
        record([(n, p.grad) for n, p in net.named_parameters()], repr(net))
        twin = copy.deepcopy(net)
        record(twin.choices["lin"] is net.choices["lin"], list(twin.choices))

    same(scenario)


def test_containers_inside_containers(same):
    def scenario(lib, record):
        nn = lib.nn
        net = nn.ModuleDict(
            {
                "body": nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)]),
                "extra": nn.ParameterList([lib.ones(1)]),
                "table": nn.ParameterDict({"k": lib.ones(2)}),
            }
        )
        record(list(net.state_dict()), [n for n, _ in net.named_modules()], repr(net).replace(lib.__name__, "lib"))
        net.double()
        record([str(p.dtype).split(".")[1] for p in net.parameters()])

    same(scenario)


def test_the_old_container_warns(same):
    def scenario(lib, record):
        make = lambda: lib.nn.modules.container.Container(a=lib.nn.ReLU())  # noqa: E731
        c = record.warns(make, "`nn.Container` is deprecated.")
        record([n for n, _ in c.named_children()])

    same(scenario)
