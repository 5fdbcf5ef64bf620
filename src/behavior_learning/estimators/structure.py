"""From hyperparameters to an architecture and a basis."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from behavior_learning.core.architecture import Architecture, Output
from behavior_learning.core.bases import ONE, Basis, informative, with_terms, without_pure_x
from behavior_learning.core.basis_families import Affine, BasisFamily, Polynomial, Spline
from behavior_learning.core.features import Product
from behavior_learning.core.heads import ROLES, get_head
from behavior_learning.core.network import RowRules
from behavior_learning.errors import DataError, OptionError, SmoothHeadsWarning
from behavior_learning.estimators.terms import named_products, stated_products
from behavior_learning.learned.columns import Columns
from behavior_learning.options import check_choice, check_count, check_sequence, from_plain
from behavior_learning.specification import UMP, StatedLayer, state_layer, state_upper_layer
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.settings import Initialization, Penalty

__all__ = [
    "DEFAULT_LAYERS",
    "FEW_ROWS",
    "LINEAR",
    "MANY_ROWS",
    "SHAPING",
    "as_plainer",
    "averages",
    "by_curves",
    "draws_curves",
    "for_many_rows",
    "kinds_of_curves",
    "left_open",
    "make_architecture",
    "make_basis",
]

DEFAULT_LAYERS = (16, 4)
"""Blocks per layer where neither layers, degrees nor structure say otherwise."""

FEW_ROWS = 50
"""Training rows below which the default problem is linear: of a number larger ones lose to it by up to 1.8 nats
(`benchmarks/tables.py`)."""

MANY_ROWS = 20_000
"""Training rows from which single networks are learned in a budget of steps, and numbers by no average; with fewer
labels, longer training may still pay (EEG)."""

STEPS = 5_000
"""Steps in which labels of many rows are learned, so that the time of a fit hardly grows with them."""

CURVED_STEPS, CURVED_EPOCHS = 8_000, 200
"""Steps and epochs at most in which a network of curves is learned; labels of many rows have `STEPS`, where no average
is asked for."""

BRIEF_EPOCHS = 50
"""Epochs in which a network learns few labels: the best epoch of longer schedules comes where the step is still large
(`benchmarks/LOG.md`)."""

CURVED_FEW, CURVED_ROWS = {False: 250, True: 500}, 8_000
"""Training rows below which no curves are drawn, by whether y is a label, and from which batches are large."""

CURVED_COLUMNS = 200
"""Columns up to which curves are drawn."""

FEW_KIND = (8, 0.0)
"""Knots of curves of a few numbers, and the dropout beside them."""

KINDS = {False: ((16, 0.1), (4, 0.1), (16, 0.0)), True: ((16, 0.1), (4, 0.1), (64, 0.0))}
"""The same of many numbers and of labels, by whether y is one, the usual kind first: electricity wants many
knots and no dropout, EEG few (`benchmarks/LOG.md`)."""

PILOTED_ROWS, JUDGING_ROWS = 2_000, 100
"""Training rows from which pilots say what kind of network is learned, and held-out rows that they need."""

AVERAGED_STARTS = 8
"""Networks of an average of labels, or of few numbers: more of them take out noise (steel plates: .016 nats, auto MPG:
.037, electricity: .007)."""

RIDGED_ROWS, MOST_RIDGE = 10_000, {False: 3.0, True: 20.0}
"""Over this number of training rows goes the ridge of labels by curves, and of averages of a number, from so much down
to 1: an average takes out what members of a small ridge learn too well, a single network of a number does not."""

LINEAR = {False: (None, None, "square"), True: ("identity", None, None)}
"""Heads of linear regression, and of logistic regression, by whether y is a label."""

HEADS = {False: ("tanh", "relu", "abs"), True: ("tanh", "softplus", "square")}
"""Default heads, by whether the model is to be identifiable (Eq. 7, Eq. 10)."""


SHAPING = (
    "layers",
    "structure",
    "n_terms",
    "heads",
    "basis",
    "degrees",
    "extra_terms",
    "skip",
    "multipliers",
    "aggregation",
    "readout",
    "identifiable",
    "average",
    "response",
    "output",
)
"""Hyperparameters that say what is learned, and not how."""

FIRST_LAYER = (
    "n_terms",
    "basis",
    "degrees",
    "extra_terms",
    "multipliers",
    "identifiable",
)
"""Hyperparameters that say what `structure` says too."""


def left_open(chosen: Any) -> bool:
    """Whether nothing is asked of the problem that is to be learned."""
    stated = (chosen.layers, chosen.structure, chosen.degrees) != (None, None, None) or chosen.heads != "auto"
    return not (stated or chosen.identifiable or chosen.objective.derivatives)


def as_plainer(asked: Any, chosen: Any, penalty: Any, rows: int, classes: int | None) -> Any:
    """What was asked for, checked, with logistic regression of so many classes, or of a number linear regression.

    Where few labels of two kinds are learned by curves it is additive: log odds are a sum of a curve of each column.
    Linear regression has next to no ridge where none was asked for. The default one of labels shrinks the norms of the
    coefficients, for it is shared by a block and its readout: what says nothing becomes zero altogether.

    Parameters
    ----------
    chosen : the hyperparameters of the problem that it stands beside.
    """
    alone = vars(asked) | {"average": False, "penalty": replace(asked.penalty, dropout=0.0)}  # It has few blocks.
    if classes is None:
        ridge = {"penalty": Penalty(l2=0.01)} if penalty == "ridge" else {}
        return SimpleNamespace(**alone | {"layers": (1,), "heads": LINEAR[False]} | ridge)
    basis = chosen.basis if classes == 2 and rows < CURVED_ROWS else asked.basis
    return SimpleNamespace(**alone | {"layers": (max(classes - 1, 1),), "heads": LINEAR[True], "basis": basis})


def for_many_rows(chosen: Any, rows: int) -> Any:
    """The checked hyperparameters, with large batches and a step size that falls over a budget of steps."""
    optimizer = Adam(learning_rate=0.02, batch_size=256, schedule="cosine")
    epochs = min(chosen.max_epochs, max(1, STEPS // optimizer.steps(rows)))
    return SimpleNamespace(**vars(chosen) | {"optimizer": optimizer, "max_epochs": epochs})


def draws_curves(chosen: Any, estimator: Any, columns: int) -> bool:
    """Whether a single problem of so many columns may be one of curves: nothing speaks for another."""
    stated = (estimator.basis, estimator.optimizer) != ("auto", "auto") or chosen.extra_terms or chosen.penalty.sparse
    return left_open(chosen) and not stated and columns <= CURVED_COLUMNS


def averages(chosen: Any, estimator: Any, rows: int, columns: int, labels: bool) -> bool:
    """Whether the mean of all starts is learned where nobody says: of curves, which nobody reads."""
    suits = CURVED_FEW[labels] <= rows and (labels or rows < MANY_ROWS)
    return suits and chosen.n_restarts.n > 1 and draws_curves(chosen, estimator, columns)


def by_curves(chosen: Any, estimator: Any, rows: int, columns: int, labels: bool) -> Any:
    """The checked hyperparameters of what is to predict labels or a number, where they were left open.

    Nobody reads an average, nor the many blocks of a default problem, so that their networks see a curve of every
    column, and those of labels are wide.
    """
    if rows < CURVED_FEW[labels]:
        return chosen
    few, many = rows < CURVED_ROWS, rows >= MANY_ROWS and not chosen.average
    stated = chosen.structure or chosen.degrees or chosen.identifiable or estimator.basis != "auto"
    knots, dropout = KINDS[labels][0] if labels or rows >= PILOTED_ROWS else FEW_KIND
    optimizer = Adam(learning_rate=0.02, batch_size=256 if not few else 128 if labels else 64, schedule="cosine")
    steps = STEPS if many else CURVED_STEPS
    most = BRIEF_EPOCHS if labels and few else CURVED_EPOCHS
    epochs = min(chosen.max_epochs, most, max(1, steps // optimizer.steps(rows)))
    suited: dict[str, Any] = {}
    if labels and estimator.layers is None:
        suited |= {"layers": (32, 8)}
    if columns <= CURVED_COLUMNS and not stated:
        suited |= {"basis": Spline(knots=knots, straight=True)}
    if estimator.optimizer == "auto":
        suited |= {"optimizer": optimizer, "max_epochs": epochs}
    if estimator.n_restarts == "auto" and (many or (chosen.average and (few or labels))):
        suited |= {"n_restarts": Initialization(1 if many else AVERAGED_STARTS)}
    if (labels or chosen.average) and estimator.penalty == "ridge":
        drops = "basis" in suited and _may_drop(chosen, estimator, labels)
        ridge = float(np.clip(RIDGED_ROWS / rows, 1.0, MOST_RIDGE[labels]))
        suited |= {"penalty": Penalty(l2=ridge, dropout=dropout if drops else 0.0)}
    return SimpleNamespace(**vars(chosen) | suited)


def kinds_of_curves(chosen: Any, estimator: Any, rows: int, held_out: int, labels: bool) -> list[dict[str, Any]]:
    """Hyperparameters that pilots are to choose from, which say how fine curves are where that is left open.

    Pilots are trained as long as a member of a mean is: brief ones chose wrongly where differences show late (EEG).
    """
    known = estimator.basis != "auto" or chosen.basis == "auto" or not chosen.objective.likelihood
    if known or rows < PILOTED_ROWS or held_out < JUDGING_ROWS:
        return [{}]
    each = [(replace(cast(Spline, chosen.basis), knots=knots), dropout) for knots, dropout in KINDS[labels]]
    if _may_drop(chosen, estimator, labels):
        return [{"basis": basis, "penalty": replace(chosen.penalty, dropout=dropout)} for basis, dropout in each]
    bases = [basis for basis, _ in each]
    return [{"basis": basis} for basis in (bases if labels else [*bases[:2], replace(bases[0], knots=FEW_KIND[0])])]


def _may_drop(chosen: Any, estimator: Any, labels: bool) -> bool:
    """Whether blocks may be left out in training: nothing is asked of them, and training is in steps."""
    left = (labels or chosen.average) and estimator.penalty == "ridge" and estimator.layers is None
    return left and chosen.objective.likelihood and (estimator.optimizer == "auto" or chosen.optimizer.stochastic)


def make_architecture(chosen: Any, output: Output, estimator: Any) -> Architecture:
    """Read the structural hyperparameters.

    Parameters
    ----------
    chosen : the checked hyperparameters of `estimator`.

    Raises
    ------
    OptionError
        If one is invalid, or two contradict each other.
    """
    layers = _layers(chosen)
    rows, degrees = _rows_and_degrees(chosen)
    if chosen.structure is not None:
        for part in fields(estimator):
            value = getattr(estimator, part.name)
            if part.name in FIRST_LAYER and from_plain(value) != part.default:
                raise OptionError(f"structure states the first layer; {part.name}={value!r} contradicts it. Drop one.")
        problems = [problem for layer in stated_layers(chosen) for problem in layer]
        rows, degrees = tuple(max(len(problem.rows(role)) for problem in problems) for role in ROLES), None
    heads = _heads(chosen.heads, bool(chosen.identifiable))
    if chosen.objective.derivatives:
        heads = _smoothed(heads, chosen)
    dropped = [role for role, head, count in zip(ROLES, heads, rows, strict=False) if head is None and count]
    if chosen.structure is not None and dropped:
        raise OptionError(f"structure has {dropped[0]} rows, but heads={heads!r} drops that head. Name one.")
    single = output == "scalar" and layers[-1:] == (1,)
    readout = check_choice("readout", chosen.readout, ("auto", "nonnegative", "free", *["identity"] * single))
    if readout == "auto":
        readout = "identity" if single else "nonnegative" if output == "scalar" else "free"
    return Architecture(
        layers=layers,
        rows=rows,
        heads=heads,
        degrees=degrees,
        skip=chosen.skip,
        output=output,
        multipliers=chosen.multipliers,
        aggregation=chosen.aggregation,
        intercepts=chosen.identifiable in (False, "pure_x") or output == "vector",
        readout=readout,
        readout_bias=output == "vector" and not chosen.identifiable,
    )


def stated_layers(chosen: Any) -> tuple[tuple[UMP, ...], ...]:
    """The problems of `structure` by layer: one, those of the first layer, or a list of them per layer."""
    structure = chosen.structure
    stated = isinstance(structure, UMP)
    problems: Any = (structure,) if stated else check_sequence("structure", structure, "[bl.UMP(...)]")
    layers = tuple(map(tuple, problems)) if all(isinstance(own, (list, tuple)) for own in problems) else (problems,)
    if not problems or not all(layer and all(isinstance(own, UMP) for own in layer) for layer in layers):
        raise OptionError(f"structure must be a bl.UMP, a list of them, or a list of such lists; got {structure!r}.")
    if len(layers) > 1 and chosen.skip not in (None, "residual"):
        raise OptionError(
            f"structure of upper layers is in blocks of the layer below; skip={chosen.skip!r} lets them see more. Use "
            "skip=None or 'residual'."
        )
    return layers


def _layers(chosen: Any) -> tuple[int, ...]:
    if chosen.structure is None:
        default = DEFAULT_LAYERS if chosen.degrees is None else (1,)
        return default if chosen.layers is None else check_sequence("layers", chosen.layers, "(2, 1)")
    stated = tuple(map(len, stated_layers(chosen)))
    if chosen.layers is None:
        return stated
    layers = check_sequence("layers", chosen.layers, "(2, 1)")
    if layers[: len(stated)] != stated:
        which = "for the first layer" if len(stated) == 1 else "for the first layers"
        raise OptionError(
            f"structure states {', '.join(map(str, stated))} blocks {which}, but layers={layers!r}. Leave layers out."
        )
    return layers


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


def _smoothed(heads: tuple[str | None, ...], chosen: Any) -> tuple[str | None, ...]:
    """The heads without kinks, for score matching without jumps of curvature either; named ones warn."""
    times = chosen.objective.derivatives
    found = [None if head is None else get_head(role, head) for role, head in zip(ROLES, heads, strict=False)]
    smooth = tuple(None if head is None else head.smoothed(times).name for head in found)
    if smooth != tuple(None if head is None else head.name for head in found) and chosen.heads != "auto":
        warnings.warn(
            f"objective={chosen.objective.short_name!r} takes derivatives in y, which lose the kinks of "
            f"heads={heads!r}; {smooth!r} are used instead. Name them to silence this, or use objective='likelihood'.",
            SmoothHeadsWarning,
            stacklevel=4,
        )
    return smooth


def _rows_and_degrees(chosen: Any) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...] | None]:
    """Rows of each head and the degree of each, where any degrees are stated."""
    rows = tuple(check_count("n_terms", count, minimum=0) for count in chosen.n_terms)
    if len(rows) != len(ROLES):
        raise OptionError(f"n_terms needs three counts ({', '.join(ROLES)}), such as (1, 1, 1); got {rows!r}.")
    if chosen.degrees is None:
        return rows, None
    stated = chosen.degrees
    if isinstance(stated, Mapping):
        unknown = [name for name in stated if name not in ROLES]
        if unknown:
            raise OptionError(f"degrees names {unknown[0]!r}, which is no head. Heads: {', '.join(ROLES)}.")
        stated = [stated.get(role) for role in ROLES]
    example = "((2,), (2, 2, 2), (2, 2)) or {'utility': (2,)}"
    stated = check_sequence("degrees", stated, example)
    if len(stated) != len(ROLES):
        raise OptionError(f"degrees needs one list for each of {', '.join(ROLES)}, such as {example}; got {stated!r}.")
    degrees = tuple(
        (1,) * count if given is None else check_sequence(f"degrees of {role}", given, "(2, 2)")
        for role, given, count in zip(ROLES, stated, rows, strict=True)
    )
    return tuple(map(len, degrees)), degrees


def make_basis(
    chosen: Any, architecture: Architecture, x: np.ndarray, columns: Columns
) -> tuple[Basis, list[dict[str, RowRules]]]:
    """The terms of the first layer's rows, and rules for the weights of each layer that `structure` states.

    Parameters
    ----------
    x : the encoded training rows, on which quantiles are taken.
    """
    y_columns = 0 if architecture.output == "vector" else len(columns.y)
    if chosen.structure is not None:
        counts, (first, *upper) = tuple(architecture.rows), stated_layers(chosen)
        stated = _stated_layer(first, columns, y_columns > 0, x, counts)
        below = [[f"block{n}.{i}" for i in range(1, width + 1)] for n, width in enumerate(architecture.layers, 1)]
        return stated.basis, [stated.rules, *map(partial(state_upper_layer, counts=counts), upper, below)]
    family = _chosen_basis(chosen.basis, architecture, x, columns.x)
    basis = family(x, columns.choices[:y_columns])
    if not architecture.intercepts:
        basis = without_pure_x(basis)
    products = [product for text in chosen.extra_terms for product in _added(text, columns, y_columns > 0, x)]
    basis = with_terms(basis, products) if products else basis
    if x.shape[1] and all(pair[0] == ONE for pair in basis.pairing.pairs):
        raise OptionError(
            f"identifiable=True drops the terms of x alone, and {family!r} has no product of x and y: the response "
            "would not depend on X. Use basis='polynomial', identifiable='pure_x' or extra_terms."
        )
    return basis, []


def _added(text: str, columns: Columns, with_y: bool, x: np.ndarray) -> list[tuple[Product, Product]]:
    """The products that a term stands for and that say something on the training rows."""
    says = informative(x)
    kept = [(own, y) for own, y in named_products(text, columns, with_y) if says(own.columns)]
    if not kept:
        raise OptionError(
            f"extra_terms: {text!r} repeats other terms in every training row, as the square of a column of two values "
            "does. Drop it."
        )
    return kept


def _stated_layer(
    problems: Sequence[UMP], columns: Columns, with_y: bool, x: np.ndarray, counts: Sequence[int]
) -> StatedLayer:
    if not with_y:
        raise OptionError("structure speaks of the response, which output='vector' hides from blocks; use 'scalar'.")
    products = partial(stated_products, columns=columns, x=x)
    return state_layer(problems, products=products, x_units=columns.x_units, y_units=columns.y_units, counts=counts)


def _chosen_basis(basis: Any, architecture: Architecture, x: np.ndarray, names: Sequence[str]) -> BasisFamily:
    """The basis asked for: by itself affine, but polynomial where degrees or products with y are needed."""
    stated = [degree for head in architecture.degrees or () for degree in head]
    if basis == "auto":
        basis = Polynomial() if stated or not architecture.intercepts else Affine()
    constant = [name for name, values in zip(names, x.T, strict=True) if basis.curved and np.ptp(values) == 0]
    if constant:
        raise DataError(f"basis={basis.short_name!r} needs columns that vary; {constant[0]!r} is constant. Drop it.")
    return basis.of_degree(max(stated)) if stated else basis
