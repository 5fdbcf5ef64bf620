"""Curves are the functions they describe."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline as ScipyBSpline

from behavior_learning.core.bases import fourier_basis, spline_basis
from tests.conftest import rng

COLUMNS = 3


def training_rows():
    x = rng("training").normal(size=(60, COLUMNS))
    x[:, 2] = np.arange(60) % 2
    return x


def knots_of(basis, column):
    ramps = [ramp for ramp in basis.x_functions if getattr(ramp, "column", None) == column]
    return [ramps[0].low, *(ramp.high for ramp in ramps)]


def test_knots_are_quantiles_of_rows_where_all_differ():
    x = np.random.default_rng(0).permutation(np.arange(101.0))[:, None]
    assert knots_of(spline_basis(x, 0, knots=6), 0) == [0, 20, 40, 60, 80, 100]


def test_a_value_of_most_rows_leaves_half_of_the_knots_to_others():
    x = np.concatenate([np.zeros(900), 1 + np.arange(100.0)])[:, None]
    assert len(knots_of(spline_basis(x, 0, knots=20), 0)) > 10


@pytest.mark.parametrize(("rows_per_value", "knots"), [(100, 12), (99, 5)])
def test_values_of_many_rows_each_are_knots(rows_per_value, knots):
    x = np.repeat(np.arange(12.0), rows_per_value)[:, None]
    assert len(knots_of(spline_basis(x, 0, knots=5), 0)) == knots


def test_straight_columns_stand_beside_their_curves():
    names = spline_basis(training_rows(), 1, knots=3, straight=True).names("abc", "y")
    assert [name[:6] for name in names[:3]] == ["c", "clip(a", "clip(b"]
    assert names[3:] == spline_basis(training_rows(), 1, knots=3).names("abc", "y")[1:]


@pytest.mark.parametrize(("rows", "ends"), [(np.arange(2001.0), (1, 1999)), ([0.0] * 4998 + [-1.0, 7.0], (-1, 7))])
def test_a_straight_column_is_level_beyond_the_bulk_of_the_rows(rows, ends):
    basis = spline_basis(np.array(rows)[:, None], 0, knots=3, straight=True)
    at = np.linspace(-2000, 2000, 9)
    np.testing.assert_allclose(np.asarray(basis.x_maps[1](jnp.asarray(at[:, None])))[:, 0], np.clip(at, *ends))


@pytest.mark.usefixtures("float64")
class TestCurves:
    def test_ramps_sum_to_the_share_of_knots_below(self):
        x = training_rows()
        basis = spline_basis(x, 1, knots=6)
        knots = knots_of(basis, 0)
        z = np.linspace(-4, 4, 50)
        values = np.asarray(basis.x_maps[1](jnp.asarray(np.stack([z, z, z], axis=1))))[:, :5]
        np.testing.assert_allclose(values.sum(axis=1), np.interp(z, knots, np.arange(6)), atol=1e-12)

    def test_weighted_ramps_interpolate_any_values_at_the_knots(self):
        x = training_rows()
        basis = spline_basis(x, 1, knots=6)
        knots, heights = knots_of(basis, 1), rng("heights").normal(size=6)
        z = np.linspace(-4, 4, 50)
        ramps = np.asarray(basis.x_maps[1](jnp.asarray(np.stack([z, z, z], axis=1))))[:, 5:]
        np.testing.assert_allclose(heights[0] + ramps @ np.diff(heights), np.interp(z, knots, heights), atol=1e-12)

    def test_bsplines_equal_scipy_and_are_constant_beyond_the_ends(self):
        x = training_rows()
        curves = [c for c in spline_basis(x, 1, knots=6, degree=3).x_functions if getattr(c, "knots", None)]
        z = np.linspace(x[:, 0].min() - 1, x[:, 0].max() + 1, 40)
        values = np.asarray(spline_basis(x, 1, knots=6, degree=3).x_maps[1](jnp.asarray(np.stack([z] * 3, axis=1))))
        for position, curve in enumerate(curves):
            if curve.column == 0:
                inside = np.clip(z, curve.low, np.nextafter(curve.high, curve.low))
                expected = ScipyBSpline.basis_element(curve.knots, extrapolate=False)(inside)
                np.testing.assert_allclose(values[:, position], np.nan_to_num(expected), atol=1e-9)

    def test_bsplines_with_the_dropped_first_one_sum_to_one(self):
        x = training_rows()
        basis = spline_basis(x, 1, knots=5, degree=3)
        column = np.array([curve.column for curve in basis.x_maps[1].functions])
        z = np.quantile(x[:, 0], np.linspace(0.3, 0.95, 20))
        values = np.asarray(basis.x_maps[1](jnp.asarray(np.stack([z] * 3, axis=1))))[:, column == 0]
        knots = basis.x_maps[1].functions[0].knots
        first = ScipyBSpline.basis_element((knots[0],) * 4 + (knots[3],), extrapolate=False)(z)
        np.testing.assert_allclose(values.sum(axis=1) + np.nan_to_num(first), 1.0, atol=1e-9)

    @pytest.mark.parametrize("frequency", [1, 2, 3])
    def test_waves_are_half_periods_over_the_training_range(self, frequency):
        x = training_rows()
        basis = fourier_basis(x, 1, frequencies=3)
        waves = basis.x_maps[1].functions
        sine = next(
            i for i, w in enumerate(waves) if w.column == 0 and w.function == "sin" and w.frequency == frequency
        )
        z = rng("z").normal(size=(7, COLUMNS))
        u = (z[:, 0] - x[:, 0].min()) / np.ptp(x[:, 0])
        values = np.asarray(basis.x_maps[1](jnp.asarray(z)))
        np.testing.assert_allclose(values[:, sine], np.sin(np.pi * frequency * u), atol=1e-9)
        np.testing.assert_allclose(values[:, sine + 1], np.cos(np.pi * frequency * u), atol=1e-9)

    def test_two_valued_columns_have_no_curves(self):
        for basis in (spline_basis(training_rows(), 1, knots=4), fourier_basis(training_rows(), 1, frequencies=2)):
            assert all(function.column != 2 for function in basis.x_maps[1].functions)

    @pytest.mark.parametrize("degree", [1, 3])
    def test_renaming_in_other_units_is_the_same_function(self, degree):
        x = training_rows()
        center, scale = 5.0, 3.0
        here = spline_basis(x, 0, knots=5, degree=degree).x_maps[1]
        there = type(here)(tuple(curve.rescaled(center, scale) for curve in here.functions))
        z = rng("units").normal(size=(9, COLUMNS))
        np.testing.assert_allclose(here(jnp.asarray(z)), there(jnp.asarray(center + scale * z)), atol=1e-9)
