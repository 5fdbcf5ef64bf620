"""Blocks beside a readable utility: monotone, ragged, and with the logit's errors where they add nothing."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from tests.choice.test_formula import simulated

DATA = simulated(300)


@cache
def fitted(layers: tuple[int, ...] = (2,), l2: float = 0.3) -> bl.BLChoice:
    signs = {"cost": "decreasing", "time": "decreasing"}
    return bl.BLChoice("cost + C(alternative)", layers=layers, monotone=signs, l2=l2, max_epochs=25).fit(DATA)


@pytest.mark.parametrize("layers", [(2,), (2, 1)])
def test_utility_falls_in_cost_and_time(layers: tuple[int, ...]):
    model = fitted(layers).fitted_.model
    theta = model.theta + np.random.default_rng(0).normal(size=len(model.theta)) * (np.arange(len(model.theta)) > 2)
    base = model.on(DATA).utilities(theta)
    for name in ("cost", "time"):
        for step in (0.01, 1.0, 5.0):
            moved = model.on(DATA.changed({name: lambda t, step=step: t + step})).utilities(theta)
            assert (moved <= base).all()


def test_tastes_keep_their_sign_and_vary_with_the_chooser_alone():
    """TasteNet: the slope in cost is a function of the chooser, falling whatever the numbers of the network are."""
    signs = {"cost": "decreasing", "time": "decreasing"}
    options = {"tastes": True, "heads": (None, "softplus", None), "monotone": signs, "l2": 0.3, "max_epochs": 5}
    model = bl.BLChoice("cost + C(alternative)", layers=(3,), **options).fit(DATA).fitted_.model
    theta = model.theta + np.random.default_rng(0).normal(size=len(model.theta)) * (np.arange(len(model.theta)) > 2)
    base = model.on(DATA).utilities(theta)[:, 0]
    for name in signs:
        slope = (model.on(DATA.changed({name: lambda t: t + 1.0})).utilities(theta)[:, 0] - base).reshape(len(DATA), -1)
        assert (slope < 0).all()
        assert np.allclose(slope, slope[:, :1])
        assert np.ptp(slope[:, 0]) > 1e-4


def test_tastes_of_unlike_blocks_refuse_signs():
    with pytest.raises(OptionError, match="blocks of one sign"):
        bl.BLChoice("cost", layers=(2,), tastes=True, monotone={"cost": "decreasing"}).fit(DATA)


def test_blocks_raise_the_likelihood():
    readable = bl.BLChoice("cost + C(alternative)").fit(DATA)
    assert fitted().score(DATA) > readable.score(DATA) + 0.01


def test_probabilities_do_not_depend_on_the_padding():
    model = fitted()
    ragged = DATA.changed({"cost": 1.0})
    keep = np.ones(DATA.lines, bool)
    keep[np.flatnonzero(~DATA.chosen)[::7]] = False
    ragged = DATA._with_lines(keep, slice(None))
    alone = ragged.select([int(np.argmin(ragged.sizes))])
    p = model.predict_proba(ragged)
    assert np.allclose(p.sum(axis=1), 1)
    assert np.allclose(model.predict_proba(alone).to_numpy()[0], p.loc[alone.labels[0]].to_numpy())
    assert (p.to_numpy()[ragged.wide(np.ones(ragged.lines)).to_numpy() == 0] == 0).all()


def test_cases_in_parts_are_the_same_model(monkeypatch: pytest.MonkeyPatch):
    """300 cases in parts of 128, the last one filled up, and slopes of some cases at a time."""
    whole = fitted()
    monkeypatch.setattr("behavior_learning.choice.blocks.CASES_AT_ONCE", 128)
    monkeypatch.setattr("behavior_learning.choice.block_errors.NUMBERS_AT_ONCE", 2**13)
    parts = bl.BLChoice(**whole.get_params()).fit(DATA)
    assert parts.loglik == pytest.approx(whole.loglik, abs=0.05)
    assert np.allclose(replace(whole.fitted_).results().bse, whole.inference().bse, rtol=1e-6)


def test_errors_are_the_logits_where_the_ridge_leaves_no_blocks():
    readable = bl.BLChoice("cost + C(alternative)").fit(DATA)
    shrunk = fitted((2,), 1e7)
    assert np.allclose(shrunk.params, readable.params, rtol=2e-2, atol=1e-2)
    for cov_type in ("hessian", "robust", "clustered"):
        assert np.allclose(shrunk.inference(cov_type).bse, readable.inference(cov_type).bse, rtol=2e-2)
    assert shrunk.inference().degrees_of_freedom == pytest.approx(3, abs=0.1)


def test_value_of_time_has_an_interval():
    pay = fitted().willingness_to_pay("time", "cost")
    assert pay.index.tolist() == ["of the means", "25 %", "median", "75 %"]
    assert (pay["estimate"] > 0).all()
    assert (pay["std. error"] > 0).all()


def test_slopes_are_differences_of_utilities():
    on, theta = fitted().fitted_.model.on(DATA), fitted().fitted_.model.theta
    slopes = on.slopes(theta)
    for j in np.random.default_rng(1).choice(len(theta), 8, replace=False):
        move = 1e-5 * (np.arange(len(theta)) == j)
        difference = (on.utilities(theta + move) - on.utilities(theta - move))[:, 0] / 2e-5
        assert np.allclose(slopes[:, j], difference, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": (2,), "nests": {"a": ["bus"]}}, "layers= goes with utility="),
        ({"layers": (2,), "utility": "boxcox(cost)"}, "drop boxcox"),
        ({"layers": (2,), "monotone": {"income": "decreasing"}}, "monotone needs attributes"),
    ],
)
def test_options_that_do_not_go_with_blocks(options: dict[str, object], message: str):
    with pytest.raises(OptionError, match=message):
        bl.BLChoice(**{"utility": "cost", **options}).fit(DATA)


def test_blocks_know_the_alternatives_of_training():
    other = simulated(20)
    other = bl.ChoiceData(("bus", "car", "train", "plane"), *[getattr(other, n) for n in list(vars(other))[1:8]])
    with pytest.raises(DataError, match="'plane' was not in the training data"):
        fitted().predict_proba(other)
