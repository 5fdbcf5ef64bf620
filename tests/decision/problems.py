"""Problems with closed forms, and random ones, for the tests of this folder."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

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


def households(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"price": rng.uniform(1, 3, n), "income": rng.uniform(2, 10, n)})
