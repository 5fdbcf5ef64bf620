"""A learned problem at given rows of x, as functions of the response alone that JAX can differentiate.

What depends on x is evaluated once, in NumPy: every polynomial becomes Σ_β c_β(x)·β(y, blocks), so that the compiled
program knows the monomials of the response and not the terms of x.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.arrays import to_device
from behavior_learning.core.features import Curve
from behavior_learning.core.heads import ROLES, Head, softplus
from behavior_learning.symbolic.evaluate import curve_at, table_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import HeadTerm, Problem

__all__ = ["Evaluated", "ProblemRows", "Width", "constraint_labels", "read_inputs", "rows_of"]

Values = Mapping[str, Array]
Width = Float[Array, ""] | float | None
"""Over which kinks are rounded, in the argument of their head; None leaves them."""


class Sum(eqx.Module):
    """Σ_β c_β(x)·β, a polynomial in what x does not give.

    Attributes
    ----------
    coef : (n, monomials).
    monomials : of responses and blocks.
    """

    coef: Float[Array, "n monomials"]
    monomials: tuple[Monomial, ...] = eqx.field(static=True)

    def __call__(self, values: Values) -> Float[Array, "n k"]:
        total = jnp.zeros((len(self.coef), 1), self.coef.dtype)
        for j, monomial in enumerate(self.monomials):
            term = self.coef[:, j, None]
            for name, power in monomial:
                term = term * values[name] ** power
            total = total + term
        return total


class Row(eqx.Module):
    """A row of a block: ±λ·head(scale·(C − relaxed)).

    Attributes
    ----------
    argument : C, in the units of the printed row.
    multiplier, scale : (n,), the same in all rows.
    label : of a constraint that the response can move; empty otherwise.
    """

    argument: Sum
    multiplier: Float[Array, " n"]
    scale: Float[Array, " n"]
    head: Head = eqx.field(static=True)
    label: str = eqx.field(static=True)

    def value(self, argument: Float[Array, "n k"], width: Width) -> Float[Array, "n k"]:
        """What it adds to the utility of its block; kinks rounded over a width of the head's argument."""
        inside = self.scale[:, None] * argument
        return ROLES[self.head.role] * self.multiplier[:, None] * _rounded(self.head, inside, width)


class BlockRows(eqx.Module):
    """A block at given rows of x."""

    rows: tuple[Row, ...]
    shortcut: Sum
    name: str = eqx.field(static=True)


class Evaluated(eqx.Module):
    """The problem at candidates of the response.

    Attributes
    ----------
    utility : BL(x, y), or what the hard problem maximises.
    constraints : by label, C and T in the units of the printed rows.
    """

    utility: Float[Array, "n k"]
    constraints: Float[Array, "n k constraints"]


class ProblemRows(eqx.Module):
    """A problem at given rows of x.

    Attributes
    ----------
    blocks : from the data upwards.
    output : the utility as a polynomial in the blocks.
    names : of the columns of a candidate.
    labels : of the constraints, in the order of `Evaluated.constraints`.
    equalities : which of them are equalities.
    curves : by name, functions of a column of a candidate.
    """

    blocks: tuple[BlockRows, ...]
    output: Sum
    names: tuple[str, ...] = eqx.field(static=True)
    labels: tuple[str, ...] = eqx.field(static=True)
    equalities: tuple[bool, ...] = eqx.field(static=True)
    curves: tuple[tuple[str, Curve, str], ...] = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.output.coef)

    def __call__(
        self, y: Float[Array, "n k m"], relaxed: Float[Array, "n constraints"], width: Width = None
    ) -> Evaluated:
        """BL(x, y): every constraint a penalty (the soft problem).

        Parameters
        ----------
        relaxed : by how much each constraint is moved, C ≤ relaxed.
        width : over which kinks are rounded, in the argument of the head; None leaves them.
        """
        return self._evaluate(y, relaxed, width, hard=False)

    def hard(self, y: Float[Array, "n k m"]) -> Evaluated:
        """What the hard problem maximises, and its constraints: heads of constraints add nothing to any block."""
        return self._evaluate(y, jnp.zeros((len(self), len(self.labels)), y.dtype), None, hard=True)

    def _evaluate(self, y: Array, relaxed: Array, width: Width, hard: bool) -> Evaluated:
        values = {name: y[..., j] for j, name in enumerate(self.names)}
        values |= {name: curve_at(curve, values[column]) for name, curve, column in self.curves}
        constraints: dict[str, Array] = {}
        for block in self.blocks:
            utility = block.shortcut(values)
            for row in block.rows:
                argument = row.argument(values)
                if row.label:
                    constraints[row.label] = argument
                    argument = argument - relaxed[:, self.labels.index(row.label), None]
                if not (hard and row.label):
                    utility = utility + row.value(argument, width)
            values[block.name] = utility
        shape = (len(self), y.shape[1])
        wide = [jnp.broadcast_to(constraints[label], shape) for label in self.labels]
        stacked = jnp.stack(wide, axis=-1) if wide else jnp.zeros((*shape, 0), y.dtype)
        return Evaluated(jnp.broadcast_to(self.output(values), shape), stacked)

    def at(self, chosen: Any) -> "ProblemRows":
        """Some of the rows."""
        return jax.tree.map(lambda leaf: leaf[chosen], self)

    @property
    def kinked(self) -> bool:
        return any(not row.head.smooth for block in self.blocks for row in block.rows)


