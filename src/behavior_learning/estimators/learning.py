"""From rows and checked hyperparameters to a learned model."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.errors import ConvergenceError, ConvergenceWarning, ExtrapolationWarning, OptionError
from behavior_learning.estimators.groups import filled
from behavior_learning.estimators.rows import EncodedRows, ReadRows, uncopied, windows_of
from behavior_learning.estimators.structure import make_basis
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, Recipe
from behavior_learning.learned.records import history, progress_bar, restarts
from behavior_learning.learned.refits import Fitting
from behavior_learning.mesh import from_first, index
from behavior_learning.objectives import Objective
from behavior_learning.processes import interruptible
from behavior_learning.streams import Opened
from behavior_learning.training.checkpoint import Checkpoint
from behavior_learning.training.minimize import Feed, Progress
from behavior_learning.training.multistart import average_from, fit_from, in_turn
from behavior_learning.training.settings import Initialization, Settings
from behavior_learning.training.weights import standard_error

__all__ = ["Task", "chosen_by_pilots", "drawing", "learned", "level_with_best", "stages_of"]

MANY_ROWS = 5_000
"""Training rows from which the quadrature of a single number begins coarse, to be refined where it must."""

DOUBT = 2
"""Standard errors by which a pilot that is left out is behind the best."""


class Task(NamedTuple):
    """What is learned from, whatever is learned.

    Attributes
    ----------
    train, held_out : positions of the rows.
    stream : where the rows come from, None where they are in memory.
    present : the model that a warm start goes on from.
    turns : whether all rows train, each held out by one of several networks.
    kept : where training is kept.
    keep : whether an interrupted training keeps its best.
    architecture : of checked hyperparameters.
    """

    rows: ReadRows
    encoded: EncodedRows
    train: np.ndarray
    held_out: np.ndarray
    stream: Opened | None
    present: LearnedModel | None
    turns: bool
    kept: Checkpoint | None
    progress: Progress | None
    verbose: bool
    keep: bool
    architecture: Callable[[Any], Architecture]


class Learned(NamedTuple):
    """What is learned.

    Attributes
    ----------
    loss : mean loss of held-out rows; of a mean of networks that of each on its own.
    held_out : positions of the rows that each network of the mean has not seen, or that the one has not.
    """

    model: LearnedModel
    loss: float
    held_out: Sequence[np.ndarray]


Kind = Mapping[str, Any]
"""Hyperparameters in which one network differs from others."""


def learned(chosen: Any, task: Task, random: np.random.RandomState, kinds: Sequence[Kind] = ({},)) -> Learned:
    """What is learned with checked hyperparameters.

    Parameters
    ----------
    kinds : of the networks, which are of a mean and have them by turns where there are several.
    """
    rows, encoded, train, held_out, stream, present = task[:6]
    chosen, *others = (SimpleNamespace(**vars(chosen) | kind) for kind in kinds)
    architecture = task.architecture(chosen) if present is None else present.network.architecture
    each = [Settings(own.optimizer, own.penalty, own.max_epochs, own.patience) for own in (chosen, *others)]
    settings = each[0]
    if settings.penalty.dropout and not encoded.x.shape[1]:
        raise OptionError(
            f"dropout={settings.penalty.dropout:g} leaves out other blocks in every row, and without X all rows have "
            "one distribution. Leave it at 0."
        )
    _warn_of_kinks(architecture, settings)
    stages = stages_of(chosen, encoded, train)
    rng = np.random.default_rng(random.randint(2**31))
    if present is None:
        draws = [drawing(own, architecture, encoded, train) for own in (chosen, *others)]
        draw, starts = draws[0], [draws[number % len(draws)](rng) for number in range(chosen.n_restarts.n)]
    else:
        starts = [present.member(number).network for number in range(present.members)]
        draw = partial(drawn_like, starts[0], **chosen.n_restarts.scales)
    seed = int(rng.integers(2**31))
    bars = progress_bar(settings.max_epochs, task.verbose and task.progress is None and index() == 0)
    told = warnings.catch_warnings(action="ignore", category=ExtrapolationWarning)  # The sample has.
    with bars as bar, interruptible(task.keep) as interrupted, told if stream else nullcontext():
        watch = partial(_goes_on, task.progress or bar, interrupted)
        if chosen.average:
            turns = [(train, held_out)]
            if task.turns:
                fixed, how = encoded.response.must_train(rows.values), {"count": len(starts), "most": len(held_out)}
                turns = list(in_turn(rows.values, fixed, rng, **how, group=rows.group))
            sizes = np.max([[len(own), len(out)] for own, out in turns], axis=0)
            alike = ([filled(own, size, rng) for own, size in zip(turn, sizes, strict=True)] for turn in turns)
            parts = ((encoded.at(own), encoded.at(out)) for own, out in alike)
            result = average_from(
                starts, stages, parts=parts, rows=len(train), settings=each, seed=seed, progress=watch
            )
            outs = [turns[number % len(turns)][1] for number in result.parts]
        else:
            windows, feed = None if stream is None else partial(windows_of, stream, encoded, seed), None
            if stream is not None and windows is not None and not stream.whole:
                feed = Feed(windows, stream.survey.rows, stream.shards)
            result = fit_from(
                starts,
                partial(draw, rng),
                stages,
                data=encoded.at(train) if windows is None else next(windows(0)),
                validation=encoded.at(held_out),
                settings=settings,
                seed=seed,
                progress=watch,
                feed=feed,
                checkpoint=task.kept,
            )
            outs = [held_out]
    made = Fitting(starts[: len(kinds)], each)
    model = LearnedModel(
        network=result.network,
        encoder=encoded.encoder,
        response=encoded.response,
        objective=result.objective,
        temperature=chosen.temperature,
        recipe=Recipe(settings, chosen.validation_fraction, chosen.temperature, chosen.n_restarts),
        rows=encoded.kept(rows, held_out, None if stream is None else stream.survey.rows),
        history=history(result),
        restarts=restarts(result),
        l2=result.l2,
        biases=result.biases,
        procedure=made if settings.penalty.sparse or chosen.average else present and present.procedure,
        **_said_of(present),
    )
    return Learned(model, result.held_out_loss, outs)


def chosen_by_pilots(
    kinds: Sequence[Kind], chosen: Any, task: Task, random: np.random.RandomState
) -> tuple[Sequence[Kind], Task]:
    """The kinds of network whose pilots are not behind the best beyond doubt, and the task to go on with.

    A pilot without a finite loss is left out. Where training is to end meanwhile it is the first, and the task ends at
    once.
    """
    out, encoded = task.held_out, task.encoded
    weight = np.ones(len(out)) if encoded.weight is None else encoded.weight[out]
    rows, told = (encoded.x[out], encoded.y[out]), np.full((len(kinds), len(out)), np.nan)
    alone = SimpleNamespace(**vars(chosen) | {"average": False, "n_restarts": Initialization(1)})
    with interruptible(task.keep) as interrupted, warnings.catch_warnings(action="ignore"):
        ended = lambda done, loss: _goes_on(task.progress, interrupted, 0, loss)
        quiet = task._replace(turns=False, kept=None, progress=ended, verbose=False, keep=False)
        for kind, log_prob in zip(kinds, told, strict=True):
            with suppress(ConvergenceError):
                log_prob[:] = by_rows(Gibbs.log_prob, learned(alone, quiet, random, [kind]).model.gibbs(), rows)
            if interrupted():
                return kinds[:1], task._replace(progress=lambda done, loss: True)
    group = None if task.rows.group is None else task.rows.group[out]
    return [kinds[number] for number in from_first(lambda: level_with_best(told, weight, group))], task


def level_with_best(
    log_prob: Float[np.ndarray, "models rows"],
    weight: Float[np.ndarray, " rows"],
    group: Int[np.ndarray, " rows"] | None = None,
) -> list[int]:
    """The models that tell the rows no worse than the best by `DOUBT` standard errors; the first if none has a loss.

    The error is that of rows, or of their groups: what another seed would bring is not in it.
    """
    means = log_prob @ weight / weight.sum()
    finite = np.flatnonzero(np.isfinite(means))
    if not len(finite):
        return [0]
    behind = log_prob[finite[np.argmax(means[finite])]] - log_prob[finite]
    level = behind @ weight / weight.sum() <= DOUBT * standard_error(behind, weight, group)
    return finite[level].tolist()


def stages_of(chosen: Any, encoded: EncodedRows, train: np.ndarray) -> Sequence[Objective]:
    """What is minimised, one after the other."""
    space = encoded.response.space()
    if len(space.components) == len(space.continuous) == 1 and len(train) < MANY_ROWS:
        space = space.refined(2)  # There an epoch costs less than compiling for more candidates later would.
    rows = uncopied(train)
    stages = chosen.objective.stages(space, chosen.temperature, encoded.x[rows], encoded.y[rows])
    if len(stages) > chosen.max_epochs:
        raise OptionError(
            f"{len(stages)} levels of sigma need as many epochs at least; got max_epochs={chosen.max_epochs}."
        )
    return stages


def drawing(
    chosen: Any, architecture: Architecture, encoded: EncodedRows, train: np.ndarray
) -> Callable[[np.random.Generator], BehaviorNetwork]:
    """What draws a random network."""
    basis, rules = make_basis(chosen, architecture, encoded.x[uncopied(train)], encoded.columns)
    return partial(
        BehaviorNetwork.random,
        architecture=architecture,
        features=encoded.x.shape[1],
        response=encoded.response.space().dimension,
        basis=basis,
        rules=rules[0] if rules else None,
        upper_rules=rules[1:],
        **chosen.n_restarts.scales,
    )


def _said_of(present: LearnedModel | None) -> dict[str, Any]:
    """What the user has said of blocks and columns that stay."""
    return {} if present is None else {"block_names": present.block_names, "legend": present.legend}


def _goes_on(progress: Progress | None, interrupted: Callable[[], bool], done: int, loss: float) -> bool:
    """Tell of progress; True where training is to end with the best so far."""
    told = progress is not None and progress(done, loss) is True
    return told or interrupted()


def _warn_of_kinks(architecture: Architecture, settings: Settings) -> None:
    if settings.optimizer.needs_smooth and not architecture.smooth:
        warnings.warn(
            f"optimizer={settings.optimizer.short_name!r} is for smooth heads; with heads={architecture.heads!r} its "
            "line search can stall at a kink. Use heads=('tanh', 'softplus', 'square') or optimizer='adam'.",
            ConvergenceWarning,
            stacklevel=3,
        )
