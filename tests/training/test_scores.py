"""Claims about what scores say of curvature."""

import numpy as np
import pytest

from behavior_learning.training.scores import inverse_curvature
from tests.conftest import rng


def test_inverse_curvature_is_the_inverse_of_the_hessian_of_a_gaussian_likelihood():
    x, noise = rng("scores").normal(size=(20_000, 3)), rng("noise").normal(size=20_000)
    scores = -noise[:, None] * x  # Of ½(y − xᵀθ)² at the truth, whose Hessian is the mean of x·xᵀ.
    hessian = x.T @ x / len(x)
    assert inverse_curvature(scores, ridge=0.0) @ hessian == pytest.approx(np.eye(3), abs=0.06)


def test_directions_without_information_are_bounded():
    assert np.isfinite(inverse_curvature(np.outer(rng("scores").normal(size=50), [1.0, 0.0, -2.0]), ridge=0.0)).all()
