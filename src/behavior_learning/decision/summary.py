"""Scenarios as tables for a report: optima of the problem, what changes, what carries it, what constraints cost."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.decision.edits import places_of
from behavior_learning.decision.scenario import Scenario
from behavior_learning.errors import OptionError

__all__ = ["scenario_tables"]

ROWS = 5
"""Rows whose optima are shown."""


def scenario_tables(scenarios: Mapping[str, Scenario]) -> dict[str, pd.DataFrame]:
    """Tables by caption.

    Raises
    ------
    OptionError
        If one is no scenario.
    """
    tables: dict[str, pd.DataFrame] = {}
    for name, scenario in scenarios.items():
        if not isinstance(scenario, Scenario):
            raise OptionError(f"scenarios are what counterfactual returned, by name; that of {name!r} is {scenario!r}.")
        places = places_of(scenario.model)
        if places and not tables:
            tables |= _optima(scenario)
        tables[f"{name}: means and their change ({scenario.parameters.how})"] = scenario.levels()
        if scenario.edits.same_alternatives:
            tables[f"{name}: what each head adds to the change"] = scenario.decomposition()
        if places and not scenario.edits.twins and scenario.model.network.architecture.smooth:
            tables[f"{name}: what a unit of each constraint is worth at the mode"] = scenario.prices()
        if len(scenario.distance):
            tables[f"{name}: how far its rows leave the data, in standard deviations"] = scenario.distance
    return tables


def _optima(scenario: Scenario) -> dict[str, pd.DataFrame]:
    """The soft and the hard optimum at some rows of the baseline, with prices."""
    problem = scenario.problem
    rows = scenario.before.iloc[np.unique(np.linspace(0, len(scenario.before) - 1, ROWS).astype(int))]
    columns: dict[str, Any] = {}
    for kind in ("soft", "hard"):
        solved = problem.solve(rows, kind=kind)
        columns[f"{kind} optimum"] = [str(y) for y in solved.y]
        columns |= {f"{kind} price of {label}": solved.prices[label].to_numpy() for label in solved.prices}
    columns |= {"gap": solved.gap, "hard problem": solved.status}
    caption = "Optima at rows of the baseline, every constraint a penalty as learned (soft) and exactly (hard)"
    return {caption: pd.DataFrame(columns, rows.index)}
