"""Two checkouts of this project, alternately in processes of their own: whole fits, or what a benchmark of both prints.

    python benchmarks/against.py OLD_CHECKOUT [--rounds 5] [--cpu]
    python benchmarks/against.py OLD_CHECKOUT --script step.py --rounds 3
    python benchmarks/against.py OLD_CHECKOUT --script fits.py --data DIR

Prints, for each case, the least time of each checkout and their ratio. The least of several rounds is what a shared
machine disturbs least; CPU seconds of whole fits, with `--cpu`, it disturbs less still.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

NUMBER = re.compile(r"\d+(\.\d+)?")

CASES = {
    "a number, BL[2,1]": 'bl.BLRegressor(layers=(2, 1), max_epochs=150, patience=150, random_state=0), "number"',
    "a number, default layers": 'bl.BLRegressor(max_epochs=60, patience=60, random_state=0), "number"',
    "a number, BL[5,3,1]": 'bl.BLRegressor(layers=(5, 3, 1), max_epochs=100, patience=100, random_state=0), "number"',
    "denoising score matching, BL[2,1]": (
        'bl.BLRegressor(layers=(2, 1), objective="dsm", max_epochs=200, patience=200, random_state=0), "number"'
    ),
    "two classes, default layers": 'bl.BLClassifier(max_epochs=100, patience=100, random_state=0), "class"',
    "two classes seen by blocks, BL[2,1]": (
        'bl.BLClassifier(layers=(2, 1), output="scalar", max_epochs=150, patience=150, random_state=0), "class"'
    ),
}

PROGRAM = """
import json, sys, time
import numpy as np
import behavior_learning as bl
X, y = bl.datasets.load_boston()
seconds = {{}}
for name, (estimator, kind) in {{{cases}}}.items():
    target = y if kind == "number" else np.where(y > y.median(), "above", "below")
    timed = []
    for _ in range(3):
        start = time.{clock}()
        estimator.fit(X, target)
        timed.append(time.{clock}() - start)
    seconds[name + ", cold"], seconds[name + ", compiled"] = timed[0], min(timed[1:])
print(json.dumps(seconds))
"""


def printed_by(checkout: Path, *command: str) -> str:
    """What a fresh process prints that finds the sources of a checkout, and no program compiled before."""
    cold = {"JAX_COMPILATION_CACHE_DIR": "", "BEHAVIOR_LEARNING_CACHE": "off", "PYTHONPATH": str(checkout / "src")}
    command = sys.executable, "-W", "ignore", *command
    return subprocess.run(command, env=os.environ | cold, check=True, capture_output=True, text=True).stdout


def whole_fits(checkout: Path, clock: str) -> dict[str, float]:
    """Seconds of every case."""
    cases = ", ".join(f"{name!r}: ({case})" for name, case in CASES.items())
    return json.loads(printed_by(checkout, "-c", PROGRAM.format(cases=cases, clock=clock)).splitlines()[-1])


def figures(checkout: Path, script: str, *arguments: str) -> dict[str, float]:
    """The first number of every line of the tables that a benchmark prints, by the words before it."""
    printed = printed_by(checkout, str(checkout / "benchmarks" / script), *arguments)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]
    found: dict[str, float] = {}
    for cells in lines:
        numbers = [index for index, cell in enumerate(cells) if index and NUMBER.fullmatch(cell)]
        if numbers:
            found.setdefault(", ".join(cells[: numbers[0]]), float(cells[numbers[0]]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--script", help="a benchmark that both checkouts have; other arguments are passed on to it")
    parser.add_argument("--cpu", action="store_true", help="of whole fits, CPU seconds")
    options, passed = parser.parse_known_args()
    clock = "process_time" if options.cpu else "perf_counter"
    checkouts = {"old": options.old.resolve(), "new": Path(__file__).resolve().parents[1]}
    best: dict[str, dict[str, float]] = {name: {} for name in checkouts}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            found = figures(checkout, options.script, *passed) if options.script else whole_fits(checkout, clock)
            for case, time in found.items():
                best[name][case] = min(time, best[name].get(case, time))
    print("| case | old | new | new/old |\n|---|---|---|---|")
    for case, time in best["new"].items():
        if before := best["old"].get(case):
            print(f"| {case} | {before:.3g} | {time:.3g} | {time / before:.2f} |")


if __name__ == "__main__":
    main()
