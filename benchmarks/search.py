"""Fifty trials, three seeds each, of a shallow network on a table of 20,000 rows, by halving. Aim: ten minutes.

python benchmarks/search.py --data DIR [--trials 50] [--tables MAGIC]
"""

import argparse
import time
from pathlib import Path

import pandas as pd

import behavior_learning as bl
from timing import heading, table

SPACE = {
    "layers": [(2, 1), (5, 1)],
    "optimizer__learning_rate": (0.003, 0.03),
    "penalty__l2": (1.0, 100.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--tables", nargs="*", default=["California", "MAGIC"])
    arguments = parser.parse_args()
    heading("Search")
    houses = pd.read_parquet(arguments.data / "california_housing.parquet")
    telescope = pd.read_parquet(arguments.data / "magic_telescope.parquet")
    shared = {"n_restarts": 3, "random_state": 0}
    searches = {
        "California housing": (bl.BLRegressor(**shared), houses, "medianHouseValue"),
        "MAGIC telescope": (bl.BLClassifier(**shared), telescope, "class"),
    }
    wanted = {name: one for name, one in searches.items() if name.split()[0] in arguments.tables}
    for name, (estimator, rows, response) in wanted.items():
        begun = time.perf_counter()
        X, y = rows.drop(columns=response), rows[response]
        found = bl.search(estimator, X, y, SPACE, method="halving", trials=arguments.trials, folds=1)
        minutes = (time.perf_counter() - begun) / 60
        best = found.table.iloc[0]
        line = (name, len(X), arguments.trials, f"{minutes:.1f}", best["layers"], f"{best['loss']:.3f}")
        table(("table", "rows", "trials of 3 seeds", "minutes (aim 10)", "best layers", "held-out loss"), [line])


if __name__ == "__main__":
    main()
