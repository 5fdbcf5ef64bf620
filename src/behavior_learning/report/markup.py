"""Pieces of HTML: escaped text, tables that sort, figures as inline SVG, and numbers that a script can read."""

import json
import re
from functools import cache, singledispatch
from html import escape
from importlib.resources import files
from io import StringIO
from numbers import Integral, Real
from string import Template
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from behavior_learning.options import is_number
from behavior_learning.plots.style import INK, PAPER
from behavior_learning.symbolic.text import format_number

__all__ = ["embedded_json", "inline_svg", "pairs_table", "paragraphs", "sortable_table", "template", "written"]


@cache
def template(name: str) -> Template:
    """One of the package's own files with places to fill."""
    return Template((files("behavior_learning.report") / name).read_text(encoding="utf-8"))


@singledispatch
def written(value: Any) -> str:
    """A cell as text: numbers with four digits, nothing where there is none."""
    return str(value)


@written.register(bool)
@written.register(np.bool_)
def _(value: Any) -> str:
    return "yes" if value else "no"


@written.register(Integral)
def _(value: Any) -> str:
    return f"{value:,}"


@written.register(Real)
def _(value: Any) -> str:
    return format_number(float(value), 4).replace("-", "−") if np.isfinite(value) else "–"


def sortable_table(table: pd.DataFrame, caption: str, *, key: bool = True) -> str:
    """A table whose columns sort at a click or key press; its index, where `key`, names the lines.

    Numbers are aligned to the right and sorted by value, and the caption is read out by screen readers.
    """
    frame = table.reset_index() if key else table
    names = [escape(str(column)) for column in frame.columns]
    heads = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in names)
    body = "".join(f"<tr>{_line(row, key)}</tr>" for row in frame.itertuples(index=False, name=None))
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f'<table class="sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _line(row: tuple[Any, ...], key: bool) -> str:
    first = f'<th scope="row">{escape(written(row[0]))}</th>' if key else _cell(row[0])
    return first + "".join(map(_cell, row[1:]))


def _cell(value: Any) -> str:
    if is_number(value):
        return f'<td class="number" data-value="{float(value):.10g}">{escape(written(value))}</td>'
    return f"<td>{escape(written(value))}</td>"


def pairs_table(pairs: dict[str, Any], caption: str) -> str:
    """Names and values, one pair in a line."""
    lines = "".join(f'<tr><th scope="row">{escape(n)}</th><td>{escape(written(v))}</td></tr>' for n, v in pairs.items())
    return f'<div class="scroll"><table><caption>{escape(caption)}</caption><tbody>{lines}</tbody></table></div>'


def paragraphs(*sentences: str) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)


def embedded_json(identifier: str, value: Any) -> str:
    """Data for the page's script; no text in it can end the element that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{identifier}">{text}</script>'


def inline_svg(figure: Figure, identifier: str, caption: str) -> str:
    """A figure as SVG inside the page: it takes the page's font and colours, and its ids are its own.

    One that is wider than a narrow screen scrolls sideways there rather than shrink until it cannot be read.

    Parameters
    ----------
    identifier : unique in the page; every id in the figure begins with it.
    caption : what the figure shows, which is also its text for those who do not see it.
    """
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": identifier}):
        buffer = StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    inches = figure.get_figwidth()
    size = f"--least:{inches * LEAST_PIXELS:.0f}px;--most:{inches * PIXELS:.0f}px"
    label = escape(" ".join(caption.split()))
    box = re.findall(r'viewBox="([^"]*)"', svg)[0]
    role = "group" if "<a " in svg else "img"
    opening = f'<svg class="plot" style="{size}" role="{role}" aria-label="{label}" viewBox="{box}">'
    drawn = opening + svg[svg.index(">") + 1 :]
    for pattern, replacement in _SVG_EDITS:
        drawn = pattern.sub(replacement, drawn)
    drawn = _ID.sub(lambda found: f"{found[1]}{identifier}-{found[2]}", drawn)
    body = (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">{drawn}</div>'
        if inches > NARROW
        else drawn
    )
    return f"<figure>{body}<figcaption>{label}</figcaption></figure>"


PIXELS, LEAST_PIXELS = 105, 76
"""Pixels of an inch of a figure on a wide screen, and on a narrow one."""

NARROW = 4.6
"""Inches of the widest figure that fits a narrow screen."""

_METADATA = ("Creator", "Date", "Format", "Type")

_ID = re.compile(r'(\bid="|url\(#|<use xlink:href="#)([^")]+)')

_SVG_EDITS = [
    (re.compile(r"<metadata>.*?</metadata>", re.S), ""),
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(INK, re.I), "currentColor"),
    (re.compile(PAPER, re.I), "var(--paper)"),
    (re.compile(r"font: ((?:bold |700 )?)([\d.]+)px [^;\"]*"), r"font: \1\2px var(--font)"),
    # The box around a text leads where the text does; one of the two is enough for keys and screen readers.
    (
        re.compile(r'<a xlink:href="([^"]*)" target="_blank">(\s*<path)'),
        r'<a href="\1" tabindex="-1" aria-hidden="true">\2',
    ),
    (re.compile(r'<a xlink:href="([^"]*)" target="_blank">'), r'<a href="\1">'),
    (re.compile(r"\n\s*"), "\n"),
]
