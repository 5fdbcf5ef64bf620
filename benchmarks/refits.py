"""Refits of BL[2,1] by descents from random starts beside refits by training: time, loss of other rows, what recurs.

python benchmarks/refits.py --n 24
python benchmarks/refits.py --n 200 --whole   # seconds of a clock instead, on every core and on one at a time
"""

import argparse
import time
import warnings
from unittest import mock

import numpy as np

import behavior_learning as bl
from behavior_learning import devices
from behavior_learning.core.arrays import make_key
from behavior_learning.learned import refits
from behavior_learning.learned.model import in_single
from behavior_learning.learned.stability import measure_stability
from behavior_learning.training.fit import row_losses
from timing import heading

TABLES = {"Boston": bl.datasets.load_boston, "auto MPG": bl.datasets.load_auto_mpg}


def outside(model, again, sample):
    """Mean loss, under a refit, of the rows that are not in its sample."""
    rows = in_single(model.given_rows("refits"))
    seen = {row.tobytes() for row in sample.x}
    other = np.array([row.tobytes() not in seen for row in model.rows.x])
    losses = row_losses(again.objective, again.network, tuple(column[other] for column in rows), make_key(0))
    return float(np.mean(losses))


def measured(model, kind, n, seed):
    """CPU seconds a refit, losses of other rows, and the means of recurrences and of signs of effects."""
    rows = model.given_rows("refits")
    list(refits.refits(model, rows, 2, kind, seed + 1))  # Compiles.
    began = time.process_time()
    made = list(refits.refits(model, rows, n, kind, seed))
    seconds = (time.process_time() - began) / n
    losses = np.array([outside(model, again, sample) for again, sample in made if again is not None])
    found = measure_stability(model, None, n=n, kind=kind, seed=seed)
    return seconds, losses, found.statements["recurrence"].mean(), found.effects["same_sign"].mean()


def whole(model, n, seed):
    """Seconds of a clock, and of the processor, that n refits take, and `stability` of as many."""
    rows = model.given_rows("refits")
    ways = {
        "refits": lambda n: list(refits.refits(model, rows, n, "bootstrap", seed)),
        "stability": lambda n: measure_stability(model, None, n=n, kind="bootstrap", seed=seed),
    }
    for name, run in ways.items():
        run(2)  # Compiles.
        for cores in (devices._cores(), 1):
            with mock.patch.object(devices, "_cores", return_value=cores):
                began = time.perf_counter(), time.process_time()
                run(n)
                clock, processor = time.perf_counter() - began[0], time.process_time() - began[1]
            print(f"- {n} {name}, {cores} at a time: {clock:.1f} s, {processor:.1f} CPU s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--fit", type=int, default=0, help="random_state of the fit")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    heading("Refits of BL[2,1]")
    for name, load in TABLES.items():
        model = bl.BLRegressor(layers=tuple(options.layers), random_state=options.fit).fit(*load()).model_
        if options.whole:
            print(f"\n{name}, {'at an optimum' if model.l2 else 'where training stopped'}\n")
            whole(model, options.n, options.seed)
            continue
        for kind in ("bootstrap", "halves"):
            new = measured(model, kind, options.n, options.seed)
            with mock.patch.object(refits, "from_random", return_value=None):
                old = measured(model, kind, options.n, options.seed)
            for way, (seconds, losses, recurrence, signs) in {"training": old, "descents": new}.items():
                facts = f"{seconds:.3f} CPU s a refit, loss of other rows {losses.mean():.3f}"
                print(f"{name}, {kind}, {way}: {facts}, recurrence {recurrence:.3f}, same sign {signs:.3f}", flush=True)
            if len(old[1]) == len(new[1]):
                gap = new[1] - old[1]
                print(f"    difference of losses {gap.mean():+.3f} +- {gap.std() / len(gap) ** 0.5:.3f}", flush=True)


if __name__ == "__main__":
    main()
