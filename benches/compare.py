"""Time rsnn beside torch, in turns within one run, and append JSON rows to benches/results/.

Run `python benches/compare.py [name ...]`; without torch it times rsnn alone. Each library runs in a process of its own;
torch runs with one thread and with all, and its better result counts. Ratios above 1 mean that rsnn is faster.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent


# --- the cases: each takes the library and returns the function to time


def dispatch(lib, kind):
    x, y = lib.ones(1), lib.ones(1)
    if kind == "add":
        return lambda: x + y
    if kind == "add_grad":
        g = lib.ones(1, requires_grad=True)
        return lambda: g + y
    if kind == "shape":
        return lambda: x.shape
    if kind == "backward":
        g = lib.ones(1, requires_grad=True)
        return lambda: (g * y).backward()
    layer = lib.nn.Linear(8, 8)
    z = lib.ones(1, 8)
    return lambda: layer(z)


def gemm(lib, m, n, k):
    a, b = lib.randn(m, k), lib.randn(k, n)
    return lambda: a @ b


def layer(lib, make, shape, backward=False):
    module = make(lib)
    x = lib.randn(*shape).requires_grad_(backward)
    return _pass(lambda: module(x), backward)


def _pass(forward, backward):
    if not backward:
        return forward
    return lambda: forward().sum().backward()


def softmax(lib, rows, columns, backward=False):
    x = lib.randn(rows, columns).requires_grad_(backward)
    return _pass(lambda: lib.softmax(x, -1), backward)


def attention(lib, b, h, t, d, backward=False, causal=True):
    q, k, v = (lib.randn(b, h, t, d).requires_grad_(backward) for _ in range(3))
    f = lib.nn.functional.scaled_dot_product_attention
    return _pass(lambda: f(q, k, v, is_causal=causal), backward)


def cross_entropy(lib, rows, columns):
    x, y = lib.randn(rows, columns).requires_grad_(), lib.randint(0, columns, (rows,))
    return lambda: lib.nn.functional.cross_entropy(x, y).backward()


def conv(lib, backward):
    module = lib.nn.Conv2d(32, 64, 3, padding=1)
    x = lib.randn(8, 32, 32, 32).requires_grad_(backward)
    return _pass(lambda: module(x), backward)


def adamw(lib):
    shapes = [(256, 1024), (1024, 256), (768, 256), (256, 256), (1024,), (256,), (256,), (256,)] * 6
    params = [lib.nn.Parameter(lib.randn(*shape)) for shape in shapes]
    for p in params:
        p.grad = lib.randn(*p.shape)
    options = {"fused": True} if lib.__name__ == "torch" else {}
    optimizer = lib.optim.AdamW(params, lr=1e-3, **options)
    return optimizer.step


def _example(lib, name):
    """Load an example with the library's modules in the place of rsnn's."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    if lib.__name__ != "rsnn":
        for part in ("", ".nn", ".nn.functional"):
            sys.modules["rsnn" + part] = importlib.import_module(lib.__name__ + part)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def demo_step(lib):
    example = _example(lib, "shakespeare")
    model = example.Transformer(84)
    options = {"fused": True} if lib.__name__ == "torch" else {}
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3, **options)
    tokens, targets = (lib.randint(0, 84, (16, 128)) for _ in range(2))

    def step():
        loss = example.loss_of(model, tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def minilm(lib):
    example = _example(lib, "minilm")
    config = example.Config(30522, 384, 6, 12, 1536, 512, 2, 1e-12)
    model = example.Bert(config).eval()
    tokens, mask = lib.randint(0, 30522, (16, 32)), lib.ones(16, 32, dtype=lib.int64)

    def run():
        with lib.no_grad():
            model(tokens, mask)

    return run


CASES = {
    "dispatch: shape": lambda lib: dispatch(lib, "shape"),
    "dispatch: add 1 element": lambda lib: dispatch(lib, "add"),
    "dispatch: add 1 element, with grad": lambda lib: dispatch(lib, "add_grad"),
    "dispatch: mul and backward, 1 element": lambda lib: dispatch(lib, "backward"),
    "dispatch: nn.Linear(8, 8) call": lambda lib: dispatch(lib, "linear"),
    "gemm 64x64x64": lambda lib: gemm(lib, 64, 64, 64),
    "gemm 256x256x256": lambda lib: gemm(lib, 256, 256, 256),
    "gemm 1024x1024x1024": lambda lib: gemm(lib, 1024, 1024, 1024),
    "gemm 2048x256x1024": lambda lib: gemm(lib, 2048, 1024, 256),
    "gemm 1x1024x1024": lambda lib: gemm(lib, 1, 1024, 1024),
    "layer_norm 2048x256": lambda lib: layer(lib, lambda t: t.nn.LayerNorm(256), (2048, 256)),
    "layer_norm 2048x256, forward and backward": lambda lib: layer(
        lib, lambda t: t.nn.LayerNorm(256), (2048, 256), True
    ),
    "gelu 2048x1024": lambda lib: layer(lib, lambda t: t.nn.GELU(), (2048, 1024)),
    "batch_norm 32x64x28x28, forward and backward": lambda lib: layer(
        lib, lambda t: t.nn.BatchNorm2d(64), (32, 64, 28, 28), True
    ),
    "softmax 2048x512": lambda lib: softmax(lib, 2048, 512),
    "softmax 2048x512, forward and backward": lambda lib: softmax(lib, 2048, 512, True),
    "attention 16x8x128x32, causal": lambda lib: attention(lib, 16, 8, 128, 32),
    "attention 16x8x128x32, causal, forward and backward": lambda lib: attention(lib, 16, 8, 128, 32, True),
    "attention 1x8x1024x64, causal, forward and backward": lambda lib: attention(lib, 1, 8, 1024, 64, True),
    "cross_entropy 2048x84, forward and backward": lambda lib: cross_entropy(lib, 2048, 84),
    "conv2d 8x32x32x32 to 64, 3x3": lambda lib: conv(lib, False),
    "conv2d 8x32x32x32 to 64, 3x3, forward and backward": lambda lib: conv(lib, True),
    "AdamW step, 4.7 million weights": adamw,
    "demo: training step": demo_step,
    "MiniLM: 16 sentences of 32 tokens": minilm,
}


# --- a worker: one library in its own process, told on stdin what to time


def _time_once(function, seconds: float) -> float:
    """Return seconds per call over a block of about `seconds`."""
    count, spent = 1, 0.0
    while True:
        begin = time.perf_counter()
        for _ in range(count):
            function()
        spent = time.perf_counter() - begin
        if spent >= seconds or count >= 1 << 20:
            return spent / count
        count = max(count + 1, int(count * min(20.0, 1.2 * seconds / max(spent, 1e-7))))


def worker(name: str, threads: int) -> None:
    lib = importlib.import_module(name)
    importlib.import_module(name + ".nn.functional")
    lib.set_num_threads(threads)
    functions = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = request["case"]
        try:
            if case not in functions:
                functions.clear()
                lib.manual_seed(0)
                functions[case] = CASES[case](lib)
                functions[case]()
            answer = {"seconds": _time_once(functions[case], request["block"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answer["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


class Process:
    """A worker, asked from here."""

    def __init__(self, name: str, threads: int):
        self.label = f"{name} ({threads} thread{'s' if threads > 1 else ''})"
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, "--worker", name, str(threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def ask(self, case: str, block: float) -> dict:
        try:
            self.process.stdin.write(json.dumps({"case": case, "block": block}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the process ended"}

    def close(self) -> None:
        self.process.communicate()  # closes its stdin, which ends it


# --- the comparison


def _summary(values: list[float]) -> dict:
    values = sorted(values)
    return {
        "median": statistics.median(values),
        "low": values[len(values) // 10],
        "high": values[-1 - len(values) // 10],
        "rounds": len(values),
    }


def compare(case: str, processes: list[Process], rounds: int, block: float) -> dict:
    """Time a case in turns; the order within a round rotates."""
    times: dict[str, list[float]] = {p.label: [] for p in processes}
    errors: dict[str, str] = {}
    for i in range(rounds + 1):
        for p in processes[i % len(processes) :] + processes[: i % len(processes)]:
            if p.label in errors:
                continue
            answer = p.ask(case, block)
            if "error" in answer:
                errors[p.label] = answer["error"]
            elif i > 0:  # the first round warms up
                times[p.label].append(answer["seconds"])
    row: dict = {"case": case, "unit": "seconds", "results": {k: _summary(v) for k, v in times.items() if v}}
    if errors:
        row["errors"] = errors
    best = {}
    for label, result in row["results"].items():
        library = label.split(" ")[0]
        if library not in best or result["median"] < row["results"][best[library]]["median"]:
            best[library] = label
    if len(best) == 2:
        ours, theirs = times[best["rsnn"]], times[best["torch"]]
        row["best"] = best
        row["ratio"] = statistics.median(theirs) / statistics.median(ours)
        row["ratio_spread"] = [min(t / o for t, o in zip(theirs, ours)), max(t / o for t, o in zip(theirs, ours))]
    return row


def _fresh(code: str, repeats: int) -> list[float]:
    values = []
    for _ in range(repeats):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if out.returncode:
            raise RuntimeError(out.stderr.strip().splitlines()[-1])
        values.append(float(out.stdout))
    return values


def start_up_rows(libraries: list[str], repeats: int) -> list[dict]:
    """Measure import time, and memory after a first training step, in fresh processes."""
    imports = "import time; t = time.perf_counter(); import {lib}; print(time.perf_counter() - t)"
    memory = (
        "import resource, {lib} as lib\n"
        "layer = lib.nn.Linear(64, 64)\n"
        "layer(lib.ones(8, 64)).sum().backward()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    rows = []
    for case, unit, code in (("import time", "seconds", imports), ("memory after one step", "MB", memory)):
        row: dict = {"case": case, "unit": unit, "results": {}}
        for lib in libraries:
            try:
                row["results"][lib] = _summary(_fresh(code.format(lib=lib), repeats))
            except RuntimeError as error:
                row.setdefault("errors", {})[lib] = str(error)
        if len(row["results"]) == 2:
            row["ratio"] = row["results"]["torch"]["median"] / row["results"]["rsnn"]["median"]
        rows.append(row)
    return rows


def size_row(wheel: Path | None) -> dict:
    """Measure what is installed, and the wheel: the one given, or else the newest in dist/ and target/wheels/."""

    def folder(name: str) -> float | None:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            return None
        root = Path(next(iter(spec.submodule_search_locations)))
        files = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return sum(p.stat().st_size for p in files) / 1e6

    row: dict = {"case": "size on disk", "unit": "MB", "results": {}}
    for name in ("rsnn", "torch"):
        size = folder(name)
        if size:
            row["results"][name] = {"median": size}
    built = [p for part in ("dist", "target/wheels") for p in (ROOT / part).glob("rsnn-*.whl")]
    wheel = wheel or max(built, key=lambda p: p.stat().st_mtime, default=None)
    if wheel:
        row["results"]["rsnn wheel"] = {"median": wheel.stat().st_size / 1e6, "file": wheel.name}
    if {"rsnn", "torch"} <= set(row["results"]):
        row["ratio"] = row["results"]["torch"]["median"] / row["results"]["rsnn"]["median"]
    return row


def _git(*arguments: str) -> str:
    out = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return out.stdout.strip()


def machine() -> dict:
    """Describe where and on what the rows were measured."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": model,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "rsnn": _version("rsnn"),
        "torch": _version("torch"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _show(row: dict) -> str:
    factor, unit = {"seconds": (1e6, "us"), "MB": (1, "MB")}[row["unit"]]
    if "ratio" in row:
        best = row.get("best", {"rsnn": "rsnn", "torch": "torch"})
        ours, theirs = (row["results"][best[name]]["median"] * factor for name in ("rsnn", "torch"))
        spread = "  ({:.2f} to {:.2f})".format(*row["ratio_spread"]) if "ratio_spread" in row else ""
        text = f"{ours:12.2f} {theirs:12.2f} {unit}  {row['ratio']:6.2f}x{spread}"
    else:
        text = ", ".join(f"{label} {r['median'] * factor:.2f} {unit}" for label, r in row["results"].items())
    notes = [f"{label}: {error}" for label, error in row.get("errors", {}).items()]
    if "rsnn wheel" in row["results"]:
        notes.append(f"wheel {row['results']['rsnn wheel']['median']:.2f} MB")
    return f"{row['case']:<56} {'; '.join([text, *notes])}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the cases' names; all cases without them")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=float, default=0.05, help="seconds per measurement")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "compare.jsonl")
    parser.add_argument("--wheel", type=Path, help="wheel to weigh in the row of sizes")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        worker(options.worker[0], int(options.worker[1]))
        return
    if importlib.util.find_spec("rsnn") is None:
        sys.exit("compare.py: rsnn is not installed. Run: make wheel, then .venv/bin/python benches/compare.py")
    libraries = ["rsnn", "torch"]
    if importlib.util.find_spec("torch") is None:
        libraries = ["rsnn"]
        print("torch is not installed: the rows hold rsnn's times only. To compare, run: pip install torch")
    where = machine()
    cores = where["cores"]

    def chosen(name: str) -> bool:
        return not options.names or any(part.lower() in name.lower() for part in options.names)

    counts = sorted({1, cores})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{where['cpu']}, {cores} cores, commit {where['commit']}{' (changed)' if where['changed'] else ''}")
    print(f"{'case':<56} {'rsnn':>12} {'torch':>12}      torch / rsnn")
    rows = []
    with options.out.open("a") as file:

        def keep(row: dict) -> None:
            rows.append(row)
            print(_show(row), flush=True)
            file.write(json.dumps({**row, **where}) + "\n")
            file.flush()

        cases = [case for case in CASES if chosen(case)]
        if cases:
            processes = [Process("rsnn", cores)]
            processes += [Process(lib, n) for lib in libraries[1:] for n in counts]
            for case in cases:
                keep(compare(case, processes, options.rounds, options.block))
            for process in processes:
                process.close()
        for row in start_up_rows(libraries, 5) if chosen("import time") or chosen("memory after one step") else []:
            keep(row)
        if chosen("size on disk"):
            keep(size_row(options.wheel))
    timed = [row["ratio"] for row in rows if "ratio_spread" in row]
    if timed:
        slower = sum(ratio < 1 for ratio in timed)
        print(f"median ratio {statistics.median(timed):.2f}x; slower than torch in {slower} of {len(timed)}")


if __name__ == "__main__":
    main()
