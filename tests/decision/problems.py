"""Problems with closed forms, and random ones, for the tests of this folder."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from behavior_learning.core.features import Transform
from behavior_learning.core.heads import get_head
from behavior_learning.decision.problem import DecisionProblem
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm

Terms = Mapping[tuple[str, ...], float]


def term(role: str, head: str, terms: Terms, multiplier: float = 1.0) -> HeadTerm:
    """A row; terms by the variables that they multiply, one entry per power."""
    monomials = {tuple((n, m.count(n)) for n in sorted(set(m))): float(value) for m, value in terms.items()}
    return HeadTerm(get_head(role, head), multiplier, Polynomial(monomials))


def problem(rows: Sequence[HeadTerm], bounds: Mapping[str, tuple[float, float]]) -> DecisionProblem:
    """One block of rows."""
    return DecisionProblem.of(LearnedProblem.of_block(Block("block1.1", tuple(rows), tuple(bounds), {})), bounds)


def consumer(head: str = "softplus", multiplier: float = 5.0) -> DecisionProblem:
    """maximise 4q − q²/2 subject to price·q ≤ income: q = min(4, income/price), the budget's price (4 − q)/price."""
    wanted = term("utility", "identity", {("q",): 4.0, ("q", "q"): -0.5})
    budget = term("inequality", head, {("price", "q"): 1.0, ("income",): -1.0}, multiplier)
    return problem([wanted, budget], {"q": (0.0, 20.0)})


def cobb_douglas() -> DecisionProblem:
    """maximise 4·log(q) − price·q: q = 4/price."""
    spent = term("utility", "identity", {("log(q)",): 4.0, ("price", "q"): -1.0})
    curves = {"log(q)": (Transform(0, "log", 0.0, 1.0, 1e-3), "q")}
    block = Block("block1.1", (spent,), ("q",), {}, curves=curves)
    return DecisionProblem.of(LearnedProblem.of_block(block), {"q": (0.0, 20.0)})


def households(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"price": rng.uniform(1, 3, n), "income": rng.uniform(2, 10, n)})


def random_convex(seed: int, numbers: int = 3) -> DecisionProblem:
    """Concave quadratic utility, linear inequalities that leave 0 feasible, one linear equality through 0."""
    rng = np.random.default_rng(seed)
    names = [f"y{i}" for i in range(numbers)]
    root = rng.normal(size=(numbers, numbers))
    curvature = root @ root.T / numbers + 0.2 * np.eye(numbers)
    pairs = {
        (a, b): -0.5 * curvature[i, j] * (1 if i == j else 2)
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i <= j
    }
    linear = {(name,): value for name, value in zip(names, rng.normal(size=numbers) * 2, strict=True)}
    rows = [term("utility", "identity", {**pairs, **linear})]
    for _ in range(2):
        limit = {(name,): value for name, value in zip(names, rng.normal(size=numbers), strict=True)}
        rows.append(term("inequality", "softplus", {**limit, (): -rng.uniform(0.1, 1)}, 2.0))
    if numbers > 1:
        rows.append(term("equality", "square", {(n,): v for n, v in zip(names, rng.normal(size=numbers), strict=True)}))
    return problem(rows, dict.fromkeys(names, (-5.0, 5.0)))
