"""Claims about violations: they are those of responses of p(y|x), and firmer constraints are violated less."""

from types import SimpleNamespace

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from behavior_learning.learned.violations import violations_of
from tests.fitted import fitted, numbers


@pytest.fixture(scope="module")
def table():
    model = fitted(bl.BLRegressor, "numbers")
    return model.violations(temperatures=[0.25, 1.0], multipliers=[1.0, 8.0]).set_index(["sweep", "value", "row"])


def test_the_fitted_problem_is_where_both_sweeps_meet(table):
    one = [table.xs((sweep, 1.0), level=("sweep", "value")) for sweep in ("temperature", "multiplier")]
    np.testing.assert_allclose(one[0], one[1], rtol=1e-4)
    assert (table["percentile_95"] >= table["mean"]).all()


def test_colder_and_firmer_problems_are_violated_less(table):
    mean = table["mean"].groupby(["sweep", "value"]).mean()
    assert mean["temperature", 0.25] < mean["temperature", 1.0]
    assert mean["multiplier", 8.0] < mean["multiplier", 1.0]


def test_they_are_those_of_draws(table):
    model, X = fitted(bl.BLRegressor, "numbers"), numbers()
    block = model.problem_.blocks["block1.1"]
    (term,) = block.terms_of("equality")
    drawn = model.distribution(X).sample(50, random_state=0)
    columns = {name: X[name].to_numpy()[:, None] for name in X}
    inside = np.abs(term.polynomial.evaluate(columns | {"spend": np.asarray(drawn).reshape(len(X), -1)}))
    assert table.loc[("temperature", 1.0, "block1.1.T"), "mean"] == pytest.approx(inside.mean(), rel=0.05)


def test_blocks_that_do_not_see_the_response_hold_it_to_nothing():
    with pytest.raises(OptionError, match="output='vector'"):
        violations_of(SimpleNamespace(vector=True), None, temperatures=[], multipliers=[])
