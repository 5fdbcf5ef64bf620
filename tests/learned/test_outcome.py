"""What a fit says of itself, and how it is ended early."""

import signal
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from sklearn.metrics import log_loss

import behavior_learning as bl
from behavior_learning.errors import OptionError, TrainingWarning
from behavior_learning.estimators import base
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned import outcome
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import in_single
from behavior_learning.learned.outcome import CROWDED, examine_fit, linear_loss, loss_of_plainer, loss_without_x
from tests.fitted import ROWS, amounts, fitted, labels, numbers, quick


def said(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        examine_fit(model, model.restarts["validation_loss"].min())
    return [str(warning.message) for warning in caught if warning.category is TrainingWarning]


def ended(losses, *, stopped, max_epochs):
    """A model whose single start had these held-out losses."""
    model = fitted(bl.BLRegressor, "numbers").model_
    losses = np.array(losses)
    history = pd.DataFrame({"start": 0, "epoch": np.arange(len(losses)) + 1, "validation_loss": losses})
    line = {"best_epoch": losses.argmin() + 1, "validation_loss": losses.min(), "stopped_early": stopped, "kept": True}
    recipe = replace(model.recipe, settings=replace(model.recipe.settings, max_epochs=max_epochs))
    return replace(model, history=history, restarts=pd.DataFrame([line]), recipe=recipe)


def test_figures_of_a_fit_go_to_the_log(caplog):
    model = ended([1.0, 0.5], stopped=True, max_epochs=20)
    with caplog.at_level("INFO", logger="behavior_learning"):
        examine_fit(model, model.restarts["validation_loss"].min())
    count = model.network.n_parameters
    assert caplog.messages == [
        f"spend given 7 columns: {count} parameters from 64 rows, held-out loss 0.5 after 2 epochs"
    ]


FALLING, FLAT = np.linspace(1.0, 0.0, 20), np.append(np.linspace(1.0, 0.0, 10), np.zeros(10))


@pytest.mark.parametrize(
    ("losses", "stopped", "max_epochs", "warned"),
    [(FALLING, False, 20, True), (FLAT, False, 20, False), (FALLING, True, 20, False), (FALLING, False, 30, False)],
    ids=["still falling", "flat", "out of patience", "ended by the user"],
)
def test_a_fit_that_ran_out_of_epochs_while_its_loss_fell_says_so(losses, stopped, max_epochs, warned):
    found = [what for what in said(ended(losses, stopped=stopped, max_epochs=max_epochs)) if "max_epochs" in what]
    ending = "max_epochs=20 while the held-out loss still fell, by 0.21 in the last fifth. Raise max_epochs"
    assert [ending in what for what in found] == [True] * warned


def test_a_fit_that_is_no_better_than_one_distribution_says_so():
    alone = loss_without_x(fitted(bl.BLRegressor, "numbers").model_)
    (worse,) = said(ended([alone + 0.01], stopped=True, max_epochs=20))
    assert worse.startswith("The fit is no better than one distribution for all rows: held-out losses are")
    assert said(ended([-1.0], stopped=True, max_epochs=20)) == []


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_the_loss_without_x_is_that_of_a_normal_law_or_of_shares(kind):
    model = fitted(bl.BLRegressor if kind == "numbers" else bl.BLClassifier, "numbers").model_
    train, held_out = (model.rows.y[rows] for rows in (~model.rows.held_out, model.rows.held_out))
    if kind == "numbers":
        expected = -norm.logpdf(held_out, train.mean(), train.std(ddof=1)).mean()
    else:
        count = len(model.response.levels)
        shares = (np.bincount(train, minlength=count) + 1) / (len(train) + count)
        expected = log_loss(held_out, np.tile(shares, (len(held_out), 1)), labels=range(count))
    assert loss_without_x(model) == pytest.approx(expected)


def test_a_fit_that_a_linear_model_beats_says_so():
    """statsmodels' least squares, on the encoded rows that trained, scored on those that were held out."""
    model = fitted(bl.BLRegressor, "numbers").model_
    train, rows = ~model.rows.held_out, model.rows
    least_squares = sm.OLS(rows.y[train], sm.add_constant(rows.x[train])).fit()
    predicted = least_squares.predict(sm.add_constant(rows.x[~train], has_constant="add"))
    expected = -norm.logpdf(rows.y[~train], predicted, np.sqrt(least_squares.scale)).mean()
    assert linear_loss(model) == pytest.approx(expected)
    worse, alike = (ended([expected + gap], stopped=True, max_epochs=20) for gap in (0.03, 0.01))
    assert [what[:26] for what in said(worse)] == ["A linear model with a norm"]
    assert said(alike) == []


def test_labels_have_no_linear_model():
    assert linear_loss(fitted(bl.BLClassifier, "numbers").model_) is None


def test_a_fit_of_many_parameters_to_few_rows_says_so():
    model = fitted(bl.BLRegressor, "numbers").model_
    few = max(2, model.network.n_parameters // (2 * CROWDED))
    held_out = np.arange(ROWS) >= few
    crowded = replace(model, rows=replace(model.rows, held_out=held_out))
    assert any(f"parameters were learned from {few} rows. Use fewer layers" in what for what in said(crowded))


def test_a_callback_ends_training_with_the_best_so_far():
    told = []
    model = quick(bl.BLRegressor, max_epochs=100, patience=100)
    model.fit(numbers(), amounts(numbers()), progress=lambda done, loss: told.append(loss) or len(told) == 2)
    assert len(told) == 2
    assert model.history_["epoch"].max() < 100
    assert model.restarts_["validation_loss"].min() == pytest.approx(told[-1])


@pytest.fixture
def heard():
    """Ctrl-C is heard, which it is not in a process that a shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_training_with_the_best_so_far_where_it_is_to_be_kept():
    interrupt = lambda done, loss: signal.raise_signal(signal.SIGINT)
    X, y = numbers(), labels(numbers())
    kept = quick(bl.BLClassifier, max_epochs=100, patience=100)
    kept.fit(X, y, progress=interrupt, on_interrupt="keep")
    assert kept.history_["epoch"].max() < 100
    with pytest.raises(KeyboardInterrupt):
        quick(bl.BLClassifier).fit(X, y, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(OptionError, match="on_interrupt must be one of 'raise', 'keep'; got 'stop'"):
        kept.fit(X, y, on_interrupt="stop")


@pytest.mark.parametrize(
    ("errors", "few", "plain"), [(0.5, 1, True), (1.5, 1, False), (1.5, 99, True), (2.5, 99, False)]
)
def test_a_linear_problem_is_taken_unless_a_fit_is_ahead_by_one_standard_error_or_two_of_few_labels(
    errors, few, plain, monkeypatch
):
    model = fitted(bl.BLClassifier, "numbers").model_
    rows = model.training_rows("fit")
    own = -by_rows(Gibbs.log_prob, model.gibbs(), in_single((rows.x[rows.held_out], rows.y[rows.held_out])))
    count = len(own)
    spread = np.resize([1.0, -1.0], count)
    linear = own + 0.1 * (spread / spread.std() + errors / count**0.5 - spread.mean())
    monkeypatch.setattr(outcome, "_linear_losses", lambda model, rows, additive: linear)
    monkeypatch.setattr(outcome, "FEW_LABELS", few)
    out = [np.flatnonzero(rows.held_out)]
    assert (loss_of_plainer(model, float(own.mean()), out) is not None) == plain


@pytest.mark.parametrize("ahead", [0.01, -0.01])
def test_a_mean_is_learned_where_its_members_are_ahead_on_rows_that_each_has_not_seen(ahead, monkeypatch):
    options = {"average": True, "n_restarts": 2, "max_epochs": 2, "output": "vector"}
    caught, fit = [], base.learned
    monkeypatch.setattr(base, "learned", lambda *given: caught.append(fit(*given)) or caught[-1])
    quick(bl.BLClassifier, **options).fit(numbers(), labels(numbers()))
    [(model, _, turns)] = caught
    rows = model.training_rows("fit")
    losses = [
        -by_rows(Gibbs.log_prob, model.member(number).gibbs(), in_single((rows.x[out], rows.y[out])))
        for number, out in enumerate(turns)
    ]
    np.testing.assert_allclose([own.mean() for own in losses], model.restarts["validation_loss"], rtol=1e-4)

    def beside(model, rows, additive):
        """The losses of the member that has not seen these rows, and as much more, give or take one."""
        seen = [rows.held_out[out].all() for out in turns]
        own = losses[seen.index(True)] if any(seen) else np.zeros(rows.held_out.sum())
        return own + ahead + np.resize([1.0, -1.0], len(own))

    monkeypatch.setattr(outcome, "_linear_losses", beside)
    assert (loss_of_plainer(model, 1.0, turns) is None) == (ahead > 0)
