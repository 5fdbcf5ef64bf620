"""Claims about the terms a row is linear in: which they are, what they are called, what they evaluate to."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import interpolate

from behavior_learning.core.bases import (
    ONE,
    Pairing,
    affine_basis,
    fourier_basis,
    polynomial_basis,
    spline_basis,
    with_bends,
    with_terms,
    without_pure_x,
)
from behavior_learning.core.features import Monomials, Product
from tests import oracle
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

X, Y = ("RM", "LSTAT", "AGE"), ("MEDV", "CRIM")


def exponents(name, columns):
    """Powers of each column in the spelling of a term."""
    powers = dict.fromkeys(columns, 0)
    for factor in name.split("*"):
        column, _, power = factor.partition("^")
        powers[column] += int(power or 1)
    return tuple(powers.values())


def all_exponents(columns, degree):
    """Every tuple of powers with total degree between 1 and `degree`, by brute force."""
    powers = itertools.product(range(degree + 1), repeat=columns)
    return {p for p in powers if 1 <= sum(p) <= degree}


def candidates(m, k, one_hot, generator):
    return np.eye(m)[None] if one_hot else generator.normal(size=(2, k, m))


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize(("d", "m"), [(3, 1), (2, 2), (3, 0), (0, 2), (1, 1)])
def test_polynomial_basis_has_every_monomial_once(d, m, degree):
    names = polynomial_basis(d, m, degree=degree).names(X[:d], Y[:m])
    assert len(names) == len(set(names))
    assert {exponents(name, X[:d] + Y[:m]) for name in names} == all_exponents(d + m, degree)


def test_without_products_every_monomial_is_a_power_of_one_column():
    names = polynomial_basis(3, 2, degree=3, products=False).names(X, Y)
    powers = {p for p in all_exponents(5, 3) if sum(p) == max(p)}
    assert {exponents(name, X + Y) for name in names} == powers
    assert len(names) == len(powers)


def test_bends_are_what_a_column_exceeds_its_quantiles_by_up_to_its_largest_value():
    x = np.column_stack([rng("bends").normal(size=40), np.arange(40) % 2])
    basis = with_bends(polynomial_basis(2, 1, degree=2, x=x), x, 3)
    unseen, y = np.array([[-9.0, 0.0], [0.1, 1.0], [9.0, 0.0]]), np.zeros((1, 1, 1))
    knots, top = np.quantile(x[:, 0], [0.25, 0.5, 0.75]), x[:, 0].max()
    over = [(np.clip(unseen[:, 0], knot, top) - knot) / (top - knot) for knot in knots]
    np.testing.assert_allclose(basis(unseen, y).x[:, -3:], np.transpose(over), atol=1e-12)
    bends = [(x, y) for x, y in basis.terms if not isinstance(x, Product)]
    assert [(x.columns, y.columns) for x, y in bends] == [((0,), ())] * 3  # A column of two values has none.
    assert [term for term in basis.terms if term not in bends] == list(polynomial_basis(2, 1, degree=2, x=x).terms)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize(("d", "m"), [(2, 2), (0, 2), (2, 0)])
def test_degrees_are_the_total_degrees_of_the_names(d, m, degree):
    basis = polynomial_basis(d, m, degree=degree)
    assert basis.degrees == tuple(sum(exponents(name, X[:d] + Y[:m])) for name in basis.names(X[:d], Y[:m]))
    assert basis.size == len(basis.degrees)


def test_affine_basis_is_x_then_y():
    assert affine_basis(3, 2).names(X, Y) == [*X, *Y]


def test_quadratic_terms_are_spelled_as_in_the_paper():
    names = polynomial_basis(2, 1, degree=2).names(["RM", "LSTAT"], ["MEDV"])
    assert names == ["RM", "LSTAT", "RM^2", "RM*LSTAT", "LSTAT^2", "MEDV", "MEDV^2", "RM*MEDV", "LSTAT*MEDV"]


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_each_term_evaluates_to_its_name(degree, one_hot):
    generator = rng(degree, one_hot)
    x, y = generator.normal(size=(2, 3)), candidates(2, 4, one_hot, generator)
    basis = polynomial_basis(3, 2, degree=degree, one_hot=one_hot)
    values = basis(jnp.asarray(x), jnp.asarray(y)).dot(jnp.eye(basis.size))
    names = basis.names(X, Y)
    for i, c in itertools.product(range(2), range(y.shape[1])):
        columns = dict(zip(X + Y, [*x[i], *y[i if len(y) > 1 else 0, c]], strict=True))
        expected = [oracle.monomial(name, columns) for name in names]
        np.testing.assert_allclose(np.broadcast_to(values, (2, *values.shape[1:]))[i, c], expected, rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_one_hot_basis_spans_the_same_functions(degree):
    """Leaving out y_j² and y_j·y_k loses no function of a one-hot y."""
    generator = rng(degree)
    x, y = generator.normal(size=(40, 2)), np.eye(3)[None]
    design = {}
    for one_hot in (False, True):
        basis = polynomial_basis(2, 3, degree=degree, one_hot=one_hot)
        terms = basis(jnp.asarray(x), jnp.asarray(y)).dot(jnp.eye(basis.size))
        terms = np.broadcast_to(terms, (40, 3, basis.size)).reshape(120, -1)
        design[one_hot] = np.column_stack([np.ones(120), terms])
    assert design[True].shape[1] < design[False].shape[1] or degree == 1
    rank = np.linalg.matrix_rank(np.column_stack([design[False], design[True]]))
    assert rank == np.linalg.matrix_rank(design[True]) == np.linalg.matrix_rank(design[False])


def test_shared_candidates_are_not_repeated_before_they_meet_x():
    basis = polynomial_basis(3, 2, degree=2)
    terms = basis(jnp.ones((5, 3)), jnp.ones((1, 7, 2)))
    assert terms.x.shape[0] == 5
    assert terms.x.ndim == 2
    assert terms.y.shape[:2] == (1, 7)


def test_dot_equals_its_derivative_in_the_coefficients():
    """The map is linear in M, so M m(z) = (∂/∂M)·M at any M."""
    generator = rng("linear")
    basis = polynomial_basis(2, 2, degree=2)
    terms = basis(jnp.asarray(generator.normal(size=(3, 2))), jnp.asarray(generator.normal(size=(3, 4, 2))))
    coef, other = (jnp.asarray(generator.normal(size=(5, basis.size))) for _ in range(2))
    value, tangent = jax.jvp(terms.dot, (other,), (coef,))
    np.testing.assert_allclose(tangent, terms.dot(coef), rtol=1e-12)
    np.testing.assert_allclose(value, terms.dot(other), rtol=1e-12)


@pytest.mark.parametrize("columns", [((0,), (1,)), ((1, 1), (0,), (0, 1, 1)), ((0,),), ()])
def test_monomials_multiply_columns(columns):
    z = rng(columns).normal(size=(3, 2))
    expected = np.stack([np.prod(z[:, list(m)], axis=1) for m in columns], axis=1) if columns else np.zeros((3, 0))
    np.testing.assert_allclose(Monomials(columns)(jnp.asarray(z)), expected, rtol=1e-12)


def test_pairing_refuses_terms_out_of_order():
    with pytest.raises(ValueError, match="ordered x-only, y-only, joint"):
        Pairing(((0, 0), (0, ONE)))


def training_rows():
    """A skewed column, an indicator, and a second curved column."""
    generator = rng("training rows")
    return np.column_stack([generator.exponential(size=50), np.tile([0.0, 1.0], 25), generator.normal(size=50)])


BASES = {
    "affine": affine_basis(3, 1),
    "polynomial": polynomial_basis(3, 1, degree=2),
    "piecewise linear": spline_basis(training_rows(), 1, knots=5),
    "cubic": spline_basis(training_rows(), 1, knots=5, degree=3),
    "beside lines": spline_basis(training_rows(), 1, knots=5, straight=True),
    "fourier": fourier_basis(training_rows(), 1, frequencies=2),
    "appended": with_terms(affine_basis(3, 1), [(Product((0, 2)), Product(())), (Product((1,)), Product((0, 0)))]),
    "without pure x": without_pure_x(polynomial_basis(3, 1, degree=2)),
}
every_basis = pytest.mark.parametrize("basis", BASES.values(), ids=BASES)


def values(basis, x, y):
    return np.broadcast_to(
        basis(jnp.asarray(x), jnp.asarray(y)).dot(jnp.eye(basis.size)), (len(x), y.shape[1], basis.size)
    )


def by_hand(function, z):
    """The value of a function of columns, from its description."""
    if isinstance(function, Product):
        return np.prod(z[..., list(function.columns)], axis=-1)
    column = z[..., function.column]
    if hasattr(function, "knots"):
        element = interpolate.BSpline.basis_element(np.array(function.knots), extrapolate=False)
        return np.nan_to_num(element(np.clip(column, function.low, np.nextafter(function.high, function.low))))
    if hasattr(function, "zero"):
        return (np.clip(column, function.low, function.high) - function.zero) / function.unit
    share = (column - function.low) / (function.high - function.low)
    if hasattr(function, "frequency"):
        return {"sin": np.sin, "cos": np.cos}[function.function](np.pi * function.frequency * share)
    return np.clip(share, 0, 1)


@every_basis
def test_each_term_is_the_product_it_describes(basis):
    generator = rng("terms")
    x, y = 2 * generator.normal(size=(8, 3)), generator.normal(size=(1, 4, 1))
    expected = [by_hand(a, x)[:, None] * by_hand(b, y) for a, b in basis.terms]
    np.testing.assert_allclose(values(basis, x, y), np.stack(expected, axis=-1), rtol=1e-9, atol=1e-12)


@every_basis
def test_names_tell_terms_apart(basis):
    names = basis.names(X, Y[:1])
    assert len(names) == len(set(names)) == len(basis.degrees) == basis.size


def test_piecewise_linear_curves_interpolate_any_values_at_the_knots():
    x = training_rows()
    basis = BASES["piecewise linear"]
    own = [f for f in basis.x_functions if getattr(f, "column", None) == 0]
    knots, levels = [own[0].low, *(f.high for f in own)], rng("levels").normal(size=5)
    z = np.zeros((40, 3))
    z[:, 0] = np.linspace(-1, x[:, 0].max() + 1, 40)
    ramps = [position for position, (f, _) in enumerate(basis.terms) if getattr(f, "column", None) == 0]
    curve = levels[0] + values(basis, z, np.zeros((1, 1, 1)))[:, 0, ramps] @ np.diff(levels)
    np.testing.assert_allclose(curve, np.interp(z[:, 0], knots, levels), atol=1e-12)


def test_cubic_curves_contain_every_cubic_polynomial():
    x = training_rows()
    basis = BASES["cubic"]
    splines = [position for position, (f, _) in enumerate(basis.terms) if getattr(f, "column", None) == 0]
    design = np.column_stack([np.ones(len(x)), values(basis, x, np.zeros((1, 1, 1)))[:, 0, splines]])
    cubic = np.polyval([0.3, -1.0, 0.5, 2.0], x[:, 0])
    fitted = design @ np.linalg.lstsq(design, cubic)[0]
    np.testing.assert_allclose(fitted, cubic, atol=1e-8)


def test_terms_without_y_can_be_left_out():
    assert BASES["without pure x"].names(X, Y[:1]) == ["MEDV", "MEDV^2", "RM*MEDV", "LSTAT*MEDV", "AGE*MEDV"]


def test_appended_terms_come_once():
    once = BASES["appended"]
    assert sorted(once.names(X, Y[:1])) == sorted([*X, "MEDV", "RM*AGE", "LSTAT*MEDV^2"])
    again = with_terms(once, [(Product((0, 2)), Product(())), (Product((0,)), Product(()))])
    assert again.names(X, Y[:1]) == once.names(X, Y[:1])


def test_monomials_that_repeat_their_factors_are_left_out():
    """No square of a pair, no product of levels or with its own gap; what is left out lies in the span of the rest."""
    generator = rng("void")
    job, number = np.eye(3)[np.arange(60) % 3], generator.normal(size=60)
    gap = (np.arange(60) % 5 == 0).astype(float)
    x = np.column_stack([job, 2.0 * generator.integers(2, size=60) - 0.7, number * (1 - gap), gap])
    kept, full = polynomial_basis(6, 1, degree=2, x=x), polynomial_basis(6, 1, degree=2)
    left_out = {f.columns for f in full.x_functions} - {f.columns for f in kept.x_functions}
    assert left_out == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2), (3, 3), (4, 5), (5, 5)}
    values = [np.column_stack([x[:, list(f.columns)].prod(axis=1) for f in b.x_functions]) for b in (kept, full)]
    ranks = [np.linalg.matrix_rank(np.c_[np.ones(60), v]) for v in values]
    assert ranks[0] == ranks[1]


@pytest.mark.parametrize("few", [np.zeros((5, 1)), np.zeros((5, 3))])
def test_constant_columns_keep_their_monomials(few):
    """A column says nothing of the degree where it is one number."""
    d = few.shape[1]
    assert polynomial_basis(d, 1, degree=2, x=few).size == polynomial_basis(d, 1, degree=2).size
