"""Fitted choice models as JSON and arrays, without the rows they were fitted to, and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.choice.answers import Answers
from behavior_learning.choice.block_errors import FittedBlocks
from behavior_learning.choice.blocks import BlockModel, start_network
from behavior_learning.choice.estimation import Optimum
from behavior_learning.choice.factors import AlternativeIs, BoxCox, Number, Piece, Transformed, ValueIs
from behavior_learning.choice.fitting import ChoiceModel, FittedChoice
from behavior_learning.choice.formula import Term
from behavior_learning.choice.integration import integration_of
from behavior_learning.choice.logit import Logit
from behavior_learning.choice.mixing import Mixing
from behavior_learning.choice.nests import Nests
from behavior_learning.choice.results import COV_TYPES, ChoiceResults, FitStatistics, resolved_cov_type
from behavior_learning.choice.sets import SetEncoder
from behavior_learning.choice.utility import Utility
from behavior_learning.core.architecture import Architecture
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import OptionError
from behavior_learning.inference.tables import Estimates
from behavior_learning.options import from_plain
from behavior_learning.training.packing import Packing

__all__ = ["LoadedChoice", "restored", "state_of"]

FACTORS = {kind.__name__: kind for kind in (AlternativeIs, BoxCox, Number, Piece, Transformed, ValueIs)}


@dataclass(frozen=True)
class LoadedChoice:
    """A choice model that was read from a file, with the errors that it was saved with.

    Attributes
    ----------
    optimum : where the search ended; scores are not kept.
    covariances : of the estimates, by kind.
    spread : A with A Aᵀ the covariance of all parameters, where there are blocks.
    """

    model: ChoiceModel | BlockModel
    optimum: Optimum
    fit: FitStatistics
    title: str
    cautions: tuple[str, ...]
    covariances: Mapping[str, Float[np.ndarray, "p p"]]
    effective: float | None = None
    spread: Float[np.ndarray, "q r"] | None = None

    data = None

    def results(self, cov_type: str = "auto", clusters: Any = None) -> ChoiceResults:
        """Estimates with the errors that were saved.

        Raises
        ------
        OptionError
            If other errors are asked for.
        """
        kind, said = resolved_cov_type(cov_type, self.fit.choosers < self.fit.cases, clusters)
        if kind not in self.covariances or clusters is not None:
            raise OptionError(
                f"cov_type={cov_type!r} with these clusters needs the data, which are not in the file; it has "
                f"{', '.join(self.covariances)}. Fit the model again."
            )
        estimates = Estimates.of(self.model.labels, self.optimum.theta, self.covariances[kind])
        notes = (*said, *self.cautions)
        return ChoiceResults(estimates, self.optimum, self.fit, kind, self.title, notes, self.effective)

    def answers(self, method: str, level: float, cov_type: str) -> Answers:
        """The model with the covariance of its parameters."""
        cov = self.results(cov_type).cov.to_numpy()
        return Answers(self.model.on, self.model.theta, cov, method=method, level=level, root=self.spread)


def state_of(fitted: FittedChoice | FittedBlocks | LoadedChoice) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A fitted model as values of JSON and arrays."""
    model, repeats = fitted.model, fitted.fit.choosers < fitted.fit.cases
    known = fitted.covariances if isinstance(fitted, LoadedChoice) else COV_TYPES
    results = {kind: fitted.results(kind) for kind in known if kind != "clustered" or repeats}
    first = next(iter(results.values()))
    header: dict[str, Any] = {
        "alternatives": model.utility.alternatives,
        "terms": [_term_state(term) for term in model.utility.terms],
        "fit": asdict(fitted.fit),
        "title": first.title,
        "cautions": first.cautions,
        "effective": first.effective,
        "log_likelihood": first.loglikelihood,
        "gap": first.optimum.gap,
        "steps": first.optimum.steps,
    }
    arrays = {"theta": model.theta, "hessian": first.optimum.hessian, "free": first.optimum.free}
    arrays |= {f"covariance.{kind}": own.cov.to_numpy() for kind, own in results.items()}
    if isinstance(model, BlockModel):
        header["blocks"] = {
            "encoder": None if model.encoder.chooser is None else model.encoder.chooser.to_json(),
            "attributes": model.encoder.attributes,
            "architecture": asdict(model.packing.blank.architecture),
            "shapes": model.shapes,
            "l2": model.l2,
        }
        arrays |= {"centre": model.encoder.centre, "scale": model.encoder.scale}
        arrays["spread"] = np.asarray(fitted.answers("delta", 0.95, "auto").root)
    else:
        membership = [_term_state(term) for term in model.membership]
        header["mixture"] = {"labels": model.labels, "signs": model.mixing.signs, "membership": membership}
        header["money"] = model.utility.money
    return header, {name: np.ascontiguousarray(values) for name, values in arrays.items()}


