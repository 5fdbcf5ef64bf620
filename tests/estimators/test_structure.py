"""Hyperparameters become the architecture and basis they name, and contradictions are refused by name."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.features import Ramp
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError, DataError, OptionError, TrainingWarning
from behavior_learning.estimators import learning, structure
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.learning import level_with_best
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.estimators.structure import (
    LINEAR,
    Columns,
    as_plainer,
    averages,
    by_curves,
    draws_curves,
    for_many_rows,
    kinds_of_curves,
    make_architecture,
    make_basis,
    named_products,
)
from behavior_learning.learned.outcome import CROWDED
from behavior_learning.options import checked_parameters
from behavior_learning.specification import UMP
from tests.conftest import rng

COLUMNS = Columns(
    x=("rooms", "job[a]", "job[b]"),
    y=("price",),
    x_sources=("rooms", "job", "job"),
    y_sources=("price",),
    x_units=((6.0, 0.7), (0.0, 1.0), (0.0, 1.0)),
    y_units=((22.0, 9.0),),
    choices=(None,),
    y_least=(0.0,),
)


def rows():
    job = np.arange(40) % 2
    return np.stack([rng("rooms").normal(size=40), job, 1 - job], axis=1)


def built(output="scalar", x=None, **options):
    """The architecture and the basis of an estimator's first layer."""
    estimator = (BLRegressor if output == "scalar" else BLClassifier)(**options)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    made = make_architecture(chosen, output, estimator)
    return made, make_basis(chosen, made, rows() if x is None else x, COLUMNS)[0]


def architecture(**options):
    return built(**options)[0]


def term_names(**options):
    return built(**options)[1].names(COLUMNS.x, COLUMNS.y)


def test_degrees_set_rows_and_the_basis():
    options = {"layers": (1,), "degrees": ((2,), (2, 1, 2), (1, 2))}
    assert architecture(**options).rows == (1, 3, 2)
    assert {"rooms^2", "rooms*price", "price^2"} < set(term_names(**options))


def test_rows_of_lower_degree_hold_no_higher_terms():
    made, basis = built(layers=(2,), degrees={"utility": (1,), "inequality": (3, 2), "equality": (2,)})
    network = BehaviorNetwork.random(np.random.default_rng(0), made, features=3, response=1, basis=basis)
    degrees = np.array(basis.degrees)
    for role, highest in {"utility": [1], "inequality": [3, 2], "equality": [2]}.items():
        coef = np.asarray(network.layers[0].heads[role].coef.value)
        for row, limit in enumerate(highest):
            assert (coef[:, row, degrees > limit] == 0).all()
            assert (coef[:, row, degrees <= limit] != 0).all()


def test_identifiable_takes_smooth_heads_no_biases_and_only_terms_with_y():
    made = architecture(layers=(2,), identifiable=True)
    assert made.heads == ("tanh", "softplus", "square")
    assert not made.intercepts
    assert not made.readout_bias
    assert all("price" in name for name in term_names(layers=(2,), identifiable=True))
    assert "rooms" in term_names(layers=(2,), identifiable="pure_x")


def test_extra_terms_survive_identifiability():
    assert "rooms^2" in term_names(layers=(2,), identifiable=True, extra_terms=["rooms^2"])


def test_number_with_gaps_is_not_its_indicator():
    gaps = replace(COLUMNS, x=("rooms", "rooms[missing]", "job[b]"), x_sources=("rooms", "rooms", "job"))
    names = lambda text: [x.name(gaps.x) for x, _ in named_products(text, gaps, True)]
    assert names("rooms") == ["rooms"]
    assert names("`rooms[missing]`") == ["rooms[missing]"]


def test_degrees_alone_are_a_single_problem():
    assert architecture(degrees={"utility": (2,)}).layers == (1,)


def test_extra_terms_are_appended_with_every_level_of_a_category():
    names = term_names(extra_terms=["rooms:price", "job:price", "price^2", "rooms^2"])
    assert {"rooms*price", "job[a]*price", "job[b]*price", "price^2", "rooms^2"} < set(names)


