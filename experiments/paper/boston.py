"""Boston Housing end to end, as in Section 3.2 and C.3: one problem, two below one, and five, three and one.

BL(Single) of degree 2, BL[2,1] and BL[5,3,1] are fitted to 404 tracts and judged on the other 102. For each: the
symbolic problem, its figures, and what every row says with the share of bootstrap refits that say the same. The paper's
own coefficient tables coincide with an untrained network, so they are no target; what is asked is whether statements
recur. Beside them linear regression, and the problem that `bl.discover` finds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from experiments.paper.records import RESULTS, Case, markdown, table_of, write
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import behavior_learning as bl

SECTION = "boston"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "single": (
        "BL(Single), degree 2",
        {"layers": (1,), "degrees": ((2,), (2, 2, 2), (2, 2))},
    ),
    "two": ("BL[2,1]", {"layers": (2, 1)}),
    "deep": ("BL[5,3,1]", {"layers": (5, 3, 1)}),
}
ALL = ("linear", *MODELS, "discovered")
SETTINGS = {"max_epochs": 300, "refits": 20}
TERMS = 5
TRACT = 0
"""The held-out tract whose landscape is drawn."""

Split = tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.Series]


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for name in models or ALL:
        yield Case(SECTION, "boston_housing", name, 0, SETTINGS)


def measure(case: Case) -> dict[str, Any]:
    split: Split = train_test_split(*bl.datasets.load_boston(), test_size=0.2, random_state=case.seed)
    match case.model:
        case "linear":
            return linear_scores(split)
        case "discovered":
            found = bl.discover(split[0], split[2], random_state=case.seed)
            text = f"# The problem that was discovered\n\n```\n{found.model.problem_.text(TERMS)}\n```\n"
            (folder() / "discovered.md").write_text(text, encoding="utf-8")
            return scores(found.model, split)
        case name:
            options, epochs = MODELS[name][1], case.settings["max_epochs"]
            model = bl.BLRegressor(**options, max_epochs=epochs, random_state=case.seed).fit(split[0], split[2])
            return page(name, model, split, case.settings["refits"])


def folder() -> Path:
    path = RESULTS / "boston"
    path.mkdir(parents=True, exist_ok=True)
    return path


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


def page(name: str, model: bl.BLRegressor, split: Split, refits: int) -> dict[str, float]:
    """Write the problem, its statements and its figures down; what a record has of it."""
    title, _ = MODELS[name]
    stability = model.stability(n=refits, kind="bootstrap")
    table = statements(stability)
    scored = scores(model, split)
    recurring = stability.to_frame()["frequency"]
    parts = [
        f"# {title} on Boston Housing",
        f"{scored['parameters']} parameters; on 102 held-out tracts R² {scored['R²']:.3f}, negative log-likelihood "
        f"{scored['NLL (nats)']:.3f} nats, {scored['coverage of 90 % intervals']:.0%} of 90 % intervals hold.",
        "## The problem, strongest terms first",
        f"```\n{model.problem_.text(TERMS)}\n```",
        "## In brief",
        f"```\n{model.simplified(terms=TERMS)}\n```",
        f"## What it says, and how often {stability.n} bootstrap refits say the same",
        "A statement recurs where a refit's matching row names at least the same columns in the same directions.",
        markdown(table.columns, table.itertuples(index=False)),
    ]
    (folder() / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        for what, figure in figures(model, split).items():
            figure.savefig(folder() / f"{name}-{what}.svg", metadata={"Date": None})
    median, half = float(recurring.median()), float((recurring >= 0.5).mean())
    return {**scored, "median recurrence of a statement": median, "statements that recur in half of the refits": half}


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    own = records.set_index("model").loc[[name for name in ALL if name in set(records["model"])]]
    titles = {name: title for name, (title, _) in MODELS.items()} | {"linear": "linear regression"}
    columns = [name for name in own if name not in ("data", "seed", "seconds")]
    lines = [[titles.get(name, name), *line] for name, line in own[columns].astype({"parameters": str}).iterrows()]
    write(SECTION, HEADING + markdown(["model", *columns], lines))


HEADING = """# Boston Housing (Section 3.2, C.3): 102 held-out tracts

One split; problems, figures and statements are in the folder `boston` beside this page.

"""
