"""From flat hyperparameters to an architecture and a basis."""

import warnings
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from behavior_learning.core.bases import ONE, Basis, with_terms, without_pure_x
from behavior_learning.core.basis_families import get_basis, registered_bases
from behavior_learning.core.features import Product
from behavior_learning.core.heads import ROLES, get_head
from behavior_learning.core.network import Architecture, Output, RowRules
from behavior_learning.errors import DataError, OptionError, SmoothHeadsWarning
from behavior_learning.estimators.learning import SCORE_OBJECTIVES
from behavior_learning.formulas import parse_product
from behavior_learning.learned.columns import Columns
from behavior_learning.options import check_choice, check_sequence
from behavior_learning.specification import UMP, StatedLayer, state_layer

__all__ = ["DEFAULT_LAYERS", "make_architecture", "make_basis"]

DEFAULT_LAYERS = (16, 4)
"""Blocks per layer where neither layers, degrees nor structure say otherwise."""

DEGREES = ("utility_degrees", "inequality_degrees", "equality_degrees")

HEADS = {False: ("tanh", "relu", "abs"), True: ("tanh", "softplus", "square")}
"""Default heads, by whether the model is to be identifiable (Eq. 7, Eq. 10)."""


def make_architecture(estimator: Any, output: Output) -> Architecture:
    """Read the structural hyperparameters.

    Raises
    ------
    OptionError
        If one is invalid, or two contradict each other.
    """
    layers = _layers(estimator)
    identifiable = check_choice("identifiable", estimator.identifiable, (False, True))
    skip = check_choice("skip", estimator.skip, (None, "dense", "residual", "input"))
    rows, degrees = _rows_and_degrees(estimator)
    if estimator.structure is not None:
        _refuse_beside_structure(estimator)
        rows, degrees = _stated_rows(estimator), None
    heads = _heads(estimator.heads, identifiable)
    if estimator.objective in SCORE_OBJECTIVES:
        heads = _smoothed(heads, estimator)
    dropped = [role for role, head, count in zip(ROLES, heads, rows, strict=False) if head is None and count]
    if estimator.structure is not None and dropped:
        raise OptionError(f"structure has {dropped[0]} rows, but heads={heads!r} drops that head. Name one.")
    return Architecture(
        layers=layers,
        rows=rows,
        heads=heads,
        degrees=degrees,
        skip=skip,
        projection=check_choice("projection", estimator.projection, (True, False)),
        output=output,
        multipliers=check_choice("multipliers", estimator.multipliers, ("nonnegative", "free")),
        intercepts=not (identifiable and output == "scalar" and not estimator.pure_x_terms),
        readout=_readout(estimator.readout, output, layers),
        readout_bias=_readout_bias(estimator.readout_bias, output, identifiable),
    )


def stated_problems(estimator: Any) -> tuple[UMP, ...]:
    """The problems of `structure`, which may be one."""
    structure = estimator.structure
    problems = (structure,) if isinstance(structure, UMP) else check_sequence("structure", structure, "[bl.UMP(...)]")
    if not problems or not all(isinstance(problem, UMP) for problem in problems):
        raise OptionError(f"structure must be a bl.UMP or a list of them; got {structure!r}.")
    return problems


def _layers(estimator: Any) -> tuple[int, ...]:
    if estimator.structure is None:
        single = any(getattr(estimator, name) is not None for name in DEGREES)
        default = (1,) if single else DEFAULT_LAYERS
        return default if estimator.layers is None else check_sequence("layers", estimator.layers, "(2, 1)")
    stated = len(stated_problems(estimator))
    if estimator.layers is None:
        return (stated,)
    layers = check_sequence("layers", estimator.layers, "(2, 1)")
    if layers[:1] != (stated,):
        raise OptionError(f"structure states {stated} blocks for the first layer, but layers={layers!r}.")
    return layers


