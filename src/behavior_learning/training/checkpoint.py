"""Training that goes on where a process that ended had left it, to the same numbers bit for bit."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from behavior_learning.errors import DataError
from behavior_learning.files import write_whole
from behavior_learning.mesh import from_first, index
from behavior_learning.options import Option, check_number, parameter

__all__ = ["Checkpoint", "Keeper", "Kept", "fingerprint"]

FILE = "training.safetensors"


@dataclass(frozen=True)
class Checkpoint(Option):
    """Where `fit` keeps training: parameters, optimiser, random state and the position in the rows.

    The same `fit` called again with the same folder goes on where it was, also after kill −9, and ends with the numbers
    of a run that was not interrupted, bit for bit on one machine. One file is written, whole or not at all.

    Parameters
    ----------
    folder : made where it is missing; one for each fit.
    minutes : between two writings, at least; 0 writes after each call of the compiled program.

    Examples
    --------
    >>> import behavior_learning as bl, tempfile
    >>> X, y = bl.datasets.load_boston()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reg = bl.BLRegressor(layers=(2, 1), max_epochs=5, random_state=0)
    ...     again = reg.fit(X, y, checkpoint=bl.Checkpoint(folder, minutes=1.0)).fit(X, y, checkpoint=folder)
    """

    folder: str | PathLike[str]
    minutes: float = parameter(5.0, check_number, inclusive=True)


class Kept(NamedTuple):
    """Training between two calls of the compiled program.

    Attributes
    ----------
    state : a tree of arrays with the numbers of every start.
    history : training and validation losses by start and epoch, and which starts took part.
    looks : after which epochs the losses were looked at to refine them, and whether all starts had stopped then.
    streams : states of the generators of orders and noise.
    """

    state: PyTree
    history: Sequence[np.ndarray]
    looks: list[tuple[int, bool]]
    streams: list[dict[str, Any]]


class Keeper:
    """Writes and reads the checkpoint of one training.

    Parameters
    ----------
    fingerprint : of all that the training depends on.
    """

    def __init__(self, checkpoint: Checkpoint, fingerprint: str):
        self.folder, self.seconds = Path(checkpoint.folder), 60 * checkpoint.minutes
        self.fingerprint, self.written, self.note = fingerprint, time.monotonic(), ""

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self.written >= self.seconds

    def write(self, kept: Kept) -> None:
        """Write the file anew, by the first process.

        Raises
        ------
        DataError
            If it cannot be written, as where the disk is full; the last one stays.
        """
        self.written, done = time.monotonic(), kept.history[0].shape[1]
        self.note = f", of which the first {done} are kept in {self.folder}"
        if index() > 0:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"The checkpoint {self.folder} is no folder to write to: {error}. Name another.") from error
        leaves = enumerate(jax.tree.leaves(kept.state))
        arrays = {f"state.{number}": np.ascontiguousarray(leaf) for number, leaf in leaves}
        arrays |= {f"history.{number}": np.ascontiguousarray(own) for number, own in enumerate(kept.history)}
        said = {"version": version("behavior-learning"), "fingerprint": self.fingerprint}
        record = json.dumps({**said, "looks": kept.looks, "streams": kept.streams})
        write_whole(self.folder / FILE, to_bytes(arrays, metadata={"checkpoint": record}))

    def read(self, like: PyTree) -> Kept | None:
        """What was written last, or None where there is nothing; the first process reads it for all.

        Parameters
        ----------
        like : a tree of the shape of the state.

        Raises
        ------
        DataError
            If it is damaged, or of another version of the package, or of another training.
        """
        return from_first(lambda: self._read(like))

    def _read(self, like: PyTree) -> Kept | None:
        path = self.folder / FILE
        if not path.exists():
            return None
        try:
            with safe_open(str(path), framework="numpy") as file:
                record = json.loads((file.metadata() or {})["checkpoint"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{path} is no checkpoint ({str(error)[:200]}). Delete it or name another folder."
            ) from error
        if record["version"] != version("behavior-learning"):
            raise DataError(
                f"{path} was written by version {record['version']}, and this is {version('behavior-learning')}. Go on "
                "with that version, or name another folder to begin anew."
            )
        if record["fingerprint"] != self.fingerprint:
            raise DataError(
                f"{path} is of a training with other rows, settings or random_state. Call fit as it was called then, "
                "or name another folder to begin anew."
            )
        leaves, structure = jax.tree.flatten(like)
        state = jax.tree.unflatten(structure, [arrays[f"state.{number}"] for number in range(len(leaves))])
        history = [arrays[f"history.{number}"] for number in range(3)]
        return Kept(state, history, [(at, stopped) for at, stopped in record["looks"]], record["streams"])


def fingerprint(*parts: Any) -> str:
    """SHA-256 of arrays, and of how everything else is printed."""
    digest = sha256()
    for leaf in jax.tree.leaves(parts):
        if hasattr(leaf, "dtype"):
            array = np.ascontiguousarray(leaf)
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
        else:
            digest.update(repr(leaf).encode())
    return digest.hexdigest()
