"""The shape of a network, free of data: layers, heads, skips, and what a layer sees (Eq. 5, A.2, A.3.3)."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, NamedTuple, get_args

from behavior_learning.core.heads import ROLES, Head, get_head
from behavior_learning.errors import OptionError
from behavior_learning.options import is_number

__all__ = ["SENSES", "Aggregation", "Architecture", "LayerInputs", "Multipliers", "Output", "Skip"]

SENSES = {"utility": 1, "inequality": -1, "equality": 0}
"""Sign of a coefficient with which a block rises in what stands inside each head; none does for an equality."""

Output = Literal["scalar", "vector"]
ReadoutKind = Literal["identity", "nonnegative", "free"]
Skip = Literal["dense", "residual", "input"]
Multipliers = Literal["nonnegative", "free"]
Aggregation = Literal["free", "nonnegative"]

_VALID = {
    "skip": (None, *get_args(Skip)),
    "output": get_args(Output),
    "multipliers": get_args(Multipliers),
    "aggregation": get_args(Aggregation),
    "readout": get_args(ReadoutKind),
}


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, free of data.

    Examples
    --------
    >>> Architecture((2, 1, 1), skip="dense").inputs(2).blocks
    ((0, 0), (0, 1), (1, 0))

    Attributes
    ----------
    layers : blocks per layer; ``(1,)`` is BL(Single), ``(5, 3, 1)`` is BL[5,3,1].
    rows : rows of the utility, inequality and equality head of every block.
    heads : φ, ρ and ψ or their names, which are kept; None drops a head.
    degrees : for each head the highest total degree of a term in each of its rows, in the layers that see (x, y);
        None leaves every row all terms of the basis.
    skip : None, ``"dense"`` (later layers see (x, y) and all layers below), ``"residual"`` (their input is added to
        their output, projected where widths differ) or ``"input"`` (they see (x, y) and the layer below). A.2, A.3.3.
    output : ``"scalar"`` evaluates candidates y; ``"vector"`` reads x only and gives one output per class.
    multipliers : ``"nonnegative"`` keeps λ ≥ 0 by construction; ``"free"`` does not.
    intercepts : whether rows have an intercept.
    readout : ``"identity"`` (a single scalar block is the utility), ``"nonnegative"`` or ``"free"``.
    readout_bias : whether the readout has a bias; in scalar output it cancels in the normaliser.
    aggregation : ``"nonnegative"`` makes every layer non-decreasing in the blocks below, so that raising the utility of
        a block never lowers BL: blocks enter utility rows with coefficients ≥ 0, inequality rows with ≤ 0, and equality
        rows not at all. ``"free"`` is the paper's.
    """

    layers: tuple[int, ...] = (1,)
    rows: tuple[int, ...] = (1, 1, 1)
    heads: tuple[str | Head | None, ...] = ("tanh", "relu", "abs")
    degrees: tuple[tuple[int, ...], ...] | None = None
    skip: Skip | None = None
    output: Output = "scalar"
    multipliers: Multipliers = "nonnegative"
    intercepts: bool = True
    readout: ReadoutKind = "nonnegative"
    readout_bias: bool = False
    aggregation: Aggregation = "free"

    def __post_init__(self):
        for name, valid in _VALID.items():
            if getattr(self, name) not in valid:
                raise OptionError(f"{name} must be one of {', '.join(map(repr, valid))}; got {getattr(self, name)!r}.")
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
        if self.degrees is not None and tuple(map(len, self.degrees)) != tuple(self.rows):
            raise OptionError(f"degrees needs one degree per row; got {self.degrees!r} for rows={self.rows!r}.")
        if any(not _is_count(degree) or degree < 1 for head in self.degrees or () for degree in head):
            raise OptionError(f"A degree must be a whole number of at least 1; got {self.degrees!r}.")
        if self.readout == "identity" and (self.output != "scalar" or self.layers[-1] != 1):
            raise OptionError(
                "readout='identity' needs output='scalar' and a last layer of one block; "
                f"got output={self.output!r} and layers={self.layers!r}. Use 'nonnegative' or 'free'."
            )
        if self.aggregation == "nonnegative":
            self._check_aggregation()
        named = zip(ROLES, self.heads, strict=True)
        heads = tuple(None if head is None else get_head(role, head).name for role, head in named)
        object.__setattr__(self, "heads", heads)
        for name in ("layers", "rows"):  # NumPy's whole numbers neither save nor hash like Python's.
            object.__setattr__(self, name, tuple(map(int, getattr(self, name))))

    def _check_aggregation(self) -> None:
        others = {"output": "vector", "readout": "free", "multipliers": "free"}
        clash = next((name for name, value in others.items() if getattr(self, name) == value), None)
        if clash is not None:
            raise OptionError(
                "aggregation='nonnegative' says that BL rises with every block, which "
                f"{clash}={others[clash]!r} contradicts. Use another {clash}, or aggregation='free'."
            )
        if len(self.layers) > 1 and not any(self.head_rows[role] for role in ("utility", "inequality")):
            raise OptionError(
                "aggregation='nonnegative' lets blocks enter utility and inequality rows alone, and both heads are "
                "dropped. Name one of them, or use aggregation='free'."
            )

    @property
    def head_rows(self) -> dict[str, int]:
        """Rows per head and block of the first layer, 0 where a head is dropped."""
        named = zip(ROLES, self.heads, self.rows, strict=True)
        return {role: rows if name is not None else 0 for role, name, rows in named}

    def rows_of(self, layer: int) -> dict[str, int]:
        """Rows per head and block of a layer; an equality that no block may enter has none where it sees no terms."""
        silent = self.aggregation == "nonnegative" and not self.inputs(layer).terms
        return self.head_rows | ({"equality": 0} if silent else {})

    @property
    def head_degrees(self) -> dict[str, tuple[int, ...] | None]:
        """Degrees of the rows of each head."""
        return dict.fromkeys(ROLES) if self.degrees is None else dict(zip(ROLES, self.degrees, strict=True))

    @property
    def smooth(self) -> bool:
        """Whether BL is continuously differentiable in its parameters and inputs."""
        names = zip(ROLES, self.heads, strict=True)
        return all(get_head(role, name).smooth for role, name in names if name is not None and self.head_rows[role])

    def inputs(self, layer: int) -> "LayerInputs":
        """What a layer, counted from 0, sees."""
        first = 0 if self.skip == "dense" else max(layer - 1, 0)
        return LayerInputs(layer == 0 or self.skip in ("dense", "input"), range(first, layer), self.layers)


class LayerInputs(NamedTuple):
    """What a layer sees, in the order of its columns: terms of (x, y), and then the blocks of earlier layers.

    Attributes
    ----------
    terms : whether it sees terms.
    layers : the earlier layers that it sees.
    widths : blocks of every layer of the network.
    """

    terms: bool
    layers: range
    widths: tuple[int, ...]

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The (layer, block) of every column behind the terms."""
        return tuple((layer, block) for layer in self.layers for block in range(self.widths[layer]))

    def columns(self, layer: int, terms: int) -> slice:
        """The columns of the blocks of an earlier layer, where the basis has so many terms."""
        start = self.n_terms(terms) + sum(self.widths[below] for below in self.layers if below < layer)
        return slice(start, start + self.widths[layer])

    def n_terms(self, terms: int) -> int:
        """How many columns are terms, where the basis has so many."""
        return terms if self.terms else 0


def _is_count(value: Any) -> bool:
    return is_number(value, Integral) and int(value) >= 0