@pytest.mark.parametrize(("degree", "spelling"), [(1, "ramp(rooms"), (3, "bspline(rooms")])
def test_spline_curves_the_numeric_columns_and_leaves_indicators_straight(degree, spelling):
    names = term_names(basis=bl.Spline(knots=5, degree=degree))
    assert sum(name.startswith(spelling) for name in names) >= 4
    assert {"job[a]", "job[b]", "price"} < set(names)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"extra_terms": ["rooms:prize"]}, "'prize', which is no column. Columns: rooms, job, price"),
        ({"extra_terms": "rooms:price"}, "extra_terms must be a list or tuple"),
        ({"basis": bl.Polynomial(degree=0)}, r"degree of bl\.Polynomial must be a whole number of at least 1"),
        ({"degrees": ((0,), None, None)}, "A degree must be a whole number of at least 1"),
        ({"basis": bl.Spline(degree=2)}, r"degree of bl\.Spline must be 1 .* or 3"),
        ({"basis": bl.Spline(knots=1)}, r"knots of bl\.Spline must be a whole number of at least 2"),
        ({"basis": "wavelet"}, "basis must be one of 'affine', 'polynomial', 'spline', 'fourier'"),
        ({"skip": "highway"}, "skip must be one of None, 'dense', 'residual', 'input'"),
        ({"multipliers": "any"}, "multipliers must be one of 'nonnegative', 'free'"),
        ({"identifiable": True, "heads": ("tanh", "relu", "square")}, "needs smooth heads.*'relu'"),
        ({"identifiable": True, "basis": "spline"}, "has no product of x and y"),
        ({"identifiable": True, "basis": "affine"}, "has no product of x and y"),
        ({"structure": UMP(utility="price"), "extra_terms": ["rooms:price"]}, "extra_terms=.* contradicts it"),
        ({"structure": UMP(utility="price"), "multipliers": "free"}, "multipliers='free' contradicts it"),
        ({"structure": "rooms"}, "structure must be a list or tuple"),
        ({"structure": ["rooms"]}, "must be a bl.UMP, a list of them"),
        ({"structure": UMP(utility="price"), "layers": (2, 1)}, "states 1 blocks for the first layer"),
        ({"structure": UMP(utility="prize")}, "'prize', which is no column"),
        ({"structure": UMP(utility="price", signs={"price": ">= 0"}, monotone={"price": "decreasing"})}, "contradict"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_contradiction_is_refused_by_name(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        term_names(**options)


@pytest.mark.parametrize("basis", ["spline", "fourier"])
def test_curves_of_a_constant_column_are_refused_by_name(basis):
    x = rows()
    x[:, 0] = 1.0
    with pytest.raises(DataError, match=f"basis='{basis}' needs columns that vary; 'rooms' is constant"):
        term_names(basis=basis, x=x)


def test_structure_cannot_speak_of_y_in_vector_output():
    with pytest.raises(OptionError, match="output='vector' hides"):
        term_names(output="vector", structure=UMP(utility="price"))


@pytest.mark.parametrize(("rows", "max_epochs", "epochs"), [(40_000, 500, 31), (20_000, 500, 63), (20_000, 20, 20)])
def test_labels_of_many_rows_are_learned_in_a_budget_of_steps(rows, max_epochs, epochs):
    chosen = SimpleNamespace(**checked_parameters(BLClassifier(max_epochs=max_epochs)))
    found = for_many_rows(chosen, rows)
    assert found.max_epochs == epochs
    assert found.max_epochs * found.optimizer.steps(rows) <= 5_000
    assert found.optimizer == bl.Adam(learning_rate=0.02, batch_size=256, schedule="cosine")
    assert found.penalty is chosen.penalty


def stated(structure, x=None, columns=COLUMNS):
    """A random network of a stated problem."""
    estimator = BLRegressor(structure=structure)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    made = make_architecture(chosen, "scalar", estimator)
    basis, rules = make_basis(chosen, made, rows() if x is None else x, columns)
    return BehaviorNetwork.random(
        rng("stated"), made, features=3, response=1, basis=basis, rules=rules[0], upper_rules=rules[1:]
    )


def test_functions_of_a_column_are_terms():
    x = np.abs(rows())
    basis = stated(UMP(utility="price + log(rooms):price + bs(rooms, 4) + poly(rooms, 2):price"), x).basis
    assert [name.split("(")[0] for name in basis.names(COLUMNS.x, COLUMNS.y)].count("bspline") == 5
    assert {"log(rooms)*price", "rooms*price", "rooms^2*price", "price"} <= set(basis.names(COLUMNS.x, COLUMNS.y))
    log = basis(np.asarray(x, np.float32), np.zeros((1, 1, 1), np.float32)).x[:, -1]
    np.testing.assert_allclose(log, np.log(6.0 + 0.7 * x[:, 0]), rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bs(price, 4)", "'price' is the response"),
        ("log(rooms):rooms:price", "nothing else"),
        ("log(price):price", "nothing else"),
        ("log(price)^2", "nothing else"),
        ("cos(rooms):price", "no function"),
        ("bs(rooms):price", "at least two knots"),
        ("log(depth):price", "'depth' is none"),
    ],
)
def test_functions_that_cannot_be_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        stated(UMP(utility=f"price + {text}"))


def test_functions_of_the_response_are_terms():
    basis = stated(UMP(utility="log(price) + rooms:sqrt(price) + poly(price, 2) + log(rooms):log(price)")).basis
    names = basis.names(COLUMNS.x, COLUMNS.y)
    assert names == ["log(price)", "price", "price^2", "rooms*sqrt(price)", "log(rooms)*log(price)"]
    terms = basis(np.zeros((1, 3), np.float32), np.full((1, 1, 1), 2.0, np.float32))
    by_function = dict(zip(basis.y_functions, terms.y[0, 0], strict=True))
    found = {f.name(COLUMNS.y): float(value) for f, value in by_function.items()}
    assert found["log(price)"] == pytest.approx(np.log(40.0), rel=1e-5)
    assert found["sqrt(price)"] == pytest.approx(np.sqrt(40.0), rel=1e-5)


def test_functions_of_a_response_that_may_be_negative_are_refused():
    with pytest.raises(DataError, match="support begins at -3"):
        stated(UMP(utility="log(price)"), columns=replace(COLUMNS, y_least=(-3.0,)))


def test_logarithms_need_positive_columns():
    with pytest.raises(DataError, match="'rooms' above 0"):
        stated(UMP(utility="price + log(rooms)"), rows() - 20.0)


def test_upper_layers_keep_signs_and_structure():
    wants = [UMP(utility="price + rooms:price"), UMP(utility="price", inequalities="price - rooms")]
    upper = UMP(utility="block1.1 + 0.5*block1.2", inequalities="-1*block1.1 <= 1", signs={"block1.1": ">= 0"})
    layer = stated([wants, [upper]]).layers[1].heads
    coef = np.asarray(layer["utility"].coef.value)[0, 0]
    assert coef[0] > 0
    assert coef[1] == 0.5
    assert np.asarray(layer["inequality"].coef.value)[0, 0].tolist() == [-1, 0]


def test_upper_layers_speak_of_blocks_below():
    with pytest.raises(OptionError, match="blocks of the layer below, "):
        stated([[UMP(utility="price + rooms:price")], [UMP(utility="rooms")]])


@pytest.mark.parametrize(
    ("rows", "l2", "batch_size", "epochs"),
    [(500, 20.0, 128, 50), (800, 12.5, 128, 50), (4_000, 2.5, 128, 50), (40_000, 1.0, 256, 50)],
)
def test_networks_of_an_average_of_labels_are_sized_by_the_rows(rows, l2, batch_size, epochs):
    estimator = BLClassifier(average=True)
    found = by_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, rows, 20, labels=True)
    assert (found.layers, found.basis) == ((32, 8), bl.Spline(knots=16, straight=True))
    assert found.penalty == bl.Penalty(l2=l2, dropout=0.1)
    assert found.optimizer == bl.Adam(learning_rate=0.02, batch_size=batch_size, schedule="cosine")
    assert found.max_epochs == epochs
    assert found.n_restarts.n == 8


