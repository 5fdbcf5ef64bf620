"""Claims about numbers with outliers, heavy tails and atoms: the density lives where the data live."""

import warnings

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.errors import AtomWarning, FewValuesWarning, OutlierWarning
from behavior_learning.responses.numbers import default_support
from tests.conftest import rng


@pytest.fixture(scope="module")
def tailed():
    """A response learned from Gaussian values with two outliers."""
    values = np.append(rng("tails").normal(10.0, 2.0, 500), [1e6, -400.0])
    with pytest.warns(OutlierWarning, match=r"2 of 502 values of 'y' lie far outside the others, one at 1e\+06"):
        return bl.Numbers().learn(values, np.arange(502))


def test_outliers_leave_center_and_scale_to_the_others(tailed):
    assert tailed.center == pytest.approx(10.0, abs=0.3)
    assert tailed.scale == pytest.approx(2.0, rel=0.1)


def test_support_goes_on_beyond_the_furthest_values(tailed):
    lower, upper = tailed.ends()
    assert lower < -1e3
    assert upper > 5e6
    assert tailed.space().contains(tailed.encode(np.array([2e6, -1e3]))).all()


@pytest.mark.parametrize(("values", "floor"), [(np.r_[-1.0, 2.0, 9.0], None), (np.r_[0.0, 0.1, 0.2, 9.0], 0.0)])
def test_few_rows_leave_no_end_near_them_but_a_floor_at_zero(values, floor):
    few = bl.Numbers().learn(values, np.arange(len(values)))
    low, high = default_support(values)
    ends = few.center + 10 * (np.array([low, high]) - few.center)
    np.testing.assert_allclose(few.ends(), [ends[0] if floor is None else floor, ends[1]])
    inside, knee, far = np.linspace(low, high, 9), (high - few.center) / few.scale, np.linspace(high, few.upper, 9)
    np.testing.assert_allclose(few.encode(inside, float), (inside - few.center) / few.scale, atol=1e-12)
    np.testing.assert_allclose(few.encode(far, float), knee * (1 + np.log((far - few.center) / (high - few.center))))
    assert few.space().contains(few.encode(np.array([low, high, few.upper - 1e-3]))).all()


def test_encoding_is_affine_in_the_bulk_and_comes_back_everywhere(tailed):
    bulk = np.linspace(tailed.low, tailed.high, 50)
    np.testing.assert_allclose(tailed.encode(bulk, float), (bulk - tailed.center) / tailed.scale, atol=1e-12)
    wide = np.array([-5e3, -400.0, 0.0, 10.0, 60.0, 1e4, 1e6])
    np.testing.assert_allclose(tailed.restore(tailed.encode(wide, float)), wide, rtol=1e-9)
    assert (np.diff(tailed.encode(wide, float)) > 0).all()


def test_log_units_are_the_logarithm_of_the_slope(tailed):
    wide = np.array([-400.0, 3.0, 10.0, 60.0, 1e4])
    step = 1e-4
    slope = (tailed.encode(wide + step, float) - tailed.encode(wide - step, float)) / (2 * step)
    np.testing.assert_allclose(tailed.log_units(tailed.encode(wide, float)), -np.log(slope), rtol=1e-5)


def test_printed_variable_reads_what_the_model_sees(tailed):
    (variable,) = tailed.variables
    wide = np.array([-400.0, 3.0, 10.0, 60.0, 1e4])
    read = (variable.source.read(wide) - variable.center) / variable.scale
    np.testing.assert_allclose(read, tailed.encode(wide, float), rtol=1e-9)


def test_gaussian_values_and_stated_supports_have_no_tails():
    values = rng("no tails").normal(size=2000)
    assert bl.Numbers().learn(values, np.arange(2000)).affine
    stated = bl.Numbers(support=(-1e3, 1e3)).learn(np.append(values, 900.0), np.arange(2001))
    assert stated.affine
    assert stated.ends() == (-1e3, 1e3)


@pytest.mark.parametrize(
    ("values", "lower"),
    [
        (np.arange(100.0) ** 2, 0.0),
        (np.maximum(rng("zeros").normal(size=200), 0.0), 0.0),
        (50 + rng("far").normal(size=200), None),
        (rng("both").normal(size=200), None),
    ],
    ids=["skewed", "zeros", "far from 0", "both signs"],
)
def test_support_ends_at_zero_where_values_pile_up_there(values, lower):
    assert default_support(values)[0] == (values.min() - 0.5 * np.ptp(values) if lower is None else lower)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.maximum(rng("floor").normal(size=200), 0.0), r"\d\d% of the rows have y = 0.*bl\.Censored\(lower=0\)"),
        (np.minimum(rng("cap").normal(size=200), 1.0), r"\d\d% of the rows have y = 1.*bl\.Censored\(upper=1\)"),
        (np.round(rng("round").normal(size=400), 1) * 0.5, r"% of the rows have y = .*where a density says nothing"),
    ],
    ids=["floor", "cap", "rounded"],
)
def test_atoms_are_named_with_the_way_out(values, message):
    if "rounded" in message or "says nothing" in message:
        values = np.append(values, np.full(60, values[0]))
    with pytest.warns(AtomWarning, match=message):
        bl.Numbers().read(values, len(values))


@pytest.mark.parametrize(
    ("values", "few"),
    [
        (np.repeat([0.5, 1.5, 2.5, 3.5, 4.5], 10), True),
        (np.repeat([0.5, 1.5, 2.5, 3.5, 4.5], 9), False),
        (np.repeat([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], 20), False),
        (np.full(50, 2.5), False),
        (np.repeat(np.arange(30.0), 3), True),
        (np.repeat(np.arange(30.0), 2), False),
        (np.repeat(np.arange(31.0), 3), False),
        (np.repeat(np.arange(2.0, 32.0), 3), False),
        (np.repeat(np.arange(30.0) + 0.5, 3), False),
        (np.repeat(np.append(np.arange(29.0), 59.0), 3), True),
        (np.repeat(np.append(np.arange(29.0), 60.0), 3), False),
    ],
)
def test_few_values_are_warned_of_where_they_look_like_classes_or_counts_and_nowhere_else(values, few):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        bl.Numbers().read(values, len(values))
    assert (FewValuesWarning in [warning.category for warning in said]) == few


def test_values_that_all_differ_have_no_atoms():
    bl.Numbers().read(rng("plain").normal(size=200), 200)
