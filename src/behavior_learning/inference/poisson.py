"""The bootstrap of rows that are not held in memory: each counts as often as a Poisson variable of mean one says.

The variable is a function of the row's place, or of its cluster, and of the number of the sample, so that a row counts
alike in every pass and in every process. Scores at the optimum of all rows give every refit its first Newton step by
one pass. The next ones take a pass each, with gradients of every refit: a few refits are followed to their ends, and
the others only if these end further away, in standard errors, than the error of a standard error of so many samples.

Source: Hanley and MacGibbon (2006), Chamandy et al. (2012); the one-step bootstrap, Davidson and MacKinnon (1999).
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, UInt64

from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.covariance import (
    Bootstrap,
    ClusterBootstrap,
    Covariance,
    CovarianceEstimator,
    of_refits,
)
from behavior_learning.inference.estimation import TOLERANCE
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.passes import Block, Blocks, Searched, of_block, search_by_passes
from behavior_learning.inference.problem import Problem, gradient_sums, losses, scores
from behavior_learning.inference.resampling import AIM, Refits
from behavior_learning.mesh import total
from behavior_learning.streams.survey import mixed

__all__ = ["Resampling", "counts", "poisson_bootstrap"]

FOLLOWED = 8
"""Refits that are followed to their ends for certain."""

MANY = 128.0
"""Mean from which a Poisson variable is a rounded normal one."""


@dataclass(frozen=True)
class PoissonBootstrap(CovarianceEstimator):
    """Refits to rows that count as often as Poisson variables say."""

    refits: Refits
    notes: tuple[str, ...] = ()

    name = Bootstrap.name
    description = "bootstrap of rows by Poisson weights (refits)"
    resampled = True

    def estimate(self, fitted: Fitted) -> Covariance:
        return of_refits(self.refits, self.notes)


class PoissonClusterBootstrap(PoissonBootstrap):
    """The same of whole clusters."""

    name = ClusterBootstrap.name
    description = "bootstrap of clusters by Poisson weights (refits)"


@dataclass(frozen=True)
class Resampling:
    """How often the rows of a stream count in each sample.

    Attributes
    ----------
    draws, seed : how many samples, and of which.
    clustered : whether the rows of a cluster count alike.
    repeated : whether a row of weight w stands for w rows, each drawn for itself; otherwise it brings its weight.
    """

    draws: int
    seed: int
    clustered: bool
    repeated: bool

    @property
    def keys(self) -> UInt64[np.ndarray, " draws"]:
        """A number for each sample."""
        with np.errstate(over="ignore"):
            return mixed(mixed(np.uint64(self.seed % 2**64)) + np.arange(self.draws, dtype=np.uint64))

    def of(self, block: Block) -> tuple[Array, Array, Array]:
        """Hashes of rows or clusters, means of their Poisson variables, and what each of these counts."""
        rates = block.weights if self.repeated else np.ones(len(block.weights))
        units = np.ones(len(block.weights)) if self.repeated else block.weights
        hashes = block.label_hashes if self.clustered else block.hashes
        return jnp.asarray(hashes), jnp.asarray(rates), jnp.asarray(units)


def poisson_bootstrap(
    problem: Problem, local: LocalParameters, hessian: np.ndarray, blocks: Blocks, how: Resampling, ridge: float
) -> PoissonBootstrap:
    """Refits from the optimum of all rows; inside `jax.enable_x64`.

    Parameters
    ----------
    hessian : of the mean loss of all rows at the optimum.
    ridge : its strength on the sum of the losses.
    """
    keys, signs, theta = jnp.asarray(how.keys), local.signs, np.tile(local.theta, (how.draws, 1))

    def means(sums: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean losses and their gradients, from Σw, Σwℓ and Σw∇ℓ."""
        own = ridge / sums[:, 0]
        return sums[:, 1] / sums[:, 0] + 0.5 * own * (theta**2).sum(1), sums[:, 2:] / sums[:, :1] + own[:, None] * theta

    def look(theta: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One pass at a point for each of some samples."""
        sums, points = np.zeros((len(which), 2 + theta.shape[1])), jnp.asarray(theta)
        for block in blocks():
            rows, drawn = of_block(problem, block), how.of(block)
            sums += np.stack([_sums(rows, at, *drawn, keys[b]) for at, b in zip(points, which, strict=True)])
        return means(total(sums), theta)

    first = np.zeros((how.draws, 2 + len(local.theta)))
    for block in blocks():
        first += np.asarray(_sums_of_all(of_block(problem, block), jnp.asarray(local.theta), *how.of(block), keys))
    start = Searched.at(theta, *means(total(first), theta), np.tile(hessian, (how.draws, 1, 1)), signs)
    ends, converged = np.array(start.steps(signs)), np.ones(how.draws, bool)
    errors = np.maximum(ends.std(axis=0), 1e-300)

    def follow(which: np.ndarray) -> float:
        """Go on with some refits, and say how many standard errors beyond the first step they end at most."""
        found, _ = search_by_passes(start.some(which), lambda at, some: look(at, which[some]), signs, AIM)
        further = np.abs(found.theta - ends[which]) / errors
        ends[which], converged[which] = found.theta, found.norm < TOLERANCE
        return float(further.max())

    followed, others = np.split(np.arange(how.draws), [FOLLOWED])
    further, notes = follow(followed), ()
    if further > (2 * how.draws) ** -0.5 and len(others):
        follow(others)
    elif len(others):
        notes = (
            f"{len(others)} of {how.draws} bootstrap refits are one Newton step each: the {FOLLOWED} that were "
            f"followed to their optimum end within {further:.2g} standard errors of it.",
        )
    return (PoissonClusterBootstrap if how.clustered else PoissonBootstrap)(Refits(ends, converged), notes)


def counts(hashes: Array, rates: Float[Array, " n"], key: Array) -> Float[Array, " n"]:
    """Poisson variables of these means, a function of a row's hash and the key of the sample."""
    uniform = ((mixed(hashes ^ key) >> 11).astype(float) + 0.5) * 2.0**-53
    normal = jnp.maximum(jnp.round(rates + jnp.sqrt(rates) * ndtri(uniform)), 0.0)
    few = jnp.minimum(rates, MANY)

    def further(state: tuple[Array, ...]) -> tuple[Array, ...]:
        number, share, below, found = state
        share = share * few / (number + 1)
        return number + 1, share, below + share, found + (uniform > below)

    def unfound(state: tuple[Array, ...]) -> Array:
        number, share, below, _ = state
        return jnp.any((uniform > below) & ((number < few) | (share > 1e-18)))

    none = jnp.exp(-few)
    found = jax.lax.while_loop(unfound, further, (jnp.zeros(()), none, none, jnp.zeros_like(rates)))[-1]
    return jnp.where(rates < MANY, found, normal)


@eqx.filter_jit
def _sums(problem: Problem, theta: Array, hashes: Array, rates: Array, units: Array, key: Array) -> Array:
    """Σw, Σwℓ and Σw∇ℓ of one sample."""
    (loss, slope), weight = gradient_sums(problem.reweighted(units * counts(hashes, rates, key)), theta)
    return jnp.concatenate([jnp.stack([weight, loss]), slope])


@eqx.filter_jit
def _sums_of_all(problem: Problem, theta: Array, hashes: Array, rates: Array, units: Array, keys: Array) -> Array:
    """The same of every sample at one point, whose scores they share."""
    rows = jnp.concatenate(
        [jnp.stack([units, units * losses(problem, theta)], 1), units[:, None] * scores(problem, theta)], 1
    )
    return jax.lax.map(lambda key: counts(hashes, rates, key) @ rows, keys)
