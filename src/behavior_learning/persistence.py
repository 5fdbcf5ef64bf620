"""Save and read learned models: one safetensors file, arrays beside a JSON header; no pickle, no training data.

A file is material from anywhere. Nothing in it is run or imported; each value has the type that its place declares, and
no array is made before its shape has been compared with what the file holds, so that reading takes no more memory than
a few times the file. Names of columns and levels of categories are in it as they are in the table, levels as digests
where that is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.block import Rule, Weight
from behavior_learning.core.features import Monomials
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError
from behavior_learning.files import check_writable, write_whole
from behavior_learning.learned.model import LearnedModel, Recipe
from behavior_learning.learned.records import StandardDeviations
from behavior_learning.learned.refits import Fitting, Forgotten
from behavior_learning.objectives import objective_from_json
from behavior_learning.options import built, from_plain, to_plain
from behavior_learning.responses import response_from_json

__all__ = ["Saved", "checksum", "read", "read_contents", "save", "write_contents"]

FORMAT = 4
"""Raised when a change makes older files unreadable."""


MOST_POWERS = 20
"""Degree of a term at most."""

MOST_LEVELS = 100_000
"""Combinations of labels and counts at most."""

MOST_NODES = {1: 10_001, 2: 512}
"""Candidates along each axis at most, for one continuous response and for two."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What reading a value of another kind than was written raises."""


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


def save(saved: Saved, path: str | PathLike[str], hash_levels: bool = False) -> None:
    """Write a learned model to one file, whole or not at all.

    Parameters
    ----------
    hash_levels : write digests of the levels of categories instead of their text. A level that can be guessed can be
        found again from its digest; labels of the response stay as they are.

    Raises
    ------
    DataError
        If the path cannot be written to.
    """
    model = saved.model
    encoder = model.encoder.with_hashed_levels() if hash_levels else model.encoder
    named = list(zip(model.network.weight_names, model.network.weights, strict=True))  # As heads are read.
    header = {
        "estimator": saved.estimator,
        "parameters": to_plain(saved.parameters),
        "named": saved.named,
        "encoder": encoder.to_json(),
        "response": model.response.to_json(),
        "nodes": model.space.nodes,
        "objective": model.objective.to_json(),
        "architecture": asdict(model.network.architecture),
        "temperature": float(model.temperature),
        "rules": {name: weight.rule.to_json() for name, weight in named},
        "basis": model.network.basis.to_json(),
        "recipe": to_plain(model.recipe),
        "biases": model.biases,
        "deviations": model.deviations._asdict(),
        "block_names": model.block_names,
        "legend": asdict(model.legend),
        "history": model.history.to_dict("list"),
        "restarts": model.restarts.to_dict("list"),
        "l2": model.l2,
        "selected": model.procedure is not None and not _of_members(model),
    }
    arrays = {name: np.ascontiguousarray(weight.raw) for name, weight in named}
    write_contents(header, arrays, path)


def _of_members(model: LearnedModel) -> bool:
    """Whether it is the mean of fits, whose shape is that of its members."""
    return model.members > 1 and isinstance(model.procedure, Fitting)


def write_contents(header: dict[str, Any], arrays: dict[str, np.ndarray], path: str | PathLike[str]) -> None:
    """Write arrays beside values of JSON.

    Raises
    ------
    DataError
        If the path cannot be written to.
    """
    check_writable(path)
    text = json.dumps({"format": FORMAT, "version": version("behavior-learning"), **header})
    write_whole(path, to_bytes(arrays, metadata={"behavior_learning": text, "checksum": checksum(text, arrays)}))


