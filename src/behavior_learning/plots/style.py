"""What figures share: colours that colour-blind readers tell apart, sizes, and names of any length made legible."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PAPER",
    "PURPLE",
    "ROLES",
    "SKY",
    "VERMILION",
    "Picture",
    "RoleStyle",
    "brief_names",
    "canvas",
    "plain",
    "styled",
]

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
GREY = "#767676"
"""Okabe and Ito's palette, and a grey of the same weight."""

INK, PAPER = "#1b1b1f", "#fefefe"
"""Of text and lines, and of what lies behind them; a page that changes its colours replaces these two."""

FONT = 9.0
"""Points."""

DOTS = 110
"""Per inch, where a notebook shows a figure."""


@dataclass(frozen=True)
class RoleStyle:
    """How a head is drawn: its colour, and what it does in a word."""

    color: str
    word: str


ROLES = {
    "utility": RoleStyle(GREEN, "wants"),
    "inequality": RoleStyle(ORANGE, "limited by"),
    "equality": RoleStyle(PURPLE, "believes"),
}

_DEFAULTS: dict[Any, Any] = {
    "font.size": FONT,
    "axes.titlesize": FONT + 1,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT - 1,
    "ytick.labelsize": FONT - 1,
    "legend.fontsize": FONT - 1,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
}

styled = mpl.rc_context(_DEFAULTS)
"""Decorator of a function that draws: sizes and colours are those of this file while it runs, and only then."""


class Picture(Figure):
    """A figure that notebooks show without pyplot, which opens windows elsewhere."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DOTS)
        return buffer.getvalue()


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure in inches and its axes in reading order; `options` go to `Figure.subplots`."""
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).ravel())


def plain(text: str) -> str:
    """Text that matplotlib takes as it is: no mathematics between dollar signs, one line."""
    return " ".join(str(text).split()).replace("$", r"\$")


def brief_names(names: Iterable[str], limit: int = 18) -> dict[str, str]:
    """Names of at most `limit` characters, shortened in the middle and still told apart; ready to be drawn."""
    brief: dict[str, str] = {}
    for name in dict.fromkeys(names):
        short, number = _shortened(name, limit), 1
        while short in brief.values():
            number += 1
            short = _shortened(name, limit - len(str(number)) - 1) + f"~{number}"
        brief[name] = short
    return {name: plain(short) for name, short in brief.items()}


def _shortened(name: str, limit: int) -> str:
    line = " ".join(str(name).split())
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
