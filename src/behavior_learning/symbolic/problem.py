"""The learned optimisation problem as values: maximise … subject to … ≤ 0, … = 0, and hierarchies of it.

Source: Section 2.2 (a block is a LearnedUMP, a network a hierarchy of them) and Theorem 2.1 (penalty form).
Softplus and square are not exact penalties: the mode of the Gibbs distribution and the optimum under hard constraints
differ. What is written here is the penalty form that was fitted.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from behavior_learning.core.features import Curve
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.sources import Source
from behavior_learning.symbolic.text import (
    DIGITS,
    Shortened,
    check_shown,
    format_monomial,
    format_number,
    format_polynomial,
    format_shortened,
    shorten,
)

__all__ = ["Goal", "Hierarchy", "LearnedUMP", "check_renaming"]

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
    factors : polynomials whose product is part of the polynomial and is written as a product; none by default.
    rest : name of the variable that stands for terms left out of a simplified row, which is written last.
    """

    head: Head
    multiplier: float
    polynomial: Polynomial
    scale: float = 1.0
    factors: tuple[Polynomial, ...] = ()
    rest: str = ""

    def formula(self, argument: str, digits: int = DIGITS) -> str:
        """Write multiplier · head(scale · argument)."""
        scale = format_number(self.scale, digits)
        scaled = argument if scale == "1" else f"{scale}*{argument}"
        return f"{format_number(self.multiplier, digits)}*{self.head.formula.format(scaled)}"

    def shown(self, spreads: Mapping[str, float], terms: int | None) -> Shortened:
        """The strongest terms of the polynomial, apart from what its factors make up."""
        if not self.factors:
            return shorten(self.polynomial, spreads, terms, self.rest)
        remainder = self.polynomial.without(Polynomial.product(self.factors))
        return shorten(remainder, spreads, None, self.rest).times(self.factors)

    def renamed(self, names: Mapping[str, str]) -> "Goal":
        """The same row with other names for some of its variables."""
        factors = tuple(factor.renamed(names) for factor in self.factors)
        return replace(self, polynomial=self.polynomial.renamed(names), factors=factors)


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
    sources : by name, how variables follow from columns of the user's table; any other is a column of numbers.
    """

    name: str
    goals: tuple[Goal, ...]
    response: tuple[str, ...]
    spreads: Mapping[str, float] = field(repr=False)
    shortcut: Polynomial = field(default_factory=lambda: Polynomial({}))
    curves: Mapping[str, tuple[Curve, str]] = field(default_factory=dict, repr=False)
    sources: Mapping[str, Source] = field(default_factory=dict, repr=False)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of its rows, curves and blocks among them."""
        polynomials = [*(goal.polynomial for goal in self.goals), self.shortcut]
        return tuple(dict.fromkeys(name for polynomial in polynomials for name in polynomial.variables))

    def rows(self, role: str) -> tuple[Goal, ...]:
        """The rows of one head: ``"utility"``, ``"inequality"`` or ``"equality"``."""
        return tuple(goal for goal in self.goals if goal.head.role == role)

    @property
    def blocks(self) -> dict[str, "LearnedUMP"]:
        """The problem itself by its name, as a hierarchy has its blocks."""
        return {self.name: self}

    def utility(self, table: Mapping[str, Any]) -> np.ndarray:
        """BL(x, y) of every row, exactly as fitted, in double precision.

        Parameters
        ----------
        table : a DataFrame or a mapping to arrays that broadcast against each other; the columns of x and y in the
            user's units, for a block of a hierarchy the utilities of the blocks that it sees.

        Raises
        ------
        DataError
            If a column is absent.
        """
        from behavior_learning.symbolic.evaluate import block_values, table_values

        return _rowwise(block_values(self, values := table_values([self], table)), values)

    def text(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """Write the problem in plain text with the `terms` strongest terms of each row, None for all."""
        check_shown(terms, digits)
        brief = lambda goal: goal.shown(self.spreads, terms)
        objective = [_objective_line(goal, brief(goal), digits) for goal in self.rows("utility")]
        if self.shortcut.coefficients:
            objective.append(format_polynomial(self.shortcut, list(self.shortcut.monomials), digits))
        relation = _RELATION if self.response else _WHEN
        constraints = [
            f"{_written(brief(goal), digits)}{relation[role]}   [penalty {goal.formula('v', digits)}]"
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
        from behavior_learning.symbolic.sympy_latex import block_expression

        return block_expression(self)

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = 3) -> str:
        """The problem in LaTeX (an ``aligned`` environment) with the `terms` strongest terms of each row."""
        from behavior_learning.symbolic.sympy_latex import ump_latex

        check_shown(terms, digits)
        return ump_latex(self, terms, digits)

    def to_python(self) -> str:
        """Source of a module that needs NumPy alone, with a function ``utility(**columns)``."""
        from behavior_learning.symbolic.python_source import ump_source

        return ump_source(self)

    def to_json(self) -> str:
        """The problem as JSON; `behavior_learning.symbolic.from_json` reads it."""
        from behavior_learning.symbolic.to_json import to_json

        return to_json(self)

    def renamed(self, names: Mapping[str, str]) -> "LearnedUMP":
        """The same problem with other names for blocks.

        Raises
        ------
        OptionError
            If a name is no block's, or a new name is that of another block or variable.
        """
        _check_names(names, [self.name], _variables([self]) - {self.name})
        return self._renamed(names) if names else self

    def _renamed(self, names: Mapping[str, str]) -> "LearnedUMP":
        return replace(
            self,
            name=names.get(self.name, self.name),
            goals=tuple(goal.renamed(names) for goal in self.goals),
            spreads={names.get(name, name): spread for name, spread in self.spreads.items()},
            shortcut=self.shortcut.renamed(names),
        )


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

    def utility(self, table: Mapping[str, Any]) -> Any:
        """BL(x, y) of every row, or for vector output an array for every class; exactly as fitted, in double precision.

        Parameters
        ----------
        table : a DataFrame or a mapping to arrays that broadcast against each other; the columns of x and, where
            blocks see it, y in the user's units.

        Raises
        ------
        DataError
            If a column is absent.
        """
        from behavior_learning.symbolic.evaluate import hierarchy_values, table_values

        values = table_values(self.blocks.values(), table)
        _, outputs = hierarchy_values(self, values)
        outputs = {name: _rowwise(output, values) for name, output in outputs.items()}
        return outputs["utility"] if self.layers[0][0].response else outputs

    def text(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """Write the problem in plain text, the top layer first."""
        check_shown(terms, digits)
        shape = ",".join(str(len(layer)) for layer in self.layers)
        head = [f"BL[{shape}]: {self._headline}"]
        head += [
            f"  {name} = {_written(shorten(polynomial, self.layers[-1][0].spreads, None), digits)}"
            for name, polynomial in self.outputs.items()
        ]
        umps = [ump.text(terms, digits) for layer in reversed(self.layers) for ump in layer]
        return "\n\n".join(["\n".join(head), *umps])

    def __str__(self) -> str:
        return self.text()

    def to_sympy(self):
        """Utilities by output name as SymPy expressions in the user's columns alone, the layers substituted."""
        from behavior_learning.symbolic.sympy_latex import hierarchy_expressions

        return hierarchy_expressions(self)

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = 3) -> str:
        """The problem in LaTeX, an ``aligned`` environment for the outputs and for each block, the top layer first."""
        from behavior_learning.symbolic.sympy_latex import outputs_latex

        check_shown(terms, digits)
        blocks = [ump.to_latex(terms, digits) for layer in reversed(self.layers) for ump in layer]
        return "\n\n".join([outputs_latex(self, digits), *blocks])

    def to_python(self) -> str:
        """Source of a module that needs NumPy alone, with a function ``utility(**columns)``.

        For vector output it returns a dictionary with an array for every class.
        """
        from behavior_learning.symbolic.python_source import hierarchy_source

        return hierarchy_source(self)

    def to_json(self) -> str:
        """The problem as JSON; `behavior_learning.symbolic.from_json` reads it."""
        from behavior_learning.symbolic.to_json import to_json

        return to_json(self)

    def renamed(self, names: Mapping[str, str]) -> "Hierarchy":
        """The same problem with other names for blocks.

        Raises
        ------
        OptionError
            If a name is no block's, or a new name is that of another block or variable.
        """
        _check_names(names, list(self.blocks), _variables(self.blocks.values()) - set(self.blocks))
        if not names:
            return self
        layers = tuple(tuple(ump._renamed(names) for ump in layer) for layer in self.layers)
        return replace(self, layers=layers, outputs={k: output.renamed(names) for k, output in self.outputs.items()})


def _rowwise(utility: np.ndarray, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """One number per row, also where none of the columns matters."""
    return np.array(np.broadcast_to(utility, np.broadcast_shapes(np.shape(utility), *map(np.shape, values.values()))))


def check_renaming(names: Any) -> None:
    """Refuse what gives no new names that are text.

    Raises
    ------
    OptionError
        If names are no dictionary, or a new name is no text or empty.
    """
    if not isinstance(names, Mapping):
        raise OptionError(f"Names must be a dictionary such as {{'block1.1': 'the budget'}}; got {names!r}.")
    wrong = [new for new in names.values() if not isinstance(new, str) or not new.strip() or not new.isprintable()]
    if wrong:
        raise OptionError(f"A block's name must be one line of text that is not empty; got {wrong[0]!r}.")


def _variables(umps: Collection[LearnedUMP]) -> set[str]:
    """Names of variables and of the columns they come from."""
    named = (name for ump in umps for name in (*ump.variables, *ump.response))
    columns = (source.column for ump in umps for source in ump.sources.values())
    return {*named, *columns}


def _check_names(names: Mapping[str, str], blocks: Sequence[str], variables: Set[str]) -> None:
    check_renaming(names)
    unknown = [name for name in names if name not in blocks]
    if unknown:
        raise OptionError(f"There is no block {unknown[0]!r} to rename. Blocks: {', '.join(blocks)}.")
    after = [names.get(block, block) for block in blocks]
    taken = [name for name in after if after.count(name) > 1 or name in variables]
    if taken:
        raise OptionError(f"The name {taken[0]!r} would stand for two things. Give every block a name of its own.")


def _objective_line(goal: Goal, shown: Shortened, digits: int) -> str:
    written = _written(shown, digits)
    return goal.formula(f"[{written}]" if goal.head.name == "identity" else written, digits)


def _written(shown: Shortened, digits: int) -> str:
    text = format_shortened(shown, digits)
    if not shown.omitted:
        return text
    return f"{text} + ({len(shown.omitted)} smaller, {shown.omitted_share:.0%})"


def _listed(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _label(word: str, rows: list[str], joint: str) -> list[str]:
    first, later = f"  {word:<12}", " " * 14
    return [(first if i == 0 else later[: 14 - len(joint)] + joint) + row for i, row in enumerate(rows)]
