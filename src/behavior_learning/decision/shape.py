"""Which class of optimisation problem a learned problem is: linear, quadratic, convex or none of these.

Composition rules of disciplined convex programming on the rows as they stand; what they do not reach is called
non-convex, whether or not it is.

Source: Grant, Boyd and Ye (2006); Theorem 2.1 of the paper for the two problems.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from behavior_learning.core.arrays import to_device
from behavior_learning.core.features import Curve, Transform
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.decision.rows import constraint_labels
from behavior_learning.printing import Printed
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem

__all__ = ["ProblemClass", "Shape", "head_shape", "polynomial_shape", "problem_class"]

DEGREES = {0: "linear", 1: "linear", 2: "quadratic"}


class Shape(NamedTuple):
    """What is known of a function of the response; affine where it is both.

    Attributes
    ----------
    convex, concave : whether it is.
    degree : 1 for what a linear programme can hold, 2 for a quadratic one, 3 beyond.
    """

    convex: bool
    concave: bool
    degree: int

    @property
    def affine(self) -> bool:
        return self.convex and self.concave

    def scaled(self, factor: float) -> "Shape":
        if factor == 0:
            return CONSTANT
        return self if factor > 0 else Shape(self.concave, self.convex, self.degree)

    @classmethod
    def total(cls, parts: "Iterable[Shape]") -> "Shape":
        every = [CONSTANT, *parts]
        return cls(all(p.convex for p in every), all(p.concave for p in every), max(p.degree for p in every))


CONSTANT = Shape(True, True, 0)
CONVEX, CONCAVE, NEITHER = Shape(True, False, 3), Shape(False, True, 3), Shape(False, False, 3)


@dataclass(frozen=True, repr=False)
class ProblemClass(Printed):
    """The classes of the two problems that a learned problem stands for.

    Attributes
    ----------
    hard : of maximising the utility under exact constraints: ``"linear"``, ``"quadratic"``, ``"convex"`` or
        ``"non-convex"``.
    soft : of maximising BL, every constraint a penalty.
    obstacles : the rows and utilities for which convexity could not be shown.
    """

    hard: str
    soft: str
    obstacles: tuple[str, ...]

    def __str__(self) -> str:
        why = f" (not shown convex: {', '.join(self.obstacles)})" if self.obstacles else ""
        return f"hard: {self.hard}; soft: {self.soft}{why}"


def problem_class(problem: Problem) -> ProblemClass:
    """The class of a problem whose responses are numbers."""
    curves = {name: curve_shape(curve) for name, (curve, _) in problem.response_curves.items()}
    hard_blocks, soft_blocks, hard_rows = dict(curves), dict(curves), {}
    labels = {id(term): label for label, term in constraint_labels(problem).items()}
    for name, block in problem.blocks.items():
        hard_rows |= {
            labels[id(term)]: (polynomial_shape(term.polynomial, block, hard_blocks), term.head.role)
            for term in block.head_terms
            if id(term) in labels
        }
        wanted = [term for term in block.head_terms if id(term) not in labels]
        hard_blocks[name] = _block_shape(block, wanted, hard_blocks)
        soft_blocks[name] = _block_shape(block, block.head_terms, soft_blocks)
    last = problem.layers[-1][0]
    outputs = problem.outputs.values()
    hard, soft = (
        Shape.total(polynomial_shape(o, last, known) for o in outputs) for known in (hard_blocks, soft_blocks)
    )
    broken = [
        label
        for label, (shape, role) in hard_rows.items()
        if not (shape.affine if role == "equality" else shape.convex)
    ]
    curved = max((min(shape.degree + 1, 3) for shape, _ in hard_rows.values() if not shape.affine), default=1)
    obstacles = ([] if hard.concave else ["the utility"]) + broken
    named = "non-convex" if obstacles else DEGREES.get(max(hard.degree, curved), "convex")
    return ProblemClass(named, DEGREES.get(soft.degree, "convex") if soft.concave else "non-convex", tuple(obstacles))


def head_shape(head: Head) -> tuple[bool, bool, int]:
    """Whether a head is convex, whether it is non-decreasing, and the degree of programme that holds it, by values."""
    t = np.linspace(-8.0, 8.0, 1601)
    slopes = np.diff(np.asarray(head(to_device(t.astype(np.float32))), float)) / np.diff(t)
    bends = np.diff(slopes)
    kinks, level = np.abs(bends) > 1e-3, np.abs(bends) < 1e-3
    if head.form == "t" or (head.degree == 1 and kinks.sum() <= 2 and level.sum() >= len(bends) - 2):
        degree = 1
    else:
        degree = 2 if head.degree == 2 else 3
    return bool((bends >= -1e-3).all()), bool((slopes >= -1e-3).all()), degree


def curve_shape(curve: Curve) -> Shape:
    """The shape of a function of the response above its floor."""
    known = {"log": CONCAVE, "sqrt": CONCAVE, "inverse": CONVEX}
    return known.get(curve.function, NEITHER) if isinstance(curve, Transform) else NEITHER


def polynomial_shape(polynomial: Polynomial, block: Block, blocks: Mapping[str, Shape]) -> Shape:
    """The shape of a polynomial in the response and in blocks; what x gives is a number."""
    free = {*block.response, *blocks}
    outside = {m: tuple(f for f in m if f[0] in free) for m in polynomial.monomials}
    affine = [(m, o) for m, o in outside.items() if _degree(o) == 1]
    square = {o: polynomial.coefficients[m] for m, o in outside.items() if _degree(o) == 2}
    settled = all(len(m) == len(o) for m, o in outside.items() if _degree(o) == 2)
    if any(_degree(o) > 2 for o in outside.values()) or any(n in blocks for o in square for n, _ in o):
        return NEITHER
    parts = []
    for monomial, ((name, _),) in affine:
        shape = blocks.get(name, Shape(True, True, 1))
        known = len(monomial) == 1 or shape.affine
        factor = polynomial.coefficients[monomial]
        parts.append(shape.scaled(factor) if known else NEITHER)
    if square:
        curvature = np.linalg.eigvalsh(_hessian(square, block.response)) if settled else np.array([-1.0, 1.0])
        size = 1e-9 * np.abs(curvature).max()
        parts.append(Shape(bool((curvature >= -size).all()), bool((curvature <= size).all()), 2))
    return Shape.total(parts)


def _block_shape(block: Block, terms: Iterable[HeadTerm], blocks: Mapping[str, Shape]) -> Shape:
    rows = [_term_shape(term, block, blocks).scaled(ROLES[term.head.role] * term.multiplier) for term in terms]
    return Shape.total([*rows, polynomial_shape(block.shortcut, block, blocks)])


def _term_shape(term: HeadTerm, block: Block, blocks: Mapping[str, Shape]) -> Shape:
    inside = polynomial_shape(term.polynomial, block, blocks)
    convex, increasing, degree = head_shape(term.head)
    if inside.degree == 0 or term.head.form == "t":
        return inside
    degree = max(degree, inside.degree if degree == 1 else min(degree + inside.degree - 1, 3))
    return Shape(convex and (inside.affine or (increasing and inside.convex)), False, degree)


def _degree(monomial: Monomial) -> int:
    return sum(power for _, power in monomial)


def _hessian(square: Mapping[Monomial, float], response: tuple[str, ...]) -> np.ndarray:
    """Of Σ coefficient · y_i·y_j."""
    hessian = np.zeros((len(response), len(response)))
    for monomial, value in square.items():
        i, j = (response.index(name) for name, power in monomial for _ in range(power))
        hessian[i, j] += value
        hessian[j, i] += value
    return hessian
