"""A learned problem as Python source that needs NumPy alone."""

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from textwrap import indent, wrap

from behavior_learning.core.features import Curve, Ramp, Wave
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP
from behavior_learning.symbolic.sources import Source

__all__ = ["head_source", "hierarchy_source", "identifiers", "ump_source"]

WIDTH = 100
"""Characters per line of a polynomial."""

HELPERS = {
    "number": '''
def number(values, fill):
    """Numbers, with `fill` where there is none."""
    values = np.asarray(values, object)
    missing = np.vectorize(lambda value: value is None or value != value, otypes=[bool])(values)
    return np.where(missing, fill, np.where(missing, 0.0, values)).astype(float)
''',
    "is_level": '''
def is_level(values, level):
    """1 where a category has the level, 0 elsewhere."""
    return np.vectorize(lambda value: float(str(value) == level and value == value), otypes=[float])(values)
''',
    "is_missing": '''
def is_missing(values, levels=()):
    """1 where there is no value, or none of the known levels; 0 elsewhere."""
    gone = lambda value: value is None or value != value or (bool(levels) and str(value) not in levels)
    return np.vectorize(lambda value: float(gone(value)), otypes=[float])(np.asarray(values, object))
''',
    "ramp": '''
def ramp(z, low, high):
    """0 below `low`, 1 above `high`, linear between."""
    return np.clip((z - low) / (high - low), 0.0, 1.0)
''',
    "bspline": '''
def bspline(z, t, low, high):
    """The cubic B-spline on five knots t by the recursion of Cox and de Boor, constant beyond `low` and `high`."""
    z = np.clip(z, low, np.nextafter(high, low))
    b = [np.where((z >= t[i]) & (z < t[i + 1]), 1.0, 0.0) for i in range(4)]
    ratio = lambda numerator, width: numerator / width if width > 0 else 0.0
    for p in (1, 2, 3):
        rise = [ratio(z - t[i], t[i + p] - t[i]) for i in range(5 - p)]
        fall = [ratio(t[i + p] - z, t[i + p] - t[i]) for i in range(5 - p)]
        b = [rise[i] * b[i] + fall[i + 1] * b[i + 1] for i in range(4 - p)]
    return b[0]
''',
    "huber": '''
def huber(t, delta):
    """t²/2 where |t| ≤ δ, and δ(|t| − δ/2) beyond."""
    return np.where(np.abs(t) <= delta, 0.5 * t**2, delta * (np.abs(t) - 0.5 * delta))
''',
}
"""Functions that source may call, in the order in which it defines them."""

RESERVED = {"np", "columns", "utility", *HELPERS}


def ump_source(ump: LearnedUMP) -> str:
    """A module with a function `utility(**columns)` of one block."""
    names = identifiers(_spellings([ump], [ump.name]))
    body = [*_reading([ump], names), *_block(ump, names), f"return {names[ump.name]}"]
    return _module(ump.text(), body)


def hierarchy_source(hierarchy: Hierarchy) -> str:
    """A module with a function `utility(**columns)` of a hierarchy; several outputs come as a dictionary."""
    umps = list(hierarchy.blocks.values())
    names = identifiers(_spellings(umps, hierarchy.blocks))
    body = [*_reading(umps, names), *(line for ump in umps for line in _block(ump, names))]
    sums = {name: _sum(output, names) for name, output in hierarchy.outputs.items()}
    if list(sums) == ["utility"]:
        returned = f"return {_wrapped(sums['utility'])}"
    else:
        returned = "return {\n" + "".join(f"    {name!r}: {_wrapped(s)},\n" for name, s in sums.items()) + "}"
    return _module(hierarchy.text(), [*body, returned])


def head_source(head: Head, argument: str) -> str:
    """φ, ρ or ψ of an argument in NumPy's words.

    Raises
    ------
    OptionError
        If the head is not known here.
    """
    family, width = head.name.split("(")[0], repr(float(head.width))
    forms = {
        "tanh": "np.tanh({t})",
        "identity": "({t})",
        "relu": "np.maximum(0.0, {t})",
        "softplus": "np.logaddexp(0.0, {t})" if head.width == 1 else "{w} * np.logaddexp(0.0, ({t}) / {w})",
        "abs": "np.abs({t})",
        "square": "np.square({t})",
        "huber": "huber({t}, {w})",
        "smooth_abs": "(np.sqrt(np.square({t}) + {w}**2) - {w})",
    }
    if family not in forms:
        raise OptionError(f"The head {head.name!r} has no Python form; add it to head_source.")
    return forms[family].format(t=argument, w=width)


def identifiers(spellings: Mapping[str, str]) -> dict[str, str]:
    """A Python name for each name after its spelling, told apart where several would be alike."""
    chosen: dict[str, str] = {}
    for name, spelling in spellings.items():
        spelled = _identifier(spelling)
        numbered = (f"{spelled}_{i}" if i > 1 else spelled for i in range(1, len(chosen) + 2))
        chosen[name] = next(candidate for candidate in numbered if candidate not in chosen.values())
    return chosen


