"""Weighted sums are matrix products, however they are added up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.sums import FEW, FIRST, LAST, product, product_of_few
from tests.conftest import rng


@pytest.mark.parametrize("summed", [product, product_of_few])
@pytest.mark.parametrize("below", [1, 3, FEW + 1])
def test_sum_and_its_derivatives_are_those_of_a_matrix_product(summed, below):
    generator = rng("sums", below)
    values, weights = (jnp.asarray(generator.normal(size=s), jnp.float32) for s in ((below, 4, 5), (below, 6)))
    ways = [
        lambda v, w: summed(v, w, FIRST),
        lambda v, w: jnp.moveaxis(product(jnp.moveaxis(v, 0, -1), w, LAST), -1, 0),
    ]
    bent = [lambda v, w, way=way: jnp.sum(jnp.tanh(way(v, w)) ** 2) for way in ways]
    moved = tuple(jnp.asarray(generator.normal(size=a.shape), jnp.float32) for a in (values, weights))
    along = [lambda v, w, loss=loss: jax.jvp(loss, (v, w), moved)[1] for loss in bent]
    claims = (ways, [jax.grad(f, (0, 1)) for f in bent], along, [jax.grad(f, (0, 1)) for f in along])
    for found, exact in claims:
        for a, b in zip(jax.tree.leaves(found(values, weights)), jax.tree.leaves(exact(values, weights)), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
