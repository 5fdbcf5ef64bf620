"""Columns of text that were meant to be something else: numbers with dirt, dates, and names of rows."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from behavior_learning.encoding.frames import listed
from behavior_learning.errors import TextColumnWarning

__all__ = ["check_text", "what_text_hides"]

NUMBER = re.compile(r"\s*[-+(]?\s*[$€£¥]?\s*(\d{1,3}([,. ' ]\d{3})+|\d+)?([.,]\d*)?([eE][-+]?\d+)?\s*(%|[$€£¥]|\))?\s*")
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""Numbers that are written as machines read them."""

DATE = re.compile(r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T]\d{1,2}:\d{2}.*)?\s*")

MOSTLY = 0.8
"""Share of the rows from which on text counts as something else."""

MANY = 20
"""Levels up to which clean numbers, dates and names that hardly recur are categories."""

LONGEST = 40
"""Characters of a value that are looked at; what is longer is neither number nor date."""


def check_text(what: str, found: Sequence[Any], rows: np.ndarray) -> None:
    """Warn of a column of text that looks like something else; `found` and `rows` as in `what_text_hides`."""
    hidden = what_text_hides(found, rows)
    if hidden:
        warnings.warn(f"{what} is text and is learned as categories, but {hidden}", TextColumnWarning, stacklevel=3)


def what_text_hides(found: Sequence[Any], rows: np.ndarray) -> str:
    """What is odd about text as categories, with what to do; nothing where it is not.

    Parameters
    ----------
    found : its distinct values.
    rows : how many rows have each.
    """
    texts = [(value.strip(), count) for value, count in zip(found, rows, strict=True) if isinstance(value, str)]
    total = int(sum(count for _, count in texts))
    if not total:
        return ""
    for kind, pattern, plain, way in (
        ("numbers", NUMBER, PLAIN, "pd.to_numeric(column, errors='coerce') makes the rest missing"),
        ("dates", DATE, DATE, "pd.to_datetime(column) makes them dates"),
    ):
        alike = [(text, count) for text, count in texts if _matches(pattern, text)]
        share, levels = sum(count for _, count in alike) / total, len(alike)
        rest = [text for text, _ in texts if not _matches(pattern, text) or plain.fullmatch(text) is None]
        if share >= MOSTLY and (levels > MANY or (levels >= 3 and len(rest) > 0 and kind == "numbers")):
            named = f"; not plain: {listed(sorted(rest))}" if rest and kind == "numbers" else ""
            return f"{share:.0%} of its values look like {kind}{named}. If they are, convert them: {way}."
    if len(texts) > MANY and len(texts) > 0.5 * total:
        return (
            f"{len(texts)} of its {total} values are different, such as {texts[0][0][:LONGEST]!r}. If it names the "
            "rows, drop it."
        )
    return ""


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= LONGEST and any(map(str.isdigit, text)) and pattern.fullmatch(text) is not None