STATED = [
    {"layers": (2,)},
    {"heads": ("tanh", None, None)},
    {"basis": "affine"},
    {"extra_terms": ["rooms^2"]},
    {"optimizer": bl.Adam(batch_size=32)},
    {"penalty": bl.Penalty(l1=1.0)},
    {"identifiable": True},
]


@pytest.mark.parametrize(("rows", "epochs", "starts"), [(800, 50, 4), (9_000, 200, 4), (40_000, 31, 1)])
def test_default_labels_have_the_networks_of_an_average_and_fewer_starts(rows, epochs, starts):
    single, average = BLClassifier(average=False), BLClassifier(average=True)
    found, member = (
        by_curves(SimpleNamespace(**checked_parameters(own)), own, rows, 20, labels=True) for own in (single, average)
    )
    for name in ("layers", "basis", "penalty", "optimizer"):
        assert getattr(found, name) == getattr(member, name)
    assert (found.max_epochs, found.n_restarts.n) == (epochs, starts)


@pytest.mark.parametrize(("kind", "fewest"), [(BLClassifier, 500), (BLRegressor, 250)])
def test_the_mean_of_several_networks_is_learned_where_nothing_is_asked_of_the_problem(kind, fewest):
    def meant(rows=fewest, columns=20, **options):
        estimator = kind(**options)
        chosen = SimpleNamespace(**checked_parameters(estimator))
        return averages(chosen, estimator, rows, columns, labels=kind is BLClassifier)

    assert meant()
    assert meant(19_999, n_restarts=2, max_epochs=7)
    assert not any(meant(**options) for options in [*STATED, {"n_restarts": 1}])
    assert not any((meant(fewest - 1), meant(columns=201)))
    assert meant(20_000) == (kind is BLClassifier)


