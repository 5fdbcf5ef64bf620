"""BL(x, y) = W·𝔹_L(…𝔹₁(x, y)) + b: the compositional utility, single to deep (Eq. 5, 13)."""

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import Basis, affine_basis
from behavior_learning.core.block import BlockInput, Layer, Multiplier, Rows
from behavior_learning.core.heads import ROLES, get_head
from behavior_learning.errors import OptionError

__all__ = ["Architecture", "BehaviorNetwork", "Output", "Readout"]

Output = Literal["scalar", "vector"]
ReadoutKind = Literal["identity", "nonnegative", "free"]


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, free of data.

    Attributes
    ----------
    layers : blocks per layer; ``(1,)`` is BL(Single), ``(5, 3, 1)`` is BL[5,3,1].
    rows : rows of the utility, inequality and equality head of every block.
    heads : names of φ, ρ and ψ; None drops a head.
    output : ``"scalar"`` evaluates candidates y; ``"vector"`` reads x only and gives one output per class.
    readout : ``"identity"`` (a single scalar block is the utility), ``"nonnegative"`` or ``"free"``.
    readout_bias : whether the readout has a bias; in scalar output it cancels in the normaliser.
    """

    layers: tuple[int, ...] = (1,)
    rows: tuple[int, ...] = (1, 1, 1)
    heads: tuple[str | None, ...] = ("tanh", "relu", "abs")
    output: Output = "scalar"
    readout: ReadoutKind = "nonnegative"
    readout_bias: bool = False

    def __post_init__(self):
        if not self.layers or any(not _is_count(width) or width < 1 for width in self.layers):
            raise OptionError(f"layers needs one positive integer per layer, such as (2, 1); got {self.layers!r}.")
        if len(self.rows) != 3 or any(not _is_count(count) for count in self.rows):
            raise OptionError(
                f"rows needs three counts (utility, inequality, equality), such as (1, 1, 1); got {self.rows!r}."
            )
        if len(self.heads) != 3:
            raise OptionError(f"heads needs three names (utility, inequality, equality); got {self.heads!r}.")
        if not any(self.head_rows.values()):
            raise OptionError("Every head is dropped: give at least one head a name and a positive number of rows.")
        if self.readout == "identity" and (self.output != "scalar" or self.layers[-1] != 1):
            raise OptionError(
                "readout='identity' needs output='scalar' and a last layer of one block; "
                f"got output={self.output!r} and layers={self.layers!r}. Use 'nonnegative' or 'free'."
            )
        for role, name in zip(ROLES, self.heads, strict=True):
            if name is not None:
                get_head(role, name)

    @property
    def head_rows(self) -> dict[str, int]:
        """Rows per head and block, 0 where a head is dropped."""
        named = zip(ROLES, self.heads, self.rows, strict=True)
        return {role: rows if name is not None else 0 for role, name, rows in named}

    @property
    def smooth(self) -> bool:
        """Whether BL is continuously differentiable in its parameters and inputs."""
        names = zip(ROLES, self.heads, strict=True)
        return all(get_head(role, name).smooth for role, name in names if name is not None and self.head_rows[role])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Readout(eqx.Module):
    """W·s + b (Eq. 13); a readout without weight is the identity on a single block."""

    weight: Multiplier | None
    bias: Float[Array, " outputs"] | None

    def __call__(self, s: Float[Array, "*batch blocks"]) -> Float[Array, "*batch outputs"]:
        linear = s if self.weight is None else s @ self.weight.value.T
        return linear if self.bias is None else linear + self.bias


class BehaviorNetwork(eqx.Module):
    """The compositional utility BL(x, y) of layers of UMP blocks.

    Source: Eq. 5 and 13; A.1 for the output modes.
    """

    basis: Basis
    layers: tuple[Layer, ...]
    readout: Readout
    architecture: Architecture = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        """BL(x, y) for every row and candidate; what depends on x alone is computed once per row."""
        if self.architecture.output == "vector":
            outputs = self.readout(self.block_utilities(x, y)[-1])
            return jnp.matmul(outputs, jnp.swapaxes(y, 1, 2))[:, 0, :]
        utility = self.readout(self.block_utilities(x, y)[-1])[..., 0]
        return jnp.broadcast_to(utility, (len(x), y.shape[1]))

    def block_utilities(
        self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]
    ) -> tuple[Float[Array, "#n #k blocks"], ...]:
        """The utility of every block, layer by layer; axes along which it does not vary have length 1."""
        if self.architecture.output == "vector":
            y = jnp.zeros((1, 1, 0), x.dtype)
        z = BlockInput(self.basis(x, y), None)
        utilities = []
        for layer in self.layers:
            utilities.append(layer(z))
            z = BlockInput(None, utilities[-1])
        return tuple(utilities)

    @property
    def width(self) -> int:
        """Pre-activations of the widest layer, for one row and candidate."""
        return max(sum(rows.intercept.size for rows in layer.heads.values()) for layer in self.layers)

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned."""
        heads = [rows for layer in self.layers for rows in layer.heads.values()]
        weight, bias = self.readout.weight, self.readout.bias
        return sum(rows.n_parameters for rows in heads) + sum(
            0 if values is None else values.size for values in (None if weight is None else weight.raw, bias)
        )

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        architecture: Architecture,
        *,
        features: int,
        response: int,
        scale: float = 1.0,
        basis: Basis | None = None,
    ) -> "BehaviorNetwork":
        """Draw a network at its starting point; NumPy draws it, so that a start costs no compilation.

        Parameters
        ----------
        features, response : d and m; in vector output m is the number of classes.
        scale : coefficients have standard deviation scale/√(number of inputs of the row).
        """
        vector = architecture.output == "vector"
        basis = affine_basis(features, 0 if vector else response) if basis is None else basis
        inputs = (basis.size, *architecture.layers[:-1])
        layers = tuple(
            _random_layer(rng, architecture, blocks=blocks, inputs=size, scale=scale)
            for blocks, size in zip(architecture.layers, inputs, strict=True)
        )
        return cls(basis, layers, _random_readout(rng, architecture, outputs=response if vector else 1), architecture)


