"""Effects: closed forms, finite differences, and sums that must add up to the utility."""

from functools import cache

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.bases import polynomial_basis, spline_basis
from behavior_learning.core.block import Weight
from behavior_learning.core.network import Architecture, BehaviorNetwork, with_weights
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.effects import compute_effects
from tests import oracle
from tests.conftest import rng
from tests.fitted import amounts, mixed, quick

SMOOTH = ("tanh", "softplus", "square")
AXES = (
    Axis("rooms", (0,), ("rooms",), center=6.0, scale=0.5, missing=1),
    Axis("job", (2, 3, 4), ("job[a]", "job[b]", "job[c]"), ("a", "b", "c")),
    Axis("price", (5,), ("price",), center=20.0, scale=4.0),
)
ROWS = 40


def encoded():
    generator = rng("effects")
    gap = (np.arange(ROWS) % 8 == 0).astype(float)
    job = np.eye(3)[generator.integers(3, size=ROWS)]
    x = np.concatenate([((1 - gap) * generator.normal(size=ROWS))[:, None], gap[:, None], job], axis=1)
    return x, generator.normal(size=(ROWS, 1))


@cache
def network(skip=None, layers=(3, 2), output="scalar", heads=SMOOTH, seed=0):
    made = Architecture(
        layers, rows=(1, 2, 1), heads=heads, skip=skip, output=output, readout="free", readout_bias=True
    )
    basis = polynomial_basis(5, 0 if output == "vector" else 1, degree=2)
    response = 4 if output == "vector" else 1
    drawn = BehaviorNetwork.random(rng("network", seed), made, features=5, response=response, basis=basis)
    generator = rng("readout", seed)
    spread = lambda weight: Weight(weight.raw + generator.normal(scale=0.3, size=weight.raw.shape), weight.rule)
    return with_weights(drawn, [spread(weight) for weight in drawn.weights])


@cache
def computed(skip=None, output="scalar", heads=SMOOTH):
    x, y = encoded()
    outputs = ("w", "x", "y", "z") if output == "vector" else ("utility",)
    axes = AXES[:2] if output == "vector" else AXES
    y = np.eye(4)[np.arange(ROWS) % 4] if output == "vector" else y
    return compute_effects(network(skip, output=output, heads=heads), axes, x, y, outputs=outputs)


def by_hand():
    """BL = 2·tanh(0.5 a + b) − 3·max(0, a − b) − 0.5·b² with a = (rooms − 6)/0.5 and b = (price − 20)/4."""
    made = Architecture((1,), heads=("tanh", "relu", "square"), readout="identity")
    blank = BehaviorNetwork.random(np.random.default_rng(0), made, features=1, response=1)
    numbers = [[[[0.5, 1.0]]], [[0.0]], [[2.0]], [[[1.0, -1.0]]], [[0.0]], [[3.0]], [[[0.0, 1.0]]], [[0.0]], [[0.5]]]
    pairs = zip(blank.weights, numbers, strict=True)
    weights = [Weight.from_value(np.array(value), weight.rule) for weight, value in pairs]
    axes = [Axis("rooms", (0,), ("rooms",), center=6.0, scale=0.5), Axis("price", (1,), ("price",), (), 20.0, 4.0)]
    a, b = np.array([0.3, -1.0, 2.0]), np.array([0.1, 0.5, -0.7])
    return compute_effects(with_weights(blank, weights), axes, a[:, None], b[:, None], tolerance=0.0), a, b


def test_marginal_utility_in_closed_form():
    found, a, b = by_hand()
    slope, over = 2 / np.cosh(0.5 * a + b) ** 2, a > b
    np.testing.assert_allclose(found.marginal_rows["rooms"], (0.5 * slope - 3 * over) / 0.5, rtol=1e-6)
    np.testing.assert_allclose(found.marginal_rows["price"], (slope + 3 * over - b) / 4, rtol=1e-6)
    mean = found.marginal_rows["price"].mean()
    assert found.marginal.loc["price", "mean"] == pytest.approx(mean)
    assert found.marginal.loc["price", "strength"] == pytest.approx(
        found.marginal_rows["price"].abs().mean() * 4 * b.std()
    )


