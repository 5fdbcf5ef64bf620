"""A learned problem that can be solved again: the problem, and where its response may be sought."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, islice
from typing import Any, Literal, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.spaces import MOST_DIMENSIONS
from behavior_learning.decision.domain import Domain
from behavior_learning.decision.export import SolverModel
from behavior_learning.decision.rows import ProblemRows, read_inputs, rows_of
from behavior_learning.decision.search import FEASIBLE, Optima, hard_optima, soft_optima, violations
from behavior_learning.decision.shape import ProblemClass, problem_class
from behavior_learning.decision.solution import Solution
from behavior_learning.decision.to_cvxpy import cvxpy_model
from behavior_learning.decision.to_pyomo import pyomo_model
from behavior_learning.decision.to_scipy import scipy_problem
from behavior_learning.errors import OptionError
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_choice
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.problem import Problem
from behavior_learning.symbolic.text import DIGITS, TERMS_SHOWN

__all__ = ["DecisionProblem", "problem_of"]

SUBSETS = 200
"""Sets of constraints that are tried, smallest first, in search of a conflict."""

NO_PRICE = 1e-9
"""Size below which a price is rounding error."""

ON_THE_EDGE = 1e-9
"""Share of the support within which a number is at its end."""

Kind = Literal["soft", "hard"]
Exported = TypeVar("Exported")


@dataclass(frozen=True, repr=False)
class DecisionProblem(LearnedProblem):
    """A learned problem with the support of its response, so that it can be solved under other conditions.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> stated = bl.UMP(utility="MEDV + MEDV:RM", inequalities="MEDV <= 1 + RM")
    >>> options = {"heads": ("identity", "softplus", None), "max_epochs": 20, "n_restarts": 1, "random_state": 0}
    >>> reg = bl.BLRegressor(structure=stated, **options).fit(X, y)
    >>> hard = reg.problem_.solve(X.head(2), kind="hard")
    >>> list(hard.prices)
    ['block1.1.inequality']

    Attributes
    ----------
    domain : the values that the response may take.
    first : where the problem is the mean of several networks, that of the first of them, which is printed in its place.
    networks : of how many it is the mean.
    """

    domain: Domain = field(kw_only=True, compare=False)
    first: LearnedProblem | None = field(default=None, kw_only=True, compare=False)
    networks: int = field(default=1, kw_only=True, compare=False)

    @classmethod
    def of(cls, problem: Problem, domain: Domain | Mapping[str, Any]) -> Self:
        """A problem with the support of its response.

        Parameters
        ----------
        domain : or bounds of every response, ``{"price": (0, 50)}``.

        Raises
        ------
        OptionError
            If a response has no bounds.
        """
        known = domain if isinstance(domain, Domain) else Domain.of_bounds(domain)
        needed = problem.response if problem.chooses else tuple(problem.outputs)
        absent = [name for name in needed if name not in known.names]
        if absent:
            raise OptionError(
                f"The response {absent[0]!r} needs bounds to be sought between, as in {{{absent[0]!r}: (0, 1)}}."
            )
        return cls(problem.layers, problem.outputs, problem.response, domain=known)

    def text(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """The problem in plain text, of a mean of networks the first of them; with ``terms=None`` all there is."""
        if self.first is None or terms is None:
            return super().text(terms, digits)
        told = f"This is members_[0], to read; the model is the mean of {self.networks} problems, to predict with."
        more = " bl.discover finds a small problem that recurs." if len(self.domain.names) == 1 else ""
        return f"{told} terms=None (--terms 0) writes that.{more}\n\n{self.first.text(terms, digits)}"

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """The problem in LaTeX, of a mean of networks the first of them; with ``terms=None`` all there is."""
        if self.first is None or terms is None:
            return super().to_latex(terms, digits)
        told = rf"\text{{The first of {self.networks} problems whose mean the model is.}}"
        return f"{told}\n\n{self.first.to_latex(terms, digits)}"

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same problem with other names for blocks."""
        own = {} if self.first is None else {old: new for old, new in names.items() if old in self.first.blocks}
        return replace(super().renamed(names), first=self.first and self.first.renamed(own))

    def solve(self, X: Any = None, kind: Kind = "soft") -> Solution:
        """The best response at every row of X, of the soft problem or of the hard one.

        The soft problem is what was learned: its optimum is the mode of p(y|x). The hard problem takes every constraint
        at its word. Where softplus or square stand for constraints the two differ, and `Solution.gap` says by how much.

        Parameters
        ----------
        X : a table of the columns of x, or a dictionary of them; None where there is no x.
        kind : ``"soft"`` or ``"hard"``.

        Raises
        ------
        OptionError
            If the kind is neither.
        DataError
            If a column is absent.
        """
        check_choice("kind", kind, ("soft", "hard"))
        rows = self.at(X)
        optima = {"soft": soft_optima, "hard": hard_optima}[kind](rows, self.domain)
        status = self._soft_status(optima) if kind == "soft" else self._hard_status(rows, optima)
        labels = list(rows.labels)

        def soft_loss() -> np.ndarray:
            other = {"soft": hard_optima, "hard": soft_optima}[kind](rows, self.domain)
            soft, hard = (optima, other) if kind == "soft" else (other, optima)
            lost = soft.utility - self._soft_utility(rows, hard)
            return np.where(hard.violation <= FEASIBLE, lost, np.nan)

        return Solution(
            kind,
            self.domain.restore(optima.numbers, optima.choice),
            optima.utility,
            pd.DataFrame(np.where((optima.violation <= FEASIBLE)[:, None], optima.prices, np.nan), columns=labels),
            pd.DataFrame(-optima.constraints, columns=labels),
            np.array(status, dtype=object),
            optima.violation <= FEASIBLE,
            soft_loss,
        )

    @property
    def problem_class(self) -> ProblemClass:
        """Whether the hard and the soft problem are linear, quadratic, convex, or not shown to be."""
        return problem_class(self)

    def to_cvxpy(self, X: Any = None, kind: Kind = "hard") -> SolverModel:
        """The problem at one row as a CVXPY problem, for convex problems; `SolverModel.solve` returns the gap."""
        return self._exported(cvxpy_model, X, kind)

    def to_pyomo(self, X: Any = None, kind: Kind = "hard") -> SolverModel:
        """The problem at one row as a Pyomo model, for IPOPT and other nonlinear solvers."""
        return self._exported(pyomo_model, X, kind)

    def to_scipy(self, X: Any = None, kind: Kind = "hard") -> dict[str, Any]:
        """The problem at one row as arguments of `scipy.optimize.minimize`."""
        return self._exported(scipy_problem, X, kind)

    def _exported(self, write: Callable[[ProblemRows, Domain, str], Exported], X: Any, kind: Kind) -> Exported:
        check_choice("kind", kind, ("soft", "hard"))
        return write(self.at(X), self.domain, kind)

    def at(self, X: Any = None) -> ProblemRows:
        """The problem at the rows of X, as functions of the response."""
        inputs, n = read_inputs(self, {} if X is None else X)
        return rows_of(self, inputs, self.domain.names, n)

    def _soft_utility(self, rows: ProblemRows, at: Optima) -> np.ndarray:
        """BL at a response per row."""
        y = np.concatenate([at.numbers, self.domain.choices[at.choice]], axis=1)[:, None]
        with jax.enable_x64(True):
            unmoved = jnp.zeros((len(rows), len(rows.labels)))
            return np.asarray(rows(jnp.asarray(y), unmoved).utility)[:, 0]

    def _soft_status(self, optima: Optima) -> list[str]:
        many = len(self.domain.numbers) > MOST_DIMENSIONS
        found = f"optimum of the soft problem{', the best of several searches' if many else ''}"
        return [f"{found}; at the end of the support along {end}" if end else found for end in self._ends(optima)]

    def _hard_status(self, rows: ProblemRows, optima: Optima) -> list[str]:
        conflicts = self._conflicts(rows, optima.violation > FEASIBLE)
        moving = np.abs(optima.prices) > NO_PRICE
        binding = moving & ~np.array(rows.equalities, bool)
        free = ~moving.any(axis=1) & (True not in rows.equalities)
        status = []
        for i, end in enumerate(self._ends(optima)):
            named = [label for label, binds in zip(rows.labels, binding[i], strict=True) if binds]
            binds = f"optimum of the hard problem; {' and '.join(named)} bind{'s' * (len(named) == 1)}"
            slack = "optimum of the hard problem; no inequality binds"
            rising = f"unbounded: no constraint ends the rise of the utility along {end}; stopped by the support"
            no = f"infeasible: within the support no response satisfies {conflicts.get(i)}"
            status.append(no if i in conflicts else rising if end and free[i] else binds if named else slack)
        return status

    def _ends(self, optima: Optima) -> list[str]:
        """The numbers of each row that are at an end of the support, such as ``+price``."""
        domain = self.domain
        margin = ON_THE_EDGE * (domain.upper - domain.lower)
        low, high = optima.numbers <= domain.lower + margin, optima.numbers >= domain.upper - margin
        signs = np.where(low, "-", np.where(high, "+", ""))
        return [
            ", ".join(f"{sign}{name}" for sign, name in zip(row, domain.numbers, strict=True) if sign) for row in signs
        ]

    def _conflicts(self, rows: ProblemRows, infeasible: np.ndarray) -> dict[int, str]:
        """For each infeasible row a smallest set of constraints that no response satisfies together."""
        left, names = np.flatnonzero(infeasible), {}
        sizes = range(1, len(rows.labels) + 1)
        subsets = (chosen for size in sizes for chosen in combinations(range(len(rows.labels)), size))
        for chosen in islice(subsets, SUBSETS):
            if not len(left):
                break
            mask = np.isin(np.arange(len(rows.labels)), chosen)
            clash = violations(rows.at(left), self.domain, mask) > FEASIBLE
            listed = " and ".join(rows.labels[j] for j in chosen)
            names |= dict.fromkeys(left[clash].tolist(), listed)
            left = left[~clash]
        return names | dict.fromkeys(left.tolist(), "all constraints together")


def problem_of(model: LearnedModel) -> DecisionProblem:
    """The problem of a learned model, on the support of its response."""
    problem = DecisionProblem.of(model.problem, Domain.of_response(model.response))
    first = model.member(0).problem if model.members > 1 else None
    return replace(problem, first=first, networks=model.members)