def checksum(header: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of all that a file says."""
    digest = sha256(header.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read(path: str | PathLike[str], contents: tuple[dict[str, Any], dict[str, np.ndarray]] | None = None) -> Saved:
    """Read what `save` wrote.

    Parameters
    ----------
    contents : of the file, where they have been read.

    Raises
    ------
    DataError
        If the file is no saved model, or one of another format.
    """
    header, arrays = read_contents(path) if contents is None else contents
    try:
        parameters = from_plain(header["parameters"])
        saved = {"model": _model(header, arrays), "estimator": header["estimator"]}
        return built(Saved, saved | {"parameters": parameters, "named": header["named"]})
    except DAMAGE as error:
        raise DataError(f"{path} is damaged: {repr(error)[:200]}. Save the model again.") from error


def _model(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> LearnedModel:
    encoder, response = TableEncoder.from_json(header["encoder"]), response_from_json(header["response"])
    nodes, temperature = header["nodes"], header["temperature"]
    if prod(len(part.levels or (0,)) for part in response.components) > MOST_LEVELS:
        raise ValueError("more combinations of labels than can be summed over")
    if type(nodes) is not int or not 0 <= nodes <= MOST_NODES[min(max(len(response.space().continuous), 1), 2)]:
        raise ValueError(f"{str(nodes)[:20]} candidates")
    if type(temperature) is not float or not 0 < temperature < np.inf:
        raise ValueError(f"the temperature {str(temperature)[:20]}")
    space = response.space(nodes or None)
    architecture = built(Architecture, from_plain(header["architecture"]))
    basis = _basis(header["basis"], len(encoder.columns), 0 if architecture.output == "vector" else space.dimension)
    outputs = space.dimension if architecture.output == "vector" else 1
    _check_shapes(architecture, basis.size, outputs, arrays)
    blank = BehaviorNetwork.random(
        np.random.default_rng(0), architecture, features=len(encoder.columns), response=space.dimension, basis=basis
    )
    shapes = {name: np.shape(own.raw) for name, own in zip(blank.weight_names, blank.weights, strict=True)}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise ValueError("arrays of another network")
    weights = [_weight(arrays[name], header["rules"][name]) for name in blank.weight_names]
    known = {name: from_plain(header["deviations"][name]) for name in StandardDeviations._fields}
    model = LearnedModel(
        network=jax.tree.map(to_device, with_weights(blank, weights)),
        encoder=encoder,
        response=response,
        objective=objective_from_json(header["objective"], space),
        temperature=temperature,
        recipe=_of(Recipe, from_plain(header["recipe"])),
        biases=tuple(tuple(map(float, own)) for own in header.get("biases", ())),
        rows=None,
        block_names=_texts(header["block_names"]),
        history=pd.DataFrame(header["history"]),
        restarts=pd.DataFrame(header["restarts"]),
        known_deviations=built(StandardDeviations, known),
        l2=_ridge(header.get("l2")),
        procedure=Forgotten() if header.get("selected") else None,
    )
    legend = header.get("legend", {"descriptions": {}, "themes": {}})
    return model.described(legend["descriptions"], legend["themes"])


def _basis(state: dict[str, Any], features: int, response: int) -> Basis:
    """The terms of a file, each of columns that there are."""
    basis = Basis.from_json(state)
    columns = [(function, features) for function in basis.x_functions]
    columns += [(function, response) for function in basis.y_functions]
    for function, count in columns:
        own = function.columns
        if len(own) > MOST_POWERS or not all(0 <= column < count for column in own):
            raise ValueError(f"a term of columns {own[:5]} of {count}")
    sizes = len(basis.x_functions), len(basis.y_functions)
    pairs = basis.pairing.pairs
    if not all(type(i) is type(j) is int and ONE <= i < sizes[0] and ONE <= j < sizes[1] for i, j in pairs):
        raise ValueError("a term of functions that are not there")
    maps = [(own, features) for own in basis.x_maps] + [(own, response) for own in basis.y_maps]
    shifts = [(own.shift, count) for own, count in maps if isinstance(own, Monomials) and own.shift is not None]
    if not all(len(shift) == count and all(type(part) in (int, float) for part in shift) for shift, count in shifts):
        raise ValueError("a shift of other columns")
    return basis


def _check_shapes(architecture: Architecture, terms: int, outputs: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse an architecture that the arrays are not of, before anything of its size is made."""
    entries = sum(array.size for array in arrays.values())
    if len(architecture.layers) > len(arrays) or sum(architecture.layers) + sum(architecture.rows) > 2 * entries + 3:
        raise ValueError("an architecture larger than the file")
    expected: dict[str, tuple[int, ...]] = {}
    for number, width in enumerate(architecture.layers):
        seen = architecture.inputs(number)
        inputs = seen.n_terms(terms) + sum(seen.widths[layer] for layer in seen.layers)
        for role, rows in architecture.rows_of(number).items():
            place = f"layers[{number}].{role}"
            expected[f"{place}.coef"] = (width, rows, inputs)
            expected |= dict.fromkeys((f"{place}.intercept", f"{place}.multiplier"), (width, rows))
    if architecture.readout != "identity":
        expected["readout.weight"] = (outputs, architecture.layers[-1])
    for name, shape in expected.items():
        if np.shape(arrays[name]) != shape:
            raise ValueError(f"{name} of shape {np.shape(arrays[name])} instead of {shape}")


def _weight(array: np.ndarray, rule: Any) -> Weight:
    if array.dtype != np.float32 or not np.isfinite(array).all():
        raise ValueError("numbers that are none")
    signs, numbers = rule
    own = Rule(signs, numbers)
    if not np.isin(own.signs, (-1, 0, 1)).all() or np.isinf(own.numbers).any():
        raise ValueError("a rule of another kind")
    if any(np.broadcast_shapes(part.shape, array.shape) != array.shape for part in (own.signs, own.numbers)):
        raise ValueError("a rule of another shape")
    return Weight(cast(Any, array), own)


def _texts(names: Any) -> dict[str, str]:
    if type(names) is dict and all(type(name) is str for name in names.values()):
        return names
    raise ValueError("names of blocks that are none")


def _ridge(value: Any) -> float | None:
    if value is None or (type(value) is float and 0 <= value < np.inf):
        return value
    raise ValueError("a ridge that is none")


def _of(kind: type, value: Any) -> Any:
    if type(value) is kind:
        return value
    raise ValueError(f"no {kind.__name__}")


def read_contents(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Values of JSON and arrays of a file.

    Raises
    ------
    DataError
        If the file is no saved model, or one of another format.
    """
    try:
        path = Path(path)
    except TypeError as error:
        raise DataError(f"A model is read from the path of a file; got {path!r}.") from error
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the handle is no mapping)
    except (SafetensorError, OSError, *DAMAGE) as error:
        said = str(error)[:200]
        raise DataError(f"{path} is no model file of this library ({said}). Write one with .save(path).") from error
    if "behavior_learning" not in metadata:
        raise DataError(f"{path} is a safetensors file of something else. Write a model with .save(path).")
    try:
        header = json.loads(metadata["behavior_learning"])
        written, wrote = header["format"], str(header["version"])[:40]
        newer = bool(written > FORMAT)
    except DAMAGE as error:
        raise DataError(f"{path} is damaged: {repr(error)[:200]}. Save the model again.") from error
    if written != FORMAT:
        way_out = "Upgrade behavior-learning" if newer else "Fit the model again, or install that"
        raise DataError(
            f"{path} was written by version {wrote} in format {str(written)[:40]}; this version reads format {FORMAT}. "
            f"{way_out}."
        )
    if metadata.get("checksum") != checksum(metadata["behavior_learning"], arrays):
        raise DataError(f"{path} is damaged: it has changed since it was written. Save the model again.")
    return header, arrays