def _refuse_beside_structure(estimator: Any) -> None:
    """`structure` says all of the first layer; options that would say it again are refused."""
    silent = {
        "rows": (1, 1, 1),
        "basis": "auto",
        "degree": None,
        "utility_degrees": None,
        "inequality_degrees": None,
        "equality_degrees": None,
        "extra_terms": (),
        "multipliers": "nonnegative",
        "identifiable": False,
        "pure_x_terms": False,
    }
    given = lambda name: getattr(estimator, name)
    spoken = [
        n for n, default in silent.items() if (tuple(given(n)) if isinstance(given(n), list) else given(n)) != default
    ]
    if spoken:
        raise OptionError(
            f"structure states the first layer; {spoken[0]}={given(spoken[0])!r} contradicts it. Drop one."
        )


def _stated_rows(estimator: Any) -> tuple[int, ...]:
    problems = stated_problems(estimator)
    return tuple(max(len(problem.rows(role)) for problem in problems) for role in ROLES)


def _heads(heads: Any, identifiable: bool) -> tuple[str | None, ...]:
    if isinstance(heads, str) and heads == "auto":
        return HEADS[identifiable]
    heads = check_sequence("heads", heads, '("tanh", "relu", "abs")')
    found = [get_head(role, head) for role, head in zip(ROLES, heads, strict=False) if head is not None]
    kinked = [head.name for head in found if not head.smooth]
    if identifiable and kinked:
        raise OptionError(
            f"identifiable=True needs smooth heads such as {HEADS[True]!r}; got {kinked[0]!r}. "
            "Leave heads at 'auto' or choose smooth ones."
        )
    return heads


def _smoothed(heads: tuple[str | None, ...], estimator: Any) -> tuple[str | None, ...]:
    """The heads without kinks, for score matching without jumps of curvature either; named ones warn."""
    times = 2 if estimator.objective == "score_matching" else 1
    found = [None if head is None else get_head(role, head) for role, head in zip(ROLES, heads, strict=False)]
    smooth = tuple(None if head is None else head.smoothed(times).name for head in found)
    if smooth != tuple(None if head is None else head.name for head in found) and estimator.heads != "auto":
        warnings.warn(
            f"objective={estimator.objective!r} takes derivatives in y, which lose the kinks of heads={heads!r}; "
            f"{smooth!r} are used instead. Name them to silence this, or use objective='likelihood'.",
            SmoothHeadsWarning,
            stacklevel=4,
        )
    return smooth


def _rows_and_degrees(estimator: Any) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...] | None]:
    """Rows of each head and the degree of each, where any degrees are stated."""
    rows = check_sequence("rows", estimator.rows, "(1, 1, 1)")
    stated = [getattr(estimator, name) for name in DEGREES]
    if all(degrees is None for degrees in stated):
        return rows, None
    degrees = tuple(
        (1,) * count if given is None else check_sequence(name, given, "(2, 2)")
        for name, given, count in zip(DEGREES, stated, rows, strict=False)
    )
    return tuple(map(len, degrees)), degrees


def _readout(readout: Any, output: Output, layers: tuple[int, ...]):
    single = output == "scalar" and layers[-1:] == (1,)
    valid = ("auto", "nonnegative", "free") + (("identity",) if single else ())
    if check_choice("readout", readout, valid) != "auto":
        return readout
    return "identity" if single else "nonnegative" if output == "scalar" else "free"


def _readout_bias(bias: Any, output: Output, identifiable: bool) -> bool:
    chosen = check_choice("readout_bias", bias, (None, True, False))
    if identifiable and chosen:
        raise OptionError("identifiable=True has a readout without bias (Eq. 11); leave readout_bias at None.")
    return output == "vector" and not identifiable if chosen is None else chosen


