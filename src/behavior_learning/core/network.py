"""BL(x, y) = W·𝔹_L(…𝔹₁(x, y)) + b: the compositional utility, single to deep (Eq. 5, 13)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from behavior_learning.core.architecture import SENSES, Architecture
from behavior_learning.core.bases import Basis, affine_basis
from behavior_learning.core.block import FREE, NONNEGATIVE, ZERO, BlockInput, Layer, Rows, Rule, Weight
from behavior_learning.core.heads import ROLES, get_head
from behavior_learning.core.sums import FIRST, LAST, along, product
from behavior_learning.mesh import device_count

__all__ = [
    "BehaviorNetwork",
    "Readout",
    "RowRules",
    "Thinned",
    "Traced",
    "drawn_like",
    "in_double",
    "weight_value",
    "with_arrays",
    "with_head",
    "with_weights",
]


NARROW = 32
"""Most rows of a layer with which candidates are evaluated rows first: every operation then runs along rows of data
times candidates. Rows last, products of 2,000 candidates with three columns take longer than all heads together. Where
candidates have several columns, as those of classes and of two numbers, rows of data then lie last: few candidates are
too short a loop. Wider layers at candidates of numbers are evaluated rows last in .4 of the time, but their gradient
takes .6 rows first."""


class RowRules(NamedTuple):
    """Rules for the weights of one head of the first layer."""

    coef: Rule
    intercept: Rule
    multiplier: Rule


class Readout(eqx.Module):
    """W·s + b (Eq. 13); a readout without weight is the identity on a single block."""

    weight: Weight | None
    bias: Weight | None

    def __call__(self, s: Array, axis: int = LAST, absorbed: bool = False) -> Array:
        """W·s + b along an axis; b alone where the last layer has absorbed W."""
        linear = s if self.weight is None or absorbed else product(s, self.weight.value.T, axis)
        return linear if self.bias is None else linear + along(self.bias.value, axis)


class Traced(NamedTuple):
    """One layer at some rows and candidates.

    Attributes
    ----------
    input : z, what the layer sees.
    shortcut : what a residual skip adds to its blocks; None where it adds nothing.
    utility : s, the utility of every block.
    """

    input: BlockInput
    shortcut: Float[Array, "#n #k blocks"] | None
    utility: Float[Array, "#n #k blocks"]


class BehaviorNetwork(eqx.Module):
    """The compositional utility BL(x, y) of layers of UMP blocks.

    Attributes
    ----------
    basis : m(x, y).
    layers : 𝔹₁ … 𝔹_L.
    projections : Π of each layer but the first, where a residual skip changes width.
    readout : W and b.

    Source: Eq. 5 and 13; A.1 for the output modes; A.2 and A.3.3 for skips.

    Examples
    --------
    >>> import numpy as np
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), Architecture((2, 1)), features=3, response=1)
    >>> network(np.zeros((4, 3), np.float32), np.zeros((1, 5, 1), np.float32)).shape
    (4, 5)
    """

    basis: Basis
    layers: tuple[Layer, ...]
    projections: tuple[Weight | None, ...]
    readout: Readout
    architecture: Architecture = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        """BL(x, y) for every row and candidate; what depends on x alone is computed once per row."""
        scalar, narrow = self.architecture.output == "scalar", self.width <= NARROW
        if scalar and not narrow and y.shape[1] > y.shape[2]:  # Of classes there are as many candidates as columns.
            return _rows_last(self, x, y)
        return self.along(FIRST if scalar and narrow else LAST, x, y)

    def along(
        self,
        axis: int,
        x: Float[Array, "n d"],
        y: Float[Array, "#n k m"],
        factors: Float[Array, "n blocks"] | None = None,
    ) -> Float[Array, "n k"]:
        """BL(x, y) by rows of M along an axis, `FIRST` or `LAST`.

        Parameters
        ----------
        factors : of the first layer's blocks in every row of data; one by default.
        """
        turned = axis == FIRST and y.shape[-1] > 1 and device_count() == 1
        absorbed = self._readout_is_absorbed and (factors is None or len(self.layers) > 1)
        outputs = self.readout(self._trace(x, y, axis, absorbed, turned, factors)[-1].utility, axis, absorbed)
        if self.architecture.output == "vector":
            return jnp.matmul(outputs, jnp.swapaxes(y, 1, 2))[:, 0, :]
        only = outputs[..., 0] if axis == LAST else outputs[0].T if turned else outputs[0]
        return jnp.broadcast_to(only, (len(x), y.shape[1]))

    def block_utilities(
        self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]
    ) -> tuple[Float[Array, "#n #k blocks"], ...]:
        """s₁ … s_L: the utility of every block; axes along which it does not vary have length 1."""
        return tuple(at.utility for at in self.trace(x, y))

    def trace(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> "tuple[Traced, ...]":
        """What every layer sees and makes of it."""
        return self._trace(x, y, LAST, absorbed=False)

    def _trace(
        self,
        x: Float[Array, "n d"],
        y: Float[Array, "#n k m"],
        axis: int,
        absorbed: bool,
        turned: bool = False,
        factors: Float[Array, "n blocks"] | None = None,
    ) -> tuple[Traced, ...]:
        """Every layer with rows of M along an axis; the last one gives W·s where it absorbs the readout."""
        terms = self.basis(x, y[:1, :1, :0] if self.architecture.output == "vector" else y, turned)
        seen: list[Traced] = []
        for number, layer in enumerate(self.layers):
            inputs = self.architecture.inputs(number)
            below = [seen[layer].utility for layer in inputs.layers]
            z = BlockInput(terms if inputs.terms else None, _concatenated(below, axis) if below else None, axis)
            last = absorbed and number == len(self.layers) - 1
            own = layer(z, self.readout.weight.value if last and self.readout.weight is not None else None)
            if factors is not None and not number:
                own = own * _beside_blocks(factors, axis, turned)
            shortcut = self._shortcut(number, below[-1], axis) if number else None
            seen.append(Traced(z, shortcut, own if shortcut is None else own + shortcut))
        return tuple(seen)

    def _shortcut(self, number: int, below: Array, axis: int) -> Array | None:
        """What a residual skip adds to the blocks of a layer."""
        projection = self.projections[number - 1]
        if self.architecture.skip != "residual":
            return None
        return below if projection is None else product(below, projection.value.T, axis)

    @property
    def _readout_is_absorbed(self) -> bool:
        """Whether the last layer multiplies W in, in the product that sums its rows."""
        return self.readout.weight is not None and self.architecture.skip != "residual"

    @property
    def arrays(self) -> list[Weight]:
        """Every weight as it is held, the heads of a layer side by side; intercepts and biases included."""
        rows = [weight for layer in self.layers for weight in layer.weights]
        return rows + [w for w in (*self.projections, self.readout.weight, self.readout.bias) if w is not None]

    @property
    def weights(self) -> list[Weight]:
        """Every weight as it is read, head by head; intercepts and biases included."""
        rows = [weight for layer in self.layers for rows in layer.heads.values() for weight in rows.weights]
        return rows + [w for w in (*self.projections, self.readout.weight, self.readout.bias) if w is not None]

    @property
    def weight_names(self) -> list[str]:
        """The place of each of `weights`, such as ``layers[0].utility.coef``."""
        names = [f"layers[{n}].{role}" for n in range(len(self.layers)) for role in ROLES]
        projections = [f"projections[{n}]" for n, weight in enumerate(self.projections) if weight is not None]
        readout = {"weight": self.readout.weight, "bias": self.readout.bias}
        rows = [f"{name}.{field}" for name in names for field in ("coef", "intercept", "multiplier")]
        return rows + projections + [f"readout.{name}" for name, weight in readout.items() if weight is not None]

    @property
    def penalized_weights(self) -> list[Weight]:
        """M, λ, Π and W: what a ridge penalises. Intercepts and biases are free."""
        rows = [weight for layer in self.layers for weight in (layer.coef, layer.multiplier)]
        return rows + [weight for weight in (*self.projections, self.readout.weight) if weight is not None]

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(weight.n_learned for weight in self.arrays)

    @property
    def width(self) -> int:
        """Pre-activations of the widest layer, for one row and candidate."""
        return max(np.shape(layer.intercept.raw)[0] for layer in self.layers)

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        architecture: Architecture,
        *,
        features: int,
        response: int,
        basis: Basis | None = None,
        rules: Mapping[str, RowRules] | None = None,
        upper_rules: Sequence[Mapping[str, RowRules]] = (),
        coef_scale: float | None = None,
        multiplier_scale: float | None = None,
    ) -> "BehaviorNetwork":
        """Draw a network at its starting point; NumPy draws it, so that a start costs no compilation.

        Parameters
        ----------
        features, response : d and m; in vector output m is the number of classes.
        basis : affine by default.
        rules : what the weights of the first layer may be, by head; by default what `architecture` says.
        upper_rules : the same for each layer above it.
        coef_scale : standard deviation of M and b, σ_params in C.2; by default 1/√(number of inputs of the row).
        multiplier_scale : λ = |N(0, σ_λ²)| as in C.2; by default uniform on [0.5, 1.5].
        """
        vector = architecture.output == "vector"
        basis = affine_basis(features, 0 if vector else response) if basis is None else basis
        draw = _Draw(rng, architecture, basis, coef_scale, multiplier_scale)
        by_layer = [rules or {}, *upper_rules]
        layers = tuple(
            draw.layer(number, by_layer[number] if number < len(by_layer) else {})
            for number in range(len(architecture.layers))
        )
        readout = draw.readout(response if vector else 1)
        return cls(basis, layers, draw.projections(), readout, architecture)


@dataclass(frozen=True)
class _Draw:
    rng: np.random.Generator
    architecture: Architecture
    basis: Basis
    coef_scale: float | None
    multiplier_scale: float | None

    def layer(self, number: int, rules: Mapping[str, RowRules]) -> Layer:
        return Layer.of({role: self.rows(number, role, rules.get(role, self.rules(number, role))) for role in ROLES})

    def rules(self, number: int, role: str) -> RowRules:
        architecture = self.architecture
        return RowRules(
            self.coef_rule(number, role),
            FREE if architecture.intercepts else ZERO,
            NONNEGATIVE if architecture.multipliers == "nonnegative" else FREE,
        )

    def coef_rule(self, number: int, role: str) -> Rule:
        """Fix coefficients of terms above a row's degree at zero, and give those of blocks below their sign."""
        architecture, inputs = self.architecture, self.architecture.inputs(number)
        degrees, terms = architecture.head_degrees[role], inputs.n_terms(self.basis.size)
        rows, signed = architecture.rows_of(number)[role], architecture.aggregation == "nonnegative" and inputs.blocks
        if not rows or not (signed or (degrees and terms)):
            return FREE
        shape = (1, rows, terms + len(inputs.blocks))
        fixed, signs = np.full(shape, np.nan), np.zeros(shape, int)
        if degrees and terms:
            fixed[0, :, :terms][np.array(self.basis.degrees) > np.array(degrees)[:, None]] = 0.0
        if signed:
            signs[..., terms:] = SENSES[role]
            fixed[..., terms:] = np.nan if SENSES[role] else 0.0
        return Rule(signs, fixed)

    def rows(self, number: int, role: str, rules: RowRules) -> Rows:
        architecture = self.architecture
        seen, rows = architecture.inputs(number), architecture.rows_of(number)[role]
        inputs = seen.n_terms(self.basis.size) + len(seen.blocks)
        name = dict(zip(ROLES, architecture.heads, strict=True))[role]
        values = self.numbers((architecture.layers[number], rows), inputs)
        weights = (Weight.from_value(value, rule) for value, rule in zip(values, rules, strict=True))
        return Rows(*weights, head=get_head(role, name) if name is not None and rows else None)

    def numbers(self, shape: tuple[int, int], inputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """M, b and λ of the rows of a head."""
        spread = self.coef_scale if self.coef_scale is not None else 1 / max(inputs, 1) ** 0.5
        coef, intercept = (spread * self.rng.standard_normal(own) for own in ((*shape, inputs), shape))
        return coef, intercept, self.multiplier(shape)

    def like(self, layer: Layer) -> list[Weight]:
        """Random weights under the rules of a layer, its heads side by side: far quicker than head by head."""
        inputs = np.shape(layer.coef.raw)[0]
        parts = [self.numbers((layer.n_blocks, part.rows), inputs) for part in layer.parts]
        coef, intercept, multiplier = (
            np.concatenate([own.reshape(-1, *own.shape[2:]) for own in kind]) for kind in zip(*parts, strict=True)
        )
        pairs = zip((coef.T, intercept, multiplier), layer.weights, strict=True)
        return [Weight.from_value(value, weight.rule) for value, weight in pairs]

    def multiplier(self, shape: tuple[int, int]) -> np.ndarray:
        if self.multiplier_scale is None:
            return self.rng.uniform(0.5, 1.5, shape)
        return self.multiplier_scale * np.abs(self.rng.standard_normal(shape))

    def projections(self) -> tuple[Weight | None, ...]:
        widths = self.architecture.layers
        pairs = zip(widths[1:], widths[:-1], strict=True)
        residual = self.architecture.skip == "residual"
        return tuple(self.projection(pair) if residual and pair[0] != pair[1] else None for pair in pairs)

    def projection(self, shape: tuple[int, int]) -> Weight:
        rule = NONNEGATIVE if self.architecture.aggregation == "nonnegative" else FREE
        return Weight.from_value(self.rng.standard_normal(shape) / shape[1] ** 0.5, rule)

    def readout(self, outputs: int) -> Readout:
        architecture, shape = self.architecture, (outputs, self.architecture.layers[-1])
        bias = Weight.from_value(np.zeros(outputs)) if architecture.readout_bias else None
        if architecture.readout == "identity":
            return Readout(None, bias)
        if architecture.readout == "nonnegative":
            return Readout(Weight.from_value(self.rng.uniform(0.5, 1.5, shape), NONNEGATIVE), bias)
        return Readout(Weight.from_value(self.rng.standard_normal(shape) / shape[1] ** 0.5), bias)


class Thinned(eqx.Module):
    """A utility whose rows of data see some blocks of the first layer only, and those the louder.

    Source: Srivastava et al. (2014), for units. Deviation: a block is left out as a whole, with its three heads.

    Attributes
    ----------
    seen : the blocks that every row sees.
    dropout : the share that is left out; the others are divided by 1 − dropout, so that their sum is right on average.
    """

    network: BehaviorNetwork
    seen: Bool[Array, "n blocks"]
    dropout: float = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        axis = FIRST if self.network.architecture.output == "scalar" else LAST
        return self.network.along(axis, x, y, self.seen / (1 - self.dropout))


@eqx.filter_custom_jvp
def _rows_last(network: BehaviorNetwork, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
    return network.along(LAST, x, y)


@_rows_last.def_jvp
def _(at: tuple[Any, ...], moved: tuple[Any, ...]) -> tuple[Float[Array, "n k"], Float[Array, "n k"]]:
    return eqx.filter_jvp(lambda network, x, y: network.along(FIRST, x, y), at, moved)


def _beside_blocks(factors: Float[Array, "n blocks"], axis: int, turned: bool) -> Array:
    """Factors of blocks where the utilities of these lie."""
    return factors[:, None] if axis == LAST else factors.T[:, None] if turned else factors.T[..., None]


def _concatenated(parts: list[Array], axis: int) -> Array:
    """Blocks of several layers along an axis."""
    shape = jnp.broadcast_shapes(*(part.shape[1:] if axis == FIRST else part.shape[:-1] for part in parts))
    wide = [(len(part), *shape) if axis == FIRST else (*shape, part.shape[axis]) for part in parts]
    return jnp.concatenate([jnp.broadcast_to(part, to) for part, to in zip(parts, wide, strict=True)], axis=axis)


def weight_value(weight: Weight) -> np.ndarray:
    """The numbers of a weight in double precision, whatever precision is in force."""
    raw = np.asarray(weight.raw, float)
    signs, fixed = (np.broadcast_to(rule, raw.shape) for rule in (weight.rule.signs, weight.rule.numbers))
    value = np.where(signs == 0, raw, signs * np.logaddexp(0, raw))
    return np.where(np.isnan(fixed), value, fixed)


def with_weights(network: BehaviorNetwork, weights: Sequence[Weight]) -> BehaviorNetwork:
    """The network with other weights, in the order of `network.weights`."""
    given = iter(weights)
    arrays: list[Weight] = []
    for layer in network.layers:
        rows = {role: Rows(next(given), next(given), next(given), layer.head(role)) for role in ROLES}
        arrays += Layer.of(rows).weights
    return with_arrays(network, [*arrays, *given])


def with_head(network: BehaviorNetwork, layer: int, role: str, **weights: Weight) -> BehaviorNetwork:
    """The network with another `coef`, `intercept` or `multiplier` of one head, as it is read."""
    heads = network.layers[layer].heads
    rows = heads[role]
    own = zip(("coef", "intercept", "multiplier"), rows.weights, strict=True)
    heads[role] = Rows(*(weights.get(name, weight) for name, weight in own), head=rows.head)
    layers = (*network.layers[:layer], Layer.of(heads), *network.layers[layer + 1 :])
    return eqx.tree_at(lambda network: network.layers, network, layers)


def with_arrays(network: BehaviorNetwork, arrays: Sequence[Weight]) -> BehaviorNetwork:
    """The network with other weights, in the order of `network.arrays`."""
    given = iter(arrays)

    def is_weight(node: object) -> bool:
        return isinstance(node, Weight)

    return jax.tree.map(lambda node: next(given) if is_weight(node) else node, network, is_leaf=is_weight)


def in_double(network: BehaviorNetwork) -> BehaviorNetwork:
    """The same numbers in double precision; inside `jax.enable_x64`."""
    return with_arrays(network, [Weight(jnp.asarray(np.asarray(w.raw, float)), w.rule) for w in network.arrays])


def drawn_like(
    network: BehaviorNetwork,
    rng: np.random.Generator,
    *,
    coef_scale: float | None = None,
    multiplier_scale: float | None = None,
) -> BehaviorNetwork:
    """A random network of the same shape whose weights, in every layer, have the same rules.

    Parameters
    ----------
    coef_scale, multiplier_scale : as `BehaviorNetwork.random` takes them.
    """
    draw = _Draw(rng, network.architecture, network.basis, coef_scale, multiplier_scale)
    rows = [weight for layer in network.layers for weight in draw.like(layer)]
    weight = network.readout.weight
    readout = draw.readout(1 if weight is None else np.shape(weight.raw)[0])
    others = [w for w in (*draw.projections(), readout.weight, readout.bias) if w is not None]
    given = network.arrays[len(rows) :]
    return with_arrays(network, rows + [Weight(new.raw, old.rule) for new, old in zip(others, given, strict=True)])