@pytest.mark.parametrize(("rows", "labels", "numbers"), [(800, 8, 8), (9_000, 8, 4), (40_000, 8, 4)])
def test_a_mean_of_labels_has_eight_networks_and_one_of_many_numbers_four(rows, labels, numbers):
    for kind, networks in ((BLClassifier, labels), (BLRegressor, numbers)):
        estimator = kind(average=True)
        chosen = SimpleNamespace(**checked_parameters(estimator))
        assert by_curves(chosen, estimator, rows, 20, labels=kind is BLClassifier).n_restarts.n == networks


@pytest.mark.parametrize(("rows", "batch_size", "epochs", "starts"), [(300, 64, 200, 4), (40_000, 256, 31, 1)])
def test_a_default_number_is_learned_by_curves_in_a_budget_of_steps(rows, batch_size, epochs, starts):
    knots = 8 if rows < 2_000 else 16
    estimator = BLRegressor(average=False)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    found = by_curves(chosen, estimator, rows, 20, labels=False)
    assert (found.layers, found.basis, found.penalty) == (None, bl.Spline(knots=knots, straight=True), chosen.penalty)
    assert found.optimizer == bl.Adam(learning_rate=0.02, batch_size=batch_size, schedule="cosine")
    assert (found.max_epochs, found.n_restarts.n) == (epochs, starts)


@pytest.mark.parametrize("kind", [BLClassifier, BLRegressor])
def test_columns_are_drawn_curves_where_nothing_speaks_for_another_problem(kind):
    def drawn(columns=20, **options):
        estimator = kind(**options)
        return draws_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, columns)

    assert drawn()
    assert drawn(penalty=bl.Penalty(l2=3.0), n_restarts=2, max_epochs=7)
    assert not any(drawn(**options) for options in STATED)
    assert not drawn(columns=201)


def round_or_crossed(additive):
    """Labels that log odds of a sum of curves tell apart, and others whose columns say nothing alone."""
    X = rng("curves").normal(size=(800, 6))
    told, noise = (X.sum(axis=1) + np.abs(X[:, 0]) - 0.8, 1.5) if additive else (X[:, 0] * X[:, 1], 0.15)
    return X, np.where(told + noise * rng("noise").normal(size=800) > 0, "far", "near")


def test_default_labels_of_many_rows_are_learned_by_curves():
    X, y = round_or_crossed(additive=False)
    with warnings.catch_warnings(action="error", category=TrainingWarning):  # Of many parameters for few rows.
        clf = BLClassifier(n_restarts=2, random_state=0).fit(X, y)
    assert clf.n_parameters_ > CROWDED * len(X)
    assert (clf.network_.architecture.layers, clf.network_.architecture.heads[0]) == ((64, 16), "tanh")
    assert [member.network_.architecture.layers for member in clf.members_] == [(32, 8)] * 2
    assert any(isinstance(feature, Ramp) for feature in clf.network_.basis.x_functions)
    assert clf.score(X, y) > 0.85


