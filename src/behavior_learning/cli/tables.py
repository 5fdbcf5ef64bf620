"""Tables in files as they are: separators, decimal marks, encodings, cells without a value, rows of any length.

Every cell is read as text. A column is of numbers where all its cells are and none has a leading zero, as codes do
(``007``); of booleans where all cells are true or false; and of text otherwise.
"""

import csv
import gzip
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from behavior_learning.errors import DataError, OptionError

__all__ = ["Layout", "existing", "read_table", "write_table"]

SEPARATORS = (",", ";", "\t", "|")
NUMBER = r"\s*(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf)\s*"
CODE = re.compile(r"\s*[+-]?0\d+\s*")
"""Digits behind a leading zero, as codes have them."""

BOOLEANS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


class Layout(NamedTuple):
    """How a text file holds a table; None is found out.

    Attributes
    ----------
    sep, decimal, encoding : separator of cells, decimal mark and encoding.
    missing : cells that mean no value, beside empty ones.
    say : called with a line for what was found out or left out.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    say: Callable[[str], None] = print

    def encoding_of(self, path: Path) -> str:
        """The stated encoding, or the one that the beginning of a file is in."""
        if self.encoding:
            return self.encoding
        with _opened(path, "rb") as file:
            start = file.read(1 << 20)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        if b"\0" in start:
            raise DataError("it is no text.")
        try:
            start.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < len(start) - 4:
                self.say(f"{path} is not UTF-8; it is read as Windows-1252 (--encoding says otherwise).")
                return "cp1252"
        return "utf-8-sig"

    def separator_of(self, header: str) -> str:
        """The stated character, or the one that cuts the header into the most cells; a comma where none does."""
        found = self.sep or max(SEPARATORS, key=lambda sep: len(_cells(header, sep)))
        if len(found) != 1:
            raise OptionError(f"--sep must be one character; got {found!r}.")
        if not self.sep and found != ",":
            self.say(f"cells are separated by {found!r} (--sep says otherwise).")
        return found

    def decimal_of(self, cells: pd.DataFrame, sep: str) -> str:
        """The stated mark, or a comma where cells are separated by something else and such numbers stand in them."""
        if self.decimal:
            return self.decimal
        comma = sep != "," and any(cells[name].str.fullmatch(r"\s*[+-]?\d+,\d+\s*").any() for name in cells)
        if comma:
            self.say("numbers have a decimal comma (--decimal says otherwise).")
        return "," if comma else "."


def read_table(path: Path, *, layout: Layout, text: Collection[str] = ()) -> pd.DataFrame:
    """Read a table of text, which may be compressed, or a Parquet file.

    Parameters
    ----------
    text : columns that are to stay text.

    Raises
    ------
    DataError
        If the file does not exist, has another ending, or cannot be read.
    """
    kind = _kind(path)
    if kind not in ("csv", "tsv", "parquet"):
        raise DataError(f"A table must be a .csv, .tsv or .parquet file, .gz behind it or not; got {path}.")
    existing(path)
    try:
        if kind == "parquet":
            return pd.read_parquet(path).reset_index(drop=True)
        return _read_text(path, layout if kind == "csv" or layout.sep else layout._replace(sep="\t"), text)
    except (ValueError, OSError, EOFError, LookupError, csv.Error) as error:
        raise DataError(f"{path} could not be read as {kind}: {error}") from error


def existing(path: Path) -> Path:
    """A path of a file that is there."""
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    return path


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its ending says.

    Raises
    ------
    DataError
        If it is none of .csv, .tsv and .parquet.
    """
    kind = _kind(path)
    if kind == "parquet":
        table.to_parquet(path, index=False)
    elif kind in ("csv", "tsv"):
        table.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    else:
        raise DataError(f"Predictions go to a .csv, .tsv or .parquet file; got {path}.")


