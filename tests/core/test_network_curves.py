"""Networks on curves agree with the literal oracle: bases, skips, output modes, random parameters (Eq. 5, A.3.3)."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import fourier_basis, spline_basis, with_terms
from behavior_learning.core.features import BSpline, Clip, Product, Ramp
from tests import oracle
from tests.conftest import random_network, rng

FEATURES, CLASSES = 3, 3

BASES = {
    "ramps": lambda x, m: spline_basis(x, m, knots=5),
    "ramps beside lines": lambda x, m: spline_basis(x, m, knots=3, straight=True),
    "cubic": lambda x, m: spline_basis(x, m, knots=4, degree=3),
    "waves": lambda x, m: fourier_basis(x, m, frequencies=2),
    "ramps with named terms": lambda x, m: with_terms(
        spline_basis(x, m, knots=4), [(Product((0, 1)), Product(())), (Product((2,)), Product((0,) if m else ()))]
    ),
}


def curve_value(function, z):
    """A function of the columns, written out."""
    if isinstance(function, Product):
        return math.prod(z[j] for j in function.columns)
    value = z[function.column]
    if isinstance(function, Ramp):
        return min(max((value - function.low) / (function.high - function.low), 0.0), 1.0)
    if isinstance(function, Clip):
        return (min(max(value, function.low), function.high) - function.zero) / function.unit
    if isinstance(function, BSpline):
        inside = min(max(value, function.low), math.nextafter(function.high, function.low))
        return bspline_value(inside, function.knots)
    angle = math.pi * function.frequency * (value - function.low) / (function.high - function.low)
    return math.sin(angle) if function.function == "sin" else math.cos(angle)


def bspline_value(z, t):
    """Cox and de Boor's recursion."""
    if len(t) == 2:
        return 1.0 if t[0] <= z < t[1] else 0.0
    total = 0.0
    if t[-2] > t[0]:
        total += (z - t[0]) / (t[-2] - t[0]) * bspline_value(z, t[:-1])
    if t[-1] > t[1]:
        total += (t[-1] - z) / (t[-1] - t[1]) * bspline_value(z, t[1:])
    return total


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("output", ["scalar", "vector"])
@pytest.mark.parametrize("skip", [None, "dense", "residual", "input"])
@pytest.mark.parametrize("name", BASES)
def test_utility_on_curves_equals_the_literal_oracle(name, skip, output):
    generator = rng(name, skip, output)
    training = generator.normal(size=(40, FEATURES))
    basis = BASES[name](training, 0 if output == "vector" else 1)
    architecture = Architecture((3, 2), skip=skip, output=output, readout="free", readout_bias=True)
    network = random_network(architecture, basis, CLASSES if output == "vector" else 1, generator)
    x = generator.normal(scale=1.5, size=(5, FEATURES))
    y = np.eye(CLASSES)[None] if output == "vector" else generator.normal(size=(5, 4, 1))
    literal = oracle.arrays(network)
    for i, row in enumerate(np.asarray(network(jnp.asarray(x), jnp.asarray(y)))):
        for k, value in enumerate(row):
            candidate = [] if output == "vector" else y[i, k]
            terms = [curve_value(a, x[i]) * curve_value(b, candidate) for a, b in basis.terms]
            expected = oracle.outputs(literal, terms)[k if output == "vector" else 0]
            assert value == pytest.approx(expected, abs=1e-10)