def test_two_default_labels_have_a_curve_of_each_column_where_that_is_enough():
    X, y = round_or_crossed(additive=True)
    with pytest.warns(TrainingWarning, match="An additive problem, one curve for each column, was learned"):
        clf = BLClassifier(n_restarts=2, random_state=0).fit(X, y)
    assert (clf.network_.architecture.layers, clf.network_.architecture.heads) == ((1,), ("identity", None, None))
    assert any(isinstance(feature, Ramp) for feature in clf.network_.basis.x_functions)
    assert not clf.model_.rows.held_out.any()
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("classes", "rows", "curved"), [(2, 700, True), (3, 700, False), (2, 8_000, False), (None, 700, False)]
)
def test_the_plainer_problem_is_additive_for_few_labels_of_two_kinds(classes, rows, curved):
    estimator = (BLRegressor if classes is None else BLClassifier)(average=False)
    asked = SimpleNamespace(**checked_parameters(estimator))
    chosen = by_curves(asked, estimator, rows, 20, labels=classes is not None)
    plainer = as_plainer(asked, chosen, "ridge", rows, classes)
    stated = SimpleNamespace(**vars(asked) | {"penalty": bl.Penalty(l2=2.0, dropout=0.1)})
    assert as_plainer(stated, chosen, stated.penalty, rows, classes).penalty == bl.Penalty(l2=2.0)
    assert (plainer.layers, plainer.heads) == ((max((classes or 2) - 1, 1),), LINEAR[classes is not None])
    assert plainer.basis == (chosen.basis if curved else "auto")


@pytest.mark.parametrize(("kind", "knots"), [(BLRegressor, [16, 4, 16]), (BLClassifier, [16, 4, 64])])
@pytest.mark.parametrize("average", [True, False])
def test_pilots_differ_in_knots_and_dropout(kind, knots, average):
    def tried(rows=2_000, held_out=100, columns=20, **options):
        estimator, labels = kind(average=average, **options), kind is BLClassifier
        chosen = by_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, rows, columns, labels)
        return chosen, kinds_of_curves(chosen, estimator, rows, held_out, labels)

    chosen, found = tried()
    assert vars(chosen) == vars(chosen) | found[0]
    drops, ridge = average or kind is BLClassifier, 5.0 if kind is BLClassifier else 3.0
    bases = [bl.Spline(knots=count, straight=True) for count in (knots if drops else [16, 4, 8])]
    assert [own["basis"] for own in found] == bases
    if drops:
        assert [own["penalty"] for own in found] == [bl.Penalty(l2=ridge, dropout=share) for share in (0.1, 0.1, 0)]
    without = [tried(penalty=bl.Penalty(l2=3.0)), tried(optimizer="lbfgs"), tried(basis=bl.Spline(), columns=5)]
    assert [{name for own in found for name in own} for _, found in without] == [{"basis"}, {"basis"}, set()]
    assert [chosen.penalty.dropout for chosen, _ in without[:2]] == [0, 0]
    none = [{"rows": 1_999}, {"held_out": 99}, {"columns": 201}, {"basis": "affine"}]
    assert all(tried(**other)[1] == [{}] for other in none)


def test_objectives_without_a_likelihood_have_no_pilots():
    estimator = BLRegressor(average=True, objective="dsm")
    chosen = by_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, 2_000, 20, labels=False)
    assert chosen.basis == bl.Spline(knots=16, straight=True)
    assert kinds_of_curves(chosen, estimator, 2_000, 400, labels=False) == [{}]
    assert chosen.penalty.dropout == 0


def told_by_pilots(errors, rows=400):
    """Log-densities of a first model and of others, each by so many standard errors ahead of it."""
    noise = rng("doubt").normal(size=(len(errors), rows))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    return np.stack([np.zeros(rows), *(noise + np.array(errors)[:, None] / rows**0.5)])


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        ([1.9], [0, 1]),
        ([2.1], [1]),
        ([-1.9], [0, 1]),
        ([-2.1], [0]),
        ([5, 5], [1, 2]),
        ([5, -5], [1]),
        ([np.nan, 3], [2]),
    ],
)
def test_pilots_stay_that_are_not_behind_the_best_beyond_doubt(errors, kept):
    assert level_with_best(told_by_pilots(errors), np.ones(400)) == kept