def _random_layer(
    rng: np.random.Generator, architecture: Architecture, *, blocks: int, inputs: int, scale: float
) -> Layer:
    names = zip(ROLES, architecture.heads, architecture.head_rows.values(), strict=True)
    return Layer(**{role: _random_rows(rng, role, name, (blocks, rows, inputs), scale) for role, name, rows in names})


def _random_rows(
    rng: np.random.Generator, role: str, name: str | None, shape: tuple[int, int, int], scale: float
) -> Rows:
    blocks, rows, inputs = shape
    spread = scale / max(inputs, 1) ** 0.5
    return Rows(
        coef=_float32(spread * rng.standard_normal(shape)),
        intercept=_float32(spread * rng.standard_normal((blocks, rows))),
        multiplier=Multiplier.from_value(rng.uniform(0.5, 1.5, (blocks, rows)).astype(np.float32), nonnegative=True),
        head=get_head(role, name) if name is not None and rows else None,
    )


def _random_readout(rng: np.random.Generator, architecture: Architecture, *, outputs: int) -> Readout:
    shape = (outputs, architecture.layers[-1])
    bias = _float32(np.zeros(outputs)) if architecture.readout_bias else None
    if architecture.readout == "identity":
        return Readout(None, bias)
    nonnegative = architecture.readout == "nonnegative"
    weight = rng.uniform(0.5, 1.5, shape) if nonnegative else rng.standard_normal(shape) / shape[1] ** 0.5
    return Readout(Multiplier.from_value(weight.astype(np.float32), nonnegative=nonnegative), bias)


def _float32(values: np.ndarray) -> Array:
    return jnp.asarray(values, jnp.float32)
