"""Penalties: the proximal point against its definition, and exact zeros in what a fit keeps."""

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from scipy.optimize import minimize

import behavior_learning as bl
from behavior_learning.core.network import weight_value
from behavior_learning.errors import ConvergenceError, OptionError
from behavior_learning.training.optimizers import ADAM_MEMORY, Adam
from behavior_learning.training.proximal import group_shrunk, soft_threshold
from tests.conftest import rng


def test_soft_threshold():
    z = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    np.testing.assert_allclose(soft_threshold(z, np.array([1.0, 1.0, 1.0, 0.2, 2.0])), [-2.0, 0.0, 0.0, 0.3, 1.0])


def test_step_sizes_are_those_of_adam_and_reach_far_where_no_slope_was():
    """rate/(√v̂ + ε): what no row ever moved is taken to zero at once."""
    moments = optax.scale_by_adam(b2=ADAM_MEMORY).init({"a": jnp.zeros(3)})
    slopes = np.array([[2.0, -0.5, 0.0], [1.0, 0.5, 0.0]])
    square = np.zeros(3)
    for slope in slopes:
        _, moments = optax.scale_by_adam(b2=ADAM_MEMORY).update({"a": jnp.asarray(slope)}, moments)
        square = ADAM_MEMORY * square + (1 - ADAM_MEMORY) * slope**2
    found = Adam()._sizes(moments, 0.03)["a"]
    np.testing.assert_allclose(found, 0.03 / (np.sqrt(square / (1 - ADAM_MEMORY**2)) + 1e-8), rtol=1e-4)
    assert float(found[2]) == pytest.approx(3e6, rel=1e-4)


@pytest.mark.parametrize("strength", [0.0, 0.1, 1.0, 1.4])
def test_group_shrinks_to_the_proximal_point(float64, strength):
    """Numerical minimum of Σ (u − z)²/(2a) + strength·√size·‖u‖, entries that are not free left out."""
    generator = rng("group", strength)
    z, a = generator.normal(size=(4, 5)) + 1.0, np.exp(generator.normal(size=(4, 5)))
    free = np.ones((4, 5), bool)
    free[0, 2:] = False
    found = np.asarray(group_shrunk(z, a, free, strength=strength))
    for at, start, steps, own in zip(found, z, a, free, strict=True):
        size = own.sum() ** 0.5
        value = lambda u, z=start[own], a=steps[own], size=size: (
            ((u - z) ** 2 / (2 * a)).sum() + strength * size * np.linalg.norm(u)
        )
        best = minimize(value, start[own] + 1e-3, method="BFGS", options={"gtol": 1e-9})
        assert value(at[own]) <= best.fun + 1e-9
        assert (at[~own] == 0).all()


def test_a_weak_group_is_zero(float64):
    z, a = np.array([[0.3, -0.4]]), np.ones((1, 2))
    free = np.ones((1, 2), bool)
    assert (np.asarray(group_shrunk(z, a, free, strength=0.51 / 2**0.5)) == 0).all()
    assert (np.asarray(group_shrunk(z, a, free, strength=0.49 / 2**0.5)) != 0).all()


SPARSE = {
    "layers": (2,),
    "max_epochs": 100,
    "n_restarts": 1,
    "random_state": 0,
    "optimizer": bl.Adam(learning_rate=0.02),
}


def rows(n=400):
    generator = rng("sparse rows")
    X = pd.DataFrame(generator.normal(size=(n, 5)), columns=list("abcde"))
    return X, pd.Series(2 * X["a"] - 1.5 * X["b"] + 0.5 * generator.normal(size=n), name="y")


@pytest.fixture(scope="module")
def penalized():
    return bl.BLRegressor(penalty=bl.Penalty(l2=2.0, l1=15.0, group_l2=5.0), **SPARSE).fit(*rows())


def test_penalties_leave_exact_zeros_that_are_no_longer_learned(penalized):
    full = 2 * 3 * (6 + 2) + 2
    assert penalized.n_parameters_ < full / 2
    for layer in penalized.network_.layers:
        for head in layer.heads.values():
            coef, learned = weight_value(head.coef), np.isnan(head.coef.rule.numbers)
            assert (np.broadcast_to(learned, coef.shape) == (coef != 0)).all()
            assert (weight_value(head.multiplier)[(coef == 0).all(axis=-1)] == 0).all()


def test_the_true_columns_survive_the_penalties(penalized):
    effects = penalized.effects(std_errors="none", correct=False).table()["estimate"].abs()
    assert set(effects.sort_values().index[-2:]) == {"a", "b"}
    assert penalized.restarts_.loc[penalized.restarts_.kept, "validation_loss"].iloc[0] < 0.0


def test_screened_starts_are_penalized_together():
    model = bl.BLRegressor(penalty=bl.Penalty(l2=2.0, l1=30.0), **SPARSE | {"n_restarts": 3, "max_epochs": 30}).fit(
        *rows()
    )
    assert model.n_parameters_ < 2 * 3 * (6 + 2) + 2
    assert len(model.restarts_) == 3


def test_penalized_models_are_printed_and_saved(penalized, tmp_path):
    penalized.save(tmp_path / "sparse.bl")
    loaded = bl.load(tmp_path / "sparse.bl")
    X, y = rows()
    assert loaded.n_parameters_ == penalized.n_parameters_
    assert str(loaded.problem_) == str(penalized.problem_)
    np.testing.assert_array_equal(loaded.log_density(X, y), penalized.log_density(X, y))


def test_too_strong_penalties_are_refused():
    with pytest.raises(ConvergenceError, match=r"leave no row of any block\. Lower them"):
        bl.BLRegressor(penalty=bl.Penalty(l2=2.0, group_l2=1e6), **{**SPARSE, "max_epochs": 25}).fit(*rows())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"penalty": bl.Penalty(l1=-1.0)}, r"l1 of bl\.Penalty must be a number at least 0"),
        ({"penalty": bl.Penalty(group_l2="all")}, r"group_l2 of bl\.Penalty must be a number at least 0"),
        ({"penalty": bl.Penalty(groups="layer")}, r"groups of bl\.Penalty must be one of 'row', 'block'"),
        (
            {"optimizer": "lbfgs", "heads": ("tanh", "softplus", "square"), "penalty": bl.Penalty(l1=1.0)},
            "optimizer='lbfgs' lacks",
        ),
        (
            {"optimizer": "lbfgs", "heads": ("tanh", "softplus", "square"), "penalty": bl.Penalty(dropout=0.1)},
            "dropout=0.1 leaves blocks out step by step, and optimizer='lbfgs' takes all rows at once. Use 'adam'",
        ),
        ({"penalty": bl.Penalty(dropout=1.0)}, r"dropout of bl\.Penalty must be a number at least 0 and below 1"),
    ],
)
def test_bad_penalties_are_refused(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        bl.BLRegressor(random_state=0, **options).fit(*rows(20))


def test_dropout_needs_columns_of_x():
    with pytest.raises(OptionError, match="without X all rows have one distribution"):
        bl.BLDensity(layers=(2, 1), penalty=bl.Penalty(dropout=0.1)).fit(rows(40)[1])