def test_of_equal_pilots_all_stay_and_without_any_the_first():
    assert level_with_best(np.zeros((3, 400)), np.ones(400)) == [0, 1, 2]
    assert level_with_best(np.full((3, 400), np.nan), np.ones(400)) == [0]
    impossible = told_by_pilots([0.0, 0.0])
    impossible[[0, 2], 7] = -np.inf
    assert level_with_best(impossible, np.ones(400)) == [1]
    impossible[1, 7] = -np.inf
    assert level_with_best(impossible, np.ones(400)) == [0]


def test_rows_that_weigh_twice_are_rows_with_a_larger_error():
    noise = rng("doubt").normal(size=200)
    told, weight = np.stack([np.zeros(200), noise - noise.mean() + 0.15]), np.repeat([0.05, 1.95], 100)
    mean = np.average(told[1], weights=weight)
    error = np.sqrt(np.sum((weight * (told[1] - mean)) ** 2) * 200 / 199) / weight.sum()
    told[1] += 2.01 * error - mean
    assert level_with_best(told, weight) == [1]
    told[1] -= 0.02 * error
    assert level_with_best(told, weight) == [0, 1]


def test_rows_of_one_group_say_as_much_as_one_row():
    told, group = np.tile(told_by_pilots([2.5], rows=50), 4), np.arange(200) % 50
    assert level_with_best(told, np.ones(200), group) == [1]
    told[1] -= 0.1
    assert [level_with_best(told, np.ones(200), own) for own in (None, group)] == [[1], [0, 1]]


def test_the_networks_of_a_mean_have_the_curves_of_all_pilots_that_stay_by_turns(monkeypatch):
    monkeypatch.setattr(structure, "PILOTED_ROWS", 500)
    x = rng("kinds").normal(size=(700, 2))
    y = np.where(x.sum(axis=1) + rng("noise").normal(size=700) > 0, "up", "down")
    found = {}
    for stay in ([0], [0, 2]):
        monkeypatch.setattr(learning, "level_with_best", lambda *told, stay=stay: stay)
        model = BLClassifier(random_state=0, average=True, n_restarts=4, max_epochs=3).fit(x, y).model_
        shares = [own.penalty.dropout for own in model.procedure.settings]
        assert shares == [0.1, 0.0][: len(stay)]
        used = [np.any(np.asarray(model.member(n).network.layers[0].coef.raw) != 0, axis=1).sum() for n in range(4)]
        assert model.procedure.templates[0].basis.size == 2 * (1 + 15)
        found[len(stay)] = sorted(int(count) for count in used)
    assert found == {1: [32] * 4, 2: [32, 32, 2 * (1 + 63), 2 * (1 + 63)]}


@pytest.mark.parametrize(("waves", "knots"), [pytest.param(0, (4, 16), marks=pytest.mark.slow), (20, (64,))])
def test_curves_are_as_fine_as_held_out_rows_ask_for(waves, knots, monkeypatch):
    monkeypatch.setattr(structure, "PILOTED_ROWS", 500)
    x = rng("fine").uniform(size=(800, 1))
    told = np.sin(2 * np.pi * waves * x[:, 0]) if waves else x[:, 0] - 0.5 + rng("noise").normal(size=800)
    clf = BLClassifier(random_state=0, average=False, n_restarts=1).fit(x, np.where(told > 0, "up", "down"))
    ramps = [feature for feature in clf.network_.basis.x_functions if isinstance(feature, Ramp)]
    assert len(ramps) + 1 in knots


