"""What denoising score matching gives up: its asymptotic covariance and bias against exact likelihood, by σ.

Population quantities, no simulation: J and K of Theorem B.10 are integrals over (x, y) and, for denoising score
matching, over the noise (128 equally likely normal quantiles). The pseudo-true parameters of σ are found by minimising
the expected loss; they describe a wider law, so parameters shrink. Errors are therefore compared relative to the
parameters: efficiency is det(bound)^(1/p) / det(covariance)^(1/p) of relative errors, and 1 attains the bound of
Theorem B.10. The other column counts the bias too: the geometric mean over parameters of variance(likelihood) /
mean-square error(score matching) at n = 2000. The design has hardly any mass at the ends of the support, where score
matching would be inconsistent.

    python experiments/efficiency.py
"""

from collections.abc import Iterator, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from scipy.stats import norm

from behavior_learning.core.spaces import Interval
from behavior_learning.inference.estimation import Search, polish
from behavior_learning.inference.problem import Problem, losses, outer
from behavior_learning.objectives import DenoisingScoreMatching
from coverage import RESULTS
from designs import Design, continuous, fisher_information, population, with_rows

SIGMAS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
NOISE = 128
ROWS = 2000

CONCENTRATED = (1.2, 0.8, 2.0, -1.5, 1.0, 2.0, 1.6, 0.4)
"""As in `continuous`, with an equality row that keeps y away from the ends of its support."""


def noise_levels() -> np.ndarray:
    """Equally likely standard normal values with variance 1."""
    levels = norm.ppf((np.arange(NOISE) + 0.5) / NOISE)
    return levels / levels.std()


def per_parameter(information: np.ndarray) -> float:
    """det^(1/p)."""
    return float(np.exp(np.linalg.slogdet(information)[1] / len(information)))


def score_matching(design: Design, data: tuple[Array, Array], weights: Array, sigma: float) -> Problem:
    """The expected loss of denoising score matching under the law of the design."""
    x, y = (np.asarray(column) for column in data)
    noise = np.broadcast_to(sigma * noise_levels()[:, None], (len(y), NOISE, 1))
    objective = DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(-4.0, 4.0))
    return Problem.of(objective, design.local.parametrization, (x, y, noise), np.asarray(weights), candidates=NOISE)


def comparison(sigmas: Sequence[float]) -> Iterator[dict]:
    """A line for exact likelihood, and one for denoising score matching at each σ."""
    with jax.enable_x64(True):
        design = continuous(Interval(-4.0, 4.0, 96, refinements=0), CONCENTRATED)
        truth, signs = jnp.asarray(design.truth), jnp.asarray(design.local.signs)
        problem, base = population(design, points=15)
        target = np.asarray(design.truth)
        weights = base * jnp.exp(-eqx.filter_jit(losses)(problem, truth))
        data = tuple(problem.joined(column) for column in problem.data)
        bound = np.linalg.inv(np.asarray(fisher_information(problem, base, truth)))
        exact = with_rows(problem, data).reweighted(weights)
        yield _line("likelihood", np.nan, target, bound, *_godambe(exact, truth, signs))
        for sigma in sigmas:
            expected = score_matching(design, data, weights, sigma)
            yield _line("denoising score matching", sigma, target, bound, *_godambe(expected, truth, signs))


def _godambe(expected: Problem, truth: Array, signs: Array) -> tuple[np.ndarray, np.ndarray]:
    """J⁻¹KJ⁻¹ at the minimum of an expected loss, and how far that is from the truth."""
    optimum = polish(expected, truth, signs, Search())
    j, k = np.asarray(optimum.hessian), np.asarray(eqx.filter_jit(outer)(expected, optimum.theta))
    return np.linalg.inv(j) @ k @ np.linalg.inv(j), np.asarray(optimum.theta - truth)


def main() -> None:
    lines = []
    for line in comparison(SIGMAS):
        lines.append(line)
        print(line, flush=True)
    frame = pd.DataFrame(lines)
    frame.to_csv(RESULTS / "efficiency.csv", index=False, float_format="%.5g")
    print(frame.to_string())


def _line(
    objective: str, sigma: float, truth: np.ndarray, bound: np.ndarray, covariance: np.ndarray, bias: np.ndarray
) -> dict:
    relative, target = bound / np.outer(truth, truth), truth + bias
    found = covariance / np.outer(target, target)
    mean_square = np.diag(covariance) / ROWS + bias**2
    return {
        "objective": objective,
        "sigma": sigma,
        "efficiency": per_parameter(relative) / per_parameter(found),
        "least efficient parameter": (np.diag(relative) / np.diag(found)).min(),
        "mean-square efficiency at n = 2000": float(np.exp(np.mean(np.log(np.diag(bound) / ROWS / mean_square)))),
        "largest bias in standard errors at n = 2000": float(np.max(np.abs(bias) / np.sqrt(np.diag(bound) / ROWS))),
    }


if __name__ == "__main__":
    main()
