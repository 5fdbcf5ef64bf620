"""What every estimator shares: hyperparameters, and the way from a table to a fitted network."""

from abc import abstractmethod
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from types import SimpleNamespace
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from sklearn.utils import check_random_state

from behavior_learning.caching import keep_programs, let_go_of_programs
from behavior_learning.core.architecture import Aggregation, Multipliers, Output, Skip
from behavior_learning.core.basis_families import BasisFamily, check_basis
from behavior_learning.devices import suited
from behavior_learning.encoding import TableEncoder, as_table, in_pandas
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.fitted import FittedEstimator
from behavior_learning.estimators.groups import split_by_groups
from behavior_learning.estimators.learning import Learned, Task, chosen_by_pilots, learned
from behavior_learning.estimators.on_dask import fit_by_workers
from behavior_learning.estimators.rows import EncodedRows, ReadRows, check_inside, is_named, uncopied, with_columns
from behavior_learning.estimators.structure import (
    FEW_ROWS,
    LINEAR,
    MANY_ROWS,
    SHAPING,
    as_plainer,
    averages,
    by_curves,
    draws_curves,
    for_many_rows,
    kinds_of_curves,
    left_open,
    make_architecture,
)
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.columns import columns_of
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, some_rows
from behavior_learning.learned.outcome import examine_fit, loss_of_plainer, say_plainer
from behavior_learning.learned.polish import linear_of_all_rows
from behavior_learning.learned.predictive import of_inputs
from behavior_learning.mesh import from_first
from behavior_learning.objectives import OBJECTIVES, Objective
from behavior_learning.options import (
    Option,
    as_seed,
    check_choice,
    check_count,
    check_number,
    check_option,
    check_sequence,
    checked_parameter,
    checked_parameters,
    parameter,
    to_plain,
)
from behavior_learning.responses import Response
from behavior_learning.responses.columns import check_distinct, free_name
from behavior_learning.specification import UMP
from behavior_learning.streams import Opened, Stream
from behavior_learning.training.checkpoint import Checkpoint
from behavior_learning.training.minimize import Progress
from behavior_learning.training.optimizers import OPTIMIZERS, Adam, Optimizer
from behavior_learning.training.settings import Initialization, Penalty, check_starts
from behavior_learning.training.weights import check_weights

__all__ = ["BehaviorEstimator"]

EXAMINED_ROWS = 1_000
"""Training rows at which a response looks at the fitted distribution."""

OPTIMIZERS_OR_AUTO: ChainMap[str, type[Optimizer]] = ChainMap({"auto": Adam}, OPTIMIZERS)


