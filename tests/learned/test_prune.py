"""`prune` and `pruning_path`: the smallest model within a stated loss, found where the truth is known."""

from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import behavior_learning as bl
from behavior_learning.core.network import weight_value, with_weights
from behavior_learning.errors import DataError, OptionError
from behavior_learning.learned import prune as module
from tests.conftest import rng
from tests.fitted import quick

OPTIONS = {
    "layers": (2,),
    "heads": ("tanh", "softplus", "square"),
    "max_epochs": 50,
    "n_restarts": 1,
    "random_state": 0,
    "optimizer": bl.Adam(learning_rate=0.02),
    "penalty": bl.Penalty(l2=1.0),
}


def rows(n=200, seed=0):
    """y | a, b is normal around 2a − 1.5b: one equality; c, d and e play no part."""
    generator = rng("simplify rows", seed)
    X = pd.DataFrame(generator.normal(size=(n, 5)), columns=list("abcde"))
    return X, pd.Series(10 + 3 * (2 * X["a"] - 1.5 * X["b"] + 0.5 * generator.normal(size=n)), name="y")


@pytest.fixture(scope="module")
def model():
    return bl.BLRegressor(**OPTIONS).fit(*rows())


@pytest.fixture(scope="module")
def small(model):
    return model.prune(tolerance=0.03)


@pytest.mark.slow
def test_true_support_is_what_is_left(small, model):
    names = small.network_.basis.names(list("abcde"), ["y"])
    assert set(names) == {"a", "b", "y"}
    assert small.n_parameters_ <= 12 < model.n_parameters_ / 4
    effects = small.effects(std_errors="none", correct=False).table()["estimate"]
    assert (effects[["c", "d", "e"]] == 0).all()
    assert effects["a"] == pytest.approx(6.0, rel=0.1)


@pytest.mark.slow
def test_loss_is_within_tolerance(small, model):
    X, y = rows()
    held_out = model.model_.rows.held_out
    gap = model.log_density(X[held_out], y[held_out]) - small.log_density(X[held_out], y[held_out])
    assert held_out.sum() == 40
    assert gap.mean() <= 0.03 + 1e-3


@pytest.mark.slow
def test_so_many_terms_are_left_as_they_are_printed(model):
    """A row of the two columns that matter, and y, and the utility of its block, is what four terms can say."""
    brief = model.prune(terms=4, max_epochs=25)
    terms = [m for term in brief.problem_.blocks["block1.1"].head_terms for m in term.polynomial.monomials]
    assert {name for ((name, _),) in terms} == {"a", "b", "y"}
    assert brief.model_.printed_terms(brief.network_) == len(terms) + len(brief.problem_.readouts) == 4


@pytest.mark.slow
def test_given_model_stays_as_it_was(small, model):
    assert model.n_parameters_ == 2 * 3 * (6 + 2) + 2 == model.network_.n_parameters
    assert type(small) is type(model)
    assert small.get_params() == model.get_params()


@pytest.mark.slow
def test_smaller_model_is_printed_and_saved(small, tmp_path):
    X, _ = rows()
    small.save(tmp_path / "small.bl")
    loaded = bl.load(tmp_path / "small.bl")
    assert str(loaded.problem_) == str(small.problem_)
    assert loaded.n_parameters_ == small.network_.n_parameters
    np.testing.assert_array_equal(loaded.predict(X), small.predict(X))


def test_names_of_blocks_move_with_them(model):
    """Trained on by next to nothing, what is left has the numbers of the block whose name it bears."""
    names = ("the first", "the second")
    named = copy(model).rename_blocks({"block1.1": names[0], "block1.2": names[1]})
    slow = replace(
        named.model_.recipe, settings=replace(named.model_.recipe.settings, optimizer=bl.Adam(learning_rate=1e-09))
    )
    named.model_ = replace(named.model_, recipe=slow)
    one = named.prune(tolerance=1e9, max_epochs=1)
    (name,) = one.problem_.blocks
    numbers = lambda network: np.concatenate([weight_value(h.coef) for h in network.layers[0].heads.values()], axis=1)
    old, left = numbers(model.network_)[names.index(name)], numbers(one.network_)[0]
    assert np.isclose(left[left != 0][:, None], old.ravel(), rtol=1e-4).any(axis=1).all()
    assert named.model_.block_names == {"block1.1": names[0], "block1.2": names[1]}


