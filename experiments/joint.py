"""Responses chosen together beside models of each alone: held-out joint log-likelihood on real tables.

Energy efficiency: heating and cooling load as one vector. German credit: class and credit amount. Adult: income class
and hours per week. The joint model and each of the two separate ones have the same layers, so the pair has about twice
the parameters. 60/20/20 splits; NLL in nats per row, numbers on the standardised scale.

    python experiments/joint.py --data DIR [--out FILE] [--tables energy german adult] [--restarts 4]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl

SETTINGS = {"layers": (16, 4), "max_epochs": 300}


def energy(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_parquet(folder / "energy_efficiency.parquet")
    return table[table.columns[:-2]], table[table.columns[-2:]].set_axis(["heating", "cooling"], axis=1)


def german(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_parquet(folder / "german_credit.parquet")
    responses = ["class", "credit_amount"]
    return table.drop(columns=responses), table[responses]


def adult(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_parquet(folder / "adult.parquet").sample(8000, random_state=0).reset_index(drop=True)
    responses = ["class", "hours-per-week"]
    return table.drop(columns=[*responses, "native-country", "fnlwgt"]), table[responses]


TABLES = {"energy": (energy, range(3)), "german": (german, range(5)), "adult": (adult, range(2))}


def compare(X: pd.DataFrame, Y: pd.DataFrame, seed: int, restarts: int) -> tuple[float, float, list[float]]:
    """Held-out NLL of the joint model, and of the separate ones together and each."""
    order = np.random.default_rng(seed).permutation(len(X))
    train, held_out, test = np.split(order, [int(0.6 * len(X)), int(0.8 * len(X))])
    numbers = [name for name in Y if pd.api.types.is_numeric_dtype(Y[name])]
    log_scale = np.log(Y[numbers].iloc[train].std(ddof=0))
    rows = lambda table, at: table.iloc[at].reset_index(drop=True)

    def loss(model, response) -> float:
        fitted = model(random_state=seed, n_restarts=restarts, **SETTINGS)
        held = (rows(X, held_out), rows(response, held_out))
        fitted.fit(rows(X, train), rows(response, train), validation_data=held)
        return -fitted.log_density(rows(X, test), rows(response, test)).mean()

    joint = loss(bl.BLRegressor if len(numbers) == 2 else bl.BLHybrid, Y) - log_scale.sum()
    single = [
        loss(bl.BLRegressor, Y[name]) - log_scale[name] if name in numbers else loss(bl.BLClassifier, Y[name])
        for name in Y
    ]
    return joint, sum(single), single


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--restarts", type=int, default=4)
    arguments = parser.parse_args()
    lines = [
        "| table | split | joint NLL | two models | of which each | gain (nats per row) |",
        "|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n", flush=True)
    for name in arguments.tables:
        load, seeds = TABLES[name]
        X, Y = load(arguments.data)
        for seed in seeds:
            joint, pair, single = compare(X, Y, seed, arguments.restarts)
            each = " + ".join(f"{value:.3f}" for value in single)
            lines.append(f"| {name} | {seed} | {joint:.3f} | {pair:.3f} | {each} | {pair - joint:.3f} |")
            print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