@dataclass(kw_only=True, eq=False, repr=False)
class BehaviorEstimator(FittedEstimator):
    """Hyperparameters and behaviour common to all estimators; see BLRegressor and BLClassifier."""

    layers: Sequence[int] | None = None
    structure: UMP | Sequence[UMP] | None = None
    n_terms: Sequence[int] = parameter((1, 1, 1), check_sequence, example="(1, 1, 1)")
    heads: Sequence[str | None] | str = "auto"
    basis: BasisFamily | str = parameter("auto", check_basis)
    degrees: Any = None
    extra_terms: Sequence[str] = parameter((), check_sequence, example='["RM:MEDV"]')
    skip: str | None = parameter(None, check_choice, valid=(None, *get_args(Skip)))
    multipliers: str = parameter("nonnegative", check_choice, valid=get_args(Multipliers))
    aggregation: str = parameter("free", check_choice, valid=get_args(Aggregation))
    readout: str = "auto"
    identifiable: bool | str = parameter(False, check_choice, valid=(False, True, "pure_x"))
    temperature: float = parameter(1.0, check_number)
    objective: Objective | str = parameter("likelihood", check_option, kinds=OBJECTIVES)
    optimizer: Optimizer | str = parameter("auto", check_option, kinds=OPTIMIZERS_OR_AUTO)
    penalty: Penalty | str = parameter("ridge", check_option, kinds={"ridge": Penalty})
    max_epochs: int = parameter(500, check_count)
    patience: int = parameter(40, check_count)
    validation_fraction: float = parameter(0.2, check_number, below=1.0)
    n_restarts: int | Initialization | str = parameter("auto", check_starts)
    average: bool | str = parameter("auto", check_choice, valid=("auto", False, True))
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    warm_start: bool = parameter(False, check_choice, valid=(False, True))
    verbose: bool = False

    @property
    def _output(self) -> Output:
        return "scalar"

    def set_params(self, **params: Any) -> Self:
        """Set hyperparameters by name, and those of options as ``basis__knots``; options are replaced, not changed."""
        nested = {path: value for path, value in params.items() if "__" in path}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for path, value in nested.items():
            name, _, inner = path.partition("__")
            if name not in self.get_params(deep=False):
                super().set_params(**{path: value})
            setattr(self, name, self._option(name).with_params(**{inner: value}))
        return self

    def _option(self, name: str) -> Option:
        """A hyperparameter that is an option or the short name of one."""
        value = getattr(self, name)
        value = checked_parameter(self, name) if isinstance(value, str) else value
        if not isinstance(value, Option):
            raise OptionError(f"{name}={value!r} has no parameters of its own. Set {name} to an option that has first.")
        return value

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, ...] | None = None,
        target: str | Sequence[str] | None = None,
        weights: str | None = None,
        progress: Progress | None = None,
        on_interrupt: str = "raise",
        checkpoint: Checkpoint | str | PathLike[str] | None = None,
        client: Any = None,
    ):
        """Learn the optimisation problem behind y given X.

        Parameters
        ----------
        X : DataFrame, array or list of rows; numbers, booleans and text; NaN or None where missing. With `target`, rows
            that need not fit in memory: a path such as ``"folder/*.parquet"``, files, a ``pyarrow.dataset``, a function
            that returns tables, or a ``bl.Stream`` of one of these.
        y : one response per row.
        sample_weight : how often each row counts, up to a common factor, in training, in stopping and in the choice of
            the best start; rows of weight 0 are left out. Columns are standardised without weights, and the ridge is
            that of the number of rows.
        groups : a label per row, such as its day or its household, where rows of one group resemble each other and rows
            of others are to be told. A group validates as a whole, or trains. No column of X: one that stands in both
            is learned from too. Effects and refits draw rows all the same.
        validation_data : (X, y) or (X, y, sample_weight) that decides when to stop, which restart wins and, where that
            is left open, how fine curves are. By default a random share `validation_fraction` of the rows; the
            remaining rows train.
        target, weights : of a stream, the columns to learn and the one that says how often a row counts, in place of
            y and `sample_weight`. The rows are read once for scales, levels and ends, and then again and again to
            train; an epoch is a window of ``bl.Stream(window=...)`` rows. Which rows validate a hash of their place
            decides. `model_.rows` is a sample.
        progress : called with the epochs done and the best validation loss so far; where it returns True, training ends
            with the best so far. Pilots, see `basis`, count no epochs.
        on_interrupt : what Ctrl-C does: ``"raise"`` leaves the estimator as it was, ``"keep"`` ends training with the
            best so far.
        checkpoint : a folder, or a ``bl.Checkpoint``, in which training is kept every few minutes; a process that was
            killed goes on from there when the same is called again. Needs a `random_state`.
        client : of a Dask cluster, whose workers fit together; X is a Dask DataFrame or a stream that all can read.

        Raises
        ------
        OptionError
            If a hyperparameter has an invalid value.
        DataError
            If the table, the response or the weights cannot be learned from.
        """
        keep = check_choice("on_interrupt", on_interrupt, ("raise", "keep")) == "keep"
        if client is not None:
            own = {"sample_weight": sample_weight, "groups": groups, "validation_data": validation_data}
            self._check_streamed(y=y, progress=progress, **own)
            how = {"target": target, "weights": weights, "checkpoint": checkpoint}
            self.__dict__.update(vars(fit_by_workers(self, client, X, how)))
            return self
        keep_programs()
        let_go_of_programs()
        chosen = SimpleNamespace(**checked_parameters(self))
        random = from_first(lambda: check_random_state(as_seed(self.random_state)))  # Drawn alike by all processes.
        kept, present = self._checkpoint(checkpoint), self._present(target)
        stream = self._opened(X, y, sample_weight, groups, validation_data, target, weights, chosen.validation_fraction)
        if stream is not None:
            (X, y, sample_weight), validation_data = stream.train, stream.held_out
        X, y = in_pandas(X), in_pandas(y)
        response, rows, train, held_out = self._split_rows(
            X, y, sample_weight, groups, validation_data, chosen.validation_fraction, random, present
        )
        alone = not (chosen.average is True or stream or kept or present)
        plain, size = alone and left_open(chosen) and self._has_linear(response), (len(train), rows.table.shape[1])
        if chosen.average == "auto":
            several = plain and averages(chosen, self, *size, labels=response.labelled)
            chosen.average = several if present is None else present.members > 1
        asked = chosen
        chosen = self._suited(asked, response, *size, stream is not None, present)
        if present is not None and self.penalty == "ridge":
            chosen.penalty = replace(chosen.penalty, dropout=present.recipe.settings.penalty.dropout)
        others = {"penalties that make zeros": chosen.penalty.sparse, "streams": stream, "checkpoints": kept}
        given = [name for name, value in others.items() if value]
        if chosen.average and given:
            raise OptionError(f"average=True is not for {given[0]}. Leave average at False, or do without.")
        turns = chosen.average and validation_data is None
        seen = np.arange(len(rows.table)) if turns else train
        encoded = self._encoded(rows, response, train, seen, stream, present)
        encoded.check_alike()
        make = lambda chosen: make_architecture(chosen, self._output, self)
        task = Task(rows, encoded, train, held_out, stream, present, turns, kept, progress, self.verbose, keep, make)
        kinds = kinds_of_curves(chosen, self, len(train), len(held_out), response.labelled) if present is None else [{}]
        with suited(0):  # Training in it goes elsewhere where that pays.
            if len(kinds) > 1:
                kinds, task = chosen_by_pilots(kinds, chosen, task, random)
                chosen = SimpleNamespace(**vars(chosen) | kinds[0])
            found = learned(chosen, task, random, kinds if chosen.average else kinds[:1])
            if plain and chosen.heads == "auto":
                found = self._ahead_of_plainer(found, asked, chosen, task, random)
            model, loss, _ = found
        self._adopt(model, named=is_named(X))
        bears, ahead = plain or chosen.average or present is not None, plain and self.model_.members > 1
        examine_fit(self.model_, loss, bears=bears, ahead=ahead)
        one_optimum = self.model_.network.architecture.heads in LINEAR.values() and self.model_.objective.likelihood
        if plain and one_optimum and validation_data is None:
            with suited(0):
                self.model_ = linear_of_all_rows(self.model_)
        looked, _ = some_rows((train, train), EXAMINED_ROWS)
        encoded.response.examine(of_inputs(self.model_, encoded.x[looked]))
        return self

    def _present(self, target: Any = None) -> LearnedModel | None:
        """The model that a warm start goes on from; None where the fit begins anew."""
        if not self.warm_start or not hasattr(self, "model_"):
            return None
        if target is not None:
            raise OptionError("warm_start=True is of rows in memory. Fit the stream with warm_start=False.")
        changed = [name for name, value in self._shape.items() if value != to_plain(getattr(self, name))]
        if changed:
            raise OptionError(
                f"warm_start=True goes on with the present model, and {changed[0]}={getattr(self, changed[0])!r} is of "
                f"another; it was {self._shape[changed[0]]!r}. Set it back, or warm_start=False."
            )
        return self.model_

    def _adopt(self, model: LearnedModel, *, named: bool) -> None:
        super()._adopt(model, named=named)
        self._shape = {name: to_plain(getattr(self, name)) for name in SHAPING if hasattr(self, name)}

    def _checkpoint(self, given: Checkpoint | str | PathLike[str] | None) -> Checkpoint | None:
        if given is not None and self.random_state is None:
            raise OptionError("checkpoint= needs random_state=, so that training begins alike when it is called again.")
        return Checkpoint(given) if isinstance(given, (str, PathLike)) else given

    def _opened(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        validation_data: Any,
        target: str | Sequence[str] | None,
        weights: str | None,
        fraction: float,
    ) -> Opened | None:
        """The stream that X is, read once; None where the rows are in memory."""
        if target is None:
            if y is None and isinstance(X, (str, PathLike, Stream)):
                name = str(X)[:80]
                raise DataError(f"{name!r} is a stream of rows. Name the column to learn: fit(stream, target='price').")
            return None
        self._check_streamed(y=y, sample_weight=sample_weight, groups=groups, validation_data=validation_data)
        return Opened.read(X, target, weights, labelled=self._stated_response(None).labelled, fraction=fraction)

    def _ahead_of_plainer(
        self, found: Learned, asked: Any, chosen: Any, task: Task, random: np.random.RandomState
    ) -> Learned:
        """What was learned, or a plainer problem where it is not ahead of that on rows that were held out."""
        plainer = self._plainer(asked, chosen, task.encoded.response, len(task.train))
        additive = plainer.basis is not asked.basis
        allowed = loss_of_plainer(*found, additive=additive, group=task.rows.group)
        other = None if allowed is None else learned(plainer, task, random)
        if allowed is None or other is None or other.loss > allowed:
            return found
        say_plainer(found.loss, other.loss, additive=additive)
        return other

    def _suited(
        self, chosen: Any, response: Response, rows: int, columns: int, streamed: bool, present: LearnedModel | None
    ) -> Any:
        """The checked hyperparameters, where they were left open those that suit so many training rows and columns."""
        labels, has_linear = response.labelled, self._has_linear(response)
        if chosen.average and has_linear:
            return by_curves(chosen, self, rows, columns, labels)
        if rows < FEW_ROWS and has_linear and present is None:
            return self._plainer(chosen, chosen, response, rows) if left_open(chosen) else chosen
        if has_linear and present is None and not streamed and draws_curves(chosen, self, columns):
            return by_curves(chosen, self, rows, columns, labels)
        if rows >= MANY_ROWS and labels and self.optimizer == "auto" and not streamed:
            return for_many_rows(chosen, rows)
        return chosen

    def _has_linear(self, response: Response) -> bool:
        """Whether a linear problem of the response stands beside the default one."""
        return response.short_name == "numbers" or (response.short_name == "classes" and self._output == "vector")

    def _plainer(self, asked: Any, chosen: Any, response: Response, rows: int) -> Any:
        classes = None if response.levels is None else len(response.levels)
        return as_plainer(asked, chosen, self.penalty, rows, classes)

    def _encoded(
        self,
        rows: ReadRows,
        response: Response,
        train: np.ndarray,
        seen: np.ndarray,
        stream: Opened | None,
        present: LearnedModel | None,
    ) -> EncodedRows:
        """The rows as a network takes them, by scales, levels and ends of those that were seen, or the present ones."""
        if present is not None:
            encoder = present.encoder
            check_inside(response, rows.values)
        else:
            encoder, response = TableEncoder.learn(rows.table, uncopied(seen)), response.learn(rows.values, seen)
            encoder = encoder if stream is None else stream.survey.exact(encoder)
            basis = checked_parameter(self, "basis")
            encoder = encoder.with_common_scale() if basis != "auto" and basis.one_unit else encoder
        columns = columns_of(encoder, response)
        check_distinct([part.name for part in response.components], columns.y, (*encoder.names, *columns.x))
        weight = self._row_weights(rows.weight, response, rows.values, train)
        x, y = encoder(rows.table, np.float32), response.encode(rows.values)
        return EncodedRows(encoder, response, columns, x, y, weight)

    def _split_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        validation_data: Any,
        fraction: float,
        random: np.random.RandomState,
        present: LearnedModel | None,
    ) -> tuple[Response, ReadRows, np.ndarray, np.ndarray]:
        """The response and the rows as read, and which of them train and which validate."""
        response, rows = self._read(X, y, sample_weight, present, groups)
        if validation_data is None and rows.group is not None:
            parts = split_by_groups(rows.group, response.must_train(rows.values), fraction, random)
            return response, rows, *parts
        if validation_data is None:
            return response, rows, *response.split(rows.values, fraction, random)
        if groups is not None:
            raise DataError(
                "groups say which rows validate together, and validation_data names them. Give one of them."
            )
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            kind = type(validation_data).__name__
            raise DataError(f"validation_data must be a pair (X, y), or (X, y, sample_weight); got {kind}.")
        given, more, *weight = map(in_pandas, validation_data)
        names = [str(name) for name in rows.table.columns]
        table = with_columns(self._features(given), given, names, "validation_data")
        below = ReadRows.of(table, response.values(more, len(table)), *weight)
        count, both = len(rows.table), rows.above(below)
        return response, both, np.arange(count), np.arange(count, len(both.table))

    def _read(
        self, X: Any, y: Any, sample_weight: Any, present: LearnedModel | None, groups: Any = None
    ) -> tuple[Response, ReadRows]:
        """The response and the rows as read: anew, or as the present model reads them."""
        table = self._features(X)
        if present is not None:
            table = with_columns(table, X, present.encoder.names, "fit")
            return present.response, ReadRows.of(table, present.response.values(y, len(table)), sample_weight, groups)
        response, values = self._stated_response(y).read(y, len(table))
        self._check_read(response)
        if not response.several:
            response = replace(response, name=free_name(y, response.name, table))
        return response, ReadRows.of(table, values, sample_weight, groups)

    # What differs between estimators.

    def _features(self, X: Any) -> pd.DataFrame:
        return as_table(X)

    @abstractmethod
    def _stated_response(self, y: Any) -> Response:
        """What y is to be read as.

        Raises
        ------
        OptionError
            If the estimator cannot hold the response that is asked for.
        """

    def _check_read(self, response: Response) -> None:
        """Refuse responses that belong to another estimator, once their values are known."""

    def _check_streamed(self, **given: Any) -> None:
        """Refuse what cannot be said of a stream."""
        stated = [name for name, value in given.items() if value is not None]
        if stated:
            raise DataError(
                f"With target= the rows come from a stream, which holds all that belongs to them; got {stated[0]}=. "
                "Name columns of the stream with target= and weights=."
            )

    def _row_weights(
        self, weight: np.ndarray | None, response: Response, values: np.ndarray, train: np.ndarray
    ) -> np.ndarray | None:
        """How often each row counts; None where all count the same."""
        return weight

    def calibrate(self, X: Any, y: Any, *, sample_weight: Any = None):
        """Set τ to the value that makes the given rows most likely, all else as fitted (temperature scaling).

        Use rows that the fit has not seen: for classes it mends probabilities that are too sure or not sure enough.
        `sample_weight` says how often each of them counts.

        Source: Guo et al. (2017).

        Raises
        ------
        DataError
            If a response is impossible at every temperature, outside the support.
        """
        model = self._fitted
        x = model.inputs(X)
        rows = x, model.responses(y, len(x))
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        impossible = ~np.isfinite(by_rows(Gibbs.log_prob, model.gibbs(), rows))
        if impossible.any():
            raise DataError(
                f"Calibration needs responses inside the support; {impossible.sum()} of {len(x)} rows are outside, the "
                f"first of them row {int(np.argmax(impossible))}. Drop them."
            )

        def loss(scale: float) -> float:
            return -float(np.average(by_rows(Gibbs.log_prob, model.gibbs(np.exp(scale)), rows), weights=weight))

        at = np.log(model.temperature)
        best = minimize_scalar(loss, bracket=(at - 0.5, at + 0.5), tol=1e-4).x
        self.model_ = replace(model, temperature=float(np.exp(best)))
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
