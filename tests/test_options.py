"""Options that carry their parameters: every registered one clones, nests, checks itself and goes to a file."""

import inspect
import json
from collections import ChainMap
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import behavior_learning as bl
from behavior_learning.core.basis_families import BASES, BasisFamily, register_basis
from behavior_learning.errors import DataError, OptionError
from behavior_learning.objectives import OBJECTIVES, Objective, objective_from_json, register_objective
from behavior_learning.options import check_count, check_number, from_plain, parameter, to_plain
from behavior_learning.training.optimizers import OPTIMIZERS, register_optimizer
from behavior_learning.training.settings import Initialization, Penalty
from tests.conftest import rng
from tests.fitted import ROWS, amounts, numbers, quick

KINDS = ChainMap({"penalty": Penalty, "initialization": Initialization}, BASES, OBJECTIVES, OPTIMIZERS)
OTHER = {
    "knots": 5, "degree": 3, "products": False, "bends": 2, "straight": True, "frequencies": 2, "common_scale": True,
    "sigma": (0.5, 0.2), "draws": 4, "gauss_hermite": True,
    "continuous": bl.ScoreMatching(), "discrete_weight": 0.5, "continuous_weight": 2.0, "learning_rate": 0.1,
    "batch_size": 16, "clip": 3.0, "averaging": 0.0, "schedule": "cosine", "memory": 5, "l2": 1.0, "l1": 2.0,
    "group_l2": 3.0, "groups": "block", "dropout": 0.25, "n": 2, "coef_scale": 0.5, "multiplier_scale": 2.0,
}  # fmt: skip
"""A value of every parameter that is not its default."""

DEFAULTS = {
    "penalty": {"l2": 10.0, "l1": 0.0, "group_l2": 0.0, "groups": "row", "dropout": 0.0},
    "initialization": {"n": 4, "coef_scale": None, "multiplier_scale": None},
    "affine": {"common_scale": False},
    "polynomial": {"degree": 2, "products": True, "bends": 0},
    "spline": {"knots": 8, "degree": 1, "straight": False},
    "fourier": {"frequencies": 3},
    "dsm": {"sigma": None, "draws": 8, "gauss_hermite": None},
    "hybrid": {"continuous": "dsm", "discrete_weight": 1.0, "continuous_weight": 1.0},
    "adam": {"learning_rate": 0.01, "batch_size": 64, "clip": 1.0, "averaging": 0.98, "schedule": "constant"},
    "lbfgs": {"memory": 20},
}  # fmt: skip
"""Another default is another fit of everyone's: it is changed here too, and said in the changelog."""

every_option = pytest.mark.parametrize("name", KINDS)


def other(name):
    """An option with no parameter at its default."""
    return KINDS[name](**{key: OTHER[key] for key in KINDS[name]().get_params(deep=False)})


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_stated_ones(name):
    assert KINDS[name]().get_params(deep=False) == DEFAULTS[name]


def test_a_penalty_makes_zeros_by_either_of_two_strengths():
    made = {(l1, group): Penalty(l1=l1, group_l2=group).sparse for l1 in (0.0, 0.5) for group in (0.0, 0.5)}
    assert Penalty(l2=3.0, l1=1.0, group_l2=1.0, dropout=0.5).ridge == Penalty(l2=3.0)
    assert made == {(0.0, 0.0): False, (0.0, 0.5): True, (0.5, 0.0): True, (0.5, 0.5): True}


@every_option
def test_a_clone_has_the_same_parameters_and_is_another_object(name):
    copied = clone(other(name))
    assert copied is not other(name)
    assert repr(copied) == repr(other(name))
    assert to_plain(copied) == to_plain(other(name))


@every_option
def test_parameters_are_set_by_name_and_the_original_stays(name):
    default = KINDS[name]()
    changed = default.with_params(**other(name).get_params(deep=False))
    assert to_plain(changed) == to_plain(other(name))
    assert to_plain(default) == to_plain(KINDS[name]())
    assert to_plain(clone(default).set_params(**other(name).get_params(deep=False))) == to_plain(changed)


@every_option
def test_checking_changes_nothing_valid(name):
    assert to_plain(other(name).checked()) == to_plain(other(name))


@every_option
def test_a_file_keeps_every_parameter(name):
    again = from_plain(json.loads(json.dumps(to_plain(other(name)))))
    assert type(again) is KINDS[name]
    assert to_plain(again) == to_plain(other(name))


@every_option
def test_unknown_parameters_are_named_beside_the_known_ones(name):
    with pytest.raises(OptionError, match=rf"bl\.{KINDS[name].__name__} has no parameter 'depth'\. Its parameters: "):
        KINDS[name]().set_params(depth=3)