def test_constraints_bind_in_closed_form():
    found, a, b = by_hand()
    assert found.binding.loc[("block1.1", "inequality", 1), "share"] == pytest.approx(2 / 3)
    penalty = 3 * np.maximum(0, a - b).mean()
    assert found.binding.loc[("block1.1", "inequality", 1), "penalty"] == pytest.approx(penalty, rel=1e-6)
    assert found.binding.loc[("block1.1", "equality", 1), "share"] == 1.0
    assert found.binding.loc[("block1.1", "equality", 1), "penalty"] == pytest.approx(0.5 * (b**2).mean(), rel=1e-6)


def test_heads_contribute_in_closed_form():
    found, a, b = by_hand()
    parts = found.contributions["block1.1"]
    np.testing.assert_allclose(parts["utility"], 2 * np.tanh(0.5 * a + b), rtol=1e-6)
    np.testing.assert_allclose(parts["inequality"], -3 * np.maximum(0, a - b), rtol=1e-6)
    np.testing.assert_allclose(parts["equality"], -0.5 * b**2, rtol=1e-6)


@pytest.mark.parametrize("skip", [None, "residual"])
def test_contributions_add_up_to_the_utility(skip):
    found, (x, y), drawn = computed(skip), encoded(), oracle.arrays(network(skip))
    utility = oracle.utility(network(skip), x, y[:, None])
    np.testing.assert_allclose(found.utility, utility, atol=1e-9)
    np.testing.assert_allclose(found.contributions.sum(axis=1), utility[:, 0], atol=1e-9)
    own = found.block_contributions.T.groupby(level="block").sum().T
    for row in range(ROWS):
        for number, layer in enumerate(oracle.block_values(drawn, oracle.terms(drawn, x[row], y[row])), start=1):
            names = [f"block{number}.{block}" for block in range(1, len(layer) + 1)]
            np.testing.assert_allclose(own.loc[row, names], layer, atol=1e-9)


def test_contributions_to_every_class_add_up():
    found = computed(output="vector")
    sums = found.contributions.T.groupby(level="output").sum().T
    np.testing.assert_allclose(sums[list(found.utility.columns)], found.utility, atol=1e-9)


@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_marginal_utility_is_the_slope(output):
    found, step = computed(output=output), 1e-5
    land = found.landscape
    for axis in (axis for axis in land.axes if not axis.levels):
        values = np.where(axis.absent(land.z), axis.center, axis.values(land.z))
        up, down = (land.utility(axis.at(land.z, values + sign * step)) for sign in (1, -1))
        slope = np.where(axis.absent(land.z)[:, None], np.nan, (up - down) / (2 * step))
        rows = found.marginal_rows
        marginal = rows.xs(axis.name, axis=1, level="variable") if output == "vector" else rows[[axis.name]]
        np.testing.assert_allclose(marginal, slope, rtol=1e-6, atol=1e-8)


def test_levels_and_gaps_are_differences_of_utility():
    found = computed()
    land, job = found.landscape, AXES[1]
    at = lambda level: land.utility(job.at(land.z, [level] * ROWS))[:, 0]
    np.testing.assert_allclose(found.marginal_rows["job[c]"], at("c") - at("a"), atol=1e-12)
    assert "job[a]" not in found.marginal_rows
    assert found.changes["job[c]"] == "instead of job[a]"
    known = AXES[0].at(land.z, np.full(ROWS, 6.0))
    gone = known.copy()
    gone[:, 1] = 1.0
    difference = (land.utility(gone) - land.utility(known))[:, 0]
    np.testing.assert_allclose(found.marginal_rows["rooms[missing]"], difference, atol=1e-12)