def make_basis(
    estimator: Any, architecture: Architecture, x: np.ndarray, columns: Columns
) -> tuple[Basis, dict[str, RowRules] | None]:
    """The terms of the first layer's rows, and rules for its weights where `structure` states them.

    Parameters
    ----------
    x : the encoded training rows, on which quantiles are taken.
    """
    y_columns = 0 if architecture.output == "vector" else len(columns.y)
    if estimator.structure is not None:
        stated = _stated_layer(estimator, columns, y_columns > 0)
        return stated.basis, stated.rules
    basis = _plain_basis(estimator, architecture, x, y_columns, columns)
    if not architecture.intercepts:
        basis = without_pure_x(basis)
    texts = check_sequence("extra_terms", estimator.extra_terms, '["RM:MEDV"]')
    products = [product for text in texts for product in named_products(text, columns, y_columns > 0)]
    basis = with_terms(basis, products) if products else basis
    if x.shape[1] and all(pair[0] == ONE for pair in basis.pairing.pairs):
        raise OptionError(
            f"identifiable=True drops the terms of x alone, and basis={estimator.basis!r} has no product of x and y: "
            "the response would not depend on X. Use basis='polynomial', pure_x_terms=True or extra_terms."
        )
    return basis, None


def _stated_layer(estimator: Any, columns: Columns, with_y: bool) -> StatedLayer:
    if not with_y:
        raise OptionError("structure speaks of the response, which output='vector' hides from blocks; use 'scalar'.")
    products = lambda text: [
        (Product(x.columns, uncentered=bool(x.columns)), Product(y.columns, uncentered=bool(y.columns)))
        for x, y in named_products(text, columns, with_y)
    ]
    problems = stated_problems(estimator)
    return state_layer(problems, products=products, x_units=columns.x_units, y_units=columns.y_units)


def _plain_basis(estimator: Any, architecture: Architecture, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
    kind = check_choice("basis", estimator.basis, ("auto", *registered_bases()))
    stated = [degree for head in architecture.degrees or () for degree in head]
    if kind == "auto":
        kind = "polynomial" if stated or not architecture.intercepts else "affine"
    given = {"degree": estimator.degree, "knots": estimator.knots, "frequencies": estimator.frequencies}
    if kind == "polynomial" and stated:
        given["degree"] = max(stated)
    basis = get_basis(kind)
    options = {field.name: given.get(field.name) for field in fields(basis)}
    family = basis(**{name: value for name, value in options.items() if value is not None})
    if family.curved:
        _refuse_constants(x, columns.x, kind)
    return family(x, columns.choices[:y_columns])


def _refuse_constants(x: np.ndarray, names: Sequence[str], kind: str) -> None:
    constant = [name for name, values in zip(names, x.T, strict=True) if np.ptp(values) == 0]
    if constant:
        raise DataError(f"basis={kind!r} needs columns that vary; {constant[0]!r} is constant. Drop it.")


def _named_columns(name: str, columns: Sequence[str], sources: Sequence[str]) -> list[int]:
    """The columns with a name: one by its own, or all levels of a category, but no indicator of missing values."""
    named = zip(columns, sources, strict=True)
    return [j for j, (c, source) in enumerate(named) if c == name or (source == name and c != f"{name}[missing]")]


def named_products(text: str, columns: Columns, with_y: bool) -> list[tuple[Product, Product]]:
    """Products of encoded columns that a term such as ``"RM:MEDV"`` or ``"LSTAT^2"`` stands for.

    A categorical column stands for each of its levels.

    Raises
    ------
    OptionError
        If the term names no column.
    """
    products: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    for name, power in parse_product(text):
        x = _named_columns(name, columns.x, columns.x_sources)
        y = _named_columns(name, columns.y, columns.y_sources)
        y = y if with_y else []
        if not x and not y:
            known = ", ".join(dict.fromkeys((*columns.x_sources, *(columns.y_sources if with_y else ()))))
            raise OptionError(f"The term {text!r} names {name!r}, which is no column. Columns: {known}.")
        choices = [((j,) * power, ()) for j in x] + [((), (j,) * power) for j in y]
        products = [(a + c, b + d) for a, b in products for c, d in choices]
    return [(Product(tuple(sorted(x))), Product(tuple(sorted(y)))) for x, y in products]
