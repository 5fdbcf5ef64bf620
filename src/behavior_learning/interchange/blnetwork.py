"""Networks of blnetwork, the paper's package, as networks here."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.block import Layer, Rows, Weight
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, Readout
from behavior_learning.errors import DataError

__all__ = ["read_blnetwork"]

MAPS = dict(zip(ROLES, ("lin_u", "lin_c", "lin_t"), strict=True))
"""What blnetwork calls the affine map of each head."""


def read_blnetwork(
    state_dict: Mapping[str, Any], *, response: int = 1, heads: tuple[str, str, str] = ("tanh", "relu", "abs")
) -> BehaviorNetwork:
    """The network of a ``state_dict()`` of blnetwork's ``BLDeep``; its utility is the same to 1e-5.

    Both keep multipliers as softplus of a free number; blnetwork adds 1e-8 to it.

    Parameters
    ----------
    state_dict : by name, tensors or arrays, as ``torch.load(path)`` gives it.
    response : columns of y among the inputs of the first layer, the last ones; of classes their number.
    heads : its ``first_act_func``, ``second_act_func`` and ``third_act_func``, which the file does not hold.

    Raises
    ------
    DataError
        If a tensor of ``BLDeep`` is missing or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from behavior_learning.interchange import read_blnetwork
    >>> unit = {"lam": np.zeros((3, 1))} | {f"lin_{h}.weight": np.ones((1, 3)) for h in "uct"}
    >>> unit |= {f"lin_{h}.bias": np.zeros(1) for h in "uct"}
    >>> state = {f"backbone.blocks.0.unit.{name}": value for name, value in unit.items()}
    >>> state |= {"head.weight": np.ones((1, 1)), "head.bias": np.zeros(1)}
    >>> read_blnetwork(state)(np.zeros((4, 2), np.float32), np.zeros((1, 5, 1), np.float32)).shape
    (4, 5)
    """
    given = {name: np.asarray(value, float) for name, value in state_dict.items()}
    count = sum(name.endswith(".unit.lam") for name in given)
    layers = tuple(len(_tensor(given, f"backbone.blocks.{i}.unit.lin_u.bias")) for i in range(count))
    if not layers:
        raise DataError(f"These are no tensors of blnetwork's BLDeep: {', '.join(given) or 'there are none'}.")
    features = _tensor(given, "backbone.blocks.0.unit.lin_u.weight").shape[1] - response
    if features < 0:
        raise DataError(f"The first layer has {features + response} inputs, fewer than response={response}.")
    architecture = Architecture(layers, heads=heads, readout="free", readout_bias="head.bias" in given)
    blank = BehaviorNetwork.random(np.random.default_rng(0), architecture, features=features, response=response)
    read = tuple(_layer(given, f"backbone.blocks.{i}.unit", layer) for i, layer in enumerate(blank.layers))
    weight = _free(_tensor(given, "head.weight", (1, layers[-1])))
    bias = _free(_tensor(given, "head.bias", (1,))) if architecture.readout_bias else None
    return BehaviorNetwork(blank.basis, read, blank.projections, Readout(weight, bias), architecture)


def _layer(given: Mapping[str, np.ndarray], place: str, blank: Layer) -> Layer:
    found = {}
    for number, (role, rows) in enumerate(blank.heads.items()):
        blocks, _, inputs = np.shape(rows.coef.raw)
        name = f"{place}.{MAPS[role]}"
        multiplier = _tensor(given, f"{place}.lam", (len(ROLES), blocks))[number]
        found[role] = Rows(
            _free(_tensor(given, f"{name}.weight", (blocks, inputs))[:, None, :]),
            _free(_tensor(given, f"{name}.bias", (blocks,))[:, None]),
            Weight(jnp.asarray(multiplier[:, None]), rows.multiplier.rule),
            rows.head,
        )
    return Layer.of(found)


def _tensor(given: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    if name not in given:
        raise DataError(f"The tensor {name!r} of blnetwork's BLDeep is missing.")
    if shape is not None and given[name].shape != shape:
        raise DataError(f"The tensor {name!r} must have the shape {shape}; it has {given[name].shape}.")
    return given[name]


def _free(values: np.ndarray) -> Weight:
    return Weight(jnp.asarray(values))