def restored(header: dict[str, Any], arrays: Mapping[str, np.ndarray], parameters: Mapping[str, Any]) -> LoadedChoice:
    """What `state_of` wrote, with the hyperparameters it was fitted with."""
    alternatives = tuple(header["alternatives"])
    utility = Utility(tuple(map(_term, header["terms"])), alternatives, header.get("money"))
    theta, fit = np.array(arrays["theta"]), FitStatistics(**header["fit"])
    if "blocks" in header:
        model: ChoiceModel | BlockModel = _blocks(header["blocks"], arrays, utility, parameters)
        own = theta[: len(model.labels)]
    else:
        model, own = _mixture(header["mixture"], utility, theta, parameters), theta
    free: Bool[np.ndarray, " p"] = np.array(arrays["free"])
    nothing = np.zeros((0, len(own)))
    optimum = Optimum(
        own, header["log_likelihood"], nothing[:, 0] if len(own) else np.zeros(0), nothing, np.array(arrays["hessian"]),
        free, header["gap"], header["steps"],
    )  # fmt: skip
    covariances = {kind: np.array(arrays[f"covariance.{kind}"]) for kind in COV_TYPES if f"covariance.{kind}" in arrays}
    spread = np.array(arrays["spread"]) if "spread" in arrays else None
    cautions = tuple(header["cautions"])
    return LoadedChoice(model, optimum, fit, header["title"], cautions, covariances, header["effective"], spread)


def _mixture(
    state: Mapping[str, Any], utility: Utility, theta: np.ndarray, parameters: Mapping[str, Any]
) -> ChoiceModel:
    nests, random = parameters["nests"], parameters["random"] or {}
    kernel = Logit() if nests is None else Nests.read(nests, utility.alternatives)
    own = Mixing.of(random, utility.coefficients, parameters["correlated"])
    mixing = Mixing(own.names, own.random, own.distributions, tuple(state["signs"]), own.correlated)
    integration = integration_of(len(random), parameters["draws"], parameters["random_state"])
    terms = tuple(map(_term, state["membership"]))
    labels, classes = tuple(state["labels"]), parameters["classes"] or 1
    return ChoiceModel(utility, kernel, mixing, integration, theta, labels, classes, terms)


def _blocks(
    state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], utility: Utility, parameters: Mapping[str, Any]
) -> BlockModel:
    chooser = None if state["encoder"] is None else TableEncoder.from_json(state["encoder"])
    units = np.array(arrays["centre"]), np.array(arrays["scale"])
    encoder = SetEncoder(chooser, tuple(state["attributes"]), *units, utility.alternatives)
    architecture = Architecture(**from_plain(state["architecture"]))
    features = 0 if chooser is None else len(chooser.columns)
    network = start_network(encoder, features, architecture, parameters["monotone"] or {}, 0)
    shapes = tuple(map(tuple, state["shapes"]))
    return BlockModel(utility, encoder, Packing.of(network), shapes, np.array(arrays["theta"]), state["l2"])


def _term_state(term: Term) -> dict[str, Any]:
    named = (*term.factors, *([] if term.boxcox is None else [term.boxcox]))
    return {"label": term.label, "factors": [_factor_state(factor) for factor in named]}


def _factor_state(factor: Any) -> dict[str, Any]:
    values = {part.name: getattr(factor, part.name) for part in fields(factor)}
    plain = {
        name: value if isinstance(value, (str, int, float, tuple, list)) else str(value)
        for name, value in values.items()
    }
    return {"kind": type(factor).__name__, **plain}


def _term(state: Mapping[str, Any]) -> Term:
    factors = [FACTORS[own["kind"]](**{n: v for n, v in own.items() if n != "kind"}) for own in state["factors"]]
    return Term.of(state["label"], factors)
