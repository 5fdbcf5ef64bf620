"""Claims about scores of probabilities, beside sums written out and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from behavior_learning.errors import DataError
from behavior_learning.metrics import brier_score, calibration_error, out_of_distribution
from tests.conftest import rng

LABELS = np.array(["a", "b", "c"])


def drawn(rows=400):
    generator = rng("metrics")
    p = generator.dirichlet(np.ones(3), rows)
    return p, LABELS[(p.cumsum(axis=1) < generator.uniform(size=(rows, 1))).sum(axis=1)]


def test_calibration_error_is_the_sum_over_bins_of_gaps_weighted_by_rows():
    p, y = drawn()
    sure, right, total = p.max(axis=1), LABELS[p.argmax(axis=1)] == y, 0.0
    for low in np.arange(10) / 10:
        own = (sure >= low) & (sure < low + 0.1)
        total += own.mean() * abs(right[own].mean() - sure[own].mean()) if own.any() else 0.0
    assert calibration_error(y, p, bins=10) == pytest.approx(total)


def test_calibration_error_vanishes_where_frequencies_are_the_probabilities():
    p = np.tile([0.75, 0.25], (8, 1))
    assert calibration_error(np.repeat(["no", "yes"], [6, 2]), p) == pytest.approx(0.0)
    assert calibration_error(np.repeat(["no", "yes"], [2, 6]), p) == pytest.approx(0.5)


def test_brier_score_of_two_classes_is_twice_that_of_one():
    p = drawn()[0][:, 0]
    y = (rng("two").uniform(size=len(p)) < p).astype(int)
    assert brier_score(y, np.column_stack([1 - p, p])) == pytest.approx(2 * brier_score_loss(y, p))


def test_classes_that_no_row_has_keep_their_columns():
    p, y = drawn()
    own = y != "c"
    few = p[own] * [1, 1, 0] / p[own][:, :2].sum(axis=1)[:, None]
    assert brier_score(y[own], few, LABELS) == pytest.approx(brier_score(y[own], few[:, :2]))


def test_strange_rows_are_found_by_larger_scores():
    generator = rng("strange")
    inside, outside = generator.normal(size=500), 2 + generator.normal(size=300)
    found = out_of_distribution(inside, outside)
    assert found["AUROC"] == pytest.approx((inside[:, None] < outside).mean())
    assert found["FPR at 95 % TPR"] == pytest.approx((inside >= np.sort(outside)[15]).mean(), abs=0.01)
    assert found["AUPR outside"] > 300 / 800
    swapped = out_of_distribution(-outside, -inside)
    assert swapped["AUPR outside"] == pytest.approx(found["AUPR inside"])
    assert (out_of_distribution([0.0, 1.0], [2.0, 3.0]) == [1, 1, 1, 0]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((["a", "b"], [[0.5, 0.5]]), r"a row for each of 2 labels .* got the shape \(1, 2\)"),
        ((["a", "z"], [[0.5, 0.5], [1, 0]], ["a", "b"]), "'z', which is no class"),
        ((["a", "b"], [[0.5, 0.6], [1, 0]]), "sum to one"),
        ((["a", "b"], [[np.nan, 0.5], [1, 0]]), "sum to one"),
    ],
)
def test_probabilities_that_are_none_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        calibration_error(*given)


def test_scores_that_are_none_are_refused():
    with pytest.raises(DataError, match="outside must be one finite score"):
        out_of_distribution([1.0], [])
    with pytest.raises(DataError, match="inside must be one finite score"):
        out_of_distribution([np.nan], [1.0])
