"""A learned model as a value: what it is, how it was learned, and the rows it was learned from.

Everything that can be asked of it is a function of it, in the other modules of this folder.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.averaging import member_of
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Space
from behavior_learning.encoding import TableEncoder, aligned, as_table, in_pandas
from behavior_learning.errors import DataError
from behavior_learning.explanation.legend import Legend
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.columns import Columns, columns_of
from behavior_learning.learned.records import StandardDeviations, standard_deviations
from behavior_learning.objectives import Objective
from behavior_learning.options import Option
from behavior_learning.responses import Response
from behavior_learning.symbolic.facade import LearnedProblem, check_renaming
from behavior_learning.symbolic.read import read_problem
from behavior_learning.training.settings import Initialization, Settings

__all__ = ["LearnedModel", "Procedure", "Recipe", "Rows", "TrainingRows", "in_single", "sampled"]

PREDICTION_REFINEMENT = 4
"""Prediction spends so many times the candidates of training: quantiles interpolate between them."""

KEPT_ROWS = 10_000
"""Rows at most that stay with a model that was learned from parts of them."""

Rows = tuple[np.ndarray, np.ndarray]
"""Encoded (x, y)."""


@dataclass(frozen=True)
class Recipe(Option):
    """How to fit such a network: what `stability` and `prune` need to do it again.

    Attributes
    ----------
    settings : of training.
    validation_fraction : share of the rows that is held out.
    temperature : τ in training.
    initialization : from how many networks training starts, and where they are drawn.
    """

    settings: Settings
    validation_fraction: float
    temperature: float
    initialization: Initialization


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of a fit.

    Attributes
    ----------
    x, y : encoded, in double precision; x of more than 2²⁴ numbers as training takes it, in single precision.
    held_out : which of them validated.
    weight : of each row, where rows had any; rows of weight 0 are left out.
    of : how many rows trained, where these are a sample of a stream.
    """

    x: np.ndarray
    y: np.ndarray
    held_out: np.ndarray
    weight: np.ndarray | None = None
    of: int | None = None


def sampled(before: TrainingRows | None, more: TrainingRows, random: np.random.RandomState) -> TrainingRows:
    """Rows that have trained and more of them: all, or a random sample of `KEPT_ROWS`."""
    if before is None:
        before = TrainingRows(more.x[:0], more.y[:0], more.held_out[:0])
    seen = len(before.x) if before.of is None else before.of
    both = [(rows.x, rows.y, np.ones(len(rows.x)) if rows.weight is None else rows.weight) for rows in (before, more)]
    count = seen + len(more.x)
    if count > KEPT_ROWS:
        new = int(random.hypergeometric(len(more.x), seen, KEPT_ROWS))
        orders = [
            random.permutation(len(part[0]))[:size] for part, size in zip(both, (KEPT_ROWS - new, new), strict=True)
        ]
        both = [tuple(column[order] for column in part) for part, order in zip(both, orders, strict=True)]
    x, y, weight = (np.concatenate(columns) for columns in zip(*both, strict=True))
    weighted = before.weight is not None or more.weight is not None
    of = count if count > len(x) else None
    return TrainingRows(x, y, np.zeros(len(x), bool), weight if weighted else None, of)


class Procedure(Protocol):
    """How a model was made, selection included: makes it again from other rows."""

    def __call__(self, model: "LearnedModel", rows: TrainingRows, rng: np.random.Generator) -> "LearnedModel":
        """The model with its encoding and options, made anew.

        Raises
        ------
        ConvergenceError
            If no parameters are found.
        """
        ...


