"""Random networks of every kind beside the problems read from them, in the user's names and units; no fits."""

import jax.numpy as jnp
import numpy as np

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import (
    ONE,
    Basis,
    Pairing,
    affine_basis,
    fourier_basis,
    polynomial_basis,
    spline_basis,
    with_terms,
)
from behavior_learning.core.features import TRANSFORMS, Monomials, Product, Transform, Transforms
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.read import read_problem
from tests.conftest import random_network, rng

ROWS = 9
NAMES = ("rooms", "tax rate", "job[teacher]")
CLASSES = ("mode[bus]", "mode[car]")
DEFAULT = ("tanh", "relu", "abs")


def _transforms(x, m):
    """A logarithm, a root and an inverse of columns from below their smallest value on, and a root of y, beside all."""
    kinds = zip(TRANSFORMS, x.min(axis=0) - 1, strict=True)
    curves = tuple(Transform(j, name, float(zero), 0.7, float(zero) + 0.3) for j, (name, zero) in enumerate(kinds))
    straight = Monomials(tuple((j,) for j in range(x.shape[1])))
    pairs = [(i, ONE) for i in range(6)] + [(ONE, j) for j in range(2 * m)] + [(3 + j, j % 2) for j in range(3 * m)]
    of_y = Monomials(((0,),) * m), Transforms((Transform(0, "sqrt", -1.5, 0.7, -1.2),) * m)
    return Basis((straight, Transforms(curves)), of_y[: 1 + m], Pairing.ordered(pairs))


BASES = {
    "affine": lambda x, m: affine_basis(x.shape[1], m),
    "polynomial": lambda x, m: polynomial_basis(x.shape[1], m, degree=2),
    "ramps": lambda x, m: spline_basis(x, m, knots=4),
    "clips": lambda x, m: spline_basis(x, m, knots=3, straight=True),
    "cubic": lambda x, m: spline_basis(x, m, knots=3, degree=3),
    "transforms": lambda x, m: _transforms(x, m),
    "waves": lambda x, m: fourier_basis(x, m, frequencies=2),
    "named": lambda x, m: with_terms(affine_basis(x.shape[1], m), [(Product((0, 0, 1)), Product((0,) if m else ()))]),
}


class Drawn:
    """A random network, its problem, and rows both on standardised columns and in the user's units."""

    def __init__(
        self, *, layers=(2, 1), heads=DEFAULT, rows=(1, 2, 1), basis="affine", skip=None, output="scalar", names=NAMES
    ):
        generator = rng(layers, heads, rows, basis, skip, output, names)
        vector = output == "vector"
        self.response_names = CLASSES if vector else ("price",)
        self.x = generator.normal(size=(ROWS, len(names)))
        training = generator.normal(size=(30, len(names)))
        built = BASES[basis](training, 0 if vector else 1)
        readout = "free" if vector else "identity" if layers[-1] == 1 else "nonnegative"
        architecture = Architecture(
            layers, rows, heads, skip=skip, output=output, readout=readout, readout_bias=vector, intercepts=True
        )
        self.network = random_network(architecture, built, len(self.response_names), generator)
        draw = lambda name: Variable(name, generator.normal(scale=5), *np.exp(generator.normal(size=2)).tolist())
        self.inputs, self.response = [draw(name) for name in names], [draw(name) for name in self.response_names]
        self.y = np.eye(2)[generator.integers(2, size=ROWS)] if vector else generator.normal(size=(ROWS, 1))
        self.problem = read_problem(
            self.network,
            inputs=self.inputs,
            response=self.response,
            curve_standard_deviations=np.exp(
                generator.normal(size=len(built.x_functions + built.y_functions))
            ).tolist(),
            block_standard_deviations=[np.exp(generator.normal(size=width)).tolist() for width in layers],
        )

    @property
    def table(self):
        """Columns in the user's units; the response too where blocks see it."""
        seen = [] if self.network.architecture.output == "vector" else [(self.response, self.y)]
        pairs = [(self.inputs, self.x), *seen]
        return {v.name: v.center + v.scale * z[:, j] for variables, z in pairs for j, v in enumerate(variables)}

    @property
    def utility(self):
        """BL(x, y) by the network, or the utility of each class by its name; call it in double precision."""
        if self.network.architecture.output == "vector":
            values = np.asarray(self.network(jnp.asarray(self.x), jnp.eye(2)[None]))
            return dict(zip(CLASSES, values.T, strict=True))
        return np.asarray(self.network(jnp.asarray(self.x), jnp.asarray(self.y)[:, None]))[:, 0]