def _kind(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[2]


def _read_text(path: Path, layout: Layout, text: Collection[str]) -> pd.DataFrame:
    encoding = layout.encoding_of(path)
    first, second = _first_lines(path, encoding)
    sep = layout.separator_of(first)
    names, extra = _cells(first, sep), max(0, len(_cells(second, sep)) - len(_cells(first, sep)))
    if extra > 1:
        raise DataError(f"the header has {len(names)} cells and the line below it {len(names) + extra}.")
    numbered = range(len(names) + extra)
    cells = pd.read_csv(
        path, sep=sep, encoding=encoding, header=None, skiprows=1, names=numbered, index_col=False, dtype=str,
        keep_default_na=False, na_filter=False,
    )  # fmt: skip
    cells = _same_length(cells, names, extra)
    if len(names) > 1 and (cells[len(names) - 1] == "").any():
        _check_no_short_row(path, encoding, sep, len(names))
    cells = _named(cells, names, layout)
    empty = {"", *layout.missing}
    decimal = layout.decimal_of(cells, sep)
    columns = {name: _column(cells[name], empty, decimal, name in text) for name in cells}
    return pd.DataFrame(columns, index=cells.index)


def _opened(path: Path, mode: str, **how: Any) -> Any:
    return gzip.open(path, mode, **how) if path.name.lower().endswith(".gz") else path.open(mode, **how)


def _first_lines(path: Path, encoding: str) -> tuple[str, str]:
    with _opened(path, "rt", encoding=encoding, newline="") as file:
        lines = [next(file, "") for _ in range(2)]
    if not lines[0].strip():
        raise DataError("the first line, which names the columns, is empty.")
    return lines[0], lines[1]


def _cells(line: str, sep: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter=sep), [])


def _same_length(cells: pd.DataFrame, names: list[str], extra: int) -> pd.DataFrame:
    """Rows as long as the header; a separator at the end of each is left out."""
    if extra and (cells[len(names)].fillna("") != "").any():
        raise DataError(
            f"rows have {len(names) + 1} cells and the header names {len(names)}. Name every column, the first one too."
        )
    return cells[list(range(len(names)))]


def _check_no_short_row(path: Path, encoding: str, sep: str, count: int) -> None:
    """Refuse a row that ends early, whose last cells would be read as empty."""
    with _opened(path, "rt", encoding=encoding, newline="") as file:
        rows = (row for row in csv.reader(file, delimiter=sep) if row)
        short = next((number for number, row in enumerate(rows) if len(row) < count), None)
    if short is not None:
        raise DataError(f"row {short - 1} has fewer cells than the header, which names {count}.")


def _named(cells: pd.DataFrame, names: list[str], layout: Layout) -> pd.DataFrame:
    """Columns by name, without empty ones that have none and without a number of the row."""
    kept = []
    for j, name in enumerate(names):
        column = cells[j]
        if name.strip() in ("", "Unnamed: 0"):
            if (column == "").all():
                continue
            if column.tolist() in (list(map(str, range(len(column)))), list(map(str, range(1, len(column) + 1)))):
                layout.say(f"column {j + 1} has no name and counts the rows; it is left out.")
                continue
            name = f"Unnamed: {j}"
            layout.say(f"column {j + 1} has no name; it is called {name!r}.")
        kept.append(column.rename(name))
    twice = pd.Series([column.name for column in kept], dtype=object)
    if twice.duplicated().any():
        raise DataError(f"Two columns are named {twice[twice.duplicated()].iloc[0]!r}. Rename one.")
    return pd.concat(kept, axis=1) if kept else cells.iloc[:, :0]


def _column(cells: pd.Series, empty: Collection[str], decimal: str, text: bool) -> pd.Series:
    """Numbers, booleans or text; None or NaN where there is no value."""
    gone = cells.str.strip().isin(empty) if len(empty) > 1 else cells == ""
    known = cells[~gone]
    if not text and known.isin(BOOLEANS).all() and len(known):
        return cells.map(BOOLEANS).astype(object if gone.any() else bool)
    written = known.str.replace(decimal, ".", regex=False) if decimal != "." else known
    if not text and written.str.fullmatch(NUMBER).all() and not written.str.fullmatch(CODE).any():
        return pd.to_numeric(written.str.strip()).reindex(cells.index)
    return cells.astype(object).where(~gone, None)
