"""Which layers, widths or other hyperparameters: candidates compared by cross-validated loss."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice, product
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing

from behavior_learning.encoding import as_table
from behavior_learning.errors import BLError, DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.groups import check_groups
from behavior_learning.files import write_whole
from behavior_learning.learned.model import in_single
from behavior_learning.options import check_choice, check_count, check_seed, is_number
from behavior_learning.training.checkpoint import fingerprint
from behavior_learning.training.fit import row_losses
from behavior_learning.training.multistart import in_turn
from behavior_learning.training.weights import standard_error

__all__ = ["SearchResult", "search"]

LAYERS = ((1,), (2, 1), (5, 1), (5, 3, 1), (8,), (16, 4))
"""Layers that are compared where no space is given."""

ROUNDS, FACTOR = 4, 3
"""Rounds of successive halving, and the factor between them: of epochs upwards, of candidates downwards."""

PARTS = 5
"""Parts that the rows fall into where only one of them is held out."""

Choice = dict[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """Candidates and the best of them.

    Attributes
    ----------
    table : a line per candidate, best first: its hyperparameters; `loss` per held-out row and its standard error over
        rows; `behind`, its distance to the best, with the standard error of that; n_parameters. Candidates that could
        not be fitted come last, with the reason in `error`. After successive halving, `round` is the last that a
        candidate took part in; losses of earlier rounds are those of briefer fits.
    best : the estimator with the first line's hyperparameters, fitted to all rows.
    """

    table: pd.DataFrame
    best: BehaviorEstimator


def search(
    estimator: BehaviorEstimator,
    X: Any,
    y: Any = None,
    space: Mapping[str, Any] | None = None,
    *,
    method: str = "grid",
    trials: int = 20,
    folds: int = 3,
    random_state: int = 0,
    checkpoint: str | PathLike[str] | None = None,
    groups: Any = None,
) -> SearchResult:
    """Compare hyperparameters by cross-validated loss, and fit the best to all rows.

    Every candidate is fitted without each fold, with `n_restarts` seeds side by side in one compiled program that all
    folds share, and judged on the fold. Each fit holds rows of its own out to decide when to stop.

    Parameters
    ----------
    estimator : what is not searched for; it stays as it is.
    X, y : the rows, as `fit` takes them.
    space : for each hyperparameter a list of choices, or for every `method` but ``"grid"`` also a pair (low, high) of
        positive numbers, searched on a logarithmic scale. By default `layers`: single problems, two layers and three.
    method : ``"grid"`` tries every combination, ``"random"`` draws `trials` of them, ``"halving"`` draws as many, fits
        them for a 27th of `max_epochs`, and the best third again for three times as long, up to `max_epochs`
        (successive halving, Jamieson and Talwalkar 2016), ``"optuna"`` lets Optuna (extra ``[search]``) choose them one
        after the other.
    folds : parts that are held out in turn; with 1, a single fifth of the rows is.
    random_state : seed of folds and draws.
    checkpoint : a folder that keeps what every candidate came to. The same search called again, after a process that
        was ended, does not fit those again; a wider space does not either.
    groups : a label per row, as `fit` takes it: folds consist of whole groups, and standard errors are of groups.

    Raises
    ------
    OptionError
        If an option is invalid, or Optuna is asked for and not installed.
    DataError
        If there are too few rows, no candidate can be fitted, or the folder cannot be written to or is damaged.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(max_epochs=5, n_restarts=1, random_state=0)
    >>> found = bl.search(reg, X[["RM", "LSTAT"]], y, {"layers": [(1,), (2, 1)]}, folds=2)
    >>> found.table["layers"].tolist() == [found.best.layers, *({(1,), (2, 1)} - {found.best.layers})]
    True
    """
    check_choice("method", method, ("grid", "random", "halving", "optuna"))
    checked = _space(estimator, {"layers": list(LAYERS)} if space is None else space, method)
    seed, count = check_seed("random_state", random_state), check_count("trials", trials)
    _check_rows(estimator, X, y)
    group = None if groups is None else check_groups(groups, len(X))
    parts = list(_folds(estimator, X, y, check_count("folds", folds), seed, group))
    judging = None if group is None else group[np.concatenate([held_out for _, held_out in parts])]
    judged: list[_Judged] = []

    kept = None if checkpoint is None else _Kept.of(checkpoint, estimator, X, y, (parts, group), seed)

    def judge_one(candidate: BehaviorEstimator, choice: Choice) -> _Judged:
        find = lambda: _judge(candidate, choice, X, y, parts, seed, group)
        return replace(find() if kept is None else kept.judged(candidate, choice, find), group=judging)

    def judge(choice: Choice) -> float:
        judged.append(judge_one(estimator, choice))
        return judged[-1].loss

    if method == "halving":
        judged = _halving(estimator, checked, judge_one, count, seed)
    elif method == "optuna":
        _optuna(checked, judge, count, seed)
    else:
        grid = (dict(zip(checked, values, strict=True)) for values in product(*checked.values()))
        for choice in grid if method == "grid" else _drawn(checked, count, seed):
            judge(choice)
    ranked = sorted(judged, key=lambda one: (-one.round, one.loss))
    if not np.isfinite(ranked[0].loss):
        raise DataError(f"No candidate could be fitted. The first one says: {ranked[0].error}")
    best = clone(estimator).set_params(**ranked[0].choice)
    return SearchResult(_table(ranked), best.fit(*([X] if y is None else [X, y]), groups=groups))


class _OneOf(tuple[Any, ...]):
    """The choices of a hyperparameter."""

    def drawn(self, random: np.random.Generator) -> Any:
        return self[random.integers(len(self))]

    def suggested(self, trial: Any, name: str) -> Any:
        """Asked for by position, since Optuna takes plain values only."""
        return self[trial.suggest_categorical(name, list(range(len(self))))]


class _Range(NamedTuple):
    """Positive numbers on a logarithmic scale."""

    low: float
    high: float

    def drawn(self, random: np.random.Generator) -> float:
        return float(np.exp(random.uniform(np.log(self.low), np.log(self.high))))

    def suggested(self, trial: Any, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=True)


_Space = dict[str, _OneOf | _Range]


def _drawn(space: _Space, trials: int, seed: int) -> list[Choice]:
    random = np.random.default_rng(seed)
    return [{name: values.drawn(random) for name, values in space.items()} for _ in range(trials)]


@dataclass(frozen=True)
class _Judged:
    """A candidate's loss on every held-out row, and the number of each row's group."""

    choice: Choice
    losses: np.ndarray
    n_parameters: float
    error: str = ""
    round: int = 0
    group: np.ndarray | None = None

    @property
    def loss(self) -> float:
        return float(self.losses.mean()) if len(self.losses) else float("inf")

    def std_error(self, beside: Any = 0.0) -> float:
        """Of the mean loss, or of its distance to that of another candidate on the same rows."""
        return float(standard_error(self.losses - beside, group=self.group)) if len(self.losses) else np.nan


@dataclass(frozen=True)
class _Kept:
    """A folder with a file for every candidate that was judged.

    Attributes
    ----------
    rows : fingerprint of the rows, of the folds and of this version.
    """

    folder: Path
    rows: str

    @classmethod
    def of(
        cls, folder: str | PathLike[str], estimator: BehaviorEstimator, X: Any, y: Any, parts: Any, seed: int
    ) -> "_Kept":
        if getattr(estimator, "random_state", None) is None:
            raise OptionError("checkpoint= needs a random_state of the estimator, so that its fits can be repeated.")
        tables = [as_table(X), *([] if y is None else [pd.DataFrame(np.asarray(y, object))])]
        hashes = [pd.util.hash_pandas_object(table, index=False).to_numpy() for table in tables]
        rows = fingerprint(version("behavior-learning"), [*map(str, tables[0])], hashes, parts, seed)
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"The checkpoint {folder} is no folder to write to: {error}. Name another.") from error
        return cls(Path(folder), rows)

    def judged(self, estimator: BehaviorEstimator, choice: Choice, find: Callable[[], _Judged]) -> _Judged:
        """What is kept of a candidate; otherwise what is found, which is kept."""
        options = sorted(clone(estimator).set_params(**choice).get_params(deep=False).items())
        path = self.folder / f"{fingerprint(self.rows, type(estimator).__name__, repr(options))}.json"
        if not path.exists():
            found = find()
            content = {"losses": found.losses.tolist(), "n_parameters": found.n_parameters, "error": found.error}
            write_whole(path, json.dumps(content).encode())
            return found
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return _Judged(choice, np.array(content["losses"]), content["n_parameters"], content["error"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({str(error)[:200]}). Delete it, or name another folder.") from error


def _judge(
    estimator: BehaviorEstimator,
    choice: Choice,
    X: Any,
    y: Any,
    parts: Iterable[tuple[Any, Any]],
    seed: int,
    group: np.ndarray | None,
) -> _Judged:
    losses, sizes = [], []
    for train, held_out in parts:
        candidate = clone(estimator).set_params(**choice)
        try:
            rows = [_take(X, train), *([] if y is None else [_take(y, train)])]
            candidate.fit(*rows, groups=_take(group, train))
            losses.append(_loss(candidate, _take(X, held_out), _take(y, held_out), seed))
        except BLError as error:
            return _Judged(choice, np.array([]), np.nan, str(error))
        sizes.append(candidate.n_parameters_)
    return _Judged(choice, np.concatenate(losses).astype(float), float(np.mean(sizes)))


def _loss(model: BehaviorEstimator, X: Any, y: Any, seed: int) -> np.ndarray:
    """Loss per row by the model's objective; likelihoods per unit of the response, so that folds compare."""
    x, encoded_y = map(jnp.asarray, in_single(model._rows("search", X, y)))  # pyright: ignore[reportPrivateUsage]
    learned = model.model_
    unit = learned.response.log_unit if learned.objective.likelihood else 0.0
    objective = learned.objective.on(learned.space, learned.temperature)
    return row_losses(objective, learned.network, (x, encoded_y), jax.random.key(seed)) + unit


