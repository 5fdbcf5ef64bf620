"""Where the rows of a stream come from: files of any format that Arrow reads, and tables made anew for every pass.

A row is known by its place, the number of its piece and its offset there, which is the same in every pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from glob import glob
from importlib import import_module
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from behavior_learning.encoding import as_table, listed
from behavior_learning.errors import DataError

__all__ = ["EVERYTHING", "Files", "Part", "Share", "Source", "Tables", "as_source", "evenly"]

BATCH = 2**14
"""Rows that are read at once."""

OPEN = 4
"""Pieces that are read in turn, so that neighbours of a sorted file come mixed."""


def arrow_datasets() -> Any:
    """Arrow's reader of files, which takes 65 ms to import and which only streams need."""
    return import_module("pyarrow.dataset")


class Part(NamedTuple):
    """Some rows of a piece, one behind the other.

    Attributes
    ----------
    piece, offset : the number of the piece, and the place of the first of the rows in it.
    """

    piece: int
    offset: int
    table: pd.DataFrame


class Share(NamedTuple):
    """One of several shares of the pieces."""

    number: int = 0
    of: int = 1


EVERYTHING = Share()


class Source(ABC):
    """Rows that can be read again and again, a part at a time."""

    def dealt(self, piece: int, count: int) -> int:
        """To which of so many shares a piece belongs."""
        return piece % count

    @abstractmethod
    def parts(self, order: np.random.Generator | None = None, share: Share = EVERYTHING) -> Iterator[Part]:
        """All rows of a share once, with the same columns in every part.

        Parameters
        ----------
        order : shuffles the pieces, where they can be read in any order.

        Raises
        ------
        DataError
            If a piece has other columns, or columns of another kind, than those before it.
        """


class Files(Source):
    """Row groups of Parquet files, and whole files of other formats."""

    def __init__(self, dataset: Any):
        self.names, self.schema = _common_schema(dataset)
        rows = arrow_datasets().ParquetFileFragment
        parts = (own.split_by_row_group() if isinstance(own, rows) else [own] for own in dataset.get_fragments())
        self.pieces = [piece for own in parts for piece in own]
        self.by_shares: dict[int, list[int]] = {}

    def dealt(self, piece: int, count: int) -> int:
        if count not in self.by_shares:
            self.by_shares[count] = evenly([piece.count_rows() for piece in self.pieces], count)
        return self.by_shares[count][piece]

    def parts(self, order: np.random.Generator | None = None, share: Share = EVERYTHING) -> Iterator[Part]:
        own = [number for number in range(len(self.pieces)) if self.dealt(number, share.of) == share.number]
        numbers = np.array(own, int)
        waiting = iter((numbers if order is None else order.permutation(numbers)).tolist())
        reading = [self._piece(number) for number in islice(waiting, 1 if order is None else OPEN)]
        while reading:
            for at, piece in enumerate(reading):
                part = next(piece, None)
                if part is not None:
                    yield part
                    continue
                following = [self._piece(number) for number in islice(waiting, 1)]
                reading[at : at + 1] = following
                break

    def _piece(self, number: int) -> Iterator[Part]:
        offset, fragment = 0, self.pieces[number]
        how = {"batch_size": BATCH, "batch_readahead": 2, "fragment_readahead": 1}
        try:
            for batch in fragment.to_batches(schema=self.schema, columns=self.names, **how):
                if batch.num_rows:
                    yield Part(number, offset, batch.to_pandas(ignore_metadata=True))
                offset += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{fragment.path} could not be read: {str(error)[:300]}") from error


def evenly(sizes: Sequence[int], count: int) -> list[int]:
    """To which of so many shares each size goes: the largest first, to the share that has least.

    Source: Graham (1969), no share exceeds 4/3 of what is possible.
    """
    shares, filled = [0] * len(sizes), [0] * count
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        shares[number] = filled.index(min(filled))
        filled[shares[number]] += sizes[number]
    return shares


class Tables(Source):
    """Tables, or functions that make one each, from an iterable; each is a piece, and they come in its order."""

    def __init__(self, make: Callable[[], Iterable[Any]]):
        self.make = make

    def parts(self, order: np.random.Generator | None = None, share: Share = EVERYTHING) -> Iterator[Part]:
        first: list[str] = []
        for number, given in enumerate(self.make()):
            if self.dealt(number, share.of) != share.number:
                continue
            table = as_table(given() if callable(given) else given).rename(columns=str).reset_index(drop=True)
            first = first or list(table.columns)
            _check_columns(f"Table {number}", list(table.columns), first)
            table = table[first]
            for offset in range(0, len(table), BATCH):
                yield Part(number, offset, table.iloc[offset : offset + BATCH].reset_index(drop=True))


