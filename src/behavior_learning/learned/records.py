"""What a fit leaves behind: losses by epoch, outcomes of starts, what printing goes by, and a bar while it runs."""

from collections.abc import Sequence
from contextlib import contextmanager
from typing import NamedTuple

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from behavior_learning.core.arrays import to_device
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Space
from behavior_learning.training.fit import FitResult

__all__ = [
    "StandardDeviations",
    "counting_bar",
    "history",
    "history_of_parts",
    "progress_bar",
    "restarts",
    "standard_deviations",
    "status_line",
]


def history(result: FitResult) -> pd.DataFrame:
    """Losses by start and epoch until it stopped, in nats per row; the training loss carries the ridge penalty."""
    start, epoch = np.nonzero(result.trace.ran)
    losses = {name: getattr(result.trace, name)[start, epoch] for name in ("train_loss", "validation_loss")}
    return pd.DataFrame({"start": start, "epoch": epoch + 1, **{k: v.astype(float) for k, v in losses.items()}})


def history_of_parts(losses: Sequence[tuple[np.ndarray, np.ndarray]], parts: int, best: int) -> dict[str, pd.DataFrame]:
    """`history` and `restarts` of training in parts: the validation loss of a part is from before it trained."""
    train, before = (np.array(values, float) for values in zip(*losses, strict=True))
    calls, starts = train.shape
    numbers = np.arange(parts - calls, parts) + 1
    told = pd.DataFrame(
        {
            "start": np.tile(np.arange(starts), calls),
            "epoch": np.repeat(numbers, starts),
            "train_loss": train.ravel(),
            "validation_loss": before.ravel(),
        }
    )
    ends = {
        "best_epoch": parts,
        "validation_loss": before[-1],
        "stopped_early": False,
        "kept": np.arange(starts) == best,
    }
    return {"history": told, "restarts": pd.DataFrame(ends)}


def restarts(result: FitResult) -> pd.DataFrame:
    """One line per start: its best epoch, its validation loss there, and whether it was kept; an average keeps all."""
    trace = result.trace
    return pd.DataFrame(
        {
            "best_epoch": trace.best_epoch,
            "validation_loss": trace.best_loss,
            "stopped_early": trace.stopped,
            "kept": (np.arange(len(trace.best_loss)) == result.best_start) | bool(result.biases),
        }
    )


class StandardDeviations(NamedTuple):
    """Standard deviations over some rows.

    Attributes
    ----------
    of_blocks : of the utility of every block, a list per layer.
    of_functions : of every function of x in the basis, then of y.
    """

    of_blocks: list[list[float]]
    of_functions: list[float]


def standard_deviations(network: BehaviorNetwork, space: Space, x: np.ndarray, y: np.ndarray) -> StandardDeviations:
    """Standard deviations over encoded rows."""
    utilities, functions = _values(network, space, to_device(x), to_device(y))
    blocks = [np.std(np.asarray(layer, float), axis=(0, 1)).tolist() for layer in utilities]
    curves = np.concatenate([np.std(np.asarray(values, float), axis=0) for values in functions])
    return StandardDeviations(blocks, curves.tolist())


@eqx.filter_jit
def _values(network: BehaviorNetwork, space: Space, x: Array, y: Array) -> tuple[tuple[Array, ...], list[Array]]:
    candidates, basis = space.candidates(space.points(y)), network.basis
    of_x, of_y = [own(x) for own in basis.x_maps], [own(candidates) for own in basis.y_maps]
    return network.block_utilities(x, candidates[:, None]), [*of_x, *of_y]


@contextmanager
def counting_bar(what: str, total: int, show: bool):
    """A callback that shows how many of so many are done on standard error, or None."""
    if not show:
        yield None
        return
    with ProgressBar(
        TextColumn(what),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def progress_bar(epochs: int, show: bool):
    """A callback that moves a progress bar on standard error, or None."""
    if not show:
        yield None
        return
    columns = (TextColumn("learning"), BarColumn(), TextColumn("{task.fields[status]}"), TimeElapsedColumn())
    with ProgressBar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fit", total=epochs, status="compiling")
        yield lambda done, loss: bar.update(task, completed=done, status=f"epoch {done}, validation loss {loss:.3f}")
        bar.update(task, completed=epochs)


@contextmanager
def status_line(show: bool):
    """A callback that shows a sentence and the seconds so far on standard error, or None."""
    if not show:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.fields[status]}"), TimeElapsedColumn())
    with ProgressBar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("inference", total=None, status="compiling")
        yield lambda status: bar.update(task, status=status)
