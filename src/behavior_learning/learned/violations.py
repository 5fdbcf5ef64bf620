"""How firmly a learned problem holds its constraints: violations under p_τ(y|x) by temperature and by multiplier."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head
from behavior_learning.errors import OptionError
from behavior_learning.learned.explain import explained_values
from behavior_learning.learned.model import LearnedModel, Rows, some_rows
from behavior_learning.options import check_number
from behavior_learning.symbolic.coefficients import row_name

__all__ = ["violations_of"]

VIOLATION_ROWS = 200
"""Rows that violations are averaged over, evenly spaced."""

CONSTRAINTS = ("inequality", "equality")


def violations_of(
    model: LearnedModel, rows: Rows, *, temperatures: Sequence[float], multipliers: Sequence[float]
) -> pd.DataFrame:
    """|T| and max(0, C) of the first layer's rows under p_τ(y|x), in the units of the printed rows.

    Parameters
    ----------
    temperatures : in multiples of the fitted τ.
    multipliers : in multiples of the fitted λ of the constraints of the first layer, all of them at once.

    Returns
    -------
    A line per sweep, value and row, with columns mean and percentile_95. They describe the learned law as it is,
    without errors: `inference()` says which of its rows are determined.

    Source: Section 3.4 and Figure 6. Deviation: of the constraints of a fitted model, by quadrature instead of chains.

    Raises
    ------
    OptionError
        If blocks do not see the response, there are no constraints, or a value is not positive.
    """
    if model.vector:
        raise OptionError("Blocks do not see the response with output='vector', so that they hold it to nothing.")
    if not any(model.network.layers[0].head(role) for role in CONSTRAINTS):
        raise OptionError("This model has no constraints: its inequality and equality heads are dropped.")
    some, lines = some_rows(rows, VIOLATION_ROWS), []
    for sweep, values in {"temperature": temperatures, "multiplier": multipliers}.items():
        for value in (check_number(f"{sweep}s", value) for value in values):
            if sweep == "temperature":
                changed = replace(model, temperature=value * model.temperature)
            else:
                changed = replace(model, network=_firmer(model.network, value))
            lines += [{"sweep": sweep, "value": value, **line} for line in _violations(model, changed, some)]
    return pd.DataFrame(lines)


def _firmer(network: BehaviorNetwork, factor: float) -> BehaviorNetwork:
    """The network with the multipliers of the first layer's constraints times a factor."""
    for role in CONSTRAINTS:
        own = network.layers[0].heads[role].multiplier
        network = with_head(network, 0, role, multiplier=Weight.from_value(factor * weight_value(own)))
    return network


def _violations(model: LearnedModel, changed: LearnedModel, rows: Rows) -> list[dict[str, object]]:
    """How far the constraints of a model are violated by the responses of a changed one."""
    values, lines = explained_values(changed, model.problem, rows), []
    shape = np.broadcast_shapes(*map(np.shape, values.values()))
    for block in model.problem.layers[0]:
        for term in (term for role in CONSTRAINTS for term in block.terms_of(role)):
            inside = np.broadcast_to(term.polynomial.evaluate(values), shape)
            size = np.abs(inside) if term.head.role == "equality" else np.maximum(inside, 0.0)
            found = {"mean": float(size.mean()), "percentile_95": float(np.quantile(size, 0.95))}
            lines.append({"row": f"{block.name}.{row_name(block, term)}", **found})
    return lines