def as_source(given: Any) -> Source:
    """What rows are to be read from: a path with or without wildcards, a folder, files, a dataset or tables.

    Raises
    ------
    DataError
        If there are no such files or no rows in them, columns differ, or the rows could be read only once.
    """
    match given:
        case Source():
            return given
        case _ if isinstance(given, arrow_datasets().Dataset):
            return Files(given)
        case pd.DataFrame() | pa.Table():
            return Tables(lambda: [given])
        case str() | PathLike():
            return Files(_opened(_found(str(given))))
        case [str() | PathLike(), *_]:
            return Files(_opened([str(path) for path in given]))
        case Callable():
            return Tables(given)
        case Iterable() if iter(given) is not given:
            return Tables(lambda: given)
        case Iterator():
            raise DataError(
                f"A stream is read several times, and a {type(given).__name__} only once. Pass the function that makes "
                "it, without calling it, or a list of tables."
            )
        case _:
            raise DataError(
                "A stream is a path such as 'folder/*.parquet', a list of files, a pyarrow.dataset, or a function that "
                f"returns tables one after the other; got {type(given).__name__}."
            )


def _found(path: str) -> list[str] | str:
    """Files that a path stands for, sorted; a folder or an address of another file system as it is."""
    if "://" in path or Path(path).is_dir():
        return path
    files = sorted(name for name in glob(path, recursive=True) if Path(name).is_file())
    if not files:
        raise DataError(f"There is no file {path}.")
    return files


def _opened(paths: Sequence[str] | str) -> Any:
    first = paths if isinstance(paths, str) else paths[0]
    ending = first.lower().removesuffix(".gz").rpartition(".")[2]
    kind = {"csv": "csv", "arrow": "ipc", "ipc": "ipc", "feather": "feather", "orc": "orc"}.get(ending, "parquet")
    try:
        return arrow_datasets().dataset(paths, format=kind)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{first} could not be read as {kind}: {str(error)[:300]}") from error


def _common_schema(dataset: Any) -> tuple[list[str], pa.Schema]:
    """Names and types that hold in every file: numbers where some are whole, and what others are where all is missing.

    Raises
    ------
    DataError
        If there is no file or a file without rows, or columns differ in name or kind.
    """
    fields: dict[str, tuple[pa.DataType, str]] = {}
    for fragment in dataset.get_fragments():
        try:
            schema, rows = fragment.physical_schema, fragment.count_rows()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{fragment.path} could not be read: {str(error)[:300]}") from error
        if rows == 0:
            raise DataError(f"{fragment.path} has no rows. Leave it out.")
        own = {field.name: field.type for field in schema if not field.name.startswith("__index_level_")}
        nested = [name for name, kind in own.items() if pa.types.is_nested(kind)]
        if nested:
            raise DataError(
                f"Column {nested[0]!r} of {fragment.path} holds {own[nested[0]]}. Make columns of it first."
            )
        fields = fields or {name: (kind, fragment.path) for name, kind in own.items()}
        _check_columns(fragment.path, list(own), list(fields))
        fields = {name: _common(name, first, (own[name], fragment.path)) for name, first in fields.items()}
    if not fields:
        raise DataError("The stream has no files. Name a folder with files in it.")
    return list(fields), pa.schema([(name, kind) for name, (kind, _) in fields.items()])


def _check_columns(where: str, names: Sequence[str], expected: Sequence[str]) -> None:
    missing = [name for name in expected if name not in names]
    unexpected = [name for name in names if name not in expected]
    if missing or unexpected:
        raise DataError(
            f"{where} has other columns than what comes before it: missing {listed(missing)}; unexpected "
            f"{listed(unexpected)}. All parts of a stream need the same columns."
        )


def _common(name: str, first: tuple[pa.DataType, str], other: tuple[pa.DataType, str]) -> tuple[pa.DataType, str]:
    """The type of a column in two files, and a file that has it."""
    (kind, _), (more, path) = first, other
    if kind == more or pa.types.is_null(more):
        return first
    if pa.types.is_null(kind):
        return other
    if _is_number(kind) and _is_number(more):
        return pa.float64(), path
    if _is_text(kind) and _is_text(more):
        return pa.string(), path
    raise DataError(
        f"Column {name!r} is {more} in {path} and {kind} in {first[1]}. Write it with one type in all files."
    )


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)
