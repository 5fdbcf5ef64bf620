"""Small models with known laws that tests of inference share; each is estimated once per process."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.inference.infer import infer
from behavior_learning.objectives import Likelihood
from tests.conftest import rng

SINGLE = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity", intercepts=False)
GAUSSIAN = Architecture((1,), (0, 0, 1), (None, None, "square"), readout="identity")
LOGIT = Architecture((1,), (1, 0, 0), ("identity", None, None), readout="identity", intercepts=False)

TRUTH = (1.7, 2.7, 1.9, -2.0, 1.5, 2.5, 0.9, 0.7)
ROWS = 600
BOX = (-4.0, 4.0)


def single_basis():
    """y and x·y."""
    return with_terms(without_pure_x(polynomial_basis(1, 1, degree=1)), [(Product((0,)), Product((0,)))])


def drawn(architecture, basis, response, seed):
    return BehaviorNetwork.random(rng(seed), architecture, features=0, response=response, basis=basis)


@cache
def single_rows(n: int = ROWS, seed: int = 0):
    """Rows from IBL(Single) with the parameters TRUTH."""
    with jax.enable_x64(True):
        network = drawn(SINGLE, single_basis(), 1, "single")
        parametrization = LocalParameters.of(
            canonicalize(network), parameter_labels(network, ["x"], ["y"])
        ).parametrization
        x, levels = rng("x", seed).uniform(-2, 2, size=(n, 1)), rng("y", seed).uniform(size=(n, 1))
        law = Gibbs(parametrization.network(jnp.asarray(TRUTH)), Interval(*BOX, 256))
        return x, np.asarray(jax.jit(lambda x, u: law.inverse_cdf(x, u))(x, levels))[:, 0]


@cache
def single(covariance: str = "robust"):
    """IBL(Single), eight parameters, from three random starts."""
    if covariance != "robust":
        return single().with_covariance(covariance, draws=60)
    networks = [drawn(SINGLE, single_basis(), 1, ("single", seed)) for seed in range(3)]
    names = parameter_labels(networks[0], ["x"], ["y"])
    loss = Likelihood().on(Interval(*BOX, 96, refinements=0))
    return infer(networks[0], loss, single_rows(), names, candidates=96, starts=networks[1:])


def gaussian_rows():
    """A linear law whose noise spreads with x."""
    generator = rng("gaussian")
    x = generator.normal(size=(300, 2))
    noise = (0.5 + 0.5 * np.abs(x[:, 0])) * generator.normal(size=300)
    return x, 0.3 + x @ np.array([0.8, -0.5]) + noise


@cache
def gaussian(**options):
    """−(a·x + b·y + c)²: a Gaussian linear regression."""
    network = drawn(GAUSSIAN, affine_basis(2, 1), 1, "gaussian")
    names = parameter_labels(network, ["u", "v"], ["y"])
    loss = Likelihood().on(Interval(-15.0, 15.0, 192, refinements=0))
    return infer(network, loss, gaussian_rows(), names, candidates=192, **options)


def logit_rows():
    """Three classes and two columns."""
    generator = rng("logit")
    x = generator.normal(size=(400, 2))
    utility = np.stack([0 * x[:, 0], 0.5 + x[:, 0], -0.3 + 0.6 * x[:, 1] - 0.4 * x[:, 0]], axis=1)
    return x, np.argmax(utility + generator.gumbel(size=utility.shape), axis=1).astype(np.int32)


def logit(**options):
    """Multinomial logit: a linear utility of the class and its products with x."""
    network = drawn(LOGIT, without_pure_x(polynomial_basis(2, 3, degree=2, one_hot=True)), 3, "logit")
    names = parameter_labels(network, ["u", "v"], ["A", "B", "C"])
    return infer(network, Likelihood().on(Categories(3)), logit_rows(), names, candidates=3, one_hot=True, **options)
