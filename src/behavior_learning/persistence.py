"""Save and load fitted estimators: one safetensors file, arrays beside a JSON header; no pickle, no training data."""

import json
from dataclasses import asdict
from importlib.metadata import version
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.bases import Basis, Pairing
from behavior_learning.core.block import Rule, Weight
from behavior_learning.core.features import BSpline, BSplines, FeatureMap, Monomials, Ramp, Ramps, Wave, Waves
from behavior_learning.core.network import Architecture, BehaviorNetwork
from behavior_learning.encoding import TableEncoder, response_from_json
from behavior_learning.errors import DataError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.density import BLDensity
from behavior_learning.estimators.hybrid import BLHybrid
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.learned.records import Spreads
from behavior_learning.specification import UMP

__all__ = ["check_writable", "load", "save"]

FORMAT = 1
"""Raised when a change makes older files unreadable."""

_ESTIMATORS = {cls.__name__: cls for cls in (BLRegressor, BLClassifier, BLHybrid, BLDensity)}


def save(estimator: BehaviorEstimator, path: str | PathLike[str]) -> None:
    """Write a fitted estimator to one file.

    A `random_state` that is a generator rather than a seed is not kept.
    """
    check_is_fitted(estimator)
    check_writable(path)
    header = {
        "format": FORMAT,
        "version": version("behavior-learning"),
        "estimator": type(estimator).__name__,
        "parameters": _plain_parameters(estimator),
        "encoder": estimator.encoder_.to_json(),
        "named_features": hasattr(estimator, "feature_names_in_"),
        "response": estimator.response_.to_json(),
        "nodes": estimator.space_.nodes,
        "sigma": estimator.sigma_,
        "architecture": asdict(estimator.network_.architecture),
        "temperature": float(estimator.temperature_),
        "rules": {name: [weight.rule.sign, weight.rule.fixed] for name, weight in _named_weights(estimator.network_)},
        "basis": _basis_to_json(estimator.network_.basis),
        "block_spreads": estimator._spreads.of_blocks,
        "curve_spreads": estimator._spreads.of_functions,
        "block_names": estimator.block_names_,
        "history": estimator.history_.to_dict("list"),
        "restarts": estimator.restarts_.to_dict("list"),
    }
    arrays = {name: np.asarray(weight.raw) for name, weight in _named_weights(estimator.network_)}
    save_file(arrays, str(path), metadata={"behavior_learning": json.dumps(header)})


def check_writable(path: str | PathLike[str]) -> None:
    """Refuse a path in a folder that does not exist.

    Raises
    ------
    DataError
        If the folder of `path` does not exist.
    """
    if not Path(path).parent.is_dir():
        raise DataError(f"{path} cannot be written: there is no folder {Path(path).parent}. Create it first.")
    if Path(path).is_dir():
        raise DataError(f"{path} cannot be written: it is a folder. Name a file in it.")


def load(path: str | PathLike[str]) -> BehaviorEstimator:
    """Read an estimator that `save` wrote.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> X, y = bl.datasets.load_boston()
    >>> path = Path(mkdtemp()) / "boston.bl"
    >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
    >>> reg.save(path)
    >>> bl.load(path).n_parameters_ == reg.n_parameters_
    True

    Raises
    ------
    DataError
        If the file is no saved estimator, or one of a newer format.
    """
    header, arrays = _read(Path(path))
    try:
        return _rebuilt(header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error!r}. Save the model again.") from error


