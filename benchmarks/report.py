"""Time and size of a report of 50,000 rows and 50 columns: `python benchmarks/report.py [rows] [columns]`.

The fit is brief and not counted: the report does not depend on how good it is. Compilation is counted, cache off.
"""

import os
import sys
import time

os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)

import numpy as np
import pandas as pd

import behavior_learning as bl


def table(rows: int, columns: int) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Numbers and a few categories, and a number and a class that depend on them."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"column {j + 1}": rng.normal(size=rows) for j in range(columns - 5)})
    for j in range(5):
        X[f"group {j + 1}"] = rng.choice(["north", "south", "west"], rows)
    signal = X.iloc[:, 0] - X.iloc[:, 1] * X.iloc[:, 2]
    number = pd.Series(signal + 0.5 * rng.normal(size=rows), name="amount")
    return X, number, pd.Series(np.where(signal + rng.normal(size=rows) > 0, "yes", "no"), name="answer")


def main() -> None:
    rows, columns = (int(argument) for argument in (sys.argv[1:] or ["50000", "50"]))
    X, number, label = table(rows, columns)
    for estimator, y in ((bl.BLRegressor, number), (bl.BLClassifier, label)):
        model = estimator(max_epochs=2, n_restarts=1, random_state=0, optimizer=bl.Adam(batch_size=1024))
        model.fit(X.head(2000), y.head(2000))
        start, cpu = time.perf_counter(), time.process_time()
        page = model.report(None, X, y)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        facts = f"{len(page.html.encode()) / 1e6:.1f} MB, {model.n_parameters_} parameters"
        print(f"{estimator.__name__}, {rows:,} rows x {columns}: {seconds:.1f} s, {cpu:.1f} s of CPU time, {facts}")


if __name__ == "__main__":
    main()