def test_equality_binds_beyond_its_tolerance():
    x, y = encoded()
    shares = [
        compute_effects(network(), AXES, x, y, tolerance=tolerance).binding.xs("equality", level="head")["share"]
        for tolerance in (0.0, 0.5, 50.0)
    ]
    assert (shares[0] == 1).all()
    assert (shares[1] < 1).all()
    assert (shares[2] == 0).all()


def test_curve_and_surface_are_the_utility():
    found, job, rooms = computed(), AXES[1], AXES[0]
    land, base = found.landscape, found.landscape.reference(3)
    np.testing.assert_array_equal(base[0], land.z[3])
    curve = found.curve("rooms", reference=3, grid=[5.0, 7.0])
    direct = land.utility(rooms.at(np.repeat(base, 2, axis=0), [5.0, 7.0]))
    np.testing.assert_array_equal(curve, direct)
    surface = found.surface("rooms", "job", reference=3, points=4)
    at_c = found.curve("rooms", grid=surface.first, reference=3)
    levels = [found.curve("rooms", grid=surface.first, reference=3) for _ in job.levels]
    assert surface.utility.shape == surface.interaction.shape == (4, len(levels))
    own = job.values(base)[0]
    np.testing.assert_allclose(surface.utility[:, job.levels.index(own)], at_c["utility"], atol=1e-12)
    np.testing.assert_allclose(surface.interaction[:, job.levels.index(own)], 0.0, atol=1e-12)
    assert np.abs(surface.interaction).max() > 1e-3


def test_interaction_vanishes_where_the_utility_is_a_sum():
    made = Architecture((1,), heads=("identity", None, None))
    plain = BehaviorNetwork.random(rng("sum"), made, features=5, response=1)
    surface = compute_effects(plain, AXES, *encoded()).surface("rooms", "price", points=5)
    np.testing.assert_allclose(surface.interaction, 0.0, atol=1e-12)


def test_curve_of_a_spline_is_its_terms():
    generator = rng("spline")
    x, y = generator.normal(size=(60, 2)), generator.normal(size=(60, 1))
    basis, made = spline_basis(x, 1, knots=5), Architecture((2,))
    drawn = BehaviorNetwork.random(generator, made, features=2, response=1, basis=basis)
    axes = [Axis("a", (0,), ("a",), (), 10.0, 2.0), Axis("b", (1,), ("b",)), Axis("c", (2,), ("c",))]
    values = np.linspace(7.0, 13.0, 5)
    found = compute_effects(drawn, axes, x, y).terms("a", reference=0, grid=values)
    own = [t for t, (function, _) in enumerate(basis.terms) if getattr(function, "column", None) == 0]
    ramp = lambda f, z: np.clip((z - f.low) / (f.high - f.low), 0, 1)
    ramps = np.array([[ramp(basis.terms[t][0], z) for t in own] for z in [*((values - 10) / 2), x[0, 0]]])
    curve = ramps @ np.asarray(drawn.layers[0].heads["inequality"].coef.value, float)[1, 0, own]
    np.testing.assert_allclose(found["block1.2", "inequality", 1], curve[:-1] - curve[-1], atol=1e-7)


@cache
def fit_of_mixed():
    return quick(bl.BLRegressor, layers=(1,), n_restarts=1).fit(mixed(), amounts(mixed()))


def test_effects_of_a_fit_are_in_the_users_names_and_units():
    model, X, y = fit_of_mixed(), mixed(), amounts(mixed())
    found = model.effects()
    np.testing.assert_allclose(found.utility["utility"], model.utility(X, y), atol=1e-5)
    names = {"age", "income", "owner", "age[missing]", "job[nurse]", "job[teacher]", "spend"}
    assert names == set(found.marginal.index)
    assert found.marginal["share_positive"].between(0, 1).all()
    np.testing.assert_allclose(found.marginal_rows["age"].isna(), X["age"].isna())
    ages = found.curve("age").index
    assert (ages.min(), ages.max()) == pytest.approx((X["age"].min(), X["age"].max()))
    np.testing.assert_allclose(model.effects(X.head(5), y.head(5)).utility, found.utility.head(5), atol=1e-12)


