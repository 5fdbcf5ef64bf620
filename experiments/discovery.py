"""What `discover` finds in tables and of a consumer with a budget, and the bound on false statements.

Tables (`frontier`): one split per seed, a fifth held out; a limit beside a belief, of the columns alone (``1``), with
squares (``squares``) or with products too (``2``); or a limit of the response alone beside a belief of squares and
three bends of each column (``curves``), of squares and products (``products``), or of all these (``both``). Of these
that is taken whose chosen problem has the lowest loss on rows held out of its search, which are none of that fifth, of
those that recur. For each: terms, held-out NLL on the standardised response, recurrence on half-samples (median over
statements that name a column, and the smallest of all statements), that of linear regressions on the same ones, and the
NLL of BL[2,1] on the same split. Energy's response is the heating load. `--beside`: additive models of all columns, a
GAM and an EBM, the latter with pairs up to as many terms, under a normal error of the spread of their cross-validated
residuals; what they name and how often they do so again, by the rule of linear regressions, on as many halves, for
which an EBM has two bags. `additive`: these alone, with 30 terms at most.
`--remainder`: the problem with a flexible network on top, the share of their gain that the problem carries, and the
default model.

Consumer (`consumer`): q from exp(3[(2 + .5s)q − q²/2 − pq] − 6 max(0, pq − m)), n = 2,000, one noise column; told is
degree 2 (`--told`: also the support, and that there is a utility which is a sum and an inequality; `--units`: those
of all columns, so that limits sum euros or kilograms). `budget`
counts the sets in which an inequality names p, m and the response and no other column, `exact` those in which one has
p·q and m and no other term. Elasticities of mean demand in p and m are relative to the truth's; `estimates`: those of
an estimator that is told the truth's terms and begins at its numbers.

Noise (`noise`): y = a + noise beside nine noise columns: how many of these the statements name, and how many recur in
the rows of the problem in at least 0.6, 0.75 and 0.9 of the halves, beside the bounds on all rows.

    python experiments/discovery.py frontier --data boston auto_mpg --splits 1 [--beside] [--remainder]
    python experiments/discovery.py additive --data boston --splits 10 --pairs 10 [--models GAM EBM]
    python experiments/discovery.py consumer --sets 50 [--rows 500] [--units]
    python experiments/discovery.py estimates --sets 50
    python experiments/discovery.py noise --sets 50 [--correlation 0.9]
    python experiments/discovery.py timing  # cold with JAX_COMPILATION_CACHE_DIR=

Seeds that count begin at 700; development used 0 to 9.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

import behavior_learning as bl
from behavior_learning.discovery.result import AGAIN, Discovery
from behavior_learning.discovery.selection import halves, recurrence_of
from behavior_learning.discovery.shapes import HEADS
from behavior_learning.explanation.stability import Linear

DATA = Path(__file__).parents[1].parent / "shared" / "data"
TARGETS = {"auto_mpg": "mpg", "energy_efficiency": "Y1 Heating Load"}
OTHER_TARGETS = ["Y2 Cooling Load"]
LIMITED = {"limits": "response"}
KINDS: dict[str, dict[str, Any]] = {
    "1": {"degree": 1},
    "squares": {"degree": 2, "products": False},
    "2": {"degree": 2},
    "curves": {"degree": 2, "products": False, "bends": 3, **LIMITED},
    "products": {"degree": 2, **LIMITED},
    "both": {"degree": 2, "bends": 3, **LIMITED},
}
GRID = np.linspace(0, 4, 2001)
TRUTH = np.array([6, -1.5, -3, 1.5, 6, -6])
"""The consumer's numbers of q, q², p·q and s·q in the utility, and of p·q and m in the limit."""
FIRST_SEED = 700

MOST_TERMS = 30
"""Of a problem."""

BAGS, FEW_BAGS = 14, 2
"""Of an EBM, its default, and of one of a half-sample, which would take a minute with all."""

Table = tuple[pd.DataFrame, pd.Series]


def table(name: str) -> Table:
    """Numeric columns and the response of a data set; Boston without column B."""
    if name == "boston":
        X, y = bl.datasets.load_boston()
        return X.drop(columns="B"), y
    rows = pd.read_parquet(DATA / f"{name}.parquet").dropna()
    target = TARGETS.get(name, rows.columns[-1])
    return rows.drop(columns=[target, *OTHER_TARGETS], errors="ignore").select_dtypes("number"), rows[target]