def test_loaded_model_needs_rows(model, tmp_path):
    model.save(tmp_path / "model.bl")
    loaded = bl.load(tmp_path / "model.bl")
    with pytest.raises(DataError, match=r"Pass X and y to prune\(\)"):
        loaded.prune()
    assert loaded.prune(1.0, *rows(seed=1), max_epochs=1).n_parameters_ < model.n_parameters_


def test_path_goes_from_the_whole_to_the_last_coefficient(model):
    table = model.pruning_path(share=0.5)
    assert table["n_parameters"].iloc[0] == model.n_parameters_
    assert table["n_parameters"].is_monotonic_decreasing
    assert table["n_parameters"].iloc[-1] <= 6
    np.testing.assert_allclose(table["rise"], table["loss"] - table["loss"].iloc[0])
    assert table["rise"].iloc[-1] > 0.5
    assert table["layers"].iloc[0] == (2,)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"tolerance": -0.1}, "tolerance must be a number at least 0"),
        ({"max_epochs": 0}, "max_epochs must be a whole number of at least 1"),
        ({"random_state": -1}, "random_state must be a whole number from 0 to"),
    ],
)
def test_bad_options_of_pruning_are_refused(model, options, complaint):
    with pytest.raises(OptionError, match=complaint):
        model.prune(**options)


def test_what_is_pruned_is_polished_within_what_its_tolerance_leaves(model, monkeypatch):
    """Where the optimum of a ridge loses too much, training's own end is kept, and belongs to no ridge."""
    whole = model.model_
    stage = SimpleNamespace(
        result=SimpleNamespace(objective=whole.objective), smaller=whole.network, network=None, support=None,
        rise=lambda start: (0.01, 0.5),
    )  # fmt: skip
    settings = SimpleNamespace(penalty=SimpleNamespace(l2=7.0))
    pruner = SimpleNamespace(begin=lambda network: stage, data=(0, 0), held_out=None, settings=settings)
    kept = {"_pruner": pruner, "smallest": stage, "history": None, "restarts": None, "standard_deviations": None}
    for name, value in {**kept, "kept_blocks": None, "_names_of_kept": {}}.items():
        monkeypatch.setattr(module, name, lambda *own, value=value: value)
    polished, asked = with_weights(whole.network, whole.network.weights), []
    for found in (None, SimpleNamespace(network=polished, l2=3.0)):
        monkeypatch.setattr(module, "polish", lambda *own, found=found, **how: asked.append(how) or found)
        small = module.pruned(whole, None, tolerance=0.05, max_epochs=1, random_state=0)
        assert small.l2 == (None if found is None else 3.0)
        assert small.network is (whole.network if found is None else polished)
    assert [how["allowed"] for how in asked] == pytest.approx([0.04, 0.04])
    assert asked[0]["l2"] == 7.0


def test_unfitted_models_and_bad_shares_are_refused(model):
    with pytest.raises(NotFittedError):
        bl.BLRegressor().prune()
    with pytest.raises(OptionError, match="share must be a number above 0 and below 1"):
        model.pruning_path(share=1.0)


@pytest.mark.slow
def test_inference_shrinks_with_the_model():
    single = bl.BLRegressor(**{**OPTIONS, "layers": (1,)}).fit(*rows()).prune(tolerance=0.03)
    results = single.inference(n_restarts=0)
    assert len(results.params) <= single.n_parameters_
    assert not any(f"[{name}" in label for label in results.params.index for name in "cde")
    assert np.isfinite(results.bse).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "hybrid", "density", "score"])
def test_every_kind_of_model_can_be_pruned(kind):
    X, y = rows()
    classes = pd.Series(np.where(y > 10, "high", "low"), name="level")
    fits = {
        "classes": lambda: quick(bl.BLClassifier, output="vector").fit(X, classes),
        "hybrid": lambda: quick(bl.BLHybrid).fit(X, pd.DataFrame({"level": classes, "c2": X["c"] + y})),
        "density": lambda: quick(bl.BLDensity).fit(X[["a", "b"]]),
        "score": lambda: quick(bl.BLRegressor, objective="dsm").fit(X, y),
    }
    model = fits[kind]()
    found = model.prune(tolerance=0.05, max_epochs=25)
    assert found.n_parameters_ < model.n_parameters_
