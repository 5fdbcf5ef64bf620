"""Decisions with known truth: a consumer whose problem is stated, convex problems against CVXPY, and Theorem 2.1.

The consumer draws q with log-density 6·(4q − q²/2) − 8·log(1 + exp(u·(price·q − income))) on [0, 6], u the inverse of
the spread of incomes, as the learned row is printed; 1,000 households with prices on [1, 3] and incomes on [2, 6], the
same in all replications. Structure is stated, numbers are learned. The scenario raises prices by a tenth, up to 3. True
effects, elasticities, shadow prices and variations are of the same households, by quadrature on 2,001 points.

    python experiments/decisions.py consumer --first 1 --replications 20
    python experiments/decisions.py convex | ipopt --problems 100
    python experiments/decisions.py textbooks --tables FOLDER    # of mroz.csv, which is not shipped
    python experiments/decisions.py timing
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.decision.problem import DecisionProblem
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm

RESULTS = Path(__file__).parent / "results"
ROWS, PILOT = 1000, 1_000_000
Q = np.linspace(0, 6, 2001)
STATED = bl.UMP(utility="q + q^2", inequalities="price:q - income")


def utility(X: pd.DataFrame, q: np.ndarray, unit: float) -> np.ndarray:
    price, income = X["price"].to_numpy()[:, None], X["income"].to_numpy()[:, None]
    return 6 * (4 * q - 0.5 * q**2) - 8 * np.logaddexp(0, unit * (price * q - income))


def probabilities(X: pd.DataFrame, unit: float) -> np.ndarray:
    at = utility(X, Q[None], unit)
    return np.exp(at - logsumexp(at, axis=1, keepdims=True))


def mean(X: pd.DataFrame, unit: float) -> np.ndarray:
    return probabilities(X, unit) @ Q


def welfare(X: pd.DataFrame, unit: float) -> np.ndarray:
    return logsumexp(utility(X, Q[None], unit), axis=1) - utility(X, np.zeros((1, 1)), unit)[:, 0]


def compensation(before: pd.DataFrame, after: pd.DataFrame, unit: float) -> float:
    """Mean of what may be taken away after the change, by root finding per household."""
    goal, paid = welfare(before, unit), []
    for i in range(len(before)):
        row = after.iloc[[i]]

        def gap(amount: float, row: pd.DataFrame = row, wanted: float = goal[i]) -> float:
            return welfare(row.assign(income=row["income"] - amount), unit).item() - wanted

        paid.append(brentq(gap, -3, 3))
    return float(np.mean(paid))


def households(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"price": rng.uniform(1, 3, n), "income": rng.uniform(2, 6, n)})


def dearer(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(price=np.minimum(1.1 * X["price"], 3))


def truths(X: pd.DataFrame, unit: float) -> dict[str, float]:
    def elasticity(column: str, step: float = 1e-4) -> float:
        up, down = (mean(X.assign(**{column: X[column] * np.exp(side * step)}), unit) for side in (1, -1))
        return float(np.mean((np.log(up) - np.log(down)) / (2 * step)))

    price, income = X["price"].to_numpy(), X["income"].to_numpy()

    def best(i: int) -> float:
        """Where marginal utility is what the budget takes."""

        def slope(q: float) -> float:
            return 6 * (4 - q) - 8 * unit * price[i] * expit(unit * (price[i] * q - income[i]))

        return brentq(slope, 0, 6)

    modes = np.array([best(i) for i in range(len(X))])
    return {
        "effect of prices": float(np.mean(mean(dearer(X), unit) - mean(X, unit))),
        "price elasticity": elasticity("price"),
        "income elasticity": elasticity("income"),
        "compensating variation": compensation(X, dearer(X), unit),
        "shadow price": float(np.mean(8 * expit(unit * (price * modes - income)))),
    }


def learned(X: pd.DataFrame, q: pd.Series):
    """The split of the rows is that of one seed, so that encodings are equal in all replications."""
    options = {"heads": ("identity", "softplus", None), "response": bl.Numbers(support=(0, 6)), "n_restarts": 1}
    return bl.BLRegressor(structure=STATED, max_epochs=300, random_state=0, **options).fit(X, q)


def drawn(X: pd.DataFrame, p: np.ndarray, seed: int) -> pd.Series:
    below = np.cumsum(p, axis=1) < np.random.default_rng(seed).random((len(X), 1))
    return pd.Series(Q[below.sum(axis=1).clip(0, len(Q) - 1)], name="q")


def estimates(reg: bl.BLRegressor, X: pd.DataFrame, q: pd.Series) -> dict[str, pd.Series]:
    """Line by name with estimate and interval at the maximum of the likelihood of q, all by the delta method."""
    results = reg.inference(X, q, n_restarts=0)
    scenario = reg.counterfactual(X, change=dearer, inference=results)
    same = reg.counterfactual(X, inference=results)
    return {
        "effect of prices": scenario.effect().loc["q"],
        "price elasticity": same.elasticity("price").loc["q"],
        "income elasticity": same.elasticity("income").loc["q"],
        "compensating variation": scenario.surplus("income").loc["compensating variation"],
        "shadow price": scenario.prices().loc["baseline"].iloc[0],
    }


def row_unit(reg: bl.BLRegressor) -> float:
    """What one unit of money is in the printed row of the budget, and so in the softplus: it depends on X alone."""
    budget = reg.problem_.layers[0][0].terms_of("inequality")[0]
    return budget.polynomial.coefficients[(("price", 1), ("q", 1))]


def consumer(first: int, replications: int, out: Path) -> None:
    """Replications are appended to a file, so that several runs add up; what is printed is of all of them.

    Every replication goes on from one fit to the maximum of its own likelihood, so that nothing compiles anew.
    """
    X = households(np.random.default_rng(0), ROWS)
    reg = learned(X, drawn(X, probabilities(X, 1.0), PILOT))
    unit = row_unit(reg)
    true, p = truths(X, unit), probabilities(X, unit)
    for seed in range(first, first + replications):
        found = estimates(reg, X, drawn(X, p, seed))
        lines = [{"seed": seed, "what": name, "truth": true[name], **line} for name, line in found.items()]
        pd.DataFrame(lines).to_csv(out, mode="a", header=not out.exists(), index=False)
        print(seed, flush=True)
    print(consumer_summary(pd.read_csv(out)))


def consumer_summary(table: pd.DataFrame) -> str:
    table = table.drop_duplicates(["seed", "what"], keep="last")
    table["covered %"] = 100 * table["truth"].between(table["lower"], table["upper"])
    table["error %"] = 100 * (table["estimate"] / table["truth"] - 1)
    groups = table.groupby("what", sort=False)
    shown = groups[["truth", "estimate", "std_error", "covered %"]].mean()
    shown.insert(3, "sd of estimates", groups["estimate"].std())
    shown["mean error %"], shown["largest error %"] = (
        groups["error %"].mean(),
        groups["error %"].agg(lambda e: e.abs().max()),
    )
    return f"{table['seed'].nunique()} replications of {ROWS} households\n{shown.round(4).to_string()}"


def random_convex(seed: int, numbers: int = 3) -> DecisionProblem:
    """Concave quadratic utility, two linear inequalities and an equality, on [−5, 5] each."""
    rng = np.random.default_rng(seed)
    names = [f"y{i}" for i in range(numbers)]
    root = rng.normal(size=(numbers, numbers))
    curvature = root @ root.T / numbers + 0.2 * np.eye(numbers)
    terms = {((a, 1), (b, 1)): -curvature[i, j] for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
    terms |= {((a, 2),): -0.5 * curvature[i, i] for i, a in enumerate(names)}
    terms |= {((a, 1),): 2 * rng.normal() for a in names}
    rows = [HeadTerm(get_head("utility", "identity"), 1.0, Polynomial(terms))]
    for role, head in (("inequality", "softplus"), ("inequality", "softplus"), ("equality", "square")):
        limit = {((a, 1),): rng.normal() for a in names} | {(): -rng.uniform(0.1, 1) if role == "inequality" else 0.0}
        rows.append(HeadTerm(get_head(role, head), 2.0, Polynomial(limit)))
    block = Block("block1.1", tuple(rows), tuple(names), {})
    return DecisionProblem.of(LearnedProblem.of_block(block), dict.fromkeys(names, (-5.0, 5.0)))


def convex(problems: int) -> None:
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-13)
    for kind, tolerances in (("hard", {}), ("soft", {}), ("hard", tight), ("soft", tight)):
        apart, gaps = [], []
        for seed in range(problems):
            solved = random_convex(seed)
            model = solved.to_cvxpy(kind=kind)
            gaps.append(model.solve(solver="CLARABEL", **tolerances))
            found = solved.solve(kind=kind).y[0].astype(float)
            apart.append(np.abs(found - [model.y[name] for name in solved.response]).max())
        said = "tolerances of 1e-13" if tolerances else "CVXPY's own tolerances"
        print(f"{kind}, {said}: {problems} problems, farthest {max(apart):.1e}, largest gap {max(gaps):.1e}")


def ipopt(problems: int) -> None:
    """The same problems by IPOPT from `to_scipy()`; `pip install cyipopt-wheels` has both."""
    from cyipopt import minimize_ipopt

    for kind in ("hard", "soft"):
        apart = []
        for seed in range(problems):
            solved = random_convex(seed)
            found = minimize_ipopt(**solved.to_scipy(kind=kind), tol=1e-10)
            apart.append(np.abs(found.x - solved.solve(kind=kind).y[0].astype(float)).max())
            if seed % 10 == 9:
                print(f"{kind}, IPOPT: {seed + 1} problems, farthest {max(apart):.1e}", flush=True)


def timing() -> None:
    rng = np.random.default_rng(0)
    X = households(rng, ROWS)
    reg = learned(X, pd.Series(mean(X, 1.0) + 0.3 * rng.normal(size=ROWS), name="q").clip(0, 6))
    many, results = households(rng, 10_000), reg.inference(n_restarts=0)
    scenario = reg.counterfactual(many, change=dearer, inference=results, draws="normal")
    for name, ask in (
        ("soft", lambda: reg.problem_.solve(many)),
        ("hard", lambda: reg.problem_.solve(many, kind="hard")),
        ("effect with 500 draws", scenario.effect),
    ):
        for state in ("cold", "warm"):
            wall, cpu = time.perf_counter(), time.process_time()
            ask()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{name}, 10,000 rows, {state}: {spent[0]:.1f} s, of which {spent[1]:.1f} s of a processor")


def textbooks(folder: Path, only: str) -> None:
    """One unit more of a column: the change of the mean, beside least squares with robust errors on the same rows."""
    import statsmodels.api as sm  # Here alone: what imports this module need not have it.

    X, y = bl.datasets.load_boston()
    work = next(iter(sorted(folder.glob("mroz.csv*"))), None)
    cases = [("Boston", X[["RM", "LSTAT", "PTRATIO", "NOX", "DIS", "CRIM"]], y, ("RM", "LSTAT"))]
    if work is not None:
        women = pd.read_csv(work).query("hours > 0").reset_index(drop=True)
        cases.append(("Mroz", women[["wage", "educ", "exper", "age", "kidslt6"]], women["hours"], ("wage",)))
    for name, table, response, columns in (case for case in cases if only in case[0]):
        table, response = table.astype(float), response.astype(float)
        reg = bl.BLRegressor(layers=(1,), identifiable=True, random_state=0).fit(table, response)
        results = reg.inference()
        ols = sm.OLS(response, sm.add_constant(table)).fit(cov_type="HC1")
        print(f"{name}: {len(table)} rows, {results.convergence.value}, {results.cov_type} errors")
        for column in columns:
            more = reg.counterfactual(table, change={column: table[column] + 1}, inference=results)
            lines = {"BL, one unit more": more.effect().iloc[0]}
            lines["BL, slope"] = reg.effects(inference=results).table().loc[column]
            ends = ols.conf_int().loc[column]
            found = [ols.params[column], ols.bse[column], ends[0], ends[1]]
            lines["least squares"] = pd.Series(found, ["estimate", "std_error", "lower", "upper"])
            shown = pd.DataFrame(lines).T[["estimate", "std_error", "lower", "upper"]]
            print(f"{column}\n{shown.astype(float).round(3).to_string()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("consumer", "convex", "ipopt", "textbooks", "timing"))
    parser.add_argument("--first", type=int, default=1, help="seed of the first replication; 0 is that of households")
    parser.add_argument("--replications", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS / "consumer.csv")
    parser.add_argument("--tables", type=Path, default=Path("."), help="folder of mroz.csv or mroz.csv.bz2")
    parser.add_argument("--only", default="", help="Boston or Mroz, of the textbooks")
    parser.add_argument("--problems", type=int, default=100)
    given = parser.parse_args()
    parts = {
        "consumer": lambda: consumer(given.first, given.replications, given.out),
        "convex": lambda: convex(given.problems),
        "ipopt": lambda: ipopt(given.problems),
        "textbooks": lambda: textbooks(given.tables, given.only),
        "timing": timing,
    }
    parts[given.part]()


if __name__ == "__main__":
    main()
