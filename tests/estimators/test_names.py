"""Claims about names: tables of any library keep them, odd ones can be used, and a response takes one that is free."""

import numpy as np
import pandas as pd
import pyarrow
import pytest

import behavior_learning as bl
from behavior_learning.core.features import Product
from behavior_learning.errors import DataError
from behavior_learning.formulas import parse_product
from behavior_learning.specification import state_layer
from tests.fitted import ESTIMATORS, amounts, fitted, numbers, quick, response

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
BRIEF = {"max_epochs": 2, "n_restarts": 1}


@every_estimator
def test_arrow_tables_are_fitted_and_predicted_by_name(estimator):
    X, y = numbers(), response(estimator, numbers())
    model = quick(estimator, **BRIEF).fit(pyarrow.Table.from_pandas(X), y)
    assert model.feature_names_in_.tolist() == list(X)
    reordered = pyarrow.Table.from_pandas(X[list(X)[::-1]])
    np.testing.assert_array_equal(model.predict(reordered), model.predict(X))


def test_arrow_tables_are_read_in_the_order_of_training():
    model, X = fitted(ESTIMATORS[0], "numbers"), numbers()
    reordered = pyarrow.Table.from_pandas(X[list(X)[::-1]])
    np.testing.assert_array_equal(model.predict(reordered), model.predict(X))
    with pytest.raises(DataError, match="missing: 'a'"):
        model.predict(reordered.drop_columns("a"))


@pytest.mark.parametrize("named", ["y", "as a column"])
def test_response_takes_a_free_name(named):
    X = numbers().rename(columns={"a": "y"})
    y = amounts(numbers())
    y = y.to_numpy() if named == "y" else y.rename("b")
    model = quick(bl.BLRegressor, **BRIEF).fit(X, y)
    assert model.model_.response.name == "y1"
    assert model.score(X, y) == model.score(X, np.asarray(y))


def test_response_that_stands_among_the_columns_is_refused():
    X = numbers()
    with pytest.raises(DataError, match=r"X has a column with the name of the response, 'a'\. Drop it"):
        quick(bl.BLRegressor, **BRIEF).fit(X, X["a"])


def test_odd_names_are_stated_in_backquotes():
    """The text of each term leads back to the columns that were written."""
    columns = {"a:b": (0,), "living area": (1,), "a`c": (2,)}
    asked = []

    def products(text):
        asked.append(parse_product(text))
        own = sum((columns.get(n, ()) for n, _ in asked[-1]), ()), (0,) * ("spend" in text)
        return [tuple(Product(side, uncentered=bool(side)) for side in own)]

    problem = bl.UMP(utility="`a:b` + `living area` + `a``c`:spend", equalities="spend ~ 1 + `a:b`")
    state_layer([problem], products=products, x_units=[(0.0, 1.0)] * 3, y_units=[(0.0, 1.0)])
    assert set(asked) == {(("a:b", 1),), (("living area", 1),), (("a`c", 1), ("spend", 1)), (("spend", 1),)}


def test_text_that_was_to_be_numbers_is_refused_as_a_target():
    y = pd.Series([*map(str, range(79)), "?"], name="price")
    with pytest.raises(DataError, match=r"response 'price' is text, and 99% of its values look like numbers.*'\?'"):
        quick(bl.BLClassifier).fit(numbers(), y)
