"""Quadratics as products: −P² − RM + RM·P = (1 − P)(1 + P − RM) − 1."""

from collections.abc import Sequence

import numpy as np

from behavior_learning.symbolic.polynomials import Polynomial

__all__ = ["factored"]

SMALL = 1e-9
"""Relative size below which an eigenvalue or a coefficient is zero."""


def factored(polynomial: Polynomial) -> tuple[Polynomial, ...] | None:
    """A number and two linear polynomials whose product differs from a quadratic by a constant, None if there are none.

    Exact but for that constant, which a simplified row leaves to its residual. A quadratic zᵀAz + bᵀz is such a product
    where A has one positive and one negative eigenvalue, or a single one (a square), and b lies in its range.

    Source: Section 3.2, where −0.56P² − 0.6RM + 0.57RM·P is read as (1 − P)(1 + P − RM) and a residual.
    """
    monomials, names = polynomial.monomials, polynomial.variables
    if len(monomials) < 2 or max(sum(power for _, power in m) for m in monomials) != 2:
        return None
    a, b = np.zeros((len(names), len(names))), np.zeros(len(names))  # zᵀAz + bᵀz
    for monomial, value in monomials.items():
        i, *more = [names.index(name) for name, power in monomial for _ in range(power)]
        if more:
            a[i, more[0]] += 0.5 * value
            a[more[0], i] += 0.5 * value
        else:
            b[i] = value
    values, vectors = np.linalg.eigh(a)
    kept = np.abs(values) > SMALL * np.abs(values).max()
    values, vectors = values[kept], vectors[:, kept]
    center = -0.5 * vectors @ ((vectors.T @ b) / values)
    in_range = np.allclose(-2 * a @ center, b, rtol=0, atol=SMALL * np.abs(b).max(initial=0.0))
    signs = sorted(np.sign(values))
    if not in_range or signs not in ([-1.0], [1.0], [-1.0, 1.0]):
        return None
    return _product(values, vectors, center, names)


def _product(
    values: np.ndarray, vectors: np.ndarray, center: np.ndarray, names: Sequence[str]
) -> tuple[Polynomial, ...]:
    """λ(uᵀz)² − μ(vᵀz)² = (√λ·u + √μ·v)ᵀz · (√λ·u − √μ·v)ᵀz, or a single square."""
    if len(values) == 1:
        number, slopes = float(values[0]), [vectors[:, 0], vectors[:, 0]]
    else:
        minus, plus = vectors[:, 0] * np.sqrt(-values[0]), vectors[:, 1] * np.sqrt(values[1])
        number, slopes = 1.0, [plus + minus, plus - minus]
    factors = []
    for slope in slopes:
        lead = slope[np.argmax(np.abs(slope) > SMALL * np.abs(slope).max())]
        slope = np.where(np.abs(slope) > SMALL * np.abs(slope).max(), slope / lead, 0.0)
        number *= float(lead)
        linear = {((name, 1),): float(value) for name, value in zip(names, slope, strict=True) if value}
        constant = -float(slope @ center)
        constant = constant if abs(constant) > SMALL * float(np.abs(slope) @ np.abs(center)) else 0.0
        factors.append(
            Polynomial(linear | ({(): constant} if abs(constant) > SMALL * np.abs(slope * center).max() else {}))
        )
    return Polynomial({(): number}), *factors