@every_option
def test_every_parameter_is_checked_by_name(name):
    unchecked = {"continuous"} if name == "hybrid" else set()
    for key in set(KINDS[name]().get_params(deep=False)) - unchecked:
        with pytest.raises(OptionError, match=rf"{key} of bl\.{KINDS[name].__name__} must be .*got 'nonsense'"):
            KINDS[name](**{key: "nonsense"}).checked()


def test_options_nest():
    objective = bl.Hybrid(continuous=bl.DenoisingScoreMatching(sigma=0.3))
    assert objective.get_params()["continuous__sigma"] == 0.3
    assert objective.with_params(continuous__sigma=0.1).continuous.sigma == 0.1
    assert bl.BLHybrid(objective=objective).set_params(objective__continuous__draws=4).objective.continuous.draws == 4
    assert objective.continuous.draws == 8


# Estimators.


@pytest.mark.parametrize("estimator", [bl.BLRegressor, bl.BLClassifier, bl.BLHybrid, bl.BLDensity])
def test_estimators_have_few_parameters_and_their_options_have_the_rest(estimator):
    most = 28 if estimator is bl.BLClassifier else 26
    assert len(inspect.signature(estimator).parameters) <= most
    given = {"basis": bl.Spline(knots=5), "optimizer": bl.Adam(clip=2.0), "penalty": bl.Penalty()}
    deep = estimator(**given).get_params(deep=True)
    assert (deep["basis__knots"], deep["optimizer__clip"], deep["penalty__l2"]) == (5, 2.0, 10.0)


@pytest.mark.parametrize(
    ("given", "params", "expected"),
    [
        ({}, {"penalty__l2": 1.0}, bl.Penalty(l2=1.0)),
        ({}, {"optimizer__learning_rate": 0.1}, bl.Adam(learning_rate=0.1)),
        ({"optimizer": "adamw"}, {"optimizer__clip": 2.0}, bl.AdamW(clip=2.0)),
        ({"basis": "spline"}, {"basis__knots": 4}, bl.Spline(knots=4)),
        ({}, {"basis": "spline", "basis__knots": 4}, bl.Spline(knots=4)),
        ({"objective": "dsm"}, {"objective__sigma": 0.4}, bl.DenoisingScoreMatching(sigma=0.4)),
    ],
    ids=repr,
)
def test_nested_parameters_of_short_names_make_the_option(given, params, expected):
    reg = bl.BLRegressor(**given).set_params(**params)
    assert to_plain(getattr(reg, next(iter(params)).partition("__")[0])) == to_plain(expected)


def test_nested_parameters_leave_options_of_other_estimators_alone():
    shared = bl.Penalty(l2=3.0)
    one, two = bl.BLRegressor(penalty=shared), bl.BLRegressor(penalty=shared)
    one.set_params(penalty__l2=1.0)
    clone(bl.BLRegressor()).set_params(penalty__l2=2.0)
    assert (one.penalty.l2, two.penalty.l2, bl.BLRegressor().penalty) == (1.0, 3.0, "ridge")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"basis__knots": 4}, "basis='auto' has no parameters of its own. Set basis to an option that has first"),
        ({"objective__sigma": 4}, r"bl\.Likelihood has no parameter 'sigma'\. Its parameters: none"),
        (
            {"penalty__alpha": 4},
            r"bl\.Penalty has no parameter 'alpha'\. Its parameters: l2, l1, group_l2, groups, dropout",
        ),
        ({"penalties__l2": 4}, "Invalid parameter 'penalties'"),
    ],
)
def test_wrong_nested_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        bl.BLRegressor().set_params(**params)


def test_grids_go_over_parameters_of_options():
    X, y, order = numbers(), amounts(numbers()), rng("folds").permutation(ROWS)
    grid = {"basis__knots": [4], "optimizer__learning_rate": [0.05], "penalty__l2": [0.1, 1e6]}
    reg = quick(bl.BLRegressor, basis=bl.Spline(knots=8))
    search = GridSearchCV(reg, grid, cv=[(order, order)], error_score="raise").fit(X, y)
    assert search.best_params_ == {"basis__knots": 4, "optimizer__learning_rate": 0.05, "penalty__l2": 0.1}
    assert search.best_estimator_.basis == bl.Spline(knots=4)
    assert (reg.basis.knots, reg.optimizer.batch_size) == (8, search.best_estimator_.optimizer.batch_size)


# Options of one's own.


