"""Writes goldens.txt, the draws of torch's CPU generator that tests.rs compares with: python goldens.py > goldens.txt."""

import torch

SIZES = (1, 5, 15, 16, 17, 100, 1000)


def line(name, n, x):
    x = x.flatten()
    kind = {torch.float32: "f32", torch.float64: "f64"}.get(x.dtype, "i64")
    bits = x.view(torch.int32).long() & 0xFFFFFFFF if kind == "f32" else x.view(torch.int64) if kind == "f64" else x.long()
    values = [int(b) & (2**64 - 1) for b in bits]
    digest = 0xCBF29CE484222325
    for v in values:
        digest = ((digest ^ v) * 0x100000001B3) & (2**64 - 1)
    # the generator is left where the draw ended, which the next draw shows
    after = int(torch.empty(1, dtype=torch.int64).random_(0, 2**27))
    step = max(1, n // 20)
    print(name, kind, n, f"{digest:x}", after, *(f"{v:x}" for v in values[::step]))


def draw(name, f, sizes=SIZES):
    for n in sizes:
        torch.manual_seed(0)
        line(name, n, f(n))


for dtype in (torch.float32, torch.float64):
    draw("uniform", lambda n: torch.empty(n, dtype=dtype).uniform_())
    draw("uniform_range", lambda n: torch.empty(n, dtype=dtype).uniform_(-0.3, 0.7))
    draw("normal", lambda n: torch.empty(n, dtype=dtype).normal_())
    draw("normal_range", lambda n: torch.empty(n, dtype=dtype).normal_(1.5, 0.02))
    draw("normal_strided", lambda n: torch.empty(n, 2, dtype=dtype)[:, 0].normal_(), (17, 100))
    draw("exponential", lambda n: torch.empty(n, dtype=dtype).exponential_(1.5))
    draw("log_normal", lambda n: torch.empty(n, dtype=dtype).log_normal_(0.5, 2.0))
    draw("cauchy", lambda n: torch.empty(n, dtype=dtype).cauchy_(0.5, 2.0))
    draw("geometric", lambda n: torch.empty(n, dtype=dtype).geometric_(0.3))
    draw("bernoulli", lambda n: torch.empty(n, dtype=dtype).bernoulli_(0.3))
    draw("bernoulli_tensor", lambda n: torch.bernoulli(torch.arange(n, dtype=dtype) / n))
    draw("multinomial", lambda n: torch.multinomial(torch.arange(1, n + 1, dtype=dtype).repeat(2, 1), n))
    draw("multinomial_one", lambda n: torch.multinomial(torch.arange(1, n + 1, dtype=dtype).repeat(3, 1), 1))
    draw("multinomial_half", lambda n: torch.multinomial(torch.arange(1, n + 1, dtype=dtype), (n + 1) // 2))
    draw("multinomial_rep", lambda n: torch.multinomial(torch.arange(1, n + 1, dtype=dtype).repeat(2, 1), 2 * n, True))
    draw("random", lambda n: torch.empty(n, dtype=dtype).random_())
draw("random", lambda n: torch.empty(n, dtype=torch.int64).random_())
draw("random_i32", lambda n: torch.empty(n, dtype=torch.int32).random_())
draw("randint", lambda n: torch.randint(-5, 1000, (n,)))
draw("randint_28", lambda n: torch.randint(0, 1 << 28, (n,)))
draw("randint_40", lambda n: torch.randint(-7, 1 << 40, (n,)))
draw("random_full", lambda n: torch.empty(n, dtype=torch.int64).random_(-(2**63), None))
draw("randperm", torch.randperm)
torch.manual_seed(7)
torch.empty(3).normal_()
torch.empty(700).uniform_()
print("state", "i64", 1, *(f"{b:02x}" for b in [0, 0]), "".join(f"{b:02x}" for b in torch.get_rng_state().tolist()))
