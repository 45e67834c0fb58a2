"""Writes docs/parity.md: how much of torch's public surface is here, and why the rest is not.

`python scripts/make_parity.py` after a change of the public surface; a test compares the committed file with `page()`.
"""

import csv
import importlib
from collections import defaultdict
from pathlib import Path

import rsnn
from rsnn._refused import reason

ROOT = Path(__file__).resolve().parents[1]
SURFACE = ROOT / "tests" / "api" / "surface"
PAGE = ROOT / "docs" / "parity.md"
# Lists in the order of the page, with what each is a list of.
LISTS = {
    "rsnn": "torch", "Tensor": "torch.Tensor", "nn": "torch.nn", "nn.Module": "torch.nn.Module",
    "nn.modules.module": "torch.nn.modules.module", "nn.functional": "torch.nn.functional", "nn.init": "torch.nn.init",
    "nn.utils": "torch.nn.utils", "nn.utils.parametrizations": "torch.nn.utils.parametrizations",
    "nn.utils.parametrize": "torch.nn.utils.parametrize", "nn.utils.prune": "torch.nn.utils.prune",
    "nn.utils.rnn": "torch.nn.utils.rnn", "nn.utils.stateless": "torch.nn.utils.stateless", "optim": "torch.optim",
    "optim.lr_scheduler": "torch.optim.lr_scheduler", "utils.data": "torch.utils.data", "autograd": "torch.autograd",
    "func": "torch.func",
}  # fmt: skip
HEAD = """# What of torch 2.13 is here

Written by `scripts/make_parity.py` from `tests/api/surface`, whose lists name torch's public surface; `tests/api/test_surface.py`
fails, by name, when a name of tier 1 is neither here nor refused with a reason, or takes other parameters than torch's.
Tier 1 is what models and training loops use; tier 2 is the rest that makes sense for dense real tensors.

| list | tier 1 here | tier 1 refused | tier 2 here | tier 2 refused |
| --- | ---: | ---: | ---: | ---: |
"""
KEYWORDS = """
## Calls

Functions take torch's parameters under torch's names, `out=` where torch has it, and numpy's `axis` and `keepdims` for `dim` and
`keepdim`. Three things of torch's argument parser are not here: numpy's names `x`, `a`, `x1`, `x2` for `input` and `other`; names of
dimensions; and the overloads that torch has deprecated, such as `add(input, alpha, other)`.
"""


def read(name):
    """Return the rows of a list."""
    with open(SURFACE / f"{name}.tsv") as f:
        return list(csv.reader(f, delimiter="\t"))[1:]


def owner(name):
    """Return what holds the names of a list."""
    found = rsnn
    for part in () if name == "rsnn" else name.split("."):
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    return found


def absent(name):
    """Return {tier: names} of a list's names that are not here."""
    space, out = owner(name), {"1": [], "2": []}
    for row in read(name):
        if not hasattr(space, row[0]):
            out[row[1]].append(row[0])
    return out


def beyond():
    """Return the names of torch and torch.Tensor that no list has and that are not here."""
    return [(o, n) for o, n in read("beyond") if not hasattr(rsnn if o == "rsnn" else rsnn.Tensor, n)]


def counts():
    """Return rows (list, here in tier 1, refused, here in tier 2, refused) and the refused names by reason."""
    rows, refused = [], defaultdict(list)
    for name, title in LISTS.items():
        missing, tiers = absent(name), [row[1] for row in read(name)]
        rows.append((title, *(v for t in "12" for v in (tiers.count(t) - len(missing[t]), len(missing[t])))))
        for n in missing["1"] + missing["2"]:
            refused[reason(n)].append(f"{title}.{n}")
    for o, n in beyond():
        refused[reason(n)].append(f"{LISTS[o]}.{n}")
    return rows, refused


ARGUMENTS = """
## Arguments that are refused

What a present name refuses although torch takes it, with `NotImplementedError` or torch's own error. Everything else that raises
`NotImplementedError` does so where torch does, or belongs to a method that a subclass has to define.

| call | reason |
| --- | --- |
| `device="meta"` | there is no meta device: NotImplementedError; `nn.utils.skip_init` builds without drawing from the generator, `Module.to_empty` gives fresh memory |
| `layout` other than `strided` | sparse tensors are not supported |
| `autograd.Function.jvp`, forward mode in `gradcheck` and `gradgradcheck` | forward mode does not exist |
| `linalg.eig`, `linalg.eigvals` | their results are complex |
| `save` and `load` with another `pickle_module` | files are read by a restricted unpickler only |
| `DataParallel` over several devices, `SyncBatchNorm` with a process group | one process, one device |
| ops without a kernel for `device="gpu"` | the error names op and device; nothing moves silently |
"""


def page():
    """Return the page's text."""
    rows, refused = counts()
    text = HEAD + "".join("| " + " | ".join(map(str, row)) + " |\n" for row in rows)
    total = [sum(row[i] for row in rows) for i in range(1, 5)]
    text += "| all | " + " | ".join(map(str, total)) + " |\n" + KEYWORDS
    text += "\n## Refused\n\nBelow are all public names of `torch` and `torch.Tensor` that are not here, with those of the lists above.\n\n"
    text += "| reason | names |\n| --- | --- |\n"
    for why in sorted(refused, key=str):
        names = ", ".join(f"`{n.removeprefix('torch.')}`" for n in sorted(refused[why]))
        text += f"| {why} ({len(refused[why])}) | {names} |\n"
    return text + ARGUMENTS


if __name__ == "__main__":
    PAGE.write_text(page())