def rows_of(problem: Problem, inputs: Mapping[str, np.ndarray], names: tuple[str, ...], n: int) -> ProblemRows:
    """A problem at rows of x.

    Parameters
    ----------
    inputs : by name, columns of x and curves of them, as `read_inputs` gives them.
    names : of the columns of a candidate.
    n : rows.
    """
    curves = tuple((name, *own) for name, own in problem.response_curves.items())
    free, labels = {*names, *problem.blocks, *(name for name, *_ in curves)}, constraint_labels(problem)
    named = {id(term): label for label, term in labels.items()}

    def split(polynomial: Polynomial) -> Sum:
        by_free: dict[Monomial, dict[Monomial, float]] = {}
        for monomial, value in polynomial.coefficients.items():
            outside = tuple(factor for factor in monomial if factor[0] in free)
            by_free.setdefault(outside, {})[tuple(f for f in monomial if f[0] not in free)] = value
        columns = [np.broadcast_to(Polynomial(own).evaluate(inputs), n) for own in by_free.values()]
        return Sum(to_device(np.stack(columns, axis=1).astype(float) if columns else np.zeros((n, 0))), tuple(by_free))

    def row(term: HeadTerm) -> Row:
        multiplier, scale = (to_device(np.full(n, float(number))) for number in (term.multiplier, term.scale))
        return Row(split(term.polynomial), multiplier, scale, term.head, named.get(id(term), ""))

    chosen = [output * _indicator(name) for name, output in problem.outputs.items()]
    output = problem.outputs["utility"] if problem.chooses else Polynomial.total(chosen)
    equalities = tuple(term.head.role == "equality" for term in labels.values())
    with jax.enable_x64(True):
        blocks = [
            BlockRows(tuple(map(row, block.head_terms)), split(block.shortcut), block.name)
            for block in problem.blocks.values()
        ]
        return ProblemRows(tuple(blocks), split(output), names, tuple(labels), equalities, curves)


def constraint_labels(problem: Problem) -> dict[str, HeadTerm]:
    """The constraints that the response can move by label: ``block1.1.inequality``, numbered where there are several.

    Rows of x alone are no decision's: they cancel where they add to the utility.
    """
    moved = {*problem.response, *problem.response_curves} if problem.chooses else set[str]()
    labels: dict[str, HeadTerm] = {}
    for block in problem.blocks.values():
        for role in ("inequality", "equality"):
            terms = block.terms_of(role)
            for number, term in enumerate(terms, 1):
                suffix = f".row{number}" if len(terms) > 1 else ""
                if moved.intersection(term.polynomial.variables):
                    labels[f"{block.name}.{role}{suffix}"] = term
        if moved.intersection(block.variables):
            moved.add(block.name)
    return labels


def read_inputs(problem: Problem, table: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    """The numbers of every column of x and curve of one that a problem reads, and how many rows there are.

    Raises
    ------
    DataError
        If a column is absent.
    """
    columns = {name: table[name] for name in table}
    values = table_values(problem.blocks.values(), columns | dict.fromkeys(problem.response, 0.0))
    lengths = [len(column) for column in columns.values() if np.ndim(column)]
    free = {*problem.response, *problem.response_curves}
    return {k: np.atleast_1d(v) for k, v in values.items() if k not in free}, max(lengths, default=1)


def _indicator(name: str) -> Polynomial:
    return Polynomial({((name, 1),): 1.0})


def _rounded(head: Head, t: Float[Array, "n k"], width: Width) -> Float[Array, "n k"]:
    """A head with its kink rounded over a width; heads without one as they are."""
    if head.smooth or width is None:
        return head(t)
    if head.flippable:
        return width * softplus(t / width)
    return jnp.sqrt(t**2 + width**2) - width if head.parity == "even" else head.smooth_version(t)
