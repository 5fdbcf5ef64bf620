"""Boston Housing end to end, as in Section 3.2 and C.3: one problem, two below one, and five, three and one.

BL(Single) of degree 2, BL[2,1] and BL[5,3,1] are fitted to 404 tracts and judged on the other 102. For each: the
symbolic problem, its figures, and what every row says with the share of bootstrap refits that say the same. The paper's
own coefficient tables coincide with an untrained network, so they are no target; what is asked is whether statements
recur.

    python experiments/boston.py [--refits 20] [--out DIR] [--models single two deep] [--small]

`--small` trains briefly and refits twice, to see that all of it runs.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import behavior_learning as bl

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "single": (
        "BL(Single), degree 2",
        {"layers": (1,), "degrees": ((2,), (2, 2, 2), (2, 2))},
    ),
    "two": ("BL[2,1]", {"layers": (2, 1)}),
    "deep": ("BL[5,3,1]", {"layers": (5, 3, 1)}),
}
SMALL = {"max_epochs": 25, "n_restarts": 2}
TERMS = 5
TRACT = 0
"""The held-out tract whose landscape is drawn."""

Split = tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.Series]


def fitted(options: Mapping[str, Any], split: Split, small: bool) -> bl.BLRegressor:
    budget = SMALL if small else {"max_epochs": 300}
    return bl.BLRegressor(**options, **budget, random_state=0).fit(split[0], split[2])


def scores(model: bl.BLRegressor, split: Split) -> dict[str, float]:
    """On the held-out tracts."""
    _, X, _, y = split
    ends = model.predict_interval(X)
    return {
        "parameters": model.n_parameters_,
        "R²": model.score(X, y),
        "NLL (nats)": float(-model.log_density(X, y).mean()),
        "coverage of 90 % intervals": float(np.mean((y >= ends[:, 0]) & (y <= ends[:, 1]))),
    }


def linear_scores(split: Split) -> dict[str, float]:
    """Linear regression with Gaussian errors, for comparison."""
    X, X_test, y, y_test = split
    model = LinearRegression().fit(X, y)
    sigma = float(np.sqrt(((y - model.predict(X)) ** 2).sum() / (len(X) - X.shape[1] - 1)))
    residual = y_test - model.predict(X_test)
    return {
        "parameters": X.shape[1] + 2,
        "R²": model.score(X_test, y_test),
        "NLL (nats)": float(-norm.logpdf(residual, scale=sigma).mean()),
        "coverage of 90 % intervals": float(np.mean(np.abs(residual) <= norm.ppf(0.95) * sigma)),
    }


def statements(stability: Any) -> pd.DataFrame:
    """The hierarchy table: what every row says, how much of its block it moves, and how often refits say the same."""
    table = stability.to_frame()
    often = lambda shares: ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return pd.DataFrame(
        {
            "layer": table["layer"],
            "block": table["block"],
            "name": table["name"],
            "head": table["head"],
            "statement": table["statement"],
            "share of the block": [f"{share:.0%}" for share in table["share"]],
            "recurs": [f"{share:.0%}" for share in table["frequency"]],
            "its columns recur": [often(shares) for shares in table["column_frequencies"]],
        }
    )


def markdown(table: pd.DataFrame) -> str:
    number = lambda value: "" if np.isnan(value) else f"{value:.3f}"
    cell = lambda value: number(value) if isinstance(value, float) else str(value).replace("|", "\\|")
    line = lambda row: "| " + " | ".join(map(cell, row)) + " |"
    return "\n".join([line(table.columns), line(["---"] * table.shape[1]), *map(line, table.itertuples(index=False))])


def figures(model: bl.BLRegressor, split: Split) -> dict[str, Figure]:
    _, X, _, y = split
    learned, tract = model.problem_, X.iloc[[TRACT]]
    grid = np.linspace(0, 60, 241)
    many = pd.concat([tract] * len(grid))
    utility, density = model.utility(many, grid), np.exp(model.log_density(many, grid))
    plane = {"MEDV": (0.0, 60.0), "RM": (4.0, 9.0)}
    effects = model.effects(X, y, std_errors="none")
    surface = effects.surface("RM", "LSTAT")
    return {
        "hierarchy": bl.plots.hierarchy(learned, titles=model.explain().names),
        "graphs": bl.plots.block_graph(next(iter(learned.blocks.values()))),
        "landscape": bl.plots.landscape(grid, utility, density, name="MEDV ($1000s)", observed=y.iloc[TRACT]),
        "feasible": bl.plots.feasible_region(learned, tract.iloc[0].to_dict(), plane, block="block1.1"),
        "effects": bl.plots.effects(effects.table(standardized=True)),
        "surface": bl.plots.surface(*surface, names=("RM", "LSTAT"), label="E[MEDV|x]"),
        "training": bl.plots.training(model.history_, model.restarts_),
    }


def run(name: str, split: Split, folder: Path, refits: int, small: bool) -> dict[str, float]:
    title, options = MODELS[name]
    start = time.perf_counter()
    model = fitted(options, split, small)
    stability = model.stability(n=refits, kind="bootstrap")
    table = statements(stability)
    scored = scores(model, split)
    recurring = stability.to_frame()["frequency"]
    simplified = model.simplified(terms=TERMS)
    parts = [
        f"# {title} on Boston Housing",
        f"{scored['parameters']} parameters; on 102 held-out tracts R² {scored['R²']:.3f}, negative log-likelihood "
        f"{scored['NLL (nats)']:.3f} nats, {scored['coverage of 90 % intervals']:.0%} of 90 % intervals hold.",
        "## The problem, strongest terms first",
        f"```\n{model.problem_.text(TERMS)}\n```",
        "## In brief",
        f"```\n{simplified}\n```",
        f"## What it says, and how often {stability.n} bootstrap refits say the same",
        "A statement recurs where a refit's matching row names at least the same columns in the same directions.",
        markdown(table),
    ]
    (folder / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        for what, figure in figures(model, split).items():
            figure.savefig(folder / f"{name}-{what}.svg", metadata={"Date": None})
    print(f"{title}: {time.perf_counter() - start:.0f} s", flush=True)
    median, half = float(recurring.median()), float((recurring >= 0.5).mean())
    return {**scored, "median recurrence of a statement": median, "statements that recur in half of the refits": half}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "boston")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    split = train_test_split(*bl.datasets.load_boston(), test_size=0.2, random_state=0)
    lines = {"linear regression": linear_scores(split)}
    for name in arguments.models:
        refits = 2 if arguments.small else arguments.refits
        lines[MODELS[name][0]] = run(name, split, arguments.out, refits, arguments.small)
        table = pd.DataFrame(lines).T.astype({"parameters": int}).rename_axis("model").reset_index()
        text = "# Boston Housing: 102 held-out tracts\n\n" + markdown(table) + "\n"
        (arguments.out / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
