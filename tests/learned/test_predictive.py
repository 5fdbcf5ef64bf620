"""Claims about predictive distributions: every answer is that of exp(log_prob), summed or integrated over y."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import cumulative_trapezoid

from behavior_learning.core.batches import SMALLEST, power_of_two
from behavior_learning.errors import NoQuadratureError, OptionError
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.learned import evaluate
from behavior_learning.learned.predictive import SUMMARY_DRAWS, BestResponse, Drawn, Exact, predictive
from tests.conftest import rng
from tests.fitted import amounts, fitted, numbers
from tests.jointly import density, few, hybrid, pair, vector

POINTS = 2001
LEVELS = np.array([0.02, 0.1, 0.5, 0.9, 0.98])
MODES = ["bus", "car", "train"]


def rows(n=4):
    """Rows that no fit has seen."""
    return numbers(seed=9).head(n)


def along(distribution_at, part):
    """A grid over the support of a number, and its density (rows, points); `distribution_at` takes a table of rows."""
    y = np.linspace(*part.ends(), POINTS)
    many = rows().loc[rows().index.repeat(POINTS)]
    return y, np.exp(distribution_at(many).log_prob(np.tile(y, len(rows())))).reshape(-1, POINTS)


# One number.


@pytest.mark.parametrize("temperature", [None, 0.3])
def test_answers_about_a_number_are_integrals_of_its_density(temperature):
    at = lambda X: fitted(BLRegressor, "numbers").distribution(X, temperature=temperature)
    law = at(rows())
    unit, observed = law.response.unit, np.array([200.0, 240.0, 270.0, 310.0])
    y, p = along(at, law.response)
    below = cumulative_trapezoid(p, y, axis=1, initial=0.0)
    share = np.array([np.interp(value, y, row) for value, row in zip(observed, below, strict=True)])
    assert isinstance(law, Exact)
    np.testing.assert_allclose(below[:, -1], 1.0, atol=2e-3)
    np.testing.assert_allclose(law.mean(), np.trapezoid(y * p, y), atol=5e-3 * unit)
    np.testing.assert_allclose(law.cdf(observed), share, atol=4e-3)
    np.testing.assert_allclose(law.mode(), y[p.argmax(axis=1)], atol=2 * (y[1] - y[0]))
    np.testing.assert_allclose(law.entropy(), -np.trapezoid(p * np.log(p), y), atol=0.01)
    step = (y >= observed[:, None]).astype(float)
    np.testing.assert_allclose(law.crps(observed), np.trapezoid((below - step) ** 2, y), atol=5e-3 * unit)


def test_cdf_and_quantile_are_inverse():
    law = fitted(BLRegressor, "numbers").distribution(rows())
    quantiles = law.quantile(LEVELS)
    assert quantiles.shape == (4, 5)
    for level, column in zip(LEVELS, quantiles.T, strict=True):
        np.testing.assert_allclose(law.cdf(column), level, atol=1e-4)
        np.testing.assert_allclose(law.quantile(level), column, rtol=1e-6)
    np.testing.assert_allclose(law.cdf(np.full(4, law.response.lower)), 0.0, atol=1e-6)
    np.testing.assert_allclose(law.cdf(np.full(4, law.response.upper)), 1.0, atol=1e-6)
    np.testing.assert_array_equal(law.median(), law.quantile(0.5))
    np.testing.assert_array_equal(law.interval(0.8), law.quantile([0.1, 0.9]))


def test_a_number_has_no_probabilities():
    law = fitted(BLRegressor, "numbers").distribution(rows())
    with pytest.raises(OptionError, match="'spend' has a density, no probabilities; ask cdf, quantile or log_prob"):
        law.probabilities()
    assert (len(law), repr(law)) == (4, "Exact distribution of spend at 4 rows")
    assert law.component("spend") is law


# Classes.


@pytest.mark.parametrize("temperature", [None, 0.3])
def test_answers_about_classes_are_sums_of_their_probabilities(temperature):
    law = fitted(BLClassifier, "numbers").distribution(rows(), temperature=temperature)
    p = np.stack([np.exp(law.log_prob([label] * 4)) for label in MODES], axis=1)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(law.probabilities(), p, rtol=1e-4)
    np.testing.assert_allclose(law.log_probabilities(), np.log(p), atol=1e-4)
    np.testing.assert_allclose(law.entropy(), -np.sum(p * np.log(p), axis=1), rtol=1e-3)
    for code, label in enumerate(MODES):
        np.testing.assert_allclose(law.cdf([label] * 4), p[:, : code + 1].sum(axis=1), rtol=1e-4)
    best = np.array(MODES)[p.argmax(axis=1)]
    for typical in (law.mean(), law.mode(), law.median(), law.interval()[:, 0]):
        assert typical.tolist() == best.tolist()


def test_labels_have_no_ranked_score():
    for law in (fitted(BLClassifier, "numbers").distribution(rows()), hybrid().distribution(rows())):
        with pytest.raises(OptionError, match=r"crps is of numbers, and 'mode' has labels\. Use log_prob"):
            law.crps(["car"] * 4)


# Several at once.


def test_components_are_the_joint_distribution_with_the_others_integrated_out():
    law = hybrid().distribution(rows())
    part = law.response.components[1]
    y = np.linspace(*part.ends(), POINTS)
    table = pd.DataFrame({"mode": np.repeat(MODES, POINTS), "spend": np.tile(y, 3)})
    for i in range(2):
        joint = hybrid().distribution(rows().iloc[[i]].loc[lambda row: row.index.repeat(len(table))])
        by_mode = np.exp(joint.log_prob(table)).reshape(3, POINTS)
        one = hybrid().distribution(rows().iloc[[i]])
        np.testing.assert_allclose(one.component("mode").probabilities()[0], np.trapezoid(by_mode, y), atol=2e-3)
        spend = by_mode.sum(axis=0)
        assert one.component("spend").mean()[0] == pytest.approx(np.trapezoid(y * spend, y), abs=0.01 * part.unit)
        assert one.component("spend").entropy()[0] == pytest.approx(-np.trapezoid(spend * np.log(spend), y), abs=0.01)


def test_entropy_of_all_is_that_of_one_plus_that_of_the_others_given_it():
    law = hybrid().distribution(rows())
    shares = law.component("mode").probabilities()
    given = [hybrid().distribution(rows(), given={"mode": label}).entropy() for label in MODES]
    chained = law.component("mode").entropy() + np.sum(shares * np.transpose(given), axis=1)
    np.testing.assert_allclose(law.entropy(), chained, atol=2e-3)


def test_several_responses_have_an_axis_of_their_own_and_no_single_order():
    law = vector().distribution(rows())
    assert law.mean().shape == law.mode().shape == law.quantile(0.3).shape == (4, 2)
    assert law.quantile(LEVELS).shape == (4, 2, 5)
    assert law.sample(3, 0).shape == (4, 3, 2)
    np.testing.assert_array_equal(law.quantile(LEVELS)[:, 1], law.component("weight").quantile(LEVELS))
    assert law.table("median").columns.tolist() == ["spend", "weight"]
    assert len(law.sample_table(3, 0)) == 12
    for ask in (lambda: law.cdf(pair(rows())), law.probabilities, law.log_probabilities):
        with pytest.raises(OptionError, match=r"is of one response; choose with component\(name\) among spend, weight"):
            ask()
    with pytest.raises(OptionError, match=r"There is no response 'price'\. Responses: spend, weight"):
        law.component("price")


def test_one_response_of_a_density_of_one_column_has_quantiles():
    model = few(type(density()), max_epochs=1).fit(amounts(numbers()))
    law = model.distribution()
    assert law.quantile(LEVELS).shape == law.sample(5).shape == (1, 5)
    assert law.mean().shape == law.mode().shape == (1,)
    assert model.distribution(temperature=0).mean().shape == (1,)
    np.testing.assert_allclose(law.cdf(law.median()), 0.5, atol=1e-4)


# Drawn.


def drawn(law):
    """The same distribution, known by draws alone; of up to two numbers these are independent."""
    return Drawn(law.response, law.x, law.gibbs)


def test_what_is_drawn_is_close_to_what_is_exact():
    """Within 4.5 standard errors of 512 draws."""
    law, errors = fitted(BLRegressor, "numbers").distribution(rows()), 4.5 / np.sqrt(512)
    deviation = law.sample(2000, 1).std(axis=1)
    assert np.all(np.abs(drawn(law).mean() - law.mean()) < errors * deviation)
    assert np.all(np.abs(drawn(law).cdf(law.median()) - 0.5) < 0.5 * errors)
    lower, upper = drawn(law).interval(0.8).T
    assert np.all(np.abs(law.cdf(upper) - law.cdf(lower) - 0.8) < 2 * 0.4 * errors)
    np.testing.assert_array_equal(drawn(law).log_prob(law.median()), law.log_prob(law.median()))
    np.testing.assert_array_equal(drawn(law).entropy(), law.entropy())


def test_components_are_drawn_together_with_the_others():
    law, errors = hybrid().distribution(rows()), 4.5 / np.sqrt(512)
    mine = drawn(law)
    shares = mine.component("mode").probabilities()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert np.all(np.abs(shares - law.component("mode").probabilities()) < 0.5 * errors)
    spend, exact = mine.component("spend"), law.component("spend")
    assert np.all(np.abs(exact.cdf(spend.median()) - 0.5) < 0.5 * errors)
    np.testing.assert_array_equal(mine.sample(3, 0)[..., 1].astype(float), spend.sample(3, 0))
    np.testing.assert_allclose(spend.log_prob(exact.median()), exact.log_prob(exact.median()), atol=1e-5)
    assert mine.table().columns.tolist() == ["mode", "spend"]


@pytest.mark.parametrize(("memory", "batches"), [(1, 3), (10**9, 1)])
def test_draws_by_inversion_are_made_as_many_at_once_as_memory_holds(monkeypatch, memory, batches):
    """At least so many as the smallest batch of rows, and each by its own level, in turn."""
    many, seen = 2 * SMALLEST + 3, []

    def by_rows(function, distribution, rows):
        seen.append(rows[1].shape[1])
        return rows[1]

    monkeypatch.setattr(evaluate, "VALUES_IN_MEMORY", memory)
    monkeypatch.setattr(evaluate, "by_rows", by_rows)
    space = SimpleNamespace(components=(1, 2), continuous=(0, 1), nodes=8)
    law = SimpleNamespace(space=space, utility=SimpleNamespace(width=3))
    drawn = evaluate.draws(law, np.zeros((5, 2)), many, np.random.RandomState(0))
    expected = np.random.RandomState(0).uniform(size=(5, many, 2)).astype(np.float32)
    np.testing.assert_array_equal(drawn, expected)
    assert seen == [SMALLEST] * batches if memory == 1 else seen == [power_of_two(many)]
    per_draw = 2 * 8 * 3 * SMALLEST
    monkeypatch.setattr(evaluate, "VALUES_IN_MEMORY", 2 * SMALLEST * per_draw)
    seen.clear()
    evaluate.draws(law, np.zeros((5, 2)), many, np.random.RandomState(0))
    assert seen == [2 * SMALLEST] * 2


def test_answers_by_draws_are_shares_and_quantiles_of_them(monkeypatch):
    codes = np.array([[0, 1, 1, 1], [2, 2, 2, 2]])
    monkeypatch.setattr(Drawn, "_sampled", codes)
    law = Drawn(SimpleNamespace(levels=("a", "b", "c")), None, None)
    floor = np.log(0.5 / SUMMARY_DRAWS)
    np.testing.assert_allclose(law._log_mass(), [[np.log(0.25), np.log(0.75), floor], [floor, floor, 0.0]])
    np.testing.assert_allclose(law._cdf(np.array([0, 1])), [0.25, 0.0])
    np.testing.assert_allclose(law._quantile(np.array([0.0, 1.0])), [[0.0, 1.0], [2.0, 2.0]])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::behavior_learning.errors.SamplingWarning")
def test_three_numbers_are_drawn_and_have_no_density():
    model = few(BLRegressor, objective="dsm", max_epochs=5).fit(numbers(), pair(numbers(), 3))
    law = model.distribution(rows(2))
    assert isinstance(law, Drawn)
    assert isinstance(law.component("weight"), Drawn)
    np.testing.assert_allclose(law.mean()[:, 1], law.component("weight").mean(), rtol=1e-5)
    assert law.interval().shape == (2, 3, 2)
    for ask in (lambda: law.log_prob(pair(numbers(), 3).head(2)), law.entropy):
        with pytest.raises(NoQuadratureError):
            ask()


# The best response.


@pytest.mark.parametrize("model", [lambda: fitted(BLRegressor, "numbers"), vector], ids=["number", "two numbers"])
def test_at_temperature_zero_every_answer_is_the_best_response(model):
    law, best = model().distribution(rows(), temperature=0), model().distribution(rows()).mode()
    assert isinstance(law, BestResponse)
    for typical in (law.mean(), law.mode(), law.median(), law.interval()[..., 0], law.interval()[..., 1]):
        np.testing.assert_allclose(typical, best, rtol=1e-6)
    np.testing.assert_array_equal(law.sample(3), np.repeat(law.mode()[:, None], 3, axis=1))
    np.testing.assert_array_equal(law.entropy(), -np.inf)
    with pytest.raises(OptionError, match=r"all mass is on one response, which has no density\. Use a temperature > 0"):
        law.log_prob(best)


def test_the_best_response_is_a_step():
    law = fitted(BLRegressor, "numbers").distribution(rows(), temperature=0)
    best = law.mode()
    np.testing.assert_array_equal(law.cdf(best + 1e-3 * law.response.unit), 1.0)
    np.testing.assert_array_equal(law.cdf(best - 1e-3 * law.response.unit), 0.0)
    np.testing.assert_allclose(law.crps(best + 2.0), 2.0, rtol=1e-3)


def test_the_best_class_has_all_the_probability():
    law = fitted(BLClassifier, "numbers").distribution(rows(), temperature=0)
    assert law.probabilities().max(axis=1).tolist() == [1.0] * 4
    assert np.array(MODES)[law.probabilities().argmax(axis=1)].tolist() == law.mode().tolist()
    np.testing.assert_array_equal(law.entropy(), 0.0)


def test_the_best_of_some_responses_is_their_part_of_the_joint_best():
    law = hybrid().distribution(rows(), temperature=0)
    assert law.table().equals(law.table("mode"))
    for j, name in enumerate(("mode", "spend")):
        assert law.component(name).mode().tolist() == law.mode()[:, j].tolist()
    only = predictive(hybrid().model_, rows(), of=["spend"], temperature=0)
    np.testing.assert_array_equal(only.mean(), law.component("spend").mean())


# What is asked.


def test_statistics_are_named():
    law = fitted(BLRegressor, "numbers").distribution(rows())
    for name in ("mean", "median", "mode"):
        np.testing.assert_array_equal(law.statistic(name), getattr(law, name)())
    with pytest.raises(OptionError, match="statistic must be one of 'mean', 'median', 'mode'; got 'sample'"):
        law.statistic("sample")


def test_draws_repeat_by_their_seed():
    law, seed = hybrid().distribution(rows()), int(rng("draws").integers(1000))
    pd.testing.assert_frame_equal(law.sample_table(5, seed), law.sample_table(5, seed))
    assert not law.sample_table(5, seed).equals(law.sample_table(5, seed + 1))
