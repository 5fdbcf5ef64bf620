"""What is uncertain in a learned model, as one object that every outcome of a scenario flows through.

An outcome is a function of the parameters, summed over rows *inside* each draw and summarised after it: an average of
row intervals is no interval of the average.

Source: Krinsky and Robb (1986) for draws; the delta method is one derivative of the aggregate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from scipy.stats import norm

from behavior_learning.core.arrays import to_device
from behavior_learning.core.block import FREE, Weight
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_weights
from behavior_learning.errors import OptionError
from behavior_learning.identification.parameters import Parametrization
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.functions import normal_draws
from behavior_learning.inference.information import UNIDENTIFIED
from behavior_learning.inference.results import InferenceResults

__all__ = ["ENOUGH", "Flat", "Parameters", "Uncertain", "in_precision"]

ENOUGH = 100
"""Draws from which on their quantiles make an interval."""

MOVED = 1e-4
"""Share of a slope in directions that the data do not determine above which an outcome has no standard error."""


class Flat(eqx.Module):
    """Numbers of a network side by side ↦ network, whatever its heads.

    Attributes
    ----------
    template : of the same architecture.
    """

    template: BehaviorNetwork

    def numbers(self, network: BehaviorNetwork) -> Float[np.ndarray, " p"]:
        """The numbers of a network of this architecture."""
        return np.concatenate([np.asarray(weight_value(weight), float).ravel() for weight in network.weights])

    def network(self, theta: Float[Array, " p"]) -> BehaviorNetwork:
        """The network of these numbers."""
        weights, start = [], 0
        for weight in self.template.weights:
            values = theta[start : start + weight.raw.size].reshape(weight.raw.shape)
            weights.append(Weight(values, FREE))
            start += weight.raw.size
        return with_weights(self.template, weights)


@dataclass(frozen=True, eq=False)
class Parameters:
    """θ̂ with a covariance or draws, and the network at any θ.

    Attributes
    ----------
    parametrization : θ ↦ network.
    theta : the estimate.
    cov : its covariance in the directions that the data determine; None where no error is asked for.
    undetermined : columns span the directions that they do not.
    draws : of θ; none for the delta method.
    how : a few words about the errors.
    """

    parametrization: "Parametrization | Flat | None"
    theta: Float[np.ndarray, " p"]
    cov: Float[np.ndarray, "p p"] | None
    undetermined: Float[np.ndarray, "p q"]
    draws: Float[np.ndarray, "draws p"] | None
    how: str

    @classmethod
    def without_errors(cls) -> "Parameters":
        """No uncertainty: for models without standard errors."""
        return cls(None, np.zeros(0), None, np.zeros((0, 0)), None, "no standard errors")

    @classmethod
    def of_refits(cls, network: BehaviorNetwork, refits: Sequence[BehaviorNetwork]) -> "Parameters":
        """All numbers of a network, with those of the same model made again as draws: for networks with kinks."""
        flat = Flat(network)
        theta, *draws = (flat.numbers(own) for own in (network, *refits))
        if len({len(numbers) for numbers in (theta, *draws)}) > 1:
            raise OptionError("Refits of this model have other shapes than it, as pruning chose anew. Use draws=None.")
        how = f"bootstrap, {len(draws)} refits"
        return cls(flat, theta, None, np.zeros((len(theta), 0)), np.array(draws), how)

    @classmethod
    def of(cls, results: InferenceResults, draws: Any, n_draws: int, seed: int) -> "Parameters":
        """The parameters of an inference.

        Parameters
        ----------
        draws : ``"delta"`` linearises outcomes, ``"normal"`` draws from N(θ̂, V), ``"bootstrap"`` takes the draws of an
            inference by bootstrap, a table has draws of one's own, such as those of a posterior, by label.

        Raises
        ------
        OptionError
            If there are no such draws, or no optimum was found.
        """
        if results.convergence is not Convergence.OPTIMUM:
            raise OptionError(
                f"Scenarios with errors need an optimum: {results.convergence.value}. Search again with inference("
                "n_restarts=20), or ask with draws='refits' or None."
            )
        fitted = results.fitted
        with jax.enable_x64(True):
            cov = results.covariance(fitted).matrix
        values, directions = fitted.information.directions()
        parameters = cls(
            fitted.local.parametrization,
            fitted.theta,
            cov,
            directions[:, values <= UNIDENTIFIED],
            None,
            f"delta method, {results.covariance.description}",
        )
        return parameters._with_draws(results, draws, n_draws, seed)

    def _with_draws(self, results: InferenceResults, draws: Any, n_draws: int, seed: int) -> "Parameters":
        labels = list(results.params.index)
        known = results.estimates.draws
        match draws:
            case pd.DataFrame() if set(labels) <= set(draws.columns):
                return self._drawn(draws[labels].to_numpy(float), "given draws")
            case str("delta"):
                return self
            case str("normal"):
                assert self.cov is not None
                sampled = normal_draws(self.theta, self.cov, n_draws, seed)
                return self._drawn(sampled, "draws from the normal distribution")
            case str("bootstrap") if known is not None:
                return self._drawn(known.to_numpy(), "bootstrap")
            case _:
                raise OptionError(
                    "draws must be 'auto', 'delta', 'normal', 'refits', 'bootstrap' (with inference=reg.inference("
                    "cov_type='bootstrap')), None, or a table with a column for each of the parameters "
                    f"({labels[0]}, …); got {_described(draws)}."
                )

    def _drawn(self, draws: np.ndarray, how: str) -> "Parameters":
        return Parameters(
            self.parametrization, self.theta, self.cov, self.undetermined, draws, f"{len(draws)} draws, {how}"
        )


@dataclass(frozen=True, eq=False)
class Uncertain:
    """Numbers with what their errors follow from.

    Attributes
    ----------
    value : at θ̂.
    slope : (numbers, p) at θ̂; for the delta method.
    draws : (draws, numbers), where there are draws.
    parameters : whose functions they are.
    """

    value: Float[np.ndarray, " numbers"]
    slope: Float[np.ndarray, "numbers p"] | None
    draws: Float[np.ndarray, "draws numbers"] | None
    parameters: Parameters

    @property
    def cov(self) -> Float[np.ndarray, "numbers numbers"]:
        """NaN where there is no error, or the data do not determine a number."""
        if self.draws is not None:
            return np.atleast_2d(np.cov(self.draws, rowvar=False))
        if self.slope is None or self.parameters.cov is None:
            return np.full((len(self.value),) * 2, np.nan)
        cov = self.slope @ self.parameters.cov @ self.slope.T
        if not self.parameters.undetermined.shape[1]:
            return cov
        size = np.linalg.norm(self.slope, axis=1)
        lost = np.linalg.norm(self.slope @ self.parameters.undetermined, axis=1) > MOVED * size
        cov[lost] = cov[:, lost] = np.nan
        return cov

    def table(self, level: float) -> pd.DataFrame:
        """Estimate, standard error and interval: quantiles of draws where these are many, normal otherwise."""
        error = np.sqrt(np.maximum(np.diag(self.cov), 0.0))
        half = norm.ppf((1 + level) / 2) * error
        lower, upper = self.value - half, self.value + half
        if self.draws is not None and len(self.draws) >= ENOUGH:
            lower, upper = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return pd.DataFrame({"estimate": self.value, "std_error": error, "lower": lower, "upper": upper})

    def mapped(self, f: Callable[[Array], Array]) -> "Uncertain":
        """A smooth function of the numbers, inside each draw."""
        with jax.enable_x64(True):
            at = jnp.asarray(self.value)
            slope = None if self.slope is None else np.asarray(jax.jacfwd(f)(at)) @ self.slope
            draws = None if self.draws is None else np.asarray(jax.vmap(f)(jnp.asarray(self.draws)))
            return Uncertain(np.asarray(f(at)), slope, draws, self.parameters)

    def ratio_interval(self, level: float) -> tuple[float, float]:
        """The interval of the first number over the second; the whole line where that may be zero.

        Source: Fieller (1954).
        """
        z2 = norm.ppf((1 + level) / 2) ** 2
        (a, b), (vaa, vab, vbb) = self.value, (self.cov[0, 0], self.cov[0, 1], self.cov[1, 1])
        lead, middle, last = b**2 - z2 * vbb, a * b - z2 * vab, a**2 - z2 * vaa
        if not lead > 0:
            return -np.inf, np.inf
        root = np.sqrt(max(middle**2 - lead * last, 0.0))
        return (middle - root) / lead, (middle + root) / lead


def in_precision(tree: Any, dtype: Any) -> Any:
    """The same tree with its real numbers in a precision, and its whole ones in 32 bits."""

    def cast(leaf: Any) -> Any:
        known = np.asarray(leaf)
        return to_device(known.astype({"f": dtype, "i": np.int32}.get(known.dtype.kind, known.dtype)))

    return jax.tree.map(cast, tree)


def _described(draws: Any) -> str:
    return f"{type(draws).__name__} of shape {draws.shape}" if isinstance(draws, pd.DataFrame) else repr(draws)
