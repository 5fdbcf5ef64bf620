"""Score tests find the term that is missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import behavior_learning as bl
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.learned.score_tests import with_zero_terms
from tests.conftest import rng

OPTIONS = {
    "layers": (1,),
    "max_epochs": 150,
    "n_restarts": 1,
    "random_state": 0,
    "optimizer": bl.Adam(learning_rate=0.03),
    "penalty": bl.Penalty(l2=1.0),
}


def table(rows=600):
    X = pd.DataFrame(rng("suggest").normal(size=(rows, 4)), columns=list("abcd"))
    noise = 0.5 * rng("noise").normal(size=rows)
    return X, pd.Series(X.a + X.b * X.c + noise, name="y"), pd.Series(X.a - X.b + noise, name="y")


@pytest.mark.slow
def test_missing_product_ranks_first_and_is_no_longer_suggested_once_added():
    X, y, _ = table()
    suggested = BLRegressor(**OPTIONS).fit(X, y).suggest_terms(X, y, n=3)
    assert suggested["term"][0] == "b:c"
    assert suggested["pvalue"][0] < 1e-10
    again = BLRegressor(**OPTIONS, extra_terms=["b:c"]).fit(X, y).suggest_terms(X, y, n=14)
    assert "b:c" not in set(again["term"])


def test_nothing_is_urgent_where_the_affine_model_is_right():
    X, _, y = table()
    suggested = BLRegressor(**OPTIONS).fit(X, y).suggest_terms(X, y, n=15)
    assert stats.binom.sf((suggested["pvalue"] < 0.01).sum() - 1, len(suggested), 0.01) > 1e-4


@pytest.mark.parametrize("skip", [None, "input", "dense"])
def test_larger_basis_with_zero_coefficients_is_the_same_utility(skip):
    generator = np.random.default_rng(0)
    network = BehaviorNetwork.random(
        generator, Architecture((3, 2), skip=skip), features=4, response=1, basis=affine_basis(4, 1)
    )
    wide = with_zero_terms(network, [(Product((0, 1)), Product(())), (Product((2,)), Product((0,)))])
    x, y = generator.normal(size=(5, 4)).astype(np.float32), generator.normal(size=(5, 3, 1)).astype(np.float32)
    assert wide.basis.size == network.basis.size + 2
    np.testing.assert_allclose(wide(x, y), network(x, y), rtol=1e-5, atol=1e-6)