def split(X: pd.DataFrame, y: pd.Series, seed: int) -> tuple[Table, Table]:
    """Rows to learn from, and a fifth that is held out."""
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = ((X.iloc[rows], y.iloc[rows]) for rows in (order[len(X) // 5 :], order[: len(X) // 5]))
    return train, test


def preferred(each: dict[str, Discovery]) -> str:
    """Of those whose chosen problem recurs in 0.8 of the halves that chose it, the one of the lowest loss on rows held
    out of its search; if none does, that of the lowest loss of all."""
    lines = {kind: found.path.query("chosen").iloc[0] for kind, found in each.items()}
    recurring = [kind for kind, line in lines.items() if line["recurrence"] >= AGAIN]
    return min(recurring or lines, key=lambda kind: lines[kind]["loss"])


def additive(name: str, columns: int, terms: int, bags: int = BAGS) -> Any:
    """A GAM of all columns, or an EBM that has pairs up to so many terms."""
    if name == "EBM":
        from interpret.glassbox import ExplainableBoostingRegressor  # pyright: ignore[reportMissingImports]

        pairs = max(0, terms - columns)
        return ExplainableBoostingRegressor(interactions=pairs, outer_bags=bags, n_jobs=1, random_state=0)
    from pygam import LinearGAM, s  # pyright: ignore[reportMissingImports]

    curves = [s(column) for column in range(columns)]
    return LinearGAM(sum(curves[1:], curves[0]))


def of_columns(name: str, model: Any, x: np.ndarray) -> Linear:
    """How far the curve of each column moves the mean, and whether it rises or falls."""
    if name == "EBM":
        curves = model.eval_terms(x)[:, : x.shape[1]].T
    else:
        curves = [model.partial_dependence(term=column, X=x) for column in range(x.shape[1])]
    loads = [own.std() * np.sign(np.cov(column, own)[0, 1]) for column, own in zip(x.T, curves, strict=True)]
    return Linear(np.array(loads)[:, None])


def beside(name: str, train: Table, test: Table, terms: int, parts: list[np.ndarray]) -> dict[str, float]:
    """NLL on the standardised response of an additive model, and how often it says the same of halves."""
    (x, y), (x_test, y_test) = [(X.to_numpy(float), y.to_numpy(float)) for X, y in (train, test)]

    def learned(rows: np.ndarray, bags: int = BAGS) -> Any:
        return additive(name, x.shape[1], terms, bags).fit(x[rows], y[rows])

    rows = np.arange(len(x))
    folds = np.array_split(np.random.default_rng(0).permutation(rows), 5)
    residuals = np.concatenate([y[fold] - learned(np.setdiff1d(rows, fold)).predict(x[fold]) for fold in folds])
    whole, spread = learned(rows), residuals.std()
    z = (y_test - whole.predict(x_test)) / spread
    said = of_columns(name, whole, x)
    again = [said.recurrence(of_columns(name, learned(part, FEW_BAGS), x[part])) for part in parts]
    nll = 0.5 * np.mean(z**2) + 0.5 * np.log(2 * np.pi) + np.log(spread / y.std(ddof=1))
    return {f"NLL, {name}": float(nll), f"recurs, {name}": float(np.mean(again))}


def additive_alone(given: argparse.Namespace) -> pd.DataFrame:
    """The additive models of the frontier's splits by themselves, with as many terms as a problem may have."""
    lines = []
    for name in given.data:
        X, y = table(name)
        for seed in range(given.first, given.first + given.splits):
            train, test = split(X, y, seed)
            parts = halves(len(train[0]), given.pairs, np.random.default_rng(seed))
            found = [beside(model, train, test, MOST_TERMS, parts) for model in given.models]
            lines.append({"data": name, "seed": seed, **{key: value for own in found for key, value in own.items()}})
            print(lines[-1], flush=True)
    result = pd.DataFrame(lines)
    print(result.drop(columns="seed").groupby("data").mean().round(3))
    return result


def frontier(given: argparse.Namespace) -> pd.DataFrame:
    names, splits, first, pairs, kinds = given.data, given.splits, given.first, given.pairs, given.terms
    lines = []
    for name in names:
        X, y = table(name)
        for seed in range(first, first + splits):
            train, test = split(X, y, seed)
            start = time.perf_counter()
            how = {"heads": HEADS[0], "pairs": pairs, "choose": "recurring", "random_state": seed}
            how["remainder"] = given.remainder
            each = {kind: bl.discover(*train, **KINDS[kind], **how) for kind in kinds}
            kind = preferred(each)
            found = each[kind]
            seconds = time.perf_counter() - start
            scale = np.log(train[1].std())

            def loss(model, test=test, scale=scale) -> float:
                return -float(model.log_density(*test).mean()) - scale

            dense = bl.BLRegressor(layers=(2, 1), random_state=seed).fit(*train)
            terms = int(found.path.query("chosen")["terms"].iloc[0])
            others: dict[str, float] = {}
            if given.beside:
                parts = halves(len(train[0]), pairs, np.random.default_rng(seed))
                others |= beside("GAM", train, test, terms, parts) | beside("EBM", train, test, terms, parts)
            if given.remainder:
                default = bl.BLRegressor(random_state=seed).fit(*train)
                others |= {"share": found.share, "NLL, remainder": loss(found.remainder), "NLL, default": loss(default)}
            lines.append(
                {
                    "data": name,
                    "seed": seed,
                    "kind": kind,
                    "terms": terms,
                    "names": [len(set(columns) - {y.name}) for columns in found.statements["columns"]],
                    "NLL": loss(found.model),
                    **{f"NLL, {own}": loss(one.model) for own, one in each.items() if len(each) > 1},
                    **{f"recurs, {own}": recurrence_of(one.stability) for own, one in each.items()},
                    "recurrence": recurrence_of(found.stability),
                    "least": found.statements["recurrence"].min(),
                    "seconds": seconds,
                    "least squares": found.reference["recurrence"]["least squares"],
                    "lasso": found.reference["recurrence"]["lasso"],
                    "BL[2,1]": loss(dense),
                    **others,
                }
            )
            print(pd.DataFrame(lines[-1:]).round(3).to_string(index=False), flush=True)
            print(found, flush=True)
    return pd.DataFrame(lines)


def value(X: pd.DataFrame, q: np.ndarray, numbers: np.ndarray = TRUTH) -> np.ndarray:
    """The consumer's utility less the penalty, a line per row."""
    p, m, s = (X[name].to_numpy()[:, None] for name in "pms")
    of_q, of_q2, of_pq, of_sq, limit_pq, limit_m = numbers
    return (of_q + of_pq * p + of_sq * s) * q + of_q2 * q**2 - np.maximum(0, limit_pq * p * q + limit_m * m)


def bought(X: pd.DataFrame, numbers: np.ndarray = TRUTH) -> np.ndarray:
    """The consumer's distribution of q on the grid, a line per row."""
    return softmax(value(X, GRID, numbers), axis=1)


def mean_demand(X: pd.DataFrame, numbers: np.ndarray = TRUTH) -> np.ndarray:
    return bought(X, numbers) @ GRID


def estimated(X: pd.DataFrame, y: pd.Series) -> np.ndarray:
    """The truth's numbers by maximum likelihood, told its terms, from the truth on."""
    grid, q = GRID[::8], y.to_numpy()[:, None]

    def loss(numbers: np.ndarray) -> float:
        return float(np.mean(logsumexp(value(X, grid, numbers), axis=1) - value(X, q, numbers)[:, 0]))

    return minimize(loss, TRUTH, method="BFGS", options={"gtol": 1e-4}).x


def consumers(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Prices, budgets, tastes and a noise column, and what is bought."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"p": rng.uniform(0.5, 2, n), "m": rng.uniform(0.5, 3, n)})
    X = X.assign(s=rng.normal(size=n), z=rng.normal(size=n))
    place = (np.cumsum(bought(X), axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return X, pd.Series(GRID[np.minimum(place, len(GRID) - 1)], name="q")


def elasticity(demand, X: pd.DataFrame, column: str) -> float:
    """Of mean demand, by 2 % more and less of a column."""
    more, less = (np.mean(demand(X.assign(**{column: X[column] * factor}))) for factor in (1.02, 0.98))
    return float(np.log(more / less) / np.log(1.02 / 0.98))


def off(demand, X: pd.DataFrame) -> dict[str, float]:
    """By how much elasticities of mean demand differ from the truth's, relative to these."""
    own, true = ({name: elasticity(of, X, name) for name in "pm"} for of in (demand, mean_demand))
    return {f"elasticity in {name}": own[name] / true[name] - 1 for name in "pm"}


def estimates(sets: int, first: int, n: int) -> pd.DataFrame:
    """What an estimator reaches that is told the truth's terms."""
    lines = []
    for seed in range(first, first + sets):
        X, y = consumers(n, seed)
        numbers = estimated(X, y)
        lines.append({"seed": seed, **off(partial(mean_demand, numbers=numbers), X.head(500))})
        print(lines[-1], numbers.round(2), flush=True)
    return pd.DataFrame(lines)


def consumer(sets: int, first: int, told: bool, units: bool, n: int) -> pd.DataFrame:
    known = {"heads": ("identity", "relu", None), "response": bl.Numbers(support=(0.0, 4.0))} if told else {}
    known |= {"units": {"p": "EUR/kg", "q": "kg", "m": "EUR", "s": "1", "z": "year"}} if units else {}
    lines = []
    for seed in range(first, first + sets):
        X, y = consumers(n, seed)
        start = time.perf_counter()
        found = bl.discover(X, y, degree=2, folds=2, pairs=0, random_state=seed, **known)
        seconds, some = time.perf_counter() - start, X.head(500)
        rows = [(line.head, set(line.columns)) for line in found.statements.itertuples()]
        miss = off(found.model.predict, some)
        terms = [term for block in found.problem_.blocks.values() for term in block.head_terms]
        limits = [set(term.polynomial.monomials) for term in terms if term.head.role == "inequality"]
        exact = {(("m", 1),), (("p", 1), ("q", 1))} in limits
        budget = ("inequality", {"p", "m", "q"}) in rows
        lines.append({"seed": seed, "budget": budget, "exact": exact, **miss})
        print(lines[-1], f"{seconds:.0f} s", found, sep="\n", flush=True)
    return pd.DataFrame(lines)


def noise(sets: int, first: int, correlation: float, pairs: int) -> pd.DataFrame:
    lines = []
    for seed in range(first, first + sets):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 10))
        if correlation:
            x = correlation**0.5 * rng.normal(size=(300, 1)) + (1 - correlation) ** 0.5 * x
        X = pd.DataFrame(x, columns=list("abcdefghij"))
        y = pd.Series(X["a"] + 0.5 * rng.normal(size=300), name="y")
        found = bl.discover(X, y, pairs=pairs, random_state=seed)
        columns = found.stability.columns
        false = columns.loc[~columns["column"].isin(["a", "y"]), "frequency"]
        named = {name for names in found.statements["columns"] for name in names} - {"a", "y"}
        line = {"seed": seed, "correlation": correlation, "named": len(named)}
        for threshold in (0.6, 0.75, 0.9):
            line[f"recurring in {threshold}"] = int((false >= threshold).sum())
            line[f"bound {threshold}"] = found.stability.false_columns(threshold)
        lines.append(line)
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


def timing() -> pd.DataFrame:
    """Wall seconds of a search on Boston, and on 20,000 simulated rows of 20 columns, of which three matter."""
    rng = np.random.default_rng(FIRST_SEED)
    X = pd.DataFrame(rng.normal(size=(20_000, 20))).add_prefix("x")
    y = X["x0"] - 0.5 * X["x1"] + np.maximum(0, X["x2"]) + 0.5 * rng.normal(size=len(X))
    lines = []
    for name, rows in {"Boston": table("boston"), "20,000 x 20": (X, y.rename("y"))}.items():
        start = time.perf_counter()
        found = bl.discover(*rows, random_state=FIRST_SEED)
        lines.append({"table": name, "seconds": time.perf_counter() - start, "share": found.share})
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("frontier", "additive", "consumer", "estimates", "noise", "timing"))
    parser.add_argument("--data", nargs="+", default=["boston", "auto_mpg", "concrete_strength"])
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--terms", choices=KINDS, nargs="+", default=["1"], help="several: the best that recurs")
    parser.add_argument("--beside", action="store_true", help="a GAM and an EBM beside the problem")
    parser.add_argument("--models", choices=("GAM", "EBM"), nargs="+", default=["GAM"], help="of `additive`")
    parser.add_argument("--remainder", action="store_true", help="a flexible network on top of the problem")
    parser.add_argument("--sets", type=int, default=3)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--told", action="store_true", help="heads and support, to the consumer's search")
    parser.add_argument("--units", action="store_true", help="of all columns, to the consumer's search")
    parser.add_argument("--rows", type=int, default=2000, help="of the consumer's tables")
    parser.add_argument("--correlation", type=float, default=0.0, help="of columns, of noise")
    given = parser.parse_args()
    match given.part:
        case "frontier":
            result = frontier(given)
        case "additive":
            result = additive_alone(given)
        case "consumer":
            result = consumer(given.sets, given.first, given.told, given.units, given.rows)
        case "estimates":
            result = estimates(given.sets, given.first, given.rows)
        case "timing":
            result = timing()
        case _:
            result = noise(given.sets, given.first, given.correlation, given.pairs)
    print(result.drop(columns="rows", errors="ignore").mean(numeric_only=True).round(3))
