"""Write the table of measured rows into README.md from benches/results/.

Run `python benches/table.py` after `compare.py`: the newest row of each case counts, and everything between the two
markers in README.md is replaced. `--check` only tells whether README.md is up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cases import CASES
from compare import ALLOCATOR

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
OTHERS = ("import time", "memory after one step", "6-layer encoder: peak memory", ALLOCATOR, "size on disk")


def newest(path: Path) -> dict[str, dict]:
    rows = (json.loads(line) for line in path.read_text().splitlines())
    return {row["case"]: row for row in rows}


def time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def line(row: dict) -> str:
    """Return one row of the table: both thread counts where they were measured."""
    ratios = row.get("ratio")
    if not isinstance(ratios, dict):
        shown = {k: f"{v['median']:.3g} MB" if row["unit"] == "MB" else time(v["median"]) for k, v in row["results"].items()}
        other = shown.get("torch") or shown.get("rsnn without a cache", "")
        return f"| {row['case']} | {shown.get('rsnn', '')} | {other} | {ratios or 0:.3g} | | | |"
    most = max(ratios, key=int)
    results, wide = row["results"], ratios[most]
    label = f"rsnn ({most} thread{'s' if int(most) > 1 else ''})"
    ours = results[label]["median"]
    spread = f"{wide['low']:.2f} to {wide['high']:.2f}"
    share = row.get("share", {}).get(most)
    single = f"{ratios['1']['median']:.2f}" if "1" in ratios else ""
    bar = f"{row['bar']:g}" if row.get("bar") else ""
    return (
        f"| {row['case']} | {time(ours)} | {time(ours * wide['median'])} | {wide['median']:.2f} ({spread}) | {single} | "
        f"{f'{share:.0%}' if share else ''} | {bar} |"
    )


def table() -> str:
    rows = newest(HERE / "results" / "compare.jsonl")
    names = [name for name in (*CASES, *OTHERS) if name in rows]
    if not names:
        return ""
    where = rows[names[0]]
    head = (
        f"{where['cpu']}, {where['cores']} cores, commit {where['commit']}, PyTorch {where['torch']}. Ratio: torch's time over rsnn's, "
        "median with its spread, rsnn on all threads against torch at its better thread count; then one thread against one; "
        "the share of the machine's limit (multiply-adds or bandwidth, whichever binds); the bar we hold ourselves to.\n\n"
        "| what | rsnn | torch | ratio | 1 thread | of the limit | bar |\n|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(line(rows[name]) + "\n" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        sys.exit(f"table.py: README.md holds no markers {BEGIN!r} and {END!r}")
    updated = before + BEGIN + table() + END + after
    if options.check:
        sys.exit(0 if updated == text else "README.md is not what benches/table.py would write")
    README.write_text(updated)


if __name__ == "__main__":
    main()
