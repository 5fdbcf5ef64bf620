"""A learned problem as Python source that needs NumPy alone."""

import keyword
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from textwrap import indent, wrap

from behavior_learning.core.features import BSpline, Clip, Curve, Ramp, Transform, Wave
from behavior_learning.core.heads import ROLES, Head, registered_heads
from behavior_learning.errors import DataError
from behavior_learning.symbolic.forms import NumPy, by_name
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, Problem
from behavior_learning.symbolic.sources import HASHED, Source
from behavior_learning.symbolic.text import DIGITS, TERMS_SHOWN, problem_text

__all__ = ["identifiers", "problem_source"]

WIDTH = 100
"""Characters per line of a polynomial."""

HELPERS = {
    "days": '''
def days(values):
    """Days since the beginning of 1970, or of a duration; numbers as they are."""
    values = np.asarray(values)
    if values.dtype.kind == "M":
        values = values - np.datetime64(0, "D")
    return values / np.timedelta64(1, "D") if values.dtype.kind == "m" else values
''',
    "number": '''
def number(values, fill, low=-np.inf, high=np.inf):
    """Numbers, with `fill` where there is none; beyond `low` and `high` these ends."""
    values = np.asarray(values, object)
    missing = np.vectorize(lambda value: value is None or value != value, otypes=[bool])(values)
    return np.clip(np.where(missing, fill, np.where(missing, 0.0, values)).astype(float), low, high)
''',
    "damped": '''
def damped(values, center, low, high):
    """Numbers whose distance from `center` counts logarithmically beyond `low` and `high`."""
    gap = np.asarray(values, float) - center
    end = np.where(gap > 0, high - center, low - center)
    return center + np.where(gap / end > 1, end * (1 + np.log(np.maximum(gap / end, 1.0))), gap)
''',
    "text": '''
def text(value):
    """A category as text, a number shortest."""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return str(int(value)) if float(value).is_integer() else repr(float(str(value)))
    return str(value)
''',
    "is_level": '''
def is_level(values, level):
    """1 where a category has the level, 0 elsewhere."""
    return np.vectorize(lambda value: float(text(value) == level and value == value), otypes=[float])(values)
''',
    "is_at_least": '''
def is_at_least(values, *levels):
    """1 where a category has one of the levels, which are all from one upwards; 0 elsewhere."""
    return np.vectorize(lambda value: float(text(value) in levels and value == value), otypes=[float])(values)
''',
    "is_other": '''
def is_other(values, *levels):
    """1 where there is a value, and none of the levels; 0 elsewhere."""
    other = lambda value: not (value is None or value != value) and text(value) not in levels
    return np.vectorize(lambda value: float(other(value)), otypes=[float])(np.asarray(values, object))
''',
    "is_missing": '''
def is_missing(values, levels=()):
    """1 where there is no value, or none of the known levels; 0 elsewhere."""
    gone = lambda value: value is None or value != value or (bool(levels) and text(value) not in levels)
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
}
"""Functions that source may call, in the order in which it defines them."""

WAVES = {"sin": "sin", "cos": "cos"}
"""What a wave may be: a name from a file goes into source only if it is one of these."""

RESERVED = {"np", "columns", "utility", *HELPERS}


def _named_heads() -> dict[str, type[Head]]:
    """Heads that are functions of their own, since their form has its argument several times."""
    return {head.family: head for role in ROLES for head in registered_heads(role) if by_name(head)}


def problem_source(problem: Problem) -> str:
    """A module with a function `utility(**columns)`; one output per class comes as a dictionary."""
    blocks = problem.blocks
    curves = {name: curve for block in blocks.values() for name, curve in block.curves.items()}
    sources = {name: source for block in blocks.values() for name, source in block.sources.items()}
    read = [name for block in blocks.values() for name in block.variables if name not in blocks]
    read = list(dict.fromkeys([*read, *(curves[name][1] for name in read if name in curves)]))
    names = identifiers({n: f"{curves[n][1]} curve" if n in curves else n for n in [*read, *blocks]})
    body = [f"{names[n]} = {_column(sources.get(n, Source(n)))}" for n in read if n not in curves]
    body += [f"{names[n]} = {_CURVES[type(curves[n][0])](*curves[n], names)}" for n in read if n in curves]
    body += [_block(block, names) for block in blocks.values()]
    sums = {name: _wrapped(_sum(output, names)) for name, output in problem.outputs.items()}
    if not problem.readouts:
        body.append(f"return {names[problem.layers[0][0].name]}")
    elif problem.chooses:
        body.append(f"return {sums['utility']}")
    else:
        body.append("return {\n" + "".join(f"    {name!r}: {written},\n" for name, written in sums.items()) + "}")
    return _module(problem_text(problem, TERMS_SHOWN, DIGITS, every_block=True), body)


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
    return f"{spelled}_" if keyword.iskeyword(spelled) or spelled in {*RESERVED, *_named_heads()} else spelled


def _column(source: Source) -> str:
    """A column of the user's table as numbers."""
    if any(level.startswith(HASHED) for level in (source.level, *source.levels)):
        raise DataError(
            f"The levels of {source.column!r} were saved as digests, which source cannot compare. Write it from the "
            "model as it was before it was saved."
        )
    column = f"columns[{source.column!r}]"
    if source.kind == "level":
        return f"is_level({column}, {source.level!r})"
    if source.kind == "at_least":
        above = source.levels[source.levels.index(source.level) :]
        return f"is_at_least({column}, {', '.join(map(repr, above))})"
    if source.kind == "other":
        return f"is_other({column}, {', '.join(map(repr, source.levels))})"
    if source.kind == "missing":
        return f"is_missing({column}, {source.levels!r})" if source.levels else f"is_missing({column})"
    if source.kind == "damped":
        return (
            f"damped({column}, {', '.join(repr(float(end or 0.0)) for end in (source.fill, source.low, source.high))})"
        )
    numbers = f"days({column})" if source.kind == "days" else column
    ends = "" if source.low is None or source.high is None else f", {float(source.low)!r}, {float(source.high)!r}"
    return (
        f"np.asarray({numbers}, float)" if source.fill is None else f"number({numbers}, {float(source.fill)!r}{ends})"
    )


def _ramp(ramp: Ramp, column: str, names: Mapping[str, str]) -> str:
    return f"ramp({names[column]}, {float(ramp.low)!r}, {float(ramp.high)!r})"


def _clip(curve: Clip, column: str, names: Mapping[str, str]) -> str:
    inside = f"np.clip({names[column]}, {float(curve.low)!r}, {float(curve.high)!r})"
    return f"({inside} - {float(curve.zero)!r}) / {float(curve.unit)!r}"


def _bspline(curve: BSpline, column: str, names: Mapping[str, str]) -> str:
    knots = tuple(map(float, curve.knots))
    return f"bspline({names[column]}, {knots!r}, {float(curve.low)!r}, {float(curve.high)!r})"


def _wave(wave: Wave, column: str, names: Mapping[str, str]) -> str:
    low, high = float(wave.low), float(wave.high)
    return f"np.{WAVES[wave.function]}(np.pi * {int(wave.frequency)} * ({names[column]} - {low!r}) / {high - low!r})"


def _transform(curve: Transform, column: str, names: Mapping[str, str]) -> str:
    inside = f"(np.maximum({names[column]}, {float(curve.low)!r}) - {float(curve.zero)!r}) / {float(curve.unit)!r}"
    return f"1 / ({inside})" if curve.function == "inverse" else f"np.{curve.function}({inside})"


_CURVES: dict[type[Curve], Callable[..., str]] = {
    Ramp: _ramp,
    Clip: _clip,
    BSpline: _bspline,
    Wave: _wave,
    Transform: _transform,
}


def _block(block: Block, names: Mapping[str, str]) -> str:
    rows = []
    for term in block.head_terms:
        sign = "+" if ROLES[term.head.role] * term.multiplier >= 0 else "-"
        inside = _wrapped(_sum(term.polynomial, names))
        argument = inside if term.scale == 1 else f"{float(term.scale)!r} * {inside}"
        rows.append(f"{sign} {abs(float(term.multiplier))!r} * {NumPy()(term.head, argument)}")
    if block.shortcut.monomials:
        rows.append(f"+ {_wrapped(_sum(block.shortcut, names))}")
    inside = indent("\n".join(rows or ["0.0"]), "    ")
    return f"{names[block.name]} = (  # {block.name!r}\n{inside}\n)"


def _sum(polynomial: Polynomial, names: Mapping[str, str]) -> str:
    text = ""
    for monomial, value in polynomial.written(polynomial.monomials):
        powers = [names[name] + (f"**{power}" if power > 1 else "") for name, power in monomial]
        text += (" - " if value < 0 else " + ") + "*".join([repr(abs(float(value))), *powers])
    return text.removeprefix(" + ").removeprefix(" ")


def _wrapped(text: str) -> str:
    """A sum in brackets, over several lines where it is long."""
    lines = wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return f"({lines[0]})" if len(lines) == 1 else "(\n" + indent("\n".join(lines), "    ") + "\n)"


def _module(description: str, body: Iterable[str]) -> str:
    code = indent("\n".join(body), "    ")
    sources = HELPERS | {name: NumPy().helper(head) for name, head in _named_heads().items()}
    helpers = [sources[name].strip() for name in _called(code, sources)]
    comment = "\n".join(f"# {line}".rstrip() for line in description.splitlines())
    function = (
        "def utility(**columns):\n"
        '    """BL(x, y) of rows; columns, those of y included, are in the units the problem was learned in."""\n'
        f"{code}"
    )
    return "\n\n\n".join(["import numpy as np\n\n" + comment, *helpers, function]) + "\n"


def _called(code: str, sources: Mapping[str, str]) -> list[str]:
    """The helpers that code calls, and those that these call, in the order in which they are defined."""
    found: set[str] = set()
    while more := {name for name in sources if name not in found and re.search(rf"(?<![\w.]){name}\(", code)}:
        found |= more
        code = "\n".join(sources[name].partition(":")[2] for name in more)
    return [name for name in sources if name in found]
