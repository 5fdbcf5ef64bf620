"""Claims about discovery: what matters is found and what does not is left out, and every number says what it is of."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.discovery.cross_fitting import CrossFitted
from behavior_learning.discovery.path import Path, best_of
from behavior_learning.discovery.remainder import Sum
from behavior_learning.discovery.result import Discovery, path_table
from behavior_learning.discovery.selection import recurrence_of, searched
from behavior_learning.discovery.shapes import HEADS
from behavior_learning.errors import AtomWarning, DataError, OptionError
from behavior_learning.explanation.axes import Axis
from tests.conftest import rng

pytestmark = pytest.mark.filterwarnings("error::behavior_learning.errors.TrainingWarning")  # None is of its own fits.

N = 160
OPTIONS = {"pairs": 2, "folds": 2, "max_terms": 9, "random_state": 0}


def table():
    return pd.DataFrame(rng("discovery").normal(size=(N, 4)), columns=["a", "b", "c", "d"])


def numbers():
    """a moves the response, and nothing else does."""
    return pd.Series(table()["a"].to_numpy() + 0.3 * rng("noise").normal(size=N), name="y")


slow = pytest.mark.slow  # Compiling for a shape takes longer than a search.


@cache
def found():
    return bl.discover(table(), numbers(), remainder=True, **OPTIONS)


@cache
def found_of_classes():
    labels = np.where(table()["b"] + 0.3 * rng("noise").normal(size=N) > 0, "yes", "no")
    return bl.discover(table(), pd.Series(labels, name="answer"), **OPTIONS | {"pairs": 4})


def named(discovery):
    return {name for columns in discovery.statements["columns"] for name in columns}


@slow
def test_the_column_that_moves_the_response_is_named_and_no_other():
    assert named(found()) == {"a", "y"}
    assert named(found_of_classes()) & {"a", "b", "c", "d"} == {"b"}


@slow
def test_its_statements_recur():
    line = found().path.query("chosen").iloc[0]
    assert line["recurrence"] > 0.5
    assert found().statements["recurrence"].between(0, 1).all()


@slow
def test_losses_fall_from_the_empty_problem_and_the_chosen_one_is_within_a_standard_error():
    path = found().path
    best = path.loc[path["loss"].idxmin()]
    chosen = path.query("chosen").iloc[0]
    assert path["terms"].is_monotonic_increasing
    assert path["share"].iloc[0] == 0
    assert path["share"].max() == 1
    assert chosen["loss"] <= best["loss"] + best["loss_se"]


@slow
def test_the_printed_problem_is_the_model():
    discovery = found()
    X, y = table().head(20), numbers().head(20)
    grid = np.linspace(-1.5, 1.5, 7)
    utility = discovery.problem_.utility(X.iloc[:1].loc[[0] * 7].assign(y=grid))
    density = [discovery.model.log_density(X.iloc[:1], pd.Series([value], name="y"))[0] for value in grid]
    np.testing.assert_allclose(np.diff(utility), np.diff(density), atol=1e-3)
    assert np.isfinite(discovery.model.log_density(X, y)).all()


@slow
@pytest.mark.parametrize("products", [True, False])
def test_limits_of_the_response_leave_the_columns_to_a_belief_that_bends(products, tmp_path):
    X, y = table(), numbers() - table()["a"] + 3 * np.maximum(0, table()["a"])
    options = OPTIONS | {"degree": 2, "products": products, "heads": HEADS[0], "choose": "best"}
    discovery = bl.discover(X, y.rename("y"), bends=1, limits="response", **options)
    assert "Limits hold the response alone." in str(discovery)
    belief = discovery.statements.query("head == 'equality'")
    assert len(belief) == 1
    assert set(belief["columns"].iloc[0]) == {"a", "y"}
    assert all(set(columns) == {"y"} for columns in discovery.statements.query("head == 'inequality'")["columns"])
    again = {key: 0.2 if key[1] == "inequality" else 0.6 for key in discovery.stability.frequencies}
    assert (0.2 in again.values()) == products  # A limit is needed only where there are products.
    assert (
        recurrence_of(replace(discovery.stability, frequencies=again)) == 0.6
    )  # What is said of y alone does not count.
    assert products or "ramp(a" in str(discovery.problem_)
    discovery.model.save(tmp_path / "bent.blm")
    loaded = bl.load(tmp_path / "bent.blm").log_density(X, y)
    np.testing.assert_array_equal(loaded, discovery.model.log_density(X, y))
    grid = np.linspace(-1.5, 1.5, 7)
    utility = discovery.problem_.utility(X.iloc[:1].loc[[0] * 7].assign(y=grid))
    density = [discovery.model.log_density(X.iloc[:1], pd.Series([value], name="y"))[0] for value in grid]
    np.testing.assert_allclose(np.diff(utility), np.diff(density), atol=1e-3)


@slow
def test_good_problems_agree_on_the_slope_that_is_there():
    effects = found().agreement().effects
    assert effects.loc["a", "agreed"]
    assert 0.7 < effects.loc["a", "lowest"] <= effects.loc["a", "highest"] < 1.2
    assert "all: slope in a between" in str(found().agreement())


@slow
def test_the_readable_part_carries_the_gain_where_it_is_the_truth():
    assert found().share == found().remainder.share > 0.9
    assert list(found().remainder.rows) == ["empty", "readable", "both"]


@slow
def test_what_the_readable_part_leaves_is_learned_where_there_is_something():
    """A limit and a belief of the columns cannot say that y is near a², and a part of a flexible model is added."""
    X = table()
    y = pd.Series(X["a"] ** 2 + 0.2 * rng("noise").normal(size=N), name="y")
    discovery = bl.discover(X, y, remainder=True, **OPTIONS | {"pairs": 0})
    means = discovery.remainder.rows.mean()
    assert discovery.remainder.part > 0
    assert means["both"] > means["readable"] + 0.2
    assert discovery.share < 0.8
    new = pd.DataFrame(rng("new").normal(size=(N, 4)), columns=list("abcd"))
    truth = new["a"] ** 2
    beside, alone = (model.distribution(new).mean() - truth for model in (discovery.remainder, discovery.model))
    assert np.square(beside).mean() < 0.7 * np.square(alone).mean()


def test_a_remainder_is_a_part_of_what_the_flexible_utility_has_beyond():
    readable, flexible = Mock(return_value=np.array(2.0), width=1), Mock(return_value=np.array(6.0), width=3)
    assert [Sum(readable, flexible, part)(None, None) for part in (0.0, 0.25, 1.0)] == [2.0, 3.0, 6.0]
    assert Sum(readable, flexible, 0.5).width == 4


@slow
def test_densities_with_the_remainder_are_in_the_units_of_the_table():
    X, y = table().head(1), numbers()
    grid = np.linspace(y.min() - 1, y.max() + 1, 400)
    rows = X.loc[[0] * len(grid)]
    density = np.exp(found().remainder.log_density(rows, pd.Series(grid, name="y")))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.02)
    assert np.trapezoid(density * grid, grid) == pytest.approx(found().remainder.distribution(X).mean()[0], abs=0.02)


@slow
def test_honest_search_learns_from_rows_that_did_not_choose():
    discovery = bl.discover(table(), numbers(), honest=True, heads=("tanh", None, "abs"), **OPTIONS | {"pairs": 0})
    assert len(discovery.model.model_.rows.x) == N // 2
    assert "learned from the other" in str(discovery)
    assert discovery.errors is None  # Of kinked heads there are none.
    assert "under the ridge of the search, without standard errors" in str(discovery)
    assert "recurrence not measured" in str(discovery)  # No halves were asked for.
    assert "nan" not in str(discovery)


@slow
def test_honest_errors_are_of_the_printed_numbers_and_of_rows_that_did_not_choose():
    discovery = bl.discover(table(), numbers(), honest=True, **OPTIONS | {"pairs": 0})
    assert discovery.errors.n == N // 2
    assert str(discovery.errors.problem_) == str(discovery.problem_)
    again = discovery.model.inference(n_restarts=0, l2=0.0)
    assert again.loglikelihood == pytest.approx(discovery.errors.loglikelihood, abs=1e-3)
    for label in discovery.errors.original.params[~discovery.errors.original.given].index:
        assert label in str(discovery)


@slow
@pytest.mark.parametrize("heads", [None, ("tanh", None, "abs")])
def test_effects_are_of_both_halves_each_by_the_problem_of_the_other(heads):
    X, y = table(), numbers()
    discovery = bl.discover(X, y, honest=True, heads=heads, **OPTIONS | {"pairs": 0})
    learned_on = [half.estimator.model_.rows for half in discovery.halves]
    values = [rows.x[:, 0] for rows in learned_on]
    assert [len(own) for own in values] == [N // 2, N // 2]
    assert not set(values[0].tolist()) & set(values[1].tolist())
    assert learned_on[0] is discovery.model.model_.rows
    effects = discovery.effects().table()
    assert effects.loc["a", "chosen_by"] == "both"
    assert abs(effects.loc["a", "estimate"] - 1) < 3 * effects.loc["a", "std_error"] < 0.15
    others = effects.loc[["b", "c", "d"]]  # They do not matter; those that no half chose have errors all the same.
    assert (others["estimate"].abs() < 3 * others["std_error"]).all()
    assert str(discovery.effects()) in str(discovery)
    assert "The first 80 rows chose a problem for the other 80, and those one for the first" in str(discovery)
    if heads is None:  # Once is enough: a report takes as long as a search.
        assert discovery.effects().title in discovery.report().html


class OfHalf(NamedTuple):
    """Average effects of one half, with as much of `Effects` as their mean needs."""

    given: int
    estimates: list[float]
    errors: list[float]
    axes: tuple = (Axis("size", (0,), ("size",)), Axis("job", (1, 2), ("job[a]", "job[b]"), ("a", "b")))

    def table(self):
        lines = pd.Index(["size", "job[b] - job[a]"], name="variable")
        return pd.DataFrame({"estimate": self.estimates, "std_error": self.errors}, lines)


def test_cross_fitted_effects_weigh_halves_by_their_rows_and_add_up_their_variances():
    halves = OfHalf(300, [1.0, 0.0], [0.1, 0.2]), OfHalf(100, [3.0, 2.0], [0.5, 0.0])
    found = CrossFitted(*halves, (frozenset({"job"}), frozenset({"job", "size"}))).table(level=0.9)
    assert found["estimate"].tolist() == [1.5, 0.5]
    errors = [np.hypot(0.75 * 0.1, 0.25 * 0.5), 0.75 * 0.2]
    np.testing.assert_allclose(found["std_error"], errors)
    np.testing.assert_allclose(found["upper"] - found["lower"], 2 * 1.6448536 * np.array(errors), rtol=1e-6)
    assert found["chosen_by"].tolist() == ["second", "both"]


def test_effects_that_are_not_honest_are_refused():
    nothing = dict.fromkeys(("model", "path", "statements", "stability", "false_statements", "agreed"))
    with pytest.raises(OptionError, match=r"need discover\(honest=True\); it was False"):
        Discovery(**nothing, threshold=0.6, notes=()).effects()


@slow
@pytest.mark.parametrize("options", [{"degree": 2}, {"hierarchy": True}])
def test_shapes_of_one_search_read_rows_in_the_same_units(monkeypatch, options):
    """Of products, the first are of columns less their means and the second of columns as they are."""
    seen = []

    def stopped(shapes, data, rng):
        seen.extend(shape.model for shape in shapes)
        raise StopIteration

    monkeypatch.setattr("behavior_learning.discovery.discover.searched", stopped)
    y = numbers().clip(lower=numbers().quantile(0.2))
    with pytest.warns(AtomWarning) as warned, pytest.raises(StopIteration):
        bl.discover(table() + 3.0, y + 2.0, random_state=1, **options)
    assert len(warned) == 1, "said once, not by every shape"
    first, second = seen
    assert first.columns.x_units == second.columns.x_units
    assert first.columns.y_units == second.columns.y_units
    uncentered = [{x.uncentered for x in model.network.basis.x_functions} for model in seen]
    assert uncentered == [{False}, {"degree" in options}]


@slow
def test_what_is_known_is_kept():
    """y rises in a, so that a problem in which it falls has no place for a."""
    told = {"known": ["c"], "falling": ["a"], "forbidden": ["d"], "choose": 9, "pairs": 0}
    discovery = bl.discover(table(), numbers(), **OPTIONS | told)
    terms = [term for block in discovery.problem_.blocks.values() for term in block.head_terms]
    seen = {name for term in terms for name in term.polynomial.variables}
    assert "c" in seen
    assert not seen & {"a", "d"}


def terms_of(discovery, *roles):
    """The monomials of each row of some heads."""
    terms = [term for block in discovery.problem_.blocks.values() for term in block.head_terms]
    return [set(term.polynomial.monomials) - {()} for term in terms if term.head.role in roles]


@slow
def test_limits_and_beliefs_sum_like_quantities_and_products_are_known_or_forbidden():
    """y = a·b, and c matters beside it, in the same units of y and not as it is."""
    X = table()
    y = pd.Series(X["a"] * X["b"] + 0.5 * X["c"] + 0.3 * rng("noise").normal(size=N), name="y")
    units = {"y": "EUR", "a": "EUR/kg", "b": "kg", "c": "EUR", "d": "year"}
    how = OPTIONS | {"degree": 2, "heads": (None, "softplus", "square"), "pairs": 0, "choose": 6}
    like = [(("a", 1), ("b", 1)), (("c", 1),), (("y", 1),)]
    found = bl.discover(X, y, units=units, **how)
    rows = terms_of(found, "inequality", "equality")
    assert set(like) in rows
    (said,) = [note for note in found.notes if note.startswith("In units: ")]
    assert {each.rsplit(" ", 1)[1] for each in said.removesuffix(".").removeprefix("In units: ").split(", ")} == {"EUR"}
    assert all(own <= set(like) for own in rows)
    told = terms_of(bl.discover(X, y, known=["a^2"], forbidden=["d", "a*b", "d*a"], **how), "inequality", "equality")
    assert any((("a", 2),) in own for own in told)
    assert not any((("a", 1), ("b", 1)) in own for own in told)


def test_of_several_paths_the_best_problem_of_each_size_is_kept_where_it_pays():
    problems = {loss: Mock(size=size, loss=loss) for size, loss in ((2, 1.5), (5, 1.0), (2, 1.6), (3, 0.9))}
    one, other = (Path(Mock(loss=empty), {}) for empty in (2.0, 1.8))
    one.refits.update({2: problems[1.5], 5: problems[1.0]})
    other.refits.update({2: problems[1.6], 3: problems[0.9]})
    both = best_of([one, other])
    assert both.empty is other.empty
    assert both.refits == {2: problems[1.5], 3: problems[0.9]}


@slow
def test_nothing_to_find_is_an_answer():
    noise = pd.Series(rng("nothing").normal(size=N), name="y")
    discovery = bl.discover(table(), noise, **OPTIONS)
    assert discovery.empty
    assert str(discovery).startswith("Nothing found")


@slow
def test_the_figure_and_the_report_are_of_the_path():
    assert found().plot().axes[0].get_xlabel() == "terms"
    assert "The problem behind y" in found().report().html


def chosen(how, recurrence, criteria=(4.0, 3.0, 2.0, 1.0)):
    losses = np.array([[3.0, 2.0, 1.0, 1.1], [3.2, 2.1, 0.9, 0.85]])
    return int(path_table([1, 2, 4, 6], losses, recurrence, list(criteria), how).query("chosen")["terms"].iloc[0])


def test_a_number_of_terms_can_be_chosen():
    assert [chosen(how, [1.0] * 4) for how in ("best", "one_se", 2, 5, 1)] == [4, 4, 2, 4, 1]


@pytest.mark.parametrize(("recurrence", "terms"), [([1, 1, 0.9, 1], 4), ([1, 1, 0.5, 0.8], 6), ([0, 0, 0.7, 0.2], 4)])
def test_of_problems_within_a_standard_error_the_smallest_that_recurs_is_chosen(recurrence, terms):
    assert chosen("one_se", recurrence) == terms


@pytest.mark.parametrize(
    ("recurrence", "terms"), [([1, 1, 0.9, 1], 4), ([1, 1, 0.5, 0.8], 6), ([1, 1, 0, 0], 2), ([1, 0, 0.7, 0.2], 4)]
)
def test_the_best_of_those_that_recur_can_be_chosen(recurrence, terms):
    assert chosen("recurring", recurrence) == terms


def test_the_empty_problem_need_not_recur():
    losses = np.array([[3.0, 2.9], [2.9, 3.1]])
    assert path_table([0, 2], losses, [0.2, 1.0], [1.0, 2.0], "one_se").query("chosen")["terms"].tolist() == [0]


@pytest.mark.parametrize(("recurrence", "terms"), [([1, 1, 1, 1], 2), ([1, 0.5, 1, 1], 4)])
def test_a_smaller_one_within_a_standard_error_is_chosen_where_schwarzs_criterion_prefers_it(recurrence, terms):
    """The rows agree that size 4 is better than 2, by less than the losses themselves vary."""
    losses = np.array([[3.0, 2.0, 1.9, 2.0], [9.0, 7.9, 7.8, 8.0]])
    path = path_table([1, 2, 4, 6], losses, recurrence, [9.0, 1.0, 2.0, 3.0], "one_se")
    assert path.query("chosen")["terms"].tolist() == [terms]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hierarchy": True, "degree": 2}, OptionError, "hierarchy=True searches the columns alone"),
        ({"hierarchy": True, "bends": 1}, OptionError, "leave bends at 0"),
        ({"hierarchy": True, "limits": "response"}, OptionError, "limits at 'all'"),
        ({"limits": "y"}, OptionError, "limits must be one of"),
        ({"bends": -1}, OptionError, "bends must be a whole number"),
        ({"themes": [["a", "b"]]}, OptionError, "pass hierarchy=True"),
        ({"rising": ["a"], "degree": 2}, OptionError, "leave degree at 1"),
        ({"rising": ["a"], "falling": ["a"]}, OptionError, "'a' is both rising and falling"),
        ({"known": ["b"], "forbidden": ["b"]}, OptionError, "'b' is both known and forbidden"),
        ({"hierarchy": True, "themes": [["a", "b"], ["b"]]}, OptionError, "themes names 'b' twice"),
        ({"degree": 3}, OptionError, "degree must be 1"),
        ({"products": False}, OptionError, "pass degree=2"),
        ({"degree": 2, "products": None}, OptionError, "products must be one of"),
        ({"choose": "worst"}, OptionError, "choose must be one of"),
        ({"threshold": 0.4}, OptionError, "threshold above 0.5"),
        ({"forbidden": ["e"]}, OptionError, "'e', which is no column or product of columns"),
        ({"known": ["a*e"]}, OptionError, "'a\\*e', which is no column or product of columns"),
        ({"rising": ["a*b"]}, OptionError, "'a\\*b', which is no column"),
        ({"known": ["a*b"], "forbidden": ["b"]}, OptionError, "'a\\*b' is known, and 'b' forbidden"),
        ({"known": ["a*b"], "forbidden": ["b*a"]}, OptionError, "'a\\*b' is both known and forbidden"),
        ({"known": ["a*a", "a^2"]}, OptionError, "known names 'a\\*a' twice"),
        ({"known": ["a*b"]}, OptionError, "'a\\*b' is a product, and this search has none such: pass degree=2"),
        ({"known": "a"}, OptionError, r"known must be a list of names; got 'a'\. Pass \['a'\]"),
        ({"units": ["m"]}, OptionError, "units must be a dict such as"),
        ({"units": "m"}, OptionError, "units must be a dict such as"),
        ({"units": {"e": "m"}}, OptionError, "units names 'e', which is no column"),
        ({"units": {"a": "2 m"}}, OptionError, "The unit of 'a' must be"),
        ({"units": {"a": "m"}, "hierarchy": True}, OptionError, "give the unit of 'y' too"),
        ({"units": {"y": "kg", "a": "m", "b": "m"}, "forbidden": ["c", "d"]}, OptionError, "No row may hold a column"),
        ({"forbidden": list("abcd")}, OptionError, "beside the response: forbid less or pass degree=2"),
        ({"limits": "response", "heads": (None, "softplus", None)}, OptionError, "pass limits='all'"),
        ({"units": {"y": "kg", "a": "m"}, "known": ["a", "b"]}, OptionError, "known names 'a', and no problem may"),
        ({"units": {"y": "kg", "a": "m"}, "rising": ["a"]}, OptionError, "'a' is to rise or to fall, and no row may"),
        ({"hierarchy": True, "heads": ("tanh", None, None), "rising": ["a"]}, OptionError, "'a' is to rise or to fall"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        bl.discover(table(), numbers(), **options)


def test_the_unit_of_a_response_is_that_of_its_own_name_in_the_model():
    """A response without a name becomes y1 beside a column y."""
    X = table().rename(columns={"a": "y"})
    with pytest.raises(OptionError, match="give the unit of 'y1' too"):
        bl.discover(X, numbers().to_numpy(), hierarchy=True, units={"y": "kg", "b": "m"}, heads=("tanh", "relu", None))


def test_what_some_rows_may_hold_is_searched():
    """Rows are in m or in kg: known is in one of them."""
    found = bl.discover(table(), numbers(), units={"a": "m", "b": "kg"}, known=["a"], pairs=0, folds=2, random_state=0)
    assert "a" in {name for columns in found.statements["columns"] for name in columns}


def test_densities_that_end_on_one_value_are_refused():
    shape = Mock(**{"path.return_value.empty.loss": np.inf, "path.return_value.refits": {}})
    shape.path.return_value.empty.size, shape.path.return_value.empty.support.n_rows = 1, 1
    with pytest.raises(DataError, match="end on single values"):
        searched([shape], (np.ones(3),) * 3, rng("atoms"))


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="at least 40 rows; got 10"):
        bl.discover(table().head(10), numbers().head(10))


def test_several_responses_are_refused():
    both = pd.DataFrame({"u": numbers(), "v": table()["b"]})
    with pytest.raises(DataError, match=r"of one response; y has 2: u, v\. Pass one of them"):
        bl.discover(table(), both, **OPTIONS)


def test_as_many_responses_as_rows_are_needed():
    for y in (numbers(), pd.DataFrame({"low": numbers(), "high": numbers()})):
        with pytest.raises(DataError, match=f"X has {N}, y has {N - 9}"):
            bl.discover(table(), y[9:], response=bl.Censored(), **OPTIONS)


@slow
def test_a_response_of_two_bounds_is_searched_by_them():
    y = numbers()
    low, high = (np.where(y > 0, y, np.floor(y) + more) for more in (0, 1))
    bounds = pd.DataFrame({"paid_low": low, "paid_high": high})
    assert named(bl.discover(table(), bounds, response=bl.Censored(), **OPTIONS)) == {"a", "paid"}