def test_rows_that_all_lack_a_number_have_curves_of_the_others():
    found = fit_of_mixed().effects(mixed().assign(age=np.nan).head(3), amounts(mixed()).head(3))
    assert np.isfinite(found.curve("income", points=3)).all(axis=None)
    assert found.marginal["strength"].isna().tolist() == [name == "age" for name in found.marginal.index]
    with pytest.raises(OptionError, match="'age' is missing in all of the rows"):
        found.curve("age")


def test_linear_classes_have_constant_effects():
    made = Architecture((3,), heads=("identity", None, None), output="vector", readout="free")
    linear = BehaviorNetwork.random(rng("linear"), made, features=5, response=2)
    (x, _), layer = encoded(), linear.layers[0].heads["utility"]
    found = compute_effects(linear, AXES[:2], x, np.eye(2)[np.zeros(ROWS, int)], outputs=("stay", "go"))
    parts = [np.asarray(w.value, float) for w in (linear.readout.weight, layer.multiplier, layer.coef)]
    slopes = np.einsum("ob,br,bri->oi", *parts)
    expected = {"rooms": slopes[:, 0] / 0.5, "job[c]": slopes[:, 4] - slopes[:, 2]}
    for name, values in expected.items():
        rows = found.marginal.xs(name, level="variable")
        np.testing.assert_allclose(rows.loc[["stay", "go"], "mean"], values, rtol=1e-5)
        assert rows["sd"].max() < 1e-9


@pytest.mark.slow
def test_density_has_effects_of_its_columns():
    Y = rng("density effects").normal(size=(60, 2))
    options = {"layers": (1,), "objective": "score_matching", "max_epochs": 25, "n_restarts": 1, "random_state": 0}
    density = bl.BLDensity(**options).fit(Y)
    found = density.effects()
    assert found.marginal.index.tolist() == ["y1", "y2"]
    np.testing.assert_allclose(found.utility["utility"], density.utility(Y), atol=1e-5)
    np.testing.assert_allclose(density.effects(Y[:7]).utility, found.utility.head(7), atol=1e-12)


def test_bad_questions_are_refused(tmp_path):
    found = computed()
    with pytest.raises(OptionError, match=r"no variable 'size'\. Variables: rooms, job, price"):
        found.curve("size")
    with pytest.raises(OptionError, match=r"'job' has no level 'd'\. Levels: 'a', 'b', 'c'"):
        found.curve("job", grid=["d"])
    with pytest.raises(OptionError, match="needs two variables; got 'job' twice"):
        found.surface("job", "job")
    for reference in (40, -1, 1.5, True, "a"):
        with pytest.raises(OptionError, match=f"position of one of 40 rows; got {reference!r}"):
            found.curve("rooms", reference=reference)
    for points in (0, -1, 2.5, "a"):
        with pytest.raises(OptionError, match="points must be a whole number of at least 1"):
            found.surface("rooms", "job", points=points)
    for grid in ([], 3, "abc", ["a"], [np.nan], [np.inf], [[1.0, 2.0]]):
        with pytest.raises(OptionError, match="grid must be a list of finite numbers of 'rooms'"):
            found.terms("rooms", grid=grid)
    with pytest.raises(OptionError, match="grid must be a list of levels of 'job'"):
        found.curve("job", grid="a")
    model = fit_of_mixed()
    with pytest.raises(OptionError, match="tolerance must be a number at least 0"):
        model.effects(tolerance=-1)
    model.save(tmp_path / "model.bl")
    with pytest.raises(DataError, match=r"Pass X and y to effects\(\)"):
        bl.load(tmp_path / "model.bl").effects()
