"""Figures refuse what they cannot draw, in words."""

import numpy as np
import pandas as pd
import pytest

from behavior_learning import plots
from behavior_learning.errors import BLError
from tests.symbolic.networks import Drawn

INTERVALS = {"coverage": 0.9, "name": "price"}
NAMES = {"names": ("rooms", "price")}
FRAME = pd.DataFrame({"utility": ["a", "b"]})
ONE, PLANE = Drawn(layers=(1,)).problem, {"rooms": (0, 1), "price": (0, 1)}
AT = dict.fromkeys(ONE.blocks["block1.1"].variables, 0.0)

WRONG = {
    "pit empty": (plots.pit_histogram, ([],), {}, "pit must be an array of shape n, not empty"),
    "pit missing": (plots.pit_histogram, ([0.5, np.nan],), {}, "pit must be finite; 1 values"),
    "pit beyond": (plots.coverage, ([2.0, -1.0],), {}, "pit must lie between 0 and 1; got -1 to 2"),
    "pit text": (plots.coverage, (["a"],), {}, "pit must be numbers"),
    "bins": (plots.pit_histogram, ([0.5],), {"bins": 0}, "bins must be a whole number of at least 1; got 0"),
    "labels": (plots.reliability, ([[0.5, 0.5]], ["a"], "ab"), {}, "observed must be numbers"),
    "unknown class": (plots.reliability, ([[0.5, 0.5]], [2], "ab"), {}, "positions 0 to 1 among the classes"),
    "negative class": (plots.reliability, ([[0.5, 0.5]], [-1], "ab"), {}, "positions 0 to 1 among the classes"),
    "more rows": (plots.reliability, ([[0.5, 0.5]], [0, 1], "ab"), {}, r"shape 1, not empty; got shape \(2,\)"),
    "fewer classes": (plots.reliability, ([[0.5, 0.5]], [0], "a"), {}, "a column per class; got 2 for 1"),
    "no effects": (plots.effects, (3,), {}, r"table must be effects\.table\(standardized=True\); got int"),
    "other table": (plots.effects, (FRAME,), {}, "lacks the column 'estimate'"),
    "all contributions": (plots.contributions, (FRAME,), {}, "values must be a line of model.contributions"),
    "no curve": (plots.curve, (FRAME[:0],), {}, "this table has no lines"),
    "curve of text": (plots.curve, (FRAME,), {}, "table must hold numbers"),
    "surface of a line": (plots.surface, ([1, 2], [1, 2], [[1, 2]]), NAMES, "values must be an array of shape 2 x 2"),
    "surface of one name": (plots.surface, ([1], [2], [[1]]), {"names": ("rooms",)}, "names must be those of the two"),
    "no results": (plots.coefficients, (None,), {}, r"results must be what model\.inference"),
    "no local optima": (plots.local_optima, (None,), {}, r"table must be results\.local_optima; got NoneType"),
    "no history": (plots.training, (None, None), {}, r"history must be model\.history_"),
    "intervals": (plots.prediction_intervals, ([1, 2], [1, 2], [0, 1]), INTERVALS, "interval must be .* shape 2 x 2"),
    "coverage": (plots.prediction_intervals, ([1], [1], [[0, 1]]), INTERVALS | {"coverage": 90}, "below 1; got 90"),
    "hierarchy as block": (plots.block_graph, (Drawn(layers=(2, 1)).problem,), {}, "one block, such as"),
    "curve of other length": (plots.landscape, ([1, 2], [1], [1, 2]), {"name": "price"}, "utility must be .* shape 2"),
    "no response": (plots.landscape, (None, [1], [1]), {"name": "price"}, "y must be a list or array"),
    "interval": (plots.landscape, ([1, 2],) * 3, {"name": "y", "interval": (2, 1)}, r"in order; got \(2, 1\)"),
    "plane of a typo": (plots.feasible_region, (ONE, AT, {"roms": (0, 1), "price": (0, 1)}), {}, "'roms', which is no"),
    "plane backwards": (plots.feasible_region, (ONE, AT, {"rooms": (1, 0), "price": (0, 1)}), {}, "in order"),
    "plane of points": (
        plots.feasible_region,
        (ONE, AT, {"rooms": 3, "price": (0, 1)}),
        {},
        r"plane\['rooms'\] must be",
    ),
    "no plane": (plots.feasible_region, (ONE, AT, 3), {}, "plane must be a dictionary"),
    "no point": (plots.feasible_region, (ONE, None, {}), {}, "at must be a dictionary"),
    "no block": (plots.feasible_region, (ONE, AT, PLANE), {"block": "x"}, "those that see the variables, block1.1"),
    "no problem": (plots.hierarchy, (None,), {}, r"problem must be model\.problem_; got NoneType"),
    "no polynomial": (plots.polynomial_graph, (None,), {}, "the polynomial of a row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_drawn_is_refused(case):
    figure, values, options, message = WRONG[case]
    with pytest.raises(BLError, match=message):
        figure(*values, **options)


def test_levels_that_are_alike_are_drawn_side_by_side():
    table = pd.DataFrame({"utility": [1.0, 2.0, 3.0]}, index=["a", "b", "a"])
    assert len(plots.curve(table).axes[0].get_xticklabels()) == 3
    assert plots.surface(["a", "a"], [1, 2], np.eye(2), **NAMES).axes


def test_lists_of_numbers_are_drawn():
    assert plots.prediction_intervals([1, 2], [1, 2], [[0, 2], [1, 3]], **INTERVALS).axes
