"""Two checkouts of this project, alternately in processes of their own: whole fits, compiled and cold.

    python benchmarks/against.py OLD_CHECKOUT [--rounds 5]

Prints, for each case, the least seconds of each checkout and their ratio. The least of several rounds is what a shared
machine disturbs least.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

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
        start = time.perf_counter()
        estimator.fit(X, target)
        timed.append(time.perf_counter() - start)
    start = time.perf_counter()
    estimator.predict(X)
    seconds[name + ", cold"], seconds[name + ", compiled"] = timed[0], min(timed[1:])
print(json.dumps(seconds))
"""


def measured(checkout: Path) -> dict[str, float]:
    """Seconds of every case in a fresh process."""
    cases = ", ".join(f"{name!r}: ({case})" for name, case in CASES.items())
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "JAX_COMPILATION_CACHE_DIR": ""}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(cases=cases)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    checkouts = {"old": options.old.resolve(), "new": Path(__file__).resolve().parents[1]}
    best: dict[str, dict[str, float]] = {name: {} for name in checkouts}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            for case, seconds in measured(checkout).items():
                best[name][case] = min(seconds, best[name].get(case, seconds))
    print("| case | old, s | new, s | new/old |\n|---|---|---|---|")
    for case, seconds in best["new"].items():
        print(f"| {case} | {best['old'][case]:.2f} | {seconds:.2f} | {seconds / best['old'][case]:.2f} |")


if __name__ == "__main__":
    main()
