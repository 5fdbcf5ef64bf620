"""Save and read learned models: one safetensors file, arrays beside a JSON header; no pickle, no training data."""

import json
from dataclasses import asdict
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import Basis
from behavior_learning.core.block import Rule, Weight
from behavior_learning.core.network import Architecture, BehaviorNetwork, with_weights
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError
from behavior_learning.files import check_writable, write_whole
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.records import StandardDeviations
from behavior_learning.objectives import objective_from_json
from behavior_learning.options import from_plain, to_plain
from behavior_learning.responses import response_from_json

__all__ = ["Saved", "read", "save"]

FORMAT = 2
"""Raised when a change makes older files unreadable."""


class Saved(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    model : the learned model, without the rows it was learned from.
    estimator : name of the class that learned it.
    parameters : its hyperparameters.
    named : whether its table had names.
    """

    model: LearnedModel
    estimator: str
    parameters: dict[str, Any]
    named: bool


def save(saved: Saved, path: str | PathLike[str]) -> None:
    """Write a learned model to one file.

    Raises
    ------
    DataError
        If the path cannot be written to.
    """
    check_writable(path)
    model = saved.model
    named = list(zip(model.network.weight_names, model.network.weights, strict=True))  # As heads are read.
    header = {
        "format": FORMAT,
        "version": version("behavior-learning"),
        "estimator": saved.estimator,
        "parameters": to_plain(saved.parameters),
        "named": saved.named,
        "encoder": model.encoder.to_json(),
        "response": model.response.to_json(),
        "nodes": model.space.nodes,
        "objective": model.objective.to_json(),
        "architecture": asdict(model.network.architecture),
        "temperature": float(model.temperature),
        "rules": {name: weight.rule.to_json() for name, weight in named},
        "basis": model.network.basis.to_json(),
        "recipe": to_plain(model.recipe),
        "deviations": model.deviations._asdict(),
        "block_names": model.block_names,
        "history": model.history.to_dict("list"),
        "restarts": model.restarts.to_dict("list"),
    }
    arrays = {name: np.ascontiguousarray(weight.raw) for name, weight in named}
    write_whole(path, to_bytes(arrays, metadata={"behavior_learning": json.dumps(header)}))


def read(path: str | PathLike[str]) -> Saved:
    """Read what `save` wrote.

    Raises
    ------
    DataError
        If the file is no saved model, or one of another format.
    """
    header, arrays = _read(Path(path))
    try:
        parameters = from_plain(header["parameters"])
        return Saved(_model(header, arrays), header["estimator"], parameters, header["named"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error!r}. Save the model again.") from error


def _model(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> LearnedModel:
    encoder, response = TableEncoder.from_json(header["encoder"]), response_from_json(header["response"])
    space = response.space(header["nodes"] or None)
    blank = BehaviorNetwork.random(
        np.random.default_rng(0),
        Architecture(**from_plain(header["architecture"])),
        features=len(encoder.columns),
        response=space.dimension,
        basis=Basis.from_json(header["basis"]),
    )
    weights = [Weight(cast(Any, arrays[name]), Rule(*header["rules"][name])) for name in blank.weight_names]
    return LearnedModel(
        network=jax.tree.map(to_device, with_weights(blank, weights)),
        encoder=encoder,
        response=response,
        objective=objective_from_json(header["objective"], space),
        temperature=header["temperature"],
        recipe=from_plain(header["recipe"]),
        rows=None,
        block_names=header["block_names"],
        history=pd.DataFrame(header["history"]),
        restarts=pd.DataFrame(header["restarts"]),
        known_deviations=StandardDeviations(**header["deviations"]),
    )


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
    if header["format"] != FORMAT:
        way_out = "Upgrade behavior-learning" if header["format"] > FORMAT else "Fit the model again, or install that"
        raise DataError(
            f"{path} was written by version {header['version']} in format {header['format']}; this version reads "
            f"format {FORMAT}. {way_out}."
        )
    return header, arrays
