"""Refits in a folder, so that what takes many of them goes on after an interruption."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from behavior_learning.errors import DataError
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.refits import Keep
from behavior_learning.persistence import Saved, read, save

__all__ = ["kept_refits"]


def kept_refits(folder: str | PathLike[str] | None) -> Keep | None:
    """What keeps refits in a folder, each in a file that is named by all that it depends on; None without one.

    Raises
    ------
    DataError
        If it is no folder to write to.
    """
    if folder is None:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The checkpoint {folder} is no folder to write to: {error}. Name another.") from error

    def keep(fingerprint: str, make: Callable[[], LearnedModel]) -> LearnedModel:
        path = Path(folder) / f"{fingerprint}.bl"
        if path.exists():
            return read(path).model
        made = make()
        save(Saved(made, "", {}, named=False), path)
        return made

    return keep