def _table(ranked: Sequence[_Judged]) -> pd.DataFrame:
    lines = [
        {
            **one.choice,
            "loss": one.loss,
            "std_error": one.std_error(),
            "behind": one.loss - ranked[0].loss,
            "behind_error": one.std_error(beside=ranked[0].losses),
            "n_parameters": one.n_parameters,
            "round": one.round,
            "error": one.error,
        }
        for one in ranked
    ]
    table = pd.DataFrame(lines)
    idle = [name for name in ("error", "round") if not table[name].any()]
    return table.drop(columns=idle)


def _folds(
    estimator: BehaviorEstimator, X: Any, y: Any, folds: int, seed: int, group: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that train and rows that judge; all folds have one size, so that their fits share a compiled program.

    Classes are spread evenly over folds. Folds of groups are of about one size.
    """
    rows, parts = len(X), PARTS if folds == 1 else folds
    if rows < 4 * parts:
        if folds == 1:
            raise DataError(f"A single held-out fifth needs at least {4 * parts} rows; got {rows}. Use folds=2 or 3.")
        raise DataError(f"{folds} folds need at least {4 * parts} rows; got {rows}. Use fewer folds.")
    if group is not None:
        if group.max() + 1 < max(folds, 3):
            raise DataError(
                f"{folds} folds of whole groups need as many groups, three at least; got {group.max() + 1}."
            )
        rng, nothing = np.random.default_rng(seed), np.array([], int)
        turns = in_turn(np.arange(rows), nothing, rng, count=parts, most=rows, group=group)
        yield from islice(turns, folds)
        return
    order = np.random.RandomState(seed).permutation(rows)
    if is_classifier(estimator):
        labels = pd.DataFrame(np.asarray(y, dtype=object).reshape(rows, -1))
        codes = labels.groupby(list(labels), sort=False, dropna=False).ngroup().to_numpy()
        order = order[np.argsort(codes[order], kind="stable")]
    for fold in range(folds):
        held_out = np.sort(order[fold::parts][: rows // parts])
        yield np.setdiff1d(order, held_out), held_out


def _check_rows(estimator: BehaviorEstimator, X: Any, y: Any) -> None:
    """Refuse what `fit` would not take, before rows are dealt out."""
    needs_y = estimator.__sklearn_tags__().target_tags.required
    if X is None or (y is None and needs_y):
        raise DataError(f"search needs {'X and y' if needs_y else 'a table'}; got {'X' if X is None else 'y'}=None.")
    rows = [_count("X", X), *([] if y is None else [_count("y", y)])]
    if rows[0] != rows[-1]:
        raise DataError(f"X and y must have the same number of rows; X has {rows[0]}, y has {rows[1]}.")


def _count(name: str, values: Any) -> int:
    try:
        return len(values)
    except TypeError as error:
        raise DataError(f"{name} must be a table or an array of rows; got {values!r}.") from error


def _take(values: Any, rows: np.ndarray) -> Any:
    return None if values is None else _safe_indexing(values, rows)


def _space(estimator: Any, space: Mapping[str, Any], method: str) -> _Space:
    if not isinstance(estimator, BehaviorEstimator):
        raise OptionError(f"search takes an estimator of this library; got {type(estimator).__name__}.")
    if not isinstance(space, Mapping):
        raise OptionError(f"space must be a dictionary such as {{'layers': [(1,), (2, 1)]}}; got {space!r}.")
    known = estimator.get_params(deep=False)
    if not space:
        raise OptionError("space must name at least one hyperparameter.")
    checked: _Space = {}
    for name, choices in space.items():
        outer, _, inner = name.partition("__")
        if outer not in known:
            raise OptionError(f"space names {name!r}, which is no hyperparameter of {type(estimator).__name__}.")
        if inner and outer not in space:
            clone(estimator).set_params(**{name: None})  # Refuses what is no parameter of an option.
        if isinstance(choices, list) and choices:
            checked[name] = _OneOf(choices)
            continue
        pair = isinstance(choices, tuple) and len(choices) == 2 and all(map(is_number, choices))
        if not pair or not 0 < choices[0] < choices[1]:
            raise OptionError(
                f"space[{name!r}] must be a list of choices or a pair (low, high) of positive numbers; got {choices!r}."
            )
        if method == "grid":
            raise OptionError(
                f"space[{name!r}]={choices!r} is a range. Use method='random', 'halving' or 'optuna', or a list."
            )
        checked[name] = _Range(*choices)
    if method == "halving" and "max_epochs" in space:
        raise OptionError("method='halving' varies max_epochs itself. Use method='random' to search for it.")
    return checked


def _halving(
    estimator: BehaviorEstimator,
    space: _Space,
    judge: Callable[[BehaviorEstimator, Choice], _Judged],
    trials: int,
    seed: int,
) -> list[_Judged]:
    """What became of every candidate: its loss in the last round that it took part in."""
    most, left, ended = check_count("max_epochs", estimator.max_epochs), _drawn(space, trials, seed), []
    for round_ in range(ROUNDS):
        brief = clone(estimator).set_params(max_epochs=max(1, most // FACTOR ** (ROUNDS - 1 - round_)))
        judged = sorted((replace(judge(brief, c), round=round_) for c in left), key=lambda one: one.loss)
        kept = len(judged) if round_ == ROUNDS - 1 else -(-len(judged) // FACTOR)
        ended += judged if round_ == ROUNDS - 1 else judged[kept:]
        left = [one.choice for one in judged[:kept]]
    return ended


def _optuna(space: _Space, judge: Callable[[Choice], float], trials: int, seed: int) -> None:
    try:
        import optuna  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise OptionError(
            "method='optuna' needs Optuna: pip install 'behavior-learning[search]', or use method='random'."
        ) from error
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        for _ in range(trials):
            trial = study.ask()
            loss = judge({name: values.suggested(trial, name) for name, values in space.items()})
            states = optuna.trial.TrialState
            finite = np.isfinite(loss)
            study.tell(trial, loss if finite else None, state=states.COMPLETE if finite else states.FAIL)
    finally:
        optuna.logging.set_verbosity(verbosity)