def _rebuilt(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> BehaviorEstimator:
    estimator = _ESTIMATORS[header["estimator"]](**_parameters_from_json(header["parameters"]))
    estimator.encoder_ = TableEncoder.from_json(header["encoder"])
    estimator.response_ = response_from_json(header["response"])
    estimator.space_ = space = estimator.response_.space(header["nodes"])
    estimator.temperature_, estimator.sigma_ = header["temperature"], header["sigma"]
    blank = BehaviorNetwork.random(
        np.random.default_rng(0),
        Architecture(**_tupled(header["architecture"])),
        features=len(estimator.encoder_.columns),
        response=space.dimension,
        basis=_basis_from_json(header["basis"]),
    )
    estimator.network_ = _filled(blank, arrays, header["rules"])
    estimator.n_parameters_ = estimator.network_.n_parameters
    estimator.n_features_in_ = len(estimator.encoder_.names)
    if header["named_features"]:
        estimator.feature_names_in_ = np.array(estimator.encoder_.names, dtype=object)
    estimator._spreads = Spreads(header["block_spreads"], header["curve_spreads"])
    estimator.block_names_ = header.get("block_names", {})
    estimator.history_, estimator.restarts_ = pd.DataFrame(header["history"]), pd.DataFrame(header["restarts"])
    return estimator


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the handle is no mapping)
    except SafetensorError as error:
        raise DataError(f"{path} is no model file of this library ({error}). Write one with .save(path).") from error
    if "behavior_learning" not in metadata:
        raise DataError(f"{path} is a safetensors file of something else. Write a model with .save(path).")
    header = json.loads(metadata["behavior_learning"])
    if header["format"] > FORMAT:
        raise DataError(
            f"{path} was written by version {header['version']} in format {header['format']}; this version reads up to "
            f"{FORMAT}. Upgrade behavior-learning."
        )
    return header, arrays


def _is_weight(node: Any) -> bool:
    return isinstance(node, Weight)


def _named_weights(network: BehaviorNetwork) -> list[tuple[str, Weight]]:
    nodes = jax.tree_util.tree_leaves_with_path(network, is_leaf=_is_weight)
    return [(_node_name(path), node) for path, node in nodes if _is_weight(node)]


def _filled(blank: BehaviorNetwork, arrays: dict[str, np.ndarray], rules: dict[str, Any]) -> BehaviorNetwork:
    def fill(path: tuple[Any, ...], node: Any) -> Any:
        name = _node_name(path)
        return Weight(jnp.asarray(arrays[name]), Rule(*map(_tupled, rules[name]))) if _is_weight(node) else node

    return jax.tree_util.tree_map_with_path(fill, blank, is_leaf=_is_weight)


def _node_name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path).lstrip(".")


def _tupled(value: Any) -> Any:
    """JSON has lists where values were tuples."""
    if isinstance(value, dict):
        return {name: _tupled(entry) for name, entry in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _plain_parameters(estimator: BehaviorEstimator) -> dict[str, Any]:
    parameters = estimator.get_params(deep=False)
    if not isinstance(parameters["random_state"], Integral):
        parameters["random_state"] = None
    return {name: _plain(value) for name, value in parameters.items()}


def _parameters_from_json(parameters: dict[str, Any]) -> dict[str, Any]:
    parameters = {name: _tupled(value) for name, value in parameters.items()}
    structure = parameters["structure"]
    problems = [UMP(**state) for state in structure] if isinstance(structure, tuple) else structure
    return parameters | {"structure": UMP(**problems) if isinstance(problems, dict) else problems}


def _plain(value: Any) -> Any:
    if isinstance(value, UMP):
        return asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple, np.ndarray)) else value


def _basis_to_json(basis: Basis) -> dict[str, Any]:
    return {
        "x_maps": [_map_to_json(feature_map) for feature_map in basis.x_maps],
        "y_map": _map_to_json(basis.y_map),
        "pairs": basis.pairing.pairs,
    }


def _map_to_json(feature_map: FeatureMap) -> dict[str, Any]:
    state = {"kind": type(feature_map).__name__, "functions": [asdict(f) for f in feature_map.functions]}
    return state | ({"shift": feature_map.shift} if isinstance(feature_map, Monomials) else {})


def _basis_from_json(state: dict[str, Any]) -> Basis:
    x_maps = tuple(map(_map_from_json, state["x_maps"]))
    return Basis(x_maps, _map_from_json(state["y_map"]), Pairing(tuple(map(tuple, state["pairs"]))))


def _map_from_json(state: dict[str, Any]) -> Any:
    functions = [_tupled(function) for function in state["functions"]]
    if state["kind"] == "Monomials":
        shift = state["shift"]
        return Monomials(tuple(f["columns"] for f in functions), None if shift is None else tuple(shift))
    maps = {"Ramps": (Ramps, Ramp), "BSplines": (BSplines, BSpline), "Waves": (Waves, Wave)}
    feature_map, function = maps[state["kind"]]
    return feature_map(tuple(function(**f) for f in functions))
