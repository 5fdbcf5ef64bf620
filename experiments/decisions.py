"""Decisions with known truth: a consumer whose problem is stated, convex problems against CVXPY, and Theorem 2.1.

The consumer draws q with log-density 6·(4q − q²/2) − 8·log(1 + exp(price·q − income)) on [0, 6]; 1,000 households per
replication with prices on [1, 3] and incomes on [2, 6]. Structure is stated, numbers are learned. The scenario raises
prices by a tenth, up to 3. True effects, elasticities, shadow prices and variations are of the same households, by
quadrature on 2,001 points.

    python experiments/decisions.py consumer --replications 20
    python experiments/decisions.py convex --problems 100
    python experiments/decisions.py penalties
    python experiments/decisions.py timing
"""

import argparse
import time

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

ROWS = 1000
Q = np.linspace(0, 6, 2001)
STATED = bl.UMP(utility="q + q^2", inequalities="price:q - income")


def utility(X: pd.DataFrame, q: np.ndarray) -> np.ndarray:
    price, income = X["price"].to_numpy()[:, None], X["income"].to_numpy()[:, None]
    return 6 * (4 * q - 0.5 * q**2) - 8 * np.logaddexp(0, price * q - income)


def probabilities(X: pd.DataFrame) -> np.ndarray:
    at = utility(X, Q[None])
    return np.exp(at - logsumexp(at, axis=1, keepdims=True))


def mean(X: pd.DataFrame) -> np.ndarray:
    return probabilities(X) @ Q


def welfare(X: pd.DataFrame) -> np.ndarray:
    return logsumexp(utility(X, Q[None]), axis=1) - utility(X, np.zeros((1, 1)))[:, 0]


def compensation(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """Mean of what may be taken away after the change, by root finding per household."""
    goal, paid = welfare(before), []
    for i in range(len(before)):
        row = after.iloc[[i]]
        gap = lambda amount, row=row, i=i: welfare(row.assign(income=row["income"] - amount)).item() - goal[i]
        paid.append(brentq(gap, -3, 3))
    return float(np.mean(paid))


def households(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"price": rng.uniform(1, 3, n), "income": rng.uniform(2, 6, n)})


def dearer(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(price=np.minimum(1.1 * X["price"], 3))


def truths(X: pd.DataFrame) -> dict[str, float]:
    step = 1e-4
    up, down = (mean(X.assign(price=X["price"] * np.exp(side * step))) for side in (1, -1))
    best = Q[np.argmax(utility(X, Q[None]), axis=1)]
    return {
        "effect": float(np.mean(mean(dearer(X)) - mean(X))),
        "elasticity": float(np.mean((np.log(up) - np.log(down)) / (2 * step))),
        "compensating variation": compensation(X, dearer(X)),
        "shadow price": float(np.mean(8 * expit(X["price"] * best - X["income"]))),
    }


def learned(X: pd.DataFrame, q: pd.Series, seed: int):
    options = {"heads": ("identity", "softplus", None), "response": bl.Numbers(support=(0, 6)), "n_restarts": 1}
    return bl.BLRegressor(structure=STATED, max_epochs=60, random_state=seed, **options).fit(X, q)


def replication(seed: int) -> list[dict[str, float | str]]:
    rng = np.random.default_rng(seed)
    X = households(rng, ROWS)
    cumulative = np.cumsum(probabilities(X), axis=1)
    q = pd.Series(Q[(cumulative < rng.random((ROWS, 1))).sum(axis=1).clip(0, len(Q) - 1)], name="q")
    reg = learned(X, q, seed)
    results = reg.inference(n_restarts=0)
    scenario = reg.counterfactual(X, change=dearer, inference=results)
    found = {
        "effect": scenario.effect().loc["q"],
        "elasticity": reg.counterfactual(X, inference=results).elasticity("price").loc["q"],
        "compensating variation": scenario.surplus("income").loc["compensating variation"],
    }
    price = scenario.problem.solve(X).prices.iloc[:, 0]
    row = scenario.problem.layers[0][0].terms_of("inequality")[0].polynomial.coefficients[(("price", 1), ("q", 1))]
    true = truths(X)
    lines: list[dict[str, float | str]] = [
        {
            "what": name,
            "truth": true[name],
            "estimate": line["estimate"],
            "covered": line["lower"] <= true[name] <= line["upper"],
        }
        for name, line in found.items()
    ]
    unit = {"what": "shadow price", "truth": true["shadow price"], "estimate": float(price.mean() * row)}
    return [*lines, {**unit, "covered": np.nan}]


def consumer(replications: int) -> None:
    table = pd.DataFrame([line for seed in range(replications) for line in replication(seed)])
    table["relative error"] = (table["estimate"] / table["truth"] - 1).abs()
    columns = {"truth": "mean", "estimate": "mean", "relative error": ["mean", "max"], "covered": "mean"}
    print(f"{replications} replications of {ROWS} households, 95 % intervals by the delta method")
    print(table.groupby("what", sort=False).agg(columns).round(4).to_string())


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


def penalties() -> None:
    """Theorem 2.1: maximise 4q − q²/2 under price·q ≤ 2 or = 2, penalty 5 times the head, at prices 1 and 2."""
    X = pd.DataFrame({"price": [1.0, 2.0], "income": 2.0})
    wanted = HeadTerm(get_head("utility", "identity"), 1.0, Polynomial({(("q", 1),): 4.0, (("q", 2),): -0.5}))
    row = Polynomial({(("price", 1), ("q", 1)): 1.0, (("income", 1),): -1.0})
    for role, head in (
        ("inequality", "relu"),
        ("inequality", "softplus"),
        ("inequality", "softplus(20)"),
        ("equality", "abs"),
        ("equality", "square"),
    ):
        block = Block("block1.1", (wanted, HeadTerm(get_head(role, head), 5.0, row)), ("q",), {})
        solved = DecisionProblem.of(LearnedProblem.of_block(block), {"q": (0.0, 20.0)})
        away = solved.solve(X).y.astype(float) - solved.solve(X, kind="hard").y.astype(float)
        print(f"{role}, 5·{head}: soft less hard optimum {away[0]:+.1e} at price 1, {away[1]:+.1e} at price 2")


def timing() -> None:
    rng = np.random.default_rng(0)
    X = households(rng, ROWS)
    reg = learned(X, pd.Series(mean(X) + 0.3 * rng.normal(size=ROWS), name="q").clip(0, 6), 0)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("consumer", "convex", "penalties", "timing"))
    parser.add_argument("--replications", type=int, default=20)
    parser.add_argument("--problems", type=int, default=100)
    given = parser.parse_args()
    parts = {
        "consumer": lambda: consumer(given.replications),
        "convex": lambda: convex(given.problems),
        "penalties": penalties,
        "timing": timing,
    }
    parts[given.part]()


if __name__ == "__main__":
    main()
