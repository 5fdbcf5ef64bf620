"""The learned optimisation problem as values: maximise … subject to … ≤ 0, … = 0, and hierarchies of it.

Source: Section 2.2 (a block is a LearnedUMP, a network a hierarchy of them) and Theorem 2.1 (penalty form).
Softplus and square are not exact penalties: the mode of the Gibbs distribution and the optimum under hard constraints
differ. What is written here is the penalty form that was fitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from behavior_learning.core.features import Curve
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.text import Shortened, format_monomial, format_number, format_polynomial, shorten

__all__ = ["Goal", "Hierarchy", "LearnedUMP"]

TERMS_SHOWN = 5
"""Terms of a polynomial that a printed problem shows by default."""

NAMES_SHOWN = 12
"""Names of terms left out that it lists."""

_CONSTRAINTS = tuple(role for role in ROLES if role != "utility")

_RELATION = {"inequality": " <= 0", "equality": " = 0"}
_WHEN = {"inequality": " > 0", "equality": " != 0"}


@dataclass(frozen=True)
class Goal:
    """One row of a head, multiplier · head(scale · polynomial).

    Attributes
    ----------
    head : φ, ρ or ψ.
    multiplier : λ.
    polynomial : in the user's names and units; where it is linear in a single response, with coefficient 1 or −1 on it.
    scale : positive; what multiplies the polynomial inside the head.
    """

    head: Head
    multiplier: float
    polynomial: Polynomial
    scale: float = 1.0

    def formula(self, argument: str) -> str:
        """Write multiplier · head(scale · argument)."""
        scaled = argument if format_number(self.scale) == "1" else f"{format_number(self.scale)}*{argument}"
        return f"{format_number(self.multiplier)}*{self.head.formula.format(scaled)}"


@dataclass(frozen=True)
class LearnedUMP:
    """One block: maximise Σ λ₀φ(U) subject to C ≤ 0 and T = 0, in the penalty form of Eq. 4.

    Printing it shows the strongest terms of each row first and names what appears in no row; `text(terms=None)` shows
    every term.

    Attributes
    ----------
    name : such as ``"block1.2"``.
    goals : the rows of the three heads.
    response : the names that stand for y; none where blocks see x only (vector output).
    spreads : standard deviation of each variable over the training rows, by which terms are ranked.
    shortcut : what a residual skip adds to the block's utility.
    curves : by name, the curves among the variables and the column each is a function of.
    """

    name: str
    goals: tuple[Goal, ...]
    response: tuple[str, ...]
    spreads: Mapping[str, float] = field(repr=False)
    shortcut: Polynomial = field(default_factory=lambda: Polynomial({}))
    curves: Mapping[str, tuple[Curve, str]] = field(default_factory=dict, repr=False)

    def rows(self, role: str) -> tuple[Goal, ...]:
        """The rows of one head: ``"utility"``, ``"inequality"`` or ``"equality"``."""
        return tuple(goal for goal in self.goals if goal.head.role == role)

    def text(self, terms: int | None = TERMS_SHOWN) -> str:
        """Write the problem in plain text with the `terms` strongest terms of each row, None for all."""
        brief = lambda goal: shorten(goal.polynomial, self.spreads, terms)
        objective = [_objective_line(goal, brief(goal)) for goal in self.rows("utility")]
        if self.shortcut.coefficients:
            objective.append(format_polynomial(self.shortcut, list(self.shortcut.monomials)))
        relation = _RELATION if self.response else _WHEN
        constraints = [
            f"{_written(brief(goal))}{relation[role]}   [penalty {goal.formula('v')}]"
            for role in _CONSTRAINTS
            for goal in self.rows(role)
        ]
        goal_word, constraint_word = ("maximise", "subject to") if self.response else ("rewards", "penalises")
        lines = _label(goal_word, objective, joint=" + ") + _label(constraint_word, constraints, joint="")
        shown = {monomial for goal in self.goals for monomial in brief(goal).order}
        hidden = dict.fromkeys(m for goal in self.goals for m in brief(goal).omitted if m not in shown)
        if hidden:
            lines += _label("left out", [_listed(list(map(format_monomial, hidden)))], joint="")
        return "\n".join([self.name, *lines])

    def __str__(self) -> str:
        return self.text()

    def to_sympy(self):
        """The block's utility as a SymPy expression in symbols named like the user's columns."""
        from behavior_learning.symbolic.algebra import block_expression

        return block_expression(self)

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = 3) -> str:
        """The problem in LaTeX (an ``aligned`` environment) with the `terms` strongest terms of each row."""
        from behavior_learning.symbolic.algebra import ump_latex

        return ump_latex(self, terms, digits)


@dataclass(frozen=True)
class Hierarchy:
    """Layers of UMPs: each block of a layer sees the utilities of the blocks below as its variables (Eq. 5).

    Attributes
    ----------
    layers : from the data upwards.
    outputs : name of each output and its polynomial in the blocks of the top layer; one for scalar utility.
    response : the names that stand for y.
    """

    layers: tuple[tuple[LearnedUMP, ...], ...]
    outputs: Mapping[str, Polynomial]
    response: tuple[str, ...]

    @property
    def _headline(self) -> str:
        if self.layers[0][0].response:
            return f"the most likely {', '.join(self.response)} maximises"
        return "the most likely class has the largest of"

    @property
    def blocks(self) -> dict[str, LearnedUMP]:
        """Every block by its name."""
        return {ump.name: ump for layer in self.layers for ump in layer}

    def text(self, terms: int | None = TERMS_SHOWN) -> str:
        """Write the problem in plain text, the top layer first."""
        shape = ",".join(str(len(layer)) for layer in self.layers)
        head = [f"BL[{shape}]: {self._headline}"]
        head += [
            f"  {name} = {_written(shorten(polynomial, self.layers[-1][0].spreads, None))}"
            for name, polynomial in self.outputs.items()
        ]
        umps = [ump.text(terms) for layer in reversed(self.layers) for ump in layer]
        return "\n\n".join(["\n".join(head), *umps])

    def __str__(self) -> str:
        return self.text()

    def to_sympy(self):
        """Utilities by output name as SymPy expressions in the user's columns alone, the layers substituted."""
        from behavior_learning.symbolic.algebra import hierarchy_expressions

        return hierarchy_expressions(self)

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = 3) -> str:
        """The problem in LaTeX, an ``aligned`` environment for the outputs and for each block, the top layer first."""
        from behavior_learning.symbolic.algebra import outputs_latex

        blocks = [ump.to_latex(terms, digits) for layer in reversed(self.layers) for ump in layer]
        return "\n\n".join([outputs_latex(self, digits), *blocks])


def _objective_line(goal: Goal, shown: Shortened) -> str:
    return goal.formula(f"[{_written(shown)}]" if goal.head.name == "identity" else _written(shown))


def _written(shown: Shortened) -> str:
    text = format_polynomial(shown.kept, shown.order)
    if not shown.omitted:
        return text
    return f"{text} + ({len(shown.omitted)} smaller, {shown.omitted_share:.0%})"


def _listed(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _label(word: str, rows: list[str], joint: str) -> list[str]:
    first, later = f"  {word:<12}", " " * 14
    return [(first if i == 0 else later[: 14 - len(joint)] + joint) + row for i, row in enumerate(rows)]
