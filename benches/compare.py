"""Time rsnn beside torch, in turns within one run, and append JSON rows to benches/results/.

Run `python benches/compare.py [name ...]`; without torch it times rsnn alone. Each library runs in processes of its own, with
one thread and with all. A row compares rsnn on all threads with torch at its better thread count, and one thread with one.
Ratios above 1 mean that rsnn is faster. The share is that of the machine's limit, which `probe` measures in the same run.
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

from cases import CASES, Case, gemm, surface

HERE = Path(__file__).parent
ROOT = HERE.parent
ALLOCATOR = "x + x, 16 MB: with the allocator's cache, and without"


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
    cases = all_cases()
    functions = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = request["case"]
        try:
            if case not in functions:
                functions.clear()
                lib.manual_seed(0)
                functions[case] = cases[case].make(lib)
                functions[case]()
            answer = {"seconds": _time_once(functions[case], request["block"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answer["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


def all_cases() -> dict[str, Case]:
    """Return every row: the main ones, those of the surface, and those of the sweep."""
    extra = [*surface.CASES, *gemm.sweep()]
    return CASES | {case.name: case for case in extra}


def _label(name: str, threads: int) -> str:
    return f"{name} ({threads} thread{'s' if threads > 1 else ''})"


class Process:
    """A worker, asked from here."""

    def __init__(self, name: str, threads: int):
        self.label, self.threads = _label(name, threads), threads
        self.peak = 0.0
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
        answer = json.loads(line) if line else {"error": "the process ended"}
        self.peak = answer.get("peak_rss_mb", 0.0)
        return answer

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
    row["peak_rss_mb"] = {p.label: p.peak for p in processes}
    if errors:
        row["errors"] = errors
    for threads in sorted({p.threads for p in processes}):
        _relate(row, times, threads)
    return row


def _relate(row: dict, times: dict[str, list[float]], threads: int) -> None:
    """Add the ratio for one thread count: torch may take any count up to it, whichever is better."""
    ours = times.get(_label("rsnn", threads))
    theirs = [times[k] for n in range(1, threads + 1) if times.get(k := _label("torch", n))]
    if not ours or not theirs:
        return
    best = min(theirs, key=statistics.median)
    quotients = sorted(t / o for t, o in zip(best, ours))
    row.setdefault("ratio", {})[threads] = {
        "median": statistics.median(best) / statistics.median(ours),
        "low": quotients[len(quotients) // 10],
        "high": quotients[-1 - len(quotients) // 10],
    }


def _share(case: Case, row: dict, limits: dict) -> None:
    """Add the share of the physical limit that rsnn reaches, per thread count."""
    for threads, limit in limits.items():
        result = row["results"].get(_label("rsnn", int(threads)))
        if not result or not (case.flops or case.bytes):
            continue
        seconds = case.flops / limit[case.kind] if case.flops and limit[case.kind] else 0.0
        if case.bytes:
            level = next((n for n, size in (("L2", 1e6), ("L3", 8e6)) if case.bytes <= size), "memory")
            seconds = max(seconds, case.bytes / limit[level])
        row.setdefault("share", {})[threads] = seconds / result["median"]


def probe() -> dict:
    """Measure the limits of this machine with the native probe; empty where there is no Rust toolchain."""
    command = ["cargo", "run", "-q", "--profile", "bench", "-p", "rsnn-benches", "--bin", "probe"]
    try:
        out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no probe, hence no shares of the limit: {error}")
        return {}
    return json.loads(out.stdout)


def _fresh(code: str, repeats: int, **environment: str) -> list[float]:
    values = []
    for _ in range(repeats):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment})
        if out.returncode:
            raise RuntimeError(out.stderr.strip().splitlines()[-1])
        values.append(float(out.stdout))
    return values


def start_up_rows(libraries: list[str], repeats: int, chosen) -> list[dict]:
    """Measure import time, and memory after small and large training steps, in fresh processes."""
    imports = "import time; t = time.perf_counter(); import {lib}; print(time.perf_counter() - t)"
    memory = (
        "import resource, {lib} as lib\n"
        "layer = lib.nn.Linear(64, 64)\n"
        "layer(lib.ones(8, 64)).sum().backward()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    encoder = (
        "import resource, {lib} as lib\n"
        "layer = lib.nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True)\n"
        "model = lib.nn.TransformerEncoder(layer, 6)\n"
        "optimizer = lib.optim.AdamW(model.parameters())\n"
        "x = lib.randn(8, 128, 512)\n"
        "for _ in range(3):\n"
        "    optimizer.zero_grad()\n"
        "    model(x).square().mean().backward()\n"
        "    optimizer.step()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    rows = []
    for case, unit, code in (
        ("import time", "seconds", imports),
        ("memory after one step", "MB", memory),
        ("6-layer encoder: peak memory", "MB", encoder),
    ):
        if not chosen(case):
            continue
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


def allocator_row() -> dict:
    """Measure what the caching allocator buys: 16 MB results made and dropped, with its cache and without."""
    code = (
        "import time, rsnn\n"
        "x = rsnn.ones(1 << 22)\n"
        "x + x\n"
        "t = time.perf_counter()\n"
        "for _ in range(50): x + x\n"
        "print((time.perf_counter() - t) / 50)"
    )
    results = {
        "rsnn": _summary(_fresh(code, 5)),
        "rsnn without a cache": _summary(_fresh(code, 5, RSNN_CACHE_BYTES="0")),
    }
    ratio = results["rsnn without a cache"]["median"] / results["rsnn"]["median"]
    return {"case": ALLOCATOR, "unit": "seconds", "results": results, "ratio": ratio}


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


def _show(row: dict, case: Case | None = None) -> str:
    factor, unit = {"seconds": (1e6, "us"), "MB": (1, "MB")}[row["unit"]]
    parts = []
    ratios = row.get("ratio", {})
    if not isinstance(ratios, dict):
        parts.append(f"{ratios:.2f}x")
        ratios = {}
    for threads, ratio in ratios.items():
        ours = row["results"][_label("rsnn", threads)]["median"] * factor
        share = row.get("share", {}).get(str(threads))
        parts.append(
            f"{threads}: {ours:10.2f} {unit} {ratio['median']:6.2f}x ({ratio['low']:.2f} to {ratio['high']:.2f})"
            + (f" {share:4.0%}" if share else "")
        )
    if not ratios:
        parts += [f"{label} {r['median'] * factor:.2f} {unit}" for label, r in row["results"].items()]
    if ratios and case and case.bar:
        reached = ratios[max(ratios)]["median"]
        parts.append(f"bar {case.bar:g} {'reached' if reached >= case.bar else 'MISSED'}")
    parts += [f"{label}: {error}" for label, error in row.get("errors", {}).items()]
    return f"{row['case']:<60} {'; '.join(parts)}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the cases' names; all cases without them")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=float, default=0.05, help="seconds per measurement")
    parser.add_argument("--surface", action="store_true", help="one row per op at 1 MB instead of the main rows")
    parser.add_argument("--sweep", action="store_true", help="matrix sizes beside the rows instead of the main rows")
    parser.add_argument("--out", type=Path, help="file of the rows (default: benches/results/<kind>.jsonl)")
    parser.add_argument("--wheel", type=Path, help="wheel to weigh in the row of sizes")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        worker(options.worker[0], int(options.worker[1]))
        return
    if importlib.util.find_spec("rsnn") is None:
        sys.exit("compare.py: rsnn is not installed. Run: make wheel, then .venv/bin/python benches/compare.py")
    run(options)


def run(options: argparse.Namespace) -> None:
    libraries = ["rsnn", "torch"]
    if importlib.util.find_spec("torch") is None:
        libraries = ["rsnn"]
        print("torch is not installed: the rows hold rsnn's times only. To compare, run: pip install torch")
    where = machine()
    limits = probe()
    kind = "surface" if options.surface else "sweep" if options.sweep else "compare"
    pool = {"surface": {c.name: c for c in surface.CASES}, "sweep": {c.name: c for c in gemm.sweep()}, "compare": CASES}[kind]
    out = options.out or HERE / "results" / f"{kind}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    cores = where["cores"]
    print(
        f"{where['cpu']}, {cores} cores, commit {where['commit']}{' (changed)' if where['changed'] else ''}; limits {json.dumps(limits)}"
    )
    print("threads: rsnn's time, torch's time over it with its spread, share of the machine's limit")

    def chosen(name: str) -> bool:
        return not options.names or any(part.lower() in name.lower() for part in options.names)

    rows = []
    with out.open("a") as file:

        def keep(row: dict) -> None:
            rows.append(row)
            print(_show(row, pool.get(row["case"])), flush=True)
            file.write(json.dumps({**row, **where}) + "\n")
            file.flush()

        names = [name for name in pool if chosen(name)]
        if names:
            processes = [Process(lib, n) for n in sorted({1, cores}) for lib in libraries]
            for name in names:
                row = compare(name, processes, options.rounds, options.block)
                row["bar"] = pool[name].bar
                _share(pool[name], row, limits)
                keep(row)
            for process in processes:
                process.close()
        if kind == "compare":
            for row in start_up_rows(libraries, 5, chosen):
                keep(row)
            if chosen(ALLOCATOR):
                keep(allocator_row())
            if chosen("size on disk"):
                keep(size_row(options.wheel))
    _conclude(rows)


def _conclude(rows: list[dict]) -> None:
    timed = [(row, row["ratio"][max(row["ratio"])]["median"]) for row in rows if isinstance(row.get("ratio"), dict)]
    if not timed:
        return
    ratios = sorted(ratio for _, ratio in timed)
    barred = [(row, ratio) for row, ratio in timed if row.get("bar")]
    missed = [f"{row['case']} ({ratio:.2f} of {row['bar']:g})" for row, ratio in barred if ratio < row["bar"]]
    print(
        f"median ratio {statistics.median(ratios):.2f}x; as fast as torch in {sum(r >= 1 for r in ratios)} of {len(ratios)}, under 2/3 of its speed in {sum(r < 1 / 1.5 for r in ratios)}"
    )
    if barred:
        print(f"bars reached: {len(barred) - len(missed)} of {len(barred)}" + "".join(f"\n  missed: {m}" for m in missed))


if __name__ == "__main__":
    main()