@dataclass(frozen=True, eq=False, repr=False)
class LearnedModel:
    """A behaviour network between a user's table and a user's response.

    Attributes
    ----------
    network : BL, on standardised columns.
    encoder, response : from the user's columns to arrays and back.
    objective : what training minimised, with the candidates it ended with; it knows the space of y.
    temperature : τ, that of training or of a later calibration.
    recipe : how it was fitted.
    rows : what it was fitted to; absent in a model from a file.
    block_names : names that the user gave to blocks, by the original ones.
    legend : what the user said of columns.
    history, restarts : losses by epoch, and the outcome of every start.
    known_deviations : what printing goes by, where it is not to be computed from the rows.
    procedure : how it was made; None for a fit of a network of its own shape.
    l2 : ridge of all rows together at whose optimum the network is; None where training stopped early.
    biases : of the readout of every network whose mean `network` is; none where it is one network.
    refitted : networks of refits, kept by what they depend on; another model starts without.
    """

    network: BehaviorNetwork
    encoder: TableEncoder
    response: Response
    objective: Objective
    temperature: float
    recipe: Recipe
    rows: TrainingRows | None
    block_names: Mapping[str, str] = field(default_factory=dict)
    legend: Legend = field(default_factory=Legend)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    restarts: pd.DataFrame = field(default_factory=pd.DataFrame)
    known_deviations: StandardDeviations | None = None
    procedure: Procedure | None = None
    l2: float | None = None
    biases: tuple[tuple[float, ...], ...] = ()
    refitted: dict[Hashable, tuple[BehaviorNetwork, ...]] = field(default_factory=dict, init=False)

    @property
    def space(self) -> Space:
        return self.objective.space

    @property
    def vector(self) -> bool:
        """Whether blocks see x only."""
        return self.network.architecture.output == "vector"

    @property
    def columns(self) -> Columns:
        return columns_of(self.encoder, self.response)

    @cached_property
    def problem(self) -> LearnedProblem:
        """The learned problem in the user's names and units."""
        deviations = self.deviations
        problem = read_problem(
            self.network,
            inputs=self.encoder.variables,
            response=self.response.variables,
            curve_standard_deviations=deviations.of_functions,
            block_standard_deviations=deviations.of_blocks,
        )
        return problem.renamed(self.block_names)

    def printed_terms(self, network: BehaviorNetwork) -> int:
        """How many terms the rows and readouts of a network of the same columns have in the user's units.

        A product of standardised columns is up to four terms of the table's.
        """
        problem = read_problem(
            network,
            inputs=self.encoder.variables,
            response=self.response.variables,
            curve_standard_deviations=[1.0] * len(network.basis.x_functions + network.basis.y_functions),
            block_standard_deviations=[[1.0] * width for width in network.architecture.layers],
        )
        rows = [term.polynomial for block in problem.blocks.values() for term in block.head_terms]
        return sum(len(polynomial.monomials) for polynomial in (*rows, *problem.readouts.values()))

    @cached_property
    def deviations(self) -> StandardDeviations:
        """What printing goes by, over the training rows; a fit does not wait for it."""
        if self.known_deviations is not None:
            return self.known_deviations
        train = ~self.training_rows("problem").held_out
        x, y = in_single(self.given_rows("problem"))
        return standard_deviations(self.network, self.space, x[train], y[train])

    @property
    def members(self) -> int:
        """Of how many networks it is the mean."""
        return max(1, len(self.biases))

    def member(self, number: int) -> "LearnedModel":
        """One of the models whose mean this is, counted from 0 by held-out loss."""
        if self.members == 1:
            return self
        known, network = self.known_deviations, member_of(self.network, number, self.biases)
        if known is not None:
            blocks = [
                layer[number * w : (number + 1) * w]
                for layer, w in zip(known.of_blocks, network.architecture.layers, strict=True)
            ]
            known = known._replace(of_blocks=blocks)
        own = {
            f"block{layer}.{number * w + i}": f"block{layer}.{i}"
            for layer, w in enumerate(network.architecture.layers, 1)
            for i in range(1, w + 1)
        }
        names = {own[old]: new for old, new in self.block_names.items() if old in own}
        return replace(self, network=network, block_names=names, known_deviations=known, procedure=None, biases=())

    def renamed(self, names: Mapping[str, str]) -> "LearnedModel":
        """The same model with other names for blocks, by their present or original ones.

        Raises
        ------
        OptionError
            If a name is no block's, or a new name is that of another block or column.
        """
        check_renaming(names)
        original = {new: old for old, new in self.block_names.items()}
        kept = {old: new for old, new in self.block_names.items() if old not in names and new not in names}
        again = replace(self, block_names=kept | {original.get(old, old): new for old, new in names.items()})
        _ = again.problem
        return again

    def described(self, descriptions: Mapping[str, str], themes: Mapping[str, Sequence[str]]) -> "LearnedModel":
        """The same model with what columns of x and y mean.

        Raises
        ------
        OptionError
            If a column is not there, has two themes, or a description is no text.
        """
        columns = [*self.encoder.names, *dict.fromkeys(part.name for part in self.response.components)]
        return replace(self, legend=Legend.of(descriptions, themes, columns))

    def gibbs(self, temperature: float | None = None) -> Gibbs:
        """p_τ(y|x) on encoded columns, at another τ where one is given."""
        return self._gibbs if temperature is None else replace(self._gibbs, temperature=np.float32(temperature))

    @cached_property
    def _gibbs(self) -> Gibbs:
        return Gibbs(self.network, self.space.refined(PREDICTION_REFINEMENT), np.float32(self.temperature))

    # Rows.

    def table(self, X: Any) -> pd.DataFrame:
        """X with the columns of the training table in their order; an array takes their names.

        Raises
        ------
        DataError
            If X lacks a column.
        """
        X = in_pandas(X)
        table, names = as_table(X), self.encoder.names
        if isinstance(X, pd.DataFrame):
            return aligned(table, names)
        if table.shape[1] != len(names):
            raise DataError(
                f"X has {table.shape[1]} features, but {type(self).__name__} is expecting {len(names)} features as "
                "input."
            )
        return table.set_axis(list(names), axis=1)

    def inputs(self, X: Any) -> np.ndarray:
        """x of a table, in the precision of training; no columns where there is no x, as many rows as X has."""
        if not self.encoder.columns:
            return np.zeros((len(X), 0), np.float32)
        plain = self.encoder.plain(X, np.float32)
        return self.encoder(self.table(X), np.float32) if plain is None else plain

    def responses(self, y: Any, rows: int, dtype: type = np.float32) -> np.ndarray:
        """Encoded responses."""
        return self.response.encode(self.response.values(y, rows), dtype)

    def candidates(self, encoded_y: np.ndarray) -> np.ndarray:
        """Encoded responses as candidates (n, m), in double precision."""
        with jax.enable_x64(True):
            return np.asarray(self.space.candidates(self.space.points(jnp.asarray(encoded_y))), float)

    def training_rows(self, asked: str) -> TrainingRows:
        """The rows of the fit.

        Raises
        ------
        DataError
            If the model comes from a file.
        """
        if self.rows is None:
            raise DataError(f"This model was loaded from a file, which holds no rows. Pass X and y to {asked}().")
        return self.rows

    def given_rows(self, asked: str, X: Any = None, y: Any = None) -> Rows:
        """The given rows, encoded in double precision, or those of the fit as they are kept.

        Parameters
        ----------
        asked : the method that asks, for messages.

        Raises
        ------
        DataError
            If only one of X and y is given, or neither and the model comes from a file.
        """
        if X is None and y is None:
            rows = self.training_rows(asked)
            return rows.x, rows.y
        if X is None or y is None:
            raise DataError(f"{asked}() needs both X and y, or neither; got {'X' if y is None else 'y'} alone.")
        x = self.encoder(self.table(X)) if self.encoder.columns else np.zeros((len(X), 0))
        return x, self.responses(y, len(x), float)


def in_single(rows: Rows) -> Rows:
    """Encoded (x, y) in the precision of training; codes of classes stay whole numbers."""
    x, y = rows
    return x.astype(np.float32), y.astype(np.float32) if y.dtype.kind == "f" else y


def some_rows(rows: Rows, most: int) -> Rows:
    """At most so many rows, evenly spaced."""
    count = len(rows[0])
    chosen = np.arange(min(count, most)) * count // min(count, most)
    return rows[0][chosen], rows[1][chosen]