@pytest.mark.parametrize("fails", [(), (0,), (2,), (1, 2)])
def test_a_pilot_that_fails_is_left_out(fails, monkeypatch):
    def learned(chosen, task, random, kinds):
        assert (chosen.average, chosen.n_restarts.n) == (False, 1)
        ((number,),) = (kind.values() for kind in kinds)
        if number in fails:
            raise ConvergenceError("no finite loss")
        return SimpleNamespace(model=SimpleNamespace(gibbs=lambda: number))

    monkeypatch.setattr(learning, "learned", learned)
    monkeypatch.setattr(learning, "by_rows", lambda function, pilot, rows: np.linspace(0, 0.1, 50) + pilot)
    monkeypatch.setattr(
        learning, "level_with_best", lambda told, *rows: [n for n in range(3) if np.isfinite(told[n, 0])]
    )
    encoded = SimpleNamespace(x=np.zeros((50, 1)), y=np.zeros((50, 1)), weight=None)
    task = learning.Task(*[None] * len(learning.Task._fields))
    rows = learning.ReadRows(None, np.zeros(50), None)
    task = task._replace(rows=rows, encoded=encoded, held_out=np.arange(50), keep=False)
    kinds, chosen = [{"basis": number} for number in range(3)], SimpleNamespace(average=True)
    assert learning.chosen_by_pilots(kinds, chosen, task, np.random.RandomState(0)) == (
        [kind for kind in kinds if kind["basis"] not in fails],
        task,
    )


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_warm_start_has_the_dropout_that_pilots_chose(share, monkeypatch):
    monkeypatch.setattr(structure, "KINDS", {**structure.KINDS, True: ((16, share),)})
    x = rng("warm").normal(size=(700, 2))
    y = np.where(x.sum(axis=1) + rng("noise").normal(size=700) > 0, "up", "down")
    clf = BLClassifier(random_state=0, average=True, n_restarts=2, max_epochs=2, warm_start=True).fit(x, y)
    monkeypatch.undo()
    assert clf.fit(x, y).model_.recipe.settings.penalty.dropout == share


def test_what_is_stated_of_an_average_stays():
    stated = {"layers": (2,), "basis": "affine", "optimizer": "lbfgs", "penalty": bl.Penalty(l2=3.0), "max_epochs": 7}
    stated |= {"n_restarts": 4}
    estimator = BLClassifier(average=True, **stated)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    assert vars(by_curves(chosen, estimator, 700, 20, labels=True)) == vars(chosen)


def test_tables_of_many_columns_draw_no_curves():
    estimator = BLClassifier(average=True)
    chosen = by_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, 700, 500, labels=True)
    assert (chosen.basis, chosen.penalty.dropout) == ("auto", 0)


@pytest.mark.parametrize("options", [{"layers": (2, 1)}, {"optimizer": "lbfgs"}, {"basis": bl.Spline()}])
def test_few_blocks_full_batches_and_stated_curves_leave_no_block_out(options):
    estimator = BLClassifier(average=True, **options)
    chosen = by_curves(SimpleNamespace(**checked_parameters(estimator)), estimator, 3_000, 5, labels=True)
    kinds = kinds_of_curves(chosen, estimator, 3_000, 400, labels=True)
    assert {kind.get("penalty", chosen.penalty).dropout for kind in kinds} == {0}


def test_an_average_of_few_rows_has_the_networks_of_a_single_fit():
    estimator = BLClassifier(average=True)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    assert by_curves(chosen, estimator, 499, 5, labels=True) is chosen


@pytest.mark.parametrize(
    ("options", "basis"),
    [({}, bl.Spline(knots=8, straight=True)), ({"identifiable": True}, "auto"), ({"degrees": ((2,), (), ())}, "auto")],
)
def test_networks_of_an_average_of_a_number_draw_curves_unless_products_are_asked_for(options, basis):
    estimator = bl.BLRegressor(average=True, **options)
    chosen = SimpleNamespace(**checked_parameters(estimator))
    found = by_curves(chosen, estimator, 700, 20, labels=False)
    assert (found.basis, found.layers, found.penalty, found.n_restarts.n) == (basis, None, bl.Penalty(l2=3.0), 8)
    larger = by_curves(chosen, estimator, 5_000, 20, labels=False)
    assert larger.penalty == bl.Penalty(l2=2.0, dropout=0.0 if basis == "auto" else 0.1)
    single = SimpleNamespace(**vars(chosen) | {"average": False})
    assert by_curves(single, estimator, 700, 20, labels=False).penalty == chosen.penalty
    assert found.optimizer == bl.Adam(learning_rate=0.02, batch_size=64, schedule="cosine")
    assert by_curves(chosen, estimator, 249, 20, labels=False) is chosen