def _identifier(name: str) -> str:
    """Python reads names in the normal form NFKC, in which different names can be one."""
    letters = (letter if f"a{letter}".isidentifier() else "_" for letter in unicodedata.normalize("NFKC", name))
    spelled = re.sub("__+", "_", "".join(letters)).strip("_") or "column"
    spelled = spelled if spelled.isidentifier() else f"x{spelled}"
    return f"{spelled}_" if keyword.iskeyword(spelled) or spelled in RESERVED else spelled


def _spellings(umps: list[LearnedUMP], blocks: Iterable[str]) -> dict[str, str]:
    """What each variable is to be called; a curve after its column."""
    curves = {name: f"{column} curve" for ump in umps for name, (_, column) in ump.curves.items()}
    return {name: curves.get(name, name) for name in [*_inputs(umps), *blocks]}


def _inputs(umps: Iterable[LearnedUMP]) -> list[str]:
    """Every variable that blocks read and that is no block; the columns of curves too."""
    umps = list(umps)
    blocks = {ump.name for ump in umps}
    read = [name for ump in umps for name in ump.variables if name not in blocks]
    columns = [ump.curves[name][1] for ump in umps for name in ump.variables if name in ump.curves]
    return list(dict.fromkeys([*read, *columns]))


def _reading(umps: list[LearnedUMP], names: Mapping[str, str]) -> list[str]:
    """Lines that read every column, and then every curve of one."""
    curves: dict[str, tuple[Curve, str]] = {}
    sources: dict[str, Source] = {}
    for ump in umps:
        curves |= ump.curves
        sources |= ump.sources
    columns = [name for name in names if name in _inputs(umps) and name not in curves]
    lines = [f"{names[name]} = {_read(sources.get(name, Source(name)))}" for name in columns]
    drawn = [name for name in names if name in curves]
    return lines + [f"{names[name]} = {_curve(curves[name][0], names[curves[name][1]])}" for name in drawn]


def _read(source: Source) -> str:
    column = f"columns[{source.column!r}]"
    if source.kind == "level":
        return f"is_level({column}, {source.level!r})"
    if source.kind == "missing":
        return f"is_missing({column}, {source.levels!r})" if source.levels else f"is_missing({column})"
    return f"np.asarray({column}, float)" if source.fill is None else f"number({column}, {source.fill!r})"


def _curve(curve: Curve, column: str) -> str:
    low, high = float(curve.low), float(curve.high)
    if isinstance(curve, Ramp):
        return f"ramp({column}, {low!r}, {high!r})"
    if isinstance(curve, Wave):
        angle = f"np.pi * {curve.frequency} * ({column} - {low!r}) / {high - low!r}"
        return f"np.{curve.function}({angle})"
    return f"bspline({column}, {tuple(map(float, curve.knots))!r}, {low!r}, {high!r})"


def _block(ump: LearnedUMP, names: Mapping[str, str]) -> list[str]:
    rows = [_goal(goal, names) for goal in ump.goals]
    if ump.shortcut.monomials:
        rows.append(f"+ {_wrapped(_sum(ump.shortcut, names))}")
    inside = indent("\n".join(rows or ["0.0"]), "    ")
    return [f"{names[ump.name]} = (  # {ump.name!r}\n{inside}\n)"]


def _goal(goal: Goal, names: Mapping[str, str]) -> str:
    sign = "+" if ROLES[goal.head.role] * goal.multiplier >= 0 else "-"
    inside = _wrapped(_sum(goal.polynomial, names))
    argument = inside if goal.scale == 1 else f"{float(goal.scale)!r} * {inside}"
    return f"{sign} {abs(float(goal.multiplier))!r} * {head_source(goal.head, argument)}"


def _sum(polynomial: Polynomial, names: Mapping[str, str]) -> str:
    terms = [*polynomial.monomials.items()]
    if polynomial.constant or not terms:
        terms.append(((), polynomial.constant))
    parts = [("- " if value < 0 else "+ ") + _term(abs(float(value)), monomial, names) for monomial, value in terms]
    return " ".join(parts).removeprefix("+ ")


def _term(size: float, monomial: Monomial, names: Mapping[str, str]) -> str:
    return "*".join([repr(size), *(names[name] + (f"**{power}" if power > 1 else "") for name, power in monomial)])


def _wrapped(text: str) -> str:
    """A sum in brackets, over several lines where it is long."""
    lines = wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return f"({lines[0]})" if len(lines) == 1 else "(\n" + indent("\n".join(lines), "    ") + "\n)"


def _module(description: str, body: Iterable[str]) -> str:
    code = indent("\n".join(body), "    ")
    helpers = [source.strip() for name, source in HELPERS.items() if re.search(rf"(?<![\w.]){name}\(", code)]
    comment = "\n".join(f"# {line}".rstrip() for line in description.splitlines())
    function = (
        "def utility(**columns):\n"
        '    """BL(x, y) of rows; columns, those of y included, are in the units the problem was learned in."""\n'
        f"{code}"
    )
    return "\n\n\n".join(["import numpy as np\n\n" + comment, *helpers, function]) + "\n"
