"""The learned optimisation problem as data: layers of blocks, each of them utility and penalty terms.

Source: Section 2.2 (a block is an optimisation problem, a network a hierarchy of them) and Theorem 2.1 (penalty form).
Softplus and square are not exact penalties: the mode of the Gibbs distribution and the optimum under hard constraints
differ. What is held here is the penalty form that was fitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from behavior_learning.core.features import Curve
from behavior_learning.core.heads import Head
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.sources import Source

__all__ = ["Block", "HeadTerm", "Problem"]


@dataclass(frozen=True)
class HeadTerm:
    """One term of a block's sum, multiplier · head(scale · polynomial): a utility term or a penalty term.

    Penalty term is the word of optimisation, but it fits the heads ρ and ψ alone; the head is what all three share.

    Attributes
    ----------
    head : φ, ρ or ψ.
    multiplier : λ.
    polynomial : in the user's names and units; where it is linear in a single response, with coefficient 1 or −1 on it.
    scale : positive; what multiplies the polynomial inside the head.
    factors : polynomials whose product is part of the polynomial and is written as a product; none by default.
    rest : name of the variable that stands for terms left out of a simplified row, which is written last.
    """

    head: Head
    multiplier: float
    polynomial: Polynomial
    scale: float = 1.0
    factors: tuple[Polynomial, ...] = ()
    rest: str = ""

    def renamed(self, names: Mapping[str, str]) -> "HeadTerm":
        """The same term with other names for some of its variables."""
        factors = tuple(factor.renamed(names) for factor in self.factors)
        return replace(self, polynomial=self.polynomial.renamed(names), factors=factors)


@dataclass(frozen=True)
class Block:
    """One optimisation problem: maximise Σ λ₀φ(U) subject to C ≤ 0 and T = 0, in the penalty form of Eq. 4.

    Attributes
    ----------
    name : such as ``"block1.2"``.
    head_terms : the rows of the three heads.
    response : the names that stand for y; none where blocks see x only (vector output).
    standard_deviations : of each variable over the training rows, by which terms are ranked.
    shortcut : what a residual skip adds to the block's utility.
    curves : by name, the curves among the variables and the column each is a function of.
    sources : by name, how variables follow from columns of the user's table; any other is a column of numbers.
    """

    name: str
    head_terms: tuple[HeadTerm, ...]
    response: tuple[str, ...]
    standard_deviations: Mapping[str, float] = field(repr=False)
    shortcut: Polynomial = field(default_factory=lambda: Polynomial({}))
    curves: Mapping[str, tuple[Curve, str]] = field(default_factory=dict, repr=False)
    sources: Mapping[str, Source] = field(default_factory=dict, repr=False)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of its terms, curves and blocks among them."""
        polynomials = [*(term.polynomial for term in self.head_terms), self.shortcut]
        return tuple(dict.fromkeys(name for polynomial in polynomials for name in polynomial.variables))

    @property
    def itself(self) -> Polynomial:
        """Its utility as a variable of what lies above."""
        return Polynomial({((self.name, 1),): 1.0})

    def terms_of(self, role: str) -> tuple[HeadTerm, ...]:
        """The terms of one head: ``"utility"``, ``"inequality"`` or ``"equality"``."""
        return tuple(term for term in self.head_terms if term.head.role == role)

    def plain_variable(self, name: str) -> str:
        """The column that a curve is a function of; any other variable is its own."""
        return self.curves[name][1] if name in self.curves else name

    def column_of(self, name: str) -> str:
        """The user's column behind a variable: of a curve, a level or an indicator of missing values, or itself."""
        variable = self.plain_variable(name)
        return self.sources[variable].column if variable in self.sources else variable

    def renamed(self, names: Mapping[str, str]) -> "Block":
        """The same block with other names for itself and the blocks that it sees."""
        return replace(
            self,
            name=names.get(self.name, self.name),
            head_terms=tuple(term.renamed(names) for term in self.head_terms),
            standard_deviations={names.get(name, name): sd for name, sd in self.standard_deviations.items()},
            shortcut=self.shortcut.renamed(names),
        )


@dataclass(frozen=True)
class Problem:
    """Layers of blocks: each block sees the utilities of blocks below as its variables (Eq. 5).

    Attributes
    ----------
    layers : from the data upwards; a single block is one layer of one.
    outputs : name of each output and its polynomial in the blocks of the top layer; one for scalar utility.
    response : the names that stand for y.
    """

    layers: tuple[tuple[Block, ...], ...]
    outputs: Mapping[str, Polynomial]
    response: tuple[str, ...]

    @property
    def blocks(self) -> dict[str, Block]:
        """Every block by its name, from the data upwards."""
        return {block.name: block for layer in self.layers for block in layer}

    @property
    def downwards(self) -> list[Block]:
        """Every block as a reader meets it: the top layer first."""
        return [block for layer in reversed(self.layers) for block in layer]

    @property
    def chooses(self) -> bool:
        """Whether the response is a variable of the blocks, rather than one output per class."""
        return bool(self.layers[0][0].response)

    @property
    def response_curves(self) -> dict[str, tuple[Curve, str]]:
        """By name, the curves of the response that blocks read, with the response that each is a function of."""
        curves = {name: curve for block in self.blocks.values() for name, curve in block.curves.items()}
        return {name: curve for name, curve in curves.items() if curve[1] in self.response}

    @property
    def readouts(self) -> Mapping[str, Polynomial]:
        """The outputs that are sums of blocks; none where the problem is a single block."""
        first = self.layers[0][0]
        alone = len(self.blocks) == 1 and all(
            output.monomials == first.itself.monomials and not output.constant for output in self.outputs.values()
        )
        return {} if alone else self.outputs
