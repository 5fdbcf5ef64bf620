"""Quadratics as products: exact but for a constant, and None where there is no such product."""

import numpy as np
import pytest

from behavior_learning.symbolic.factor import factored
from behavior_learning.symbolic.polynomials import Polynomial
from tests.conftest import rng

P, RM, LSTAT = (("P", 1),), (("RM", 1),), (("LSTAT", 1),)
P2, RMP = (("P", 2),), (("P", 1), ("RM", 1))


def same_but_for_a_constant(product, polynomial):
    difference = Polynomial.product(product) + polynomial.scaled(-1.0)
    size = max(abs(value) for value in polynomial.monomials.values())
    assert all(abs(value) < 1e-9 * size for value in difference.monomials.values())


def test_the_papers_utility_is_a_product():
    """−0.56P² − 0.6RM + 0.57RM·P ≈ (1 − P)(1 + P − RM) and a constant (Section 3.2)."""
    number, first, second = factored(Polynomial({P2: -0.56, RM: -0.6, RMP: 0.57}))
    same_but_for_a_constant((number, first, second), Polynomial({P2: -0.56, RM: -0.6, RMP: 0.57}))
    linear, mixed = sorted((first, second), key=lambda factor: len(factor.coefficients))
    assert linear.coefficients == pytest.approx({P: 1.0, (): -0.6 / 0.57})
    assert mixed.coefficients[RM] / mixed.coefficients[P] == pytest.approx(-0.57 / 0.56)
    assert mixed.coefficients[()] / mixed.coefficients[P] == pytest.approx(0.6 / 0.57)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_products_of_linear_forms_are_found(count, seed):
    generator = rng("factor", count, seed)
    linear = lambda: Polynomial({((f"x{j}", 1),): generator.normal() for j in range(count)} | {(): generator.normal()})
    first = linear()
    second = Polynomial(dict(first.coefficients)) if count == 1 else linear()
    polynomial = first * second
    found = factored(polynomial)
    assert len(found) == 3
    same_but_for_a_constant(found, polynomial)


def test_a_square_is_completed():
    number, first, second = factored(Polynomial({P2: -2.0, P: 12.0}))
    assert number.coefficients == pytest.approx({(): -2.0})
    assert first.coefficients == second.coefficients == pytest.approx({P: 1.0, (): -3.0})


@pytest.mark.parametrize(
    "polynomial",
    [
        Polynomial({P: 1.0, RM: 2.0}),
        Polynomial({RMP: 1.0}),
        Polynomial({P2: 1.0, (("RM", 2),): 1.0}),
        Polynomial({P2: 1.0, LSTAT: 1.0}),
        Polynomial({(("P", 3),): 1.0, P: 1.0}),
        Polynomial({P2: 1.0, (("RM", 2),): -1.0, (("LSTAT", 2),): 2.0}),
        Polynomial({}),
    ],
    ids=["linear", "one product", "definite", "outside the range", "cubic", "rank three", "nothing"],
)
def test_what_is_no_product_is_left_alone(polynomial):
    assert factored(polynomial) is None


def test_scale_does_not_matter():
    small = factored(Polynomial({P2: -0.56e-8, RM: -0.6e-8, RMP: 0.57e-8}))
    assert small is not None
    assert np.isclose(
        small[0].coefficients[()] * 1e8, factored(Polynomial({P2: -0.56, RM: -0.6, RMP: 0.57}))[0].constant
    )
