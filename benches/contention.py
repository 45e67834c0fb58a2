"""Time a few ops alone and beside busy neighbours, for rsnn and torch; append JSON rows to benches/results/contention.jsonl.

Run `python benches/contention.py`. One busy loop runs per core. A fair scheduler leaves each side half of the machine, so a call may take
twice its quiet time; spin barriers take far more.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from compare import HERE, Process, machine

ROWS = (
    "gemm: n=64",
    "gemm: n=512",
    "LayerNorm 1024x512: forward",
    "softmax 1024x512",
    "gelu 1024x512: forward",
    "MLP 784-256-10, batch 64: training step",
)
BUSY = "while True: pass"


def median(process: Process, case: str, rounds: int = 9) -> float:
    process.ask(case, 0.02)
    return statistics.median(process.ask(case, 0.1)["seconds"] for _ in range(rounds))


def main() -> None:
    where = machine()
    processes = [Process(name, where["cores"]) for name in ("rsnn", "torch")]
    print(f"{'case':<45} {'rsnn':>8} {'torch':>8}   busy over quiet time, {where['cores']} busy loops")
    with (HERE / "results" / "contention.jsonl").open("a") as file:
        for case in ROWS:
            quiet = [median(p, case) for p in processes]
            loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(where["cores"])]
            try:
                time.sleep(0.3)
                busy = [median(p, case) for p in processes]
            finally:
                for loop in loops:
                    loop.kill()
                    loop.wait()
            factors = [b / q for b, q in zip(busy, quiet)]
            print(f"{case:<45} {factors[0]:7.1f}x {factors[1]:7.1f}x", flush=True)
            row = {"case": case, "quiet": quiet, "busy": busy, "order": ["rsnn", "torch"], **where}
            file.write(json.dumps(row) + "\n")
    for process in processes:
        process.close()


if __name__ == "__main__":
    main()
