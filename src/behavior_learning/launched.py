"""What passes between a launcher and the processes that it starts, in their environment."""

import os
from pathlib import Path
from typing import NamedTuple

from behavior_learning.errors import ProcessError

__all__ = ["NOTES", "PLACE", "Place", "note"]

PLACE, NOTES = "BEHAVIOR_LEARNING_PROCESS", "BEHAVIOR_LEARNING_NOTES"
"""Environment variables: which of several processes this is, and the file in which it notes how far it is."""


class Place(NamedTuple):
    """Which process of how many, and the address and port at which the first one listens."""

    process: int
    processes: int
    address: str

    def __str__(self) -> str:
        return f"{self.process}/{self.processes}@{self.address}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """What `str` wrote.

        Raises
        ------
        ProcessError
            If it is no such text.
        """
        try:
            numbers, address = text.split("@")
            process, processes = map(int, numbers.split("/"))
        except ValueError:
            process, processes, address = 0, 0, ""
        place = cls(process, processes, address)
        if not 0 <= process < processes or ":" not in place.address:
            raise ProcessError(
                f"{PLACE}={text!r} does not say which process this is. Write its number from 0 and how many there are, "
                "and where the first one listens: '1/4@10.0.0.1:4567'. `bl launch` does."
            )
        return place


def note(text: str) -> None:
    """Leave word of how far this process is, where a launcher wants to know."""
    if path := os.environ.get(NOTES):
        Path(path).write_text(text, encoding="utf-8")