@pytest.fixture
def own():
    """A basis, an objective and an optimizer from outside the package, for the duration of a test."""

    @register_objective
    class Absolute(Objective):
        """|BL(x, y)| plus the likelihood."""

        weight: float = parameter(0.1, check_number)

        short_name: ClassVar[str] = "absolute"

        def __call__(self, utility, x, y, *noise):
            likelihood = bl.Likelihood().on(self.space, self.temperature)(utility, x, y)
            return likelihood + self.weight * abs(utility(x, self.space.candidates(y)[:, None])[:, 0])

    @register_basis
    class FewColumns(bl.Affine):
        """The columns themselves."""

        short_name: ClassVar[str] = "few"

    @register_optimizer
    class Slow(bl.Adam):
        """Adam in smaller steps."""

        patience: int = parameter(3, check_count)

        short_name: ClassVar[str] = "slow"

    yield Absolute, FewColumns, Slow
    for kinds, name in ((OBJECTIVES, "absolute"), (BASES, "few"), (OPTIMIZERS, "slow")):
        del kinds[name]


def test_options_of_ones_own_are_used_saved_and_loaded(own, tmp_path):
    absolute, few, slow = own
    X, y = numbers(), amounts(numbers())
    options = {"objective": absolute(weight=0.5), "basis": few(), "optimizer": slow(batch_size=32)}
    reg = quick(bl.BLRegressor, **options).fit(X, y)
    assert type(reg.model_.objective) is absolute
    reg.save(tmp_path / "own.bl")
    again = bl.load(tmp_path / "own.bl")
    np.testing.assert_array_equal(again.predict(X), reg.predict(X))
    assert again.objective.weight == again.model_.objective.weight == 0.5
    assert type(again.basis) is few
    assert type(again.model_.recipe.settings.optimizer) is slow
    short = quick(bl.BLRegressor, objective="absolute", basis="few", optimizer="slow")
    assert type(clone(short).set_params(objective__weight=2.0).objective) is absolute


def test_a_short_name_is_registered_once(own):
    for register, kind, name in (
        (register_objective, Objective, "likelihood"),
        (register_basis, BasisFamily, "affine"),
        (register_optimizer, bl.Adam, "adam"),
    ):
        mine = type("Mine", (kind,), {"short_name": name})
        with pytest.raises(OptionError, match=rf"'{name}' is taken by .* registered once\. Rename it"):
            register(mine)


def test_what_is_not_registered_is_refused_with_what_is():
    class Mine(bl.Adam):
        short_name: ClassVar[str] = "mine"

    assert bl.BLRegressor(optimizer=Mine()).optimizer.spelling() == "Mine"
    with pytest.raises(OptionError, match=r"penalty must be one of 'ridge', or one of bl\.Penalty\(\); got Adam"):
        quick(bl.BLRegressor, penalty=bl.Adam()).fit(numbers(), amounts(numbers()))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_bound_objectives_keep_their_numbers_in_a_file(name):
    X, y = numbers().to_numpy(np.float32), amounts(numbers()).to_numpy(np.float32)
    space = (
        bl.Classes(levels=("a", "b")).space() if name == "cross_entropy" else bl.Numbers(lower=-2.0, upper=2.0).space()
    )
    if name == "hybrid":
        pytest.skip("joint responses are saved and loaded in tests of estimators")
    objective = OBJECTIVES[name]().stages(space, 0.7, X, y)[-1]
    again = objective_from_json(json.loads(json.dumps(objective.to_json())), space)
    assert again.to_json() == objective.to_json()
    assert float(again.temperature) == pytest.approx(0.7)


def test_files_of_options_that_are_not_known_are_refused(own, tmp_path):
    reg = quick(bl.BLRegressor, objective=own[0]()).fit(numbers(), amounts(numbers()))
    reg.save(tmp_path / "own.bl")
    del OBJECTIVES["absolute"]
    with pytest.raises(DataError, match="absolute"):
        bl.load(tmp_path / "own.bl")
    OBJECTIVES["absolute"] = own[0]


def test_messages_quote_the_beginning_and_keep_the_way_out():
    with pytest.raises(OptionError, match=r"^heads.*xxx … xxx") as error:
        bl.BLRegressor(heads="x" * 100_000).fit(numbers(), amounts(numbers()))
    assert len(str(error.value)) < 2500


@pytest.mark.parametrize("signs", [None, ["y"], "y"], ids=repr)
@pytest.mark.parametrize("what", ["signs", "monotone"])
def test_conditions_of_a_problem_are_dictionaries(what, signs):
    with pytest.raises(OptionError, match=rf"{what} of bl\.UMP must be a dictionary by term or column; got"):
        bl.BLRegressor(structure=bl.UMP(utility="spend", **{what: signs})).fit(numbers(), amounts(numbers()))
